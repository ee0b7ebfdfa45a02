"""Rows from files: `DIR/<dataset>[/<part>]/<split>.{parquet,jsonl,csv}`, or Parquet in the Hub's own layouts."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from flan_datagen.catalog import Entry
from flan_datagen.sources.file_digests import FileDigests
from flan_datagen.sources.files import (
    PARQUET,
    READERS,
    combine_digests,
    label_names,
    read_files,
    read_pieces,
)
from flan_shared.errors import DataError

_LEVELS = ("*", "*/*", "*/*/*")
"""Depths at which files may lie: below a dataset, its part, and the folder of a split."""


class FolderSource:
    """A folder of datasets; see `Source`.

    A split is one file, or several Parquet files as repositories on the Hub have them:
    `<split>-00000-of-00002.parquet`, and `<split>/0000.parquet` on the branch that the Hub makes itself.
    """

    def __init__(self, folder: str | Path, digests: FileDigests | None = None) -> None:
        """Args:
          folder: of the files.
          digests: what is remembered of them from earlier processes; None: nothing.

        Raises:
          DataError: there is no such folder, or no dataset in it.
        """
        self.name = str(folder)
        self._folder = Path(folder)
        self._digests = digests or FileDigests(None)
        if not self._folder.is_dir():
            raise DataError(f"data folder {folder} does not exist; give a folder, or 'embedded', or 'hub'")
        patterns = [f"{levels}/*{suffix}" for levels in _LEVELS for suffix in READERS]
        # Running text (`flan_datagen.running_text`) is as good as a dataset.
        if not any(next(self._folder.glob(pattern), None) for pattern in (*patterns, "text/*.txt")):
            raise DataError(
                f"data folder {folder} holds no dataset; expected files such as "
                f"{folder}/rte/train.parquet ({', '.join(READERS)})"
            )

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether there is a file for the split.

        Raises:
          DataError: there are several that do not belong together, or one of several is missing.
        """
        return bool(self._find(entry, part, split))

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows in the order of the files.

        Raises:
          DataError: as `has`; no file, or one that cannot be read.
        """
        return read_files(self._paths(entry, part, split), entry.part(part))

    def pieces(self, entry: Entry, part: str, split: str) -> Iterator[pl.DataFrame]:
        """The rows of `read`, in order, in pieces of bounded size; see `read_pieces`.

        Raises:
          DataError: as `read`.
        """
        return read_pieces(self._paths(entry, part, split), entry.part(part))

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 of the file's bytes, or over those of the files; lower-case hex.

        Raises:
          DataError: as `read`.
        """
        digests = [(path.name, self._digests.of(path)) for path in self._paths(entry, part, split)]
        return digests[0][1] if len(digests) == 1 else combine_digests(digests)

    def labels(self, entry: Entry, part: str, split: str) -> dict[str, list[str]]:
        """What Parquet files written by Hugging Face's `datasets` say; see `label_names`.

        Raises:
          DataError: as `read`.
        """
        return label_names(self._paths(entry, part, split))

    def _paths(self, entry: Entry, part: str, split: str) -> list[Path]:
        paths = self._find(entry, part, split)
        if not paths:
            stems = [str(self._folder / folder / split) for folder in entry.part(part).folders]
            raise DataError(
                f"{' and '.join(stems)} {'has' if len(stems) == 1 else 'have'} no file; expected one of "
                f"{', '.join(split + suffix for suffix in READERS)}"
            )
        return paths

    def _find(self, entry: Entry, part: str, split: str) -> list[Path]:
        for name in entry.part(part).folders:
            if paths := _split_files(self._folder / name, split):
                return paths
        return []


def _split_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in order; empty where there are none.

    Raises:
      DataError: the split is there in two forms, or one of its files is missing.
    """
    found = {path.name: [path] for suffix in READERS if (path := folder / f"{split}{suffix}").is_file()}
    if numbered := _numbered(
        folder, re.compile(rf"{re.escape(split)}-(\d+)-of-(\d+)(?:-[0-9a-f]+)?\.parquet")
    ):
        found[f"{split}-*{PARQUET}"] = numbered
    if shards := _numbered(folder / split, re.compile(r"(\d+)\.parquet")):
        found[f"{split}/"] = shards
    if len(found) > 1:
        raise DataError(f"{folder} has {' and '.join(found)}; keep one file for each split")
    return next(iter(found.values()), [])


def _numbered(folder: Path, form: re.Pattern[str]) -> list[Path]:
    """Files numbered from 0, all of them; the form's groups are the number and, where names say it, how many."""
    matches = [match for path in sorted(folder.glob("*.parquet")) if (match := form.fullmatch(path.name))]
    numbers = [int(match[1]) for match in matches]
    count = max((max(int(match[1]) + 1, int(match[form.groups])) for match in matches), default=0)
    if sorted(numbers) != list(range(count)):
        raise DataError(
            f"{folder} has {', '.join(match[0] for match in matches)}; expected all from number 0 to {count - 1}, "
            "each once"
        )
    return [folder / match[0] for match in sorted(matches, key=lambda match: int(match[1]))]
