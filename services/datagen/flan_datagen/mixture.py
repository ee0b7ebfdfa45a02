"""Which rows a window draws: the mixture as a pure function (docs/design.md, section 4).

window(spec, 3) of two datasets, rates 3000 and 1000, W = 8
draws 18..23 of the first and 6..7 of the second, in a keyed order; each draw j names its row
perm(seed, dataset, epoch = j // n)[j % n] and its template hash(seed, dataset, j).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from flan_datagen import keyed


@dataclasses.dataclass(frozen=True)
class Stream:
    """One dataset in the mixture.

    Attributes:
      dataset: its id.
      num_rows: rows of its pool, n_d.
      num_templates: templates that may be drawn.
      rate: mixing rate, a weight before normalisation.
    """

    dataset: str
    num_rows: int
    num_templates: int
    rate: int


@dataclasses.dataclass(frozen=True)
class Draws:
    """The draws of one window in their keyed order; all arrays int64[num_draws].

    Attributes:
      stream: index into the mixture's streams.
      number: which draw of its dataset, counted from the start of the run.
      row: index into the dataset's pool.
      template: index among the templates that may be drawn.
    """

    stream: np.ndarray
    number: np.ndarray
    row: np.ndarray
    template: np.ndarray

    def __len__(self) -> int:
        return len(self.stream)


class Mixture:
    """Shares the draws of a run among datasets: examples-proportional mixing with a limit (arXiv:1910.10683,
    section 3.5.2; the limit is FLAN's 3 000)."""

    def __init__(self, streams: Sequence[Stream], *, seed: int, window: int) -> None:
        """Args:
        streams: the datasets; their order decides nothing.
        seed: of the run.
        window: draws of a window, about (W).
        """
        self.streams = tuple(streams)
        self._seed = seed
        self._window = window
        self._total = sum(stream.rate for stream in streams)
        self._phases = [keyed.key(seed, stream.dataset, "phase") % self._total for stream in streams]

    def count(self, index: int, window: int) -> int:
        """Draws of dataset `index` before `window`: closed form, within one of the exact share."""
        share = window * self._window * self.streams[index].rate
        return (share + self._phases[index]) // self._total

    def draws(self, window: int) -> Draws:
        """The draws of `window`."""
        columns: list[tuple[np.ndarray, ...]] = []
        for index, stream in enumerate(self.streams):
            number = np.arange(self.count(index, window), self.count(index, window + 1), dtype=np.int64)
            if len(number):
                templates = keyed.key(self._seed, stream.dataset, "template")
                columns.append(
                    (
                        np.full_like(number, index),
                        number,
                        self._rows(stream, number),
                        keyed.choices(templates, number, stream.num_templates),
                        keyed.hashes(keyed.key(self._seed, stream.dataset, "order"), number),
                    )
                )
        if not columns:
            empty = np.zeros(0, np.int64)
            return Draws(empty, empty, empty, empty)
        stream, number, row, template, rank = (
            np.concatenate(column) for column in zip(*columns, strict=True)
        )
        # Ties of a 64-bit rank are broken by the dataset's position: a stable sort over a fixed order.
        order = np.argsort(rank, kind="stable")
        return Draws(stream[order], number[order], row[order], template[order])

    def exemplars(self, index: int, number: int, row: int, num_shots: int) -> list[int]:
        """Pool rows of the exemplars of one draw, see `draw_exemplars`."""
        stream = self.streams[index]
        key = keyed.key(self._seed, stream.dataset, "exemplar", number)
        return draw_exemplars(key, stream.num_rows, num_shots, query=row)

    def _rows(self, stream: Stream, number: np.ndarray) -> np.ndarray:
        epochs, positions = np.divmod(number, stream.num_rows)
        rows = np.empty_like(number)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            permutation = keyed.key(self._seed, stream.dataset, "epoch", int(epoch))
            rows[here] = keyed.permute(permutation, positions[here], stream.num_rows)
        return rows


def draw_exemplars(key: int, num_rows: int, num_shots: int, *, query: int | None) -> list[int]:
    """Exemplar s is the first try hash(key, s, try) mod n that is neither the query nor an earlier exemplar.

    Args:
      key: of the draw (training) or of the query row (evaluation).
      num_rows: rows of the pool.
      num_shots: wanted; lowered to what the pool can give.
      query: pool row that is asked, None where the query is not in the pool.
    """
    taken = set() if query is None else {query}
    chosen: list[int] = []
    for shot in range(min(num_shots, num_rows - len(taken))):
        attempt = 0
        while (row := int(keyed.choices(key, np.array([shot * 2**32 + attempt]), num_rows)[0])) in taken:
            attempt += 1
        taken.add(row)
        chosen.append(row)
    return chosen
