"""Files as rows: the formats, what a Parquet file says about itself, and one clear line for a damaged one."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from flan_datagen.catalog.entry import Part
from flan_shared.errors import DataError

PARQUET = ".parquet"

PIECE_BYTES = 8_000_000
"""Size of a piece in memory, about; an adapter takes up to fifteen times as much while it is at work."""
_FIRST_ROWS = 4096
"""Rows of the first piece of a file, by which the size of the others is chosen."""
_LEAST_ROWS = 1024

# Some damaged Parquet files make the reader panic, which is no Exception.
_FAULTS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def read_files(paths: Sequence[Path], part: Part) -> pl.DataFrame:
    """All rows of the files of a split, in order; all files have one suffix of `READERS`.

    Raises:
      DataError: a file cannot be read, or two have different columns.
    """
    return pl.concat(list(read_pieces(paths, part)))


def read_pieces(paths: Sequence[Path], part: Part, *, num_bytes: int = PIECE_BYTES) -> Iterator[pl.DataFrame]:
    """The rows of `read_files` piece by piece, of the same columns and types; at least one piece.

    Of a Parquet file no more is held than a piece, so that the largest split can be chosen from; other formats are
    read file by file. Slices, not polars' `collect_batches`, which holds several row groups at once.

    Args:
      paths: the files.
      part: whose types columns of CSV have.
      num_bytes: size of a piece, about; the last of a file may have twice as many.

    Raises:
      DataError: as `read_files`.
    """
    frames = [_read(path, part) for path in paths]
    try:
        # Relaxed: a column without a value in one file is of type null there.
        columns = pl.concat([frame.head(0).collect() for frame in frames], how="vertical_relaxed")
    except pl.exceptions.PolarsError as err:
        raise DataError(
            f"{paths[0]} and the {len(paths) - 1} files after it do not make one split: {_first_line(err)}"
        ) from err
    yielded = False
    for path, frame in zip(paths, frames, strict=True):
        for piece in _pieces(path, frame, num_bytes):
            yielded = True
            same = piece.schema == columns.schema
            yield piece if same else pl.concat([columns, piece], how="vertical_relaxed")
    if not yielded:
        yield columns


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


def _read(path: Path, part: Part) -> pl.LazyFrame:
    try:
        frame = READERS[path.suffix](path, part)
        frame.collect_schema()
    except _FAULTS as err:
        raise _unreadable(path, err) from err
    return frame


def _pieces(path: Path, frame: pl.LazyFrame, num_bytes: int) -> Iterator[pl.DataFrame]:
    start, num_rows = 0, _FIRST_ROWS
    try:
        left = frame.select(pl.len()).collect().item()
    except _FAULTS as err:
        raise _unreadable(path, err) from err
    while left:
        taken = num_rows if left >= 2 * num_rows else left
        try:
            piece = frame.slice(start, taken).collect()
        except _FAULTS as err:
            raise _unreadable(path, err) from err
        yield piece
        start, left = start + taken, left - taken
        num_rows = max(_LEAST_ROWS, num_bytes * taken // max(1, piece.estimated_size()))


def _parquet(path: Path, part: Part) -> pl.LazyFrame:
    # One file whatever its name: hive and glob characters in a path mean nothing here.
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _jsonl(path: Path, part: Part) -> pl.LazyFrame:
    # Not scanned: every piece would read the file from its beginning.
    return pl.read_ndjson(path, infer_schema_length=None).lazy()


def _csv(path: Path, part: Part) -> pl.LazyFrame:
    # A column of digits is text where the entry says so: HellaSwag's labels, a text "2".
    texts = {name: pl.String for name, kind in part.columns.items() if kind == pl.String}
    return pl.read_csv(path, infer_schema_length=None, schema_overrides=texts, glob=False).lazy()


READERS: dict[str, Callable[[Path, Part], pl.LazyFrame]] = {
    PARQUET: _parquet,
    ".jsonl": _jsonl,
    ".csv": _csv,
}


def _first_line(err: BaseException) -> str:
    return next(iter(str(err).strip().splitlines()), type(err).__name__)


def _unreadable(path: Path, err: BaseException) -> DataError:
    return DataError(f"{path} cannot be read: {getattr(err, 'strerror', None) or _first_line(err)}")
