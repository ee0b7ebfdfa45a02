"""The rows of a dataset by split: which are set aside for development, which make the training pool.

    train rows of the source, all parts -> set development rows aside -> seeded shuffle -> the first `cap`

The development rows are the same in every run, whatever its seed, so that no run tunes on what another chose
its templates by; nor are the test rows of a source that has a training split alone. A seeded shuffle comes before
the cap because files often lie in order of label.
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import polars as pl

from flan.v1 import example_pb2
from flan_datagen import keyed
from flan_datagen.catalog import Catalog, Entry, load_catalog
from flan_datagen.sources import Source
from flan_shared.errors import DataError

TRAIN, DEV, TEST = example_pb2.SPLIT_TRAIN, example_pb2.SPLIT_DEV, example_pb2.SPLIT_TEST

_SHARE_SET_ASIDE = 5
"""Development takes at most a fifth of a split, and so do test rows: a folder may hold a small sample of a dataset."""


@dataclasses.dataclass(frozen=True)
class Pool:
    """Rows of one dataset and split, in the order in which draws number them.

    Attributes:
      entry: the catalog entry.
      frame: the canonical columns of `Entry.adapt`, of all parts (null where a part lacks a field), with `part` and
        `split` (String) beside `row`.
    """

    entry: Entry
    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    def take(self, rows: np.ndarray) -> list[dict]:
        """Rows at positions int64[n] as dictionaries by column."""
        return self.frame[rows].to_dicts()

    @cached_property
    def part_numbers(self) -> np.ndarray:
        """int64[rows]: the index of each row's part among the entry's parts."""
        numbers = {part: number for number, part in enumerate(self.entry.parts)}
        return self.frame["part"].replace_strict(numbers, return_dtype=pl.Int64).to_numpy()

    @cached_property
    def defective(self) -> np.ndarray:
        """bool[rows]: whether a row has a defect."""
        return self.frame["defect"].is_not_null().to_numpy()

    @cached_property
    def rows_by_part(self) -> tuple[np.ndarray, ...]:
        """For every part the positions of its rows, int64[n]: where exemplars for its queries come from."""
        return tuple(np.flatnonzero(self.part_numbers == part) for part in range(len(self.entry.parts)))


class Pools:
    """Reads, adapts and splits datasets, each once."""

    def __init__(self, source: Source, catalog: Catalog | None = None) -> None:
        """Args:
        source: where rows come from.
        catalog: the entries that may be asked for; None: those of the package.
        """
        self.source = source
        self.catalog = load_catalog() if catalog is None else catalog
        self._adapted: dict[tuple[str, str, str], tuple[pl.DataFrame, str]] = {}
        self._source_rows: dict[tuple[str, str, str], int] = {}

    def available(self, entry: Entry) -> bool:
        """Whether the source has rows of `entry`, for training or for scores."""
        return any(
            self.source.has(entry, part.name, split) for part in entry.members for split in part.splits.names
        )

    def train(self, entry: Entry, *, seed: int, cap: int, part: str | None = None) -> Pool:
        """The training pool: at most `cap` rows, development rows excluded.

        Args:
          entry: the dataset.
          seed: of the shuffle.
          cap: rows at most.
          part: rows of this part only; None: of all.

        Raises:
          DataError: the source has no training rows of the dataset, or cannot be read.
        """
        frames = [
            self._left(entry, member.name, split)
            for member in entry.members
            if part in (None, member.name) and (split := self._found(entry, member.name, member.splits.train))
        ]
        splits = [split for member in entry.members for split in member.splits.train]
        what = " or ".join(dict.fromkeys(splits))
        if not frames or not (rows := _together(frames)).height:
            raise DataError(f"dataset {entry.id!r} has no {what} rows in {self.source.name}")
        order = keyed.permute(keyed.key(seed, entry.id, "pool"), np.arange(rows.height), rows.height)
        pool = rows[order[:cap]]
        if pool["defect"].null_count() == 0:
            raise DataError(
                f"dataset {entry.id!r} has no sound {what} row among {pool.height} in {self.source.name}; "
                f"the first: {pool['defect'][0]}"
            )
        return Pool(entry, pool)

    def train_parts(self, entry: Entry) -> list[str]:
        """Parts of which the source has a training split."""
        return [part.name for part in entry.members if self._found(entry, part.name, part.splits.train)]

    def dev(self, entry: Entry) -> Pool:
        """The development rows.

        Raises:
          DataError: as `train`.
        """
        frames = [
            self._read(entry, part.name, split)[self._set_aside(entry, part.name, split)[0]]
            for part in entry.members
            if (split := self._found(entry, part.name, part.splits.dev))
        ]
        if not frames:
            raise DataError(f"dataset {entry.id!r} has no development rows in {self.source.name}")
        return Pool(entry, _together(frames))

    def test(self, entry: Entry) -> Pool:
        """The rows that scores are reported on: of every part the first test split with labelled rows.

        Raises:
          DataError: as `train`.
        """
        frames = [
            self._test_rows(entry, part, split)
            for part in entry.parts
            if (split := self._test_split(entry, part))
        ]
        if frames:
            return Pool(entry, _together(frames))
        names = dict.fromkeys(name for part in entry.members for name in part.splits.test)
        raise DataError(
            f"dataset {entry.id!r} has no labelled {' or '.join(names)} rows in {self.source.name}"
        )

    def sample(self, pool: Pool, *, seed: int, num_rows: int, part: str | None = None) -> Pool:
        """A seeded sample of at most `num_rows` sound rows, of one part where given; all of them for 0."""
        rows = pool.frame.filter(pl.col("defect").is_null())
        if part is not None:
            rows = rows.filter(pl.col("part") == part)
        if not rows.height:
            return Pool(pool.entry, rows)
        order = keyed.permute(keyed.key(seed, pool.entry.id, "sample"), np.arange(rows.height), rows.height)
        return Pool(pool.entry, rows[order[: num_rows or None]])

    def digests(self, entry: Entry) -> list[tuple[str, str, str]]:
        """Part, split and SHA-256 of what the training pool hangs on, as it was read."""
        found = []
        for part in entry.members:
            splits = {self._found(entry, part.name, names) for names in (part.splits.train, part.splits.dev)}
            for split in sorted(splits - {None}):
                self._read(entry, part.name, split)
                found.append((part.name, split, self._adapted[entry.id, part.name, split][1]))
        return found

    def counts(self, entry: Entry) -> list[dict[str, int | str]]:
        """What became of the rows of each split that the source has; keys as in `SplitRows` of the contract.

        Raises:
          DataError: a split cannot be read.
        """
        return [
            {
                "part": part.name,
                "split": split,
                "source_rows": self._source_rows[entry.id, part.name, split],
                "examples": adapted.height,
                "left_out": max(0, self._source_rows[entry.id, part.name, split] - adapted.height),
                "defective": adapted.height - adapted["defect"].null_count(),
            }
            for part in entry.members
            for split in part.splits.names
            if self.source.has(entry, part.name, split)
            for adapted in [self._read(entry, part.name, split)]
        ]

    def _found(self, entry: Entry, part: str, names: Sequence[str]) -> str | None:
        return next((name for name in names if self.source.has(entry, part, name)), None)

    def _test_split(self, entry: Entry, part: str) -> str | None:
        for name in entry.part(part).splits.test:
            if self.source.has(entry, part, name) and self._test_rows(entry, part, name).height:
                return name
        return None

    def _test_rows(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        if split in entry.part(part).splits.train:
            return self._read(entry, part, split)[self._set_aside(entry, part, split)[1]]
        return self._left(entry, part, split)

    def _left(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """Rows of a split that are not set aside."""
        rows = self._read(entry, part, split)
        kept = np.ones(rows.height, bool)
        for aside in self._set_aside(entry, part, split):
            kept[aside] = False
        return rows if kept.all() else rows.filter(kept)

    def _set_aside(self, entry: Entry, part: str, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Positions int64[n] of the development and of the test rows that are taken out of a split."""
        splits = entry.part(part).splits
        size = self._read(entry, part, split).height
        order = keyed.permute(keyed.key(0, entry.id, part, "dev"), np.arange(size), size) if size else []
        limit = size // _SHARE_SET_ASIDE
        num_dev = min(splits.dev_rows, limit) if split == self._found(entry, part, splits.dev) else 0
        num_test = min(splits.test_rows, limit) if self._tests_on_train(entry, part, split) else 0
        order = np.asarray(order, np.int64)
        return np.sort(order[:num_dev]), np.sort(order[num_dev : num_dev + num_test])

    def _tests_on_train(self, entry: Entry, part: str, split: str) -> bool:
        splits = entry.part(part).splits
        if not splits.test_rows or split not in splits.train:
            return False
        first = next((name for name in splits.test if self.source.has(entry, part, name)), None)
        return first == split

    def _read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        where = (entry.id, part, split)
        if where not in self._adapted:
            before = self.source.digest(entry, part, split)
            labels = self.source.labels(entry, part, split)
            rows = self.source.read(entry, part, split)
            adapted = entry.adapt(rows, part, labels=labels)
            if self.source.digest(entry, part, split) != before:
                raise DataError(f"{split} of dataset {entry.id!r} changed while it was read; start again")
            # A field that only other parts have is null here, so that rows of any parts stand in one frame.
            absent = [name for name in entry.fields if name not in adapted.columns]
            frame = adapted.with_columns(
                *(pl.lit(None, pl.String).alias(name) for name in absent),
                part=pl.lit(part),
                split=pl.lit(split),
            )
            self._source_rows[where] = rows.height
            self._adapted[where] = frame, before
        return self._adapted[where][0]


def _together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Parts may have fields of their own."""
    return pl.concat(frames, how="diagonal")


def row_name(row: dict) -> str:
    """`part/split/index`, or `split/index` where the dataset has one part."""
    return "/".join(filter(None, (row["part"], row["split"], str(row["row"]))))
