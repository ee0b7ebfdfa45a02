"""Rows from files: `DIR/<dataset>[/<part>]/<split>.{parquet,jsonl,csv}`."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl

from flan_datagen.catalog import Entry
from flan_shared.errors import DataError


class FolderSource:
    """A folder of datasets; see `Source`."""

    def __init__(self, folder: str | Path) -> None:
        """Raises:
        DataError: there is no such folder, or no dataset in it.
        """
        self.name = str(folder)
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise DataError(f"data folder {folder} does not exist; give a folder, or 'embedded'")
        if not any(
            next(self._folder.glob(f"{levels}/*{suffix}"), None)
            for levels in ("*", "*/*")
            for suffix in _READERS
        ):
            raise DataError(
                f"data folder {folder} holds no dataset; expected files such as "
                f"{folder}/rte/train.parquet ({', '.join(_READERS)})"
            )

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether there is a file for the split.

        Raises:
          DataError: there are several.
        """
        return self._find(entry, part, split) is not None

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows in the order of the file.

        Raises:
          DataError: no file, several, or one that cannot be read.
        """
        path = self._path(entry, part, split)
        try:
            return _READERS[path.suffix](path, entry)
        # Some damaged Parquet files make the reader panic, which is no Exception.
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as err:
            raise _unreadable(path, err) from err

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 of the file's bytes, lower-case hex.

        Raises:
          DataError: no file, several, or one that cannot be read.
        """
        path = self._path(entry, part, split)
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as err:
            raise _unreadable(path, err) from err

    def _path(self, entry: Entry, part: str, split: str) -> Path:
        path = self._find(entry, part, split)
        if path is None:
            stem = self._folder / entry.id / part / split
            raise DataError(
                f"{stem} has no file; expected one of {', '.join(stem.name + s for s in _READERS)}"
            )
        return path

    def _find(self, entry: Entry, part: str, split: str) -> Path | None:
        folder = self._folder / entry.id / part
        found = [path for suffix in _READERS if (path := folder / f"{split}{suffix}").is_file()]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise DataError(f"{folder} has {names}; keep one file for each split")
        return found[0] if found else None


def _parquet(path: Path, entry: Entry) -> pl.DataFrame:
    # One file whatever its name: hive and glob characters in a path mean nothing here.
    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _jsonl(path: Path, entry: Entry) -> pl.DataFrame:
    return pl.read_ndjson(path, infer_schema_length=None)


def _csv(path: Path, entry: Entry) -> pl.DataFrame:
    # A column of digits is text where the entry says so: HellaSwag's labels, a text "2".
    texts = {name: pl.String for name, kind in entry.columns.items() if kind == pl.String}
    return pl.read_csv(path, infer_schema_length=None, schema_overrides=texts, glob=False)


_READERS: dict[str, Callable[[Path, Entry], pl.DataFrame]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".csv": _csv,
}


def _unreadable(path: Path, err: BaseException) -> DataError:
    cause = getattr(err, "strerror", None) or next(iter(str(err).strip().splitlines()), type(err).__name__)
    return DataError(f"{path} cannot be read: {cause}")
