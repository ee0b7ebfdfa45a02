"""Rows to text, a whole window at once.

All literals of all faces and all field values of all pools stand in one column of texts. A face is then a list of
numbers, and rendering is one gather and one join, whatever the number of datasets and templates:

    texts  1 "So "   2 "?"   3 "red"   4 "blue"       (two literals; a field of two rows begins at 3)
    face   "So {colour}?" = 1, 3 + row, 2             row 1 gives texts 1, 4, 2: "So blue?"

Row by row in Python it cost as much as a fifth of tokenizing; this costs a few hundredths (bench/render.py).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import polars as pl

from flan_datagen import keyed
from flan_datagen.catalog import options_block
from flan_datagen.catalog.template import ANSWER, OPTIONS, Parts
from flan_datagen.face import Face
from flan_datagen.pool import Pool
from flan_datagen.runs import within

EXEMPLAR_SEPARATOR = "\n\n"
"""Between exemplars; a newline stands between an exemplar's inputs and its targets."""

_NOTHING = 0
"""The number of a text that is null, which a join passes over."""
_LITERAL, _ROW, _DRAW = 0, 1, 2
"""What is added to a segment's number: nothing, the row, the place of the draw in the call."""
_MOST_OPTIONS = 2**16
_SHOTS = 2**5
"""More than there are exemplars before any query."""


@dataclasses.dataclass(frozen=True)
class Shelf:
    """A pool and the faces that its rows may have.

    Attributes:
      pool: the rows.
      faces: any faces of the entry.
      shuffled: whether every draw orders its OPTIONS anew.
    """

    pool: Pool
    faces: tuple[Face, ...]
    shuffled: bool = False


@dataclasses.dataclass(frozen=True)
class Rendered:
    """Texts of draws; both String[num_draws]."""

    inputs: pl.Series
    targets: pl.Series


class Renderer:
    """Renders rows of several pools."""

    def __init__(self, shelves: Sequence[Shelf], *, seed: int) -> None:
        """Args:
        shelves: pools with their faces; draws name them by position.
        seed: of the order of OPTIONS where they are shuffled.
        """
        self._shelves = tuple(shelves)
        self._seed = seed
        columns = [_columns(shelf.pool) for shelf in shelves]
        literals: dict[str, int] = {}
        for shelf in shelves:
            for face in shelf.faces:
                for literal, _ in (*face.template.input_parts, *face.template.target_parts):
                    literals.setdefault(literal, len(literals) + 1)
        starts, length = [], len(literals) + 1
        for named in columns:
            starts.append({name: length + i * len(column) for i, (name, column) in enumerate(named.items())})
            length += sum(len(column) for column in named.values())
        self._texts = pl.concat(
            [
                pl.Series("texts", [None, *literals], pl.String),
                *(column.rename("texts") for named in columns for column in named.values()),
            ]
        ).rechunk()
        self._first_face = np.cumsum([0, *(len(shelf.faces) for shelf in shelves)])
        self._inputs = _Script.of(
            [
                _segments(face.template.input_parts, literals, where, length if shelf.shuffled else None)
                for shelf, where in zip(shelves, starts, strict=True)
                for face in shelf.faces
            ]
        )
        self._targets = _Script.of(
            [
                _segments(face.template.target_parts, literals, where, None)
                for shelf, where in zip(shelves, starts, strict=True)
                for face in shelf.faces
            ]
        )

    def render(self, shelf: np.ndarray, face: np.ndarray, row: np.ndarray, number: np.ndarray) -> Rendered:
        """Renders draws; all arguments int64[num_draws].

        Args:
          shelf: which pool.
          face: which of the shelf's faces.
          row: position in the pool.
          number: keys the order of OPTIONS where the shelf shuffles them.
        """
        face = self._first_face[shelf] + face
        texts = self._texts
        if any(self._shelves[i].shuffled for i in np.unique(shelf)):
            texts = pl.concat([texts, self._shuffled_blocks(shelf, row, number)])
        return Rendered(self._inputs.play(texts, face, row), self._targets.play(texts, face, row))

    def options(self, shelf: int, row: int, number: int) -> list[str]:
        """The options of one row in the order in which `render` shows them."""
        pool = self._shelves[shelf].pool
        options = pool.frame["options"][row].to_list()
        if not self._shelves[shelf].shuffled:
            return options
        key = self._options_key(shelf)
        ranks = keyed.hashes(key, np.arange(len(options)) + number * _MOST_OPTIONS)
        return [options[i] for i in np.argsort(ranks, kind="stable")]

    def values(self, shelf: int, row: int, number: int) -> dict[str, str]:
        """What the faces of a row are filled with, by field: for whoever has to change them."""
        pool = self._shelves[shelf].pool
        (found,) = pool.take(np.array([row]))
        named = {name: found[name] or "" for name in (*pool.entry.fields, ANSWER)}
        return {**named, OPTIONS: options_block(self.options(shelf, row, number))}

    def _options_key(self, shelf: int) -> int:
        return keyed.key(self._seed, self._shelves[shelf].pool.entry.id, "options")

    def _shuffled_blocks(self, shelf: np.ndarray, row: np.ndarray, number: np.ndarray) -> pl.Series:
        """The OPTIONS of every draw, "" where its shelf does not shuffle: String[num_draws]."""
        blocks = np.full(len(shelf), "", object)
        for i in np.unique(shelf):
            if not self._shelves[i].shuffled:
                continue
            draws = np.flatnonzero(shelf == i)
            options = self._shelves[i].pool.frame["options"].gather(row[draws])
            lengths = options.list.len().to_numpy().astype(np.int64)
            place = np.repeat(np.arange(len(draws)), lengths)
            numbers = within(lengths) + number[draws][place] * _MOST_OPTIONS
            ranks = keyed.hashes(self._options_key(i), numbers)
            order = np.lexsort((ranks, place))
            texts = options.explode(empty_as_null=False).gather(order)
            blocks[draws] = _joined(texts, lengths, "\n- ").str.replace(r"^", "OPTIONS:\n- ").to_numpy()
        return pl.Series("texts", blocks, pl.String)


