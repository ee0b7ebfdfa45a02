"""Which rows a window draws: the mixture as a pure function (docs/design.md, section 4).

window(spec, 3) of two datasets, rates 3000 and 1000, W = 8
draws 18..23 of the first and 6..7 of the second, in a keyed order; each draw j names its row
perm(seed, dataset, epoch = j // n)[j % n], and hash(seed, dataset, j) chooses its template among those of the row.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from flan_datagen import keyed


@dataclasses.dataclass(frozen=True)
class Stream:
    """One dataset in the mixture, or one part of it.

    Attributes:
      name: keys all its draws: the dataset's id, or id/part.
      num_rows: rows of its pool, n_d.
      rate: mixing rate, a weight before normalisation.
    """

    name: str
    num_rows: int
    rate: int


@dataclasses.dataclass(frozen=True)
class Draws:
    """The draws of one window in their keyed order; all arrays int64[num_draws], `choice` uint64.

    Attributes:
      stream: index into the mixture's streams.
      number: which draw of its dataset, counted from the start of the run.
      row: index into the dataset's pool.
      choice: a hash; modulo the number of templates of the row it is the template.
    """

    stream: np.ndarray
    number: np.ndarray
    row: np.ndarray
    choice: np.ndarray

    def __len__(self) -> int:
        return len(self.stream)

    def at(self, places: np.ndarray) -> "Draws":
        """The draws at places int64[n]."""
        return Draws(self.stream[places], self.number[places], self.row[places], self.choice[places])


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
        self._phases = [keyed.key(seed, stream.name, "phase") % self._total for stream in streams]
        self._sizes = np.array([stream.num_rows for stream in streams], np.int64)
        self._keys = {
            purpose: np.array([keyed.key(seed, stream.name, purpose) for stream in streams], np.uint64)
            for purpose in ("order", "template")
        }

    def count(self, index: int, window: int) -> int:
        """Draws of dataset `index` before `window`: closed form, within one of the exact share."""
        share = window * self._window * self.streams[index].rate
        return (share + self._phases[index]) // self._total

    def draws(self, window: int) -> Draws:
        """The draws of `window`."""
        first, last = (
            np.array([self.count(index, w) for index in range(len(self.streams))], np.int64)
            for w in (window, window + 1)
        )
        lengths = last - first
        stream = np.repeat(np.arange(len(self.streams)), lengths)
        number = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - first, lengths)
        ranks = keyed.hashes(self._keys["order"][stream], number)
        # Ties of a 64-bit rank are broken by the dataset's position: a stable sort over a fixed order.
        order = np.argsort(ranks, kind="stable")
        choice = keyed.hashes(self._keys["template"][stream], number)
        return Draws(stream, number, self._rows(stream, number), choice).at(order)

    def exemplar_keys(self, index: int, numbers: np.ndarray) -> np.ndarray:
        """Keys of the exemplars of draws, for `draw_exemplars`: int64[n] to uint64[n]."""
        return keyed.hashes(keyed.key(self._seed, self.streams[index].name, "exemplar"), numbers)

    def _rows(self, stream: np.ndarray, number: np.ndarray) -> np.ndarray:
        sizes = self._sizes[stream]
        epochs, positions = np.divmod(number, sizes)
        # A key for every dataset and epoch of the window: one or two a dataset.
        pairs, which = np.unique(np.stack([stream, epochs]), axis=1, return_inverse=True)
        names = [self.streams[index].name for index in pairs[0]]
        keys = [
            keyed.key(self._seed, name, "epoch", int(epoch))
            for name, epoch in zip(names, pairs[1], strict=True)
        ]
        return keyed.permute(np.array(keys, np.uint64)[which.reshape(-1)], positions, sizes)


def draw_exemplars(
    keys: np.ndarray, candidates: np.ndarray, num_shots: int, *, queries: np.ndarray
) -> np.ndarray:
    """Exemplar s is the first try candidates[hash(key, s, try) mod n] that is neither the query nor an earlier one.

    Args:
      keys: of the draw (training) or of the query row (evaluation), uint64[n].
      candidates: pool rows that may be shown, int64[c], all different; none is allowed.
      num_shots: wanted.
      queries: pool rows that are asked, int64[n]; -1 where the query is not in the pool.

    Returns:
      int64[n, shots]: pool rows; -1 where there are fewer candidates than were wanted.
    """
    size = len(candidates)
    shots = np.full((len(keys), num_shots), -1, np.int64)
    limits = size - np.isin(queries, candidates)
    for shot in range(num_shots):
        todo = np.flatnonzero(shot < limits)
        attempt = 0
        while len(todo):
            number = np.full(len(todo), shot * 2**32 + attempt)
            row = candidates[(keyed.hashes(keys[todo], number) % np.uint64(size)).astype(np.int64)]
            taken = (row == queries[todo]) | (shots[todo] == row[:, None]).any(axis=1)
            shots[todo[~taken], shot] = row[~taken]
            todo = todo[taken]
            attempt += 1
    return shots
