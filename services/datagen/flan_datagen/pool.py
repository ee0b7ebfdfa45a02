"""The rows of a dataset by split: which are set aside for development, which make the training pool.

    train rows of the source, all parts -> set the development rows aside -> seeded shuffle -> the first `cap`

The development rows are the same in every run, whatever its seed, so that no run tunes on what another chose
its templates by. A seeded shuffle comes before the cap because files often lie in order of label.
"""

import dataclasses

import numpy as np
import polars as pl

from flan.v1 import example_pb2
from flan_datagen import keyed
from flan_datagen.catalog import Entry
from flan_datagen.sources import Source
from flan_shared.errors import DataError

TRAIN, DEV, TEST = example_pb2.SPLIT_TRAIN, example_pb2.SPLIT_DEV, example_pb2.SPLIT_TEST

_DEV_SHARE = 5
"""Development takes at most a fifth of a split: a folder may hold a small sample of a dataset."""


@dataclasses.dataclass(frozen=True)
class Pool:
    """Rows of one dataset and split, in the order in which draws number them.

    Attributes:
      entry: the catalog entry.
      frame: the canonical columns of `Entry.adapt` with `part` and `split` (String) beside `row`.
    """

    entry: Entry
    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    def take(self, rows: np.ndarray) -> list[dict]:
        """Rows at positions int64[n] as dictionaries by column."""
        return self.frame[rows].to_dicts()


class Pools:
    """Reads, adapts and splits datasets, each once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._adapted: dict[tuple[str, str, str], tuple[pl.DataFrame, str]] = {}

    def available(self, entry: Entry) -> bool:
        """Whether the source has training rows of every part, or of some, of `entry`."""
        return bool(self._parts(entry, entry.splits.train))

    def train(self, entry: Entry, *, seed: int, cap: int) -> Pool:
        """The training pool: at most `cap` rows, development rows excluded.

        Raises:
          DataError: the source has no training rows of the dataset, or cannot be read.
        """
        split = entry.splits.train
        frames = [self._without_dev(entry, part, split) for part in self._parts(entry, split)]
        if not frames or not (rows := pl.concat(frames)).height:
            raise DataError(f"dataset {entry.id!r} has no {split} rows in {self.source.name}")
        order = keyed.permute(keyed.key(seed, entry.id, "pool"), np.arange(rows.height), rows.height)
        pool = rows[order[:cap]]
        if pool["defect"].null_count() == 0:
            raise DataError(
                f"dataset {entry.id!r} has no sound {split} row among {pool.height} in {self.source.name}; "
                f"the first: {pool['defect'][0]}"
            )
        return Pool(entry, pool)

    def dev(self, entry: Entry) -> Pool:
        """The development rows.

        Raises:
          DataError: as `train`.
        """
        split = entry.splits.dev
        frames = [
            self._read(entry, part, split)[self._dev_rows(entry, part, split)]
            for part in self._parts(entry, split)
        ]
        if not frames:
            raise DataError(f"dataset {entry.id!r} has no {split} rows in {self.source.name}")
        return Pool(entry, pl.concat(frames))

    def test(self, entry: Entry) -> Pool:
        """The rows that scores are reported on: the first test split of the catalog that the source has.

        Raises:
          DataError: as `train`.
        """
        for split in entry.splits.test:
            frames = [self._without_dev(entry, part, split) for part in self._parts(entry, split)]
            if frames and (rows := pl.concat(frames)).height:
                return Pool(entry, rows)
        raise DataError(
            f"dataset {entry.id!r} has no labelled {' or '.join(entry.splits.test)} rows "
            f"in {self.source.name}"
        )

    def sample(self, pool: Pool, *, seed: int, num_rows: int) -> Pool:
        """A seeded sample of at most `num_rows` sound rows; all of them for 0."""
        rows = pool.frame.filter(pl.col("defect").is_null())
        order = keyed.permute(keyed.key(seed, pool.entry.id, "sample"), np.arange(rows.height), rows.height)
        return Pool(pool.entry, rows[order[: num_rows or None]])

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 of the rows as they were read, which a file replaced since does not change.

        Raises:
          DataError: as `train`.
        """
        self._read(entry, part, split)
        return self._adapted[entry.id, part, split][1]

    def _parts(self, entry: Entry, split: str) -> list[str]:
        return [part for part in entry.parts if self.source.has(entry, part, split)]

    def _without_dev(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        rows = self._read(entry, part, split)
        if split != entry.splits.dev:
            return rows
        kept = np.ones(rows.height, bool)
        kept[self._dev_rows(entry, part, split)] = False
        return rows.filter(kept)

    def _dev_rows(self, entry: Entry, part: str, split: str) -> np.ndarray:
        size = self._read(entry, part, split).height
        if not size:
            return np.zeros(0, np.int64)
        order = keyed.permute(keyed.key(0, entry.id, part, "dev"), np.arange(size), size)
        return np.sort(order[: min(entry.splits.dev_rows, size // _DEV_SHARE)])

    def _read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        where = (entry.id, part, split)
        if where not in self._adapted:
            before = self.source.digest(entry, part, split)
            adapted = entry.adapt(self.source.read(entry, part, split), part)
            if self.source.digest(entry, part, split) != before:
                raise DataError(f"{split} of dataset {entry.id!r} changed while it was read; start again")
            frame = adapted.with_columns(part=pl.lit(part), split=pl.lit(split))
            self._adapted[where] = frame, before
        return self._adapted[where][0]


def row_name(row: dict) -> str:
    """`part/split/index`, or `split/index` where the dataset has one part."""
    return "/".join(filter(None, (row["part"], row["split"], str(row["row"]))))