def exemplar_numbers(numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Keys of the order of OPTIONS of exemplars: each its own, where they are shuffled.

    Args:
      numbers: of the queries, int64[num_draws].
      counts: exemplars of each, int64[num_draws].

    Returns:
      int64[sum(counts)].
    """
    return np.repeat(numbers, counts) * _SHOTS + within(counts)


def shots(exemplars: Rendered) -> pl.Series:
    """Exemplars as they stand before a query: inputs, a line break, targets; String[num_exemplars]."""
    return pl.select(exemplars.inputs + "\n" + exemplars.targets).to_series()


def few_shot(queries: pl.Series, shown: pl.Series, counts: np.ndarray) -> pl.Series:
    """Each query after its exemplars.

    Args:
      queries: String[num_draws].
      shown: `shots` of all draws, in order.
      counts: exemplars of each draw, int64[num_draws].

    Returns:
      String[num_draws].
    """
    ends = np.cumsum(counts + 1)
    order = np.empty(len(queries) + len(shown), np.int64)
    last = np.zeros(len(order), bool)
    last[ends - 1] = True
    order[last] = np.arange(len(queries))
    order[~last] = len(queries) + np.arange(len(shown))
    texts = pl.concat([queries.rename("texts"), shown.rename("texts")])
    return _joined(texts.gather(order), counts + 1, EXEMPLAR_SEPARATOR)


@dataclasses.dataclass(frozen=True)
class _Script:
    """One side of all faces as segments; shorter faces are filled up with `_NOTHING`.

    Attributes:
      base: first number of each segment, int64[faces, width].
      by_row: 1 where the row is added to it, int64[faces, width].
      by_draw: the same for the place of the draw in the call.
    """

    base: np.ndarray
    by_row: np.ndarray
    by_draw: np.ndarray

    @classmethod
    def of(cls, faces: list[list[tuple[int, int]]]) -> "_Script":
        width = max(len(segments) for segments in faces)
        filled = [segments + [(_NOTHING, _LITERAL)] * (width - len(segments)) for segments in faces]
        table = np.array(filled, np.int64).reshape(len(faces), width, 2)
        kind = table[..., 1]
        return cls(table[..., 0], (kind == _ROW).astype(np.int64), (kind == _DRAW).astype(np.int64))

    def play(self, texts: pl.Series, face: np.ndarray, row: np.ndarray) -> pl.Series:
        """String[num_draws]."""
        numbers = self.base[face] + self.by_row[face] * row[:, None]
        if self.by_draw.any():
            numbers += self.by_draw[face] * np.arange(len(face))[:, None]
        # Indexing goes straight to the column; `gather` would set up a query first, which costs as much again.
        found = texts[pl.Series(numbers.ravel())]
        if numbers.shape[1] == 1:
            return found
        return found.reshape(numbers.shape).arr.join("", ignore_nulls=True)


def _columns(pool: Pool) -> dict[str, pl.Series]:
    """Texts by field name, `answer` and `options` among them: String[rows] each."""
    frame = pool.frame.select(
        *(pl.col(name).fill_null("") for name in (*pool.entry.fields, ANSWER)),
        # As `options_block` writes it.
        (pl.lit("OPTIONS:\n- ") + pl.col("options").list.join("\n- ")).alias(OPTIONS),
    )
    return {column.name: column for column in frame}


def _segments(
    parts: Parts, literals: dict[str, int], where: dict[str, int], blocks: int | None
) -> list[tuple[int, int]]:
    """Number and kind of each segment; `blocks` is where shuffled OPTIONS stand, None where they are as listed."""
    found = []
    for literal, name in parts:
        if literal:
            found.append((literals[literal], _LITERAL))
        if name == OPTIONS and blocks is not None:
            found.append((blocks, _DRAW))
        elif name is not None:
            found.append((where[name], _ROW))
    return found


def _joined(texts: pl.Series, lengths: np.ndarray, separator: str) -> pl.Series:
    """Joins runs of texts: String[sum(lengths)] to String[num_runs]; a run without texts is ""."""
    width = int(lengths.max(initial=1))
    column = np.arange(width)
    starts = np.cumsum(lengths) - lengths
    # Shorter runs are filled up with the null at the end, which a join passes over. A group_by takes thrice as long.
    places = np.where(column < lengths[:, None], starts[:, None] + column, len(texts))
    filled = pl.concat([texts.rename("texts"), pl.Series("texts", [None], pl.String)])
    return filled.gather(places.ravel()).reshape((len(lengths), width)).arr.join(separator, ignore_nulls=True)
