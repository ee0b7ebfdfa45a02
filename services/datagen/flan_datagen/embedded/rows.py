"""From a maker of rows to the frame of one dataset, part and split.

A maker is a generator: asked for one case it yields one row, or several that belong together. Cases are
dealt in shuffled rounds, so every class has the same number of rows, in any stretch of whole rounds too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from flan_datagen.embedded.draw import Draw

Row = dict[str, Any]

TRAIN_ROWS = 1704
OTHER_ROWS = 204
ROUND = 12
"""The numbers of rows are multiples of it, so that 2, 3, 4, 6 or 12 cases come out even."""
_MAX_REPEATS = 5_000


@dataclass(frozen=True)
class Turn:
    """What a maker is asked for.

    Attributes:
      draw: the source of every choice.
      case: in [0, cases) of the dataset; says the class, and what else is to be even.
      number: the row's index in the split.
      part: of the dataset, "" where it has none.
      split: "train", "validation" or "test".
    """

    draw: Draw
    case: int
    number: int
    part: str
    split: str


@dataclass(frozen=True)
class Dataset:
    """One dataset of the corpus.

    Attributes:
      make: yields the rows of a turn, as mappings with the names of `columns`.
      columns: the source columns with their types, as on the Hub.
      operations: what a reader must be able to do; `embedded.operations` has the table.
      cases: how many cases are dealt evenly.
      labels: columns that only number the row; two rows that differ in nothing else are one.
    """

    make: Callable[[Turn], Iterator[Row]]
    columns: Mapping[str, Any]
    operations: tuple[str, ...]
    cases: int = 1
    labels: tuple[str, ...] = field(default=())

    def frame(
        self, *, seed: int, name: str, part: str, split: str, num_rows: int, exhaust: bool = False
    ) -> pl.DataFrame:
        """The first `num_rows` rows of a split, no two alike.

        Args:
          exhaust: give what there is where the maker has fewer different rows.

        Raises:
          RuntimeError: it has fewer, and `exhaust` is false: a defect of the maker.
        """
        draw = Draw(seed, name, part, split=split)
        compared = [column for column in self.columns if column not in self.labels]
        rows: list[tuple[Any, ...]] = []
        seen: set[str] = set()
        cases: list[int] = []
        repeats = 0
        while len(rows) < num_rows:
            cases = cases or draw.shuffled(range(self.cases))
            made = list(self.make(Turn(draw, cases[-1], len(rows), part, split)))
            keys = [repr([row[column] for column in compared]) for row in made]
            if seen.isdisjoint(keys) and len(set(keys)) == len(keys):
                seen.update(keys)
                rows += [tuple(row[column] for column in self.columns) for row in made]
                cases.pop()
                repeats = 0
            else:
                repeats += 1
                if repeats > _MAX_REPEATS and exhaust:
                    break
                if repeats > _MAX_REPEATS:
                    raise RuntimeError(f"{name} {part} {split}: no new row after {len(rows)}")
        return pl.DataFrame(rows[:num_rows], schema=dict(self.columns), orient="row")
