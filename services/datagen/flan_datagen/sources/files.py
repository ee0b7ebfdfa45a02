"""Files as rows: the formats, what a Parquet file says about itself, and one clear line for a damaged one."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from flan_datagen.catalog.entry import Part
from flan_shared.errors import DataError

PARQUET = ".parquet"

# Some damaged Parquet files make the reader panic, which is no Exception.
_FAULTS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def read_files(paths: Sequence[Path], part: Part) -> pl.DataFrame:
    """All rows of the files of a split, in order; all files have one suffix of `READERS`.

    Raises:
      DataError: a file cannot be read, or two have different columns.
    """
    frames = [_read(path, part) for path in paths]
    try:
        # Relaxed: a column without a value in one file is of type null there.
        return pl.concat(frames, how="vertical_relaxed")
    except pl.exceptions.PolarsError as err:
        raise DataError(
            f"{paths[0]} and the {len(paths) - 1} files after it do not make one split: {_first_line(err)}"
        ) from err


def digest_file(path: Path) -> str:
    """SHA-256 of the file's bytes, lower-case hex.

    Raises:
      DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise _unreadable(path, err) from err


def combine_digests(digests: Sequence[tuple[str, str]]) -> str:
    """One SHA-256 over the names and digests of several files."""
    lines = "".join(f"{digest} {name}\n" for name, digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()


def label_names(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Names of the labels by column, as Hugging Face's `datasets` leaves them in its Parquet files.

    The schema's metadata has a key "huggingface" with a JSON document:

        {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["neg", "pos"]}, "text": {…}}}}

    Empty for other files and formats.

    Raises:
      DataError: a file cannot be read, or two say different things.
    """
    found: list[dict[str, list[str]]] = []
    for path in paths:
        if path.suffix == PARQUET:
            try:
                metadata = pl.read_parquet_metadata(path)
            except _FAULTS as err:
                raise _unreadable(path, err) from err
            found.append(_class_labels(metadata.get("huggingface", "")))
            if found[-1] != found[0]:
                raise DataError(f"{path} names labels {found[-1]}, but {paths[0]} {found[0]}")
    return found[0] if found else {}


def _class_labels(document: str) -> dict[str, list[str]]:
    """A document of another shape is somebody else's, and says nothing about labels."""
    try:
        features = json.loads(document)["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _read(path: Path, part: Part) -> pl.DataFrame:
    try:
        return READERS[path.suffix](path, part)
    except _FAULTS as err:
        raise _unreadable(path, err) from err


def _parquet(path: Path, part: Part) -> pl.DataFrame:
    # One file whatever its name: hive and glob characters in a path mean nothing here.
    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _jsonl(path: Path, part: Part) -> pl.DataFrame:
    return pl.read_ndjson(path, infer_schema_length=None)


def _csv(path: Path, part: Part) -> pl.DataFrame:
    # A column of digits is text where the entry says so: HellaSwag's labels, a text "2".
    texts = {name: pl.String for name, kind in part.columns.items() if kind == pl.String}
    return pl.read_csv(path, infer_schema_length=None, schema_overrides=texts, glob=False)


READERS: dict[str, Callable[[Path, Part], pl.DataFrame]] = {
    PARQUET: _parquet,
    ".jsonl": _jsonl,
    ".csv": _csv,
}


def _first_line(err: BaseException) -> str:
    return next(iter(str(err).strip().splitlines()), type(err).__name__)


def _unreadable(path: Path, err: BaseException) -> DataError:
    return DataError(f"{path} cannot be read: {getattr(err, 'strerror', None) or _first_line(err)}")
