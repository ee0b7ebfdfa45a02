"""Holds a source's label names against the catalog's, so that a label never means another option in silence.

Datasets disagree on the order of their labels, and change it: TREC's classes stand in one order on the Hub, in
another in TFDS, and were renumbered once. A number alone does not tell; the names do, where the source has them:
as the metadata that Hugging Face's `datasets` writes into Parquet files, or as texts in place of numbers.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from flan_shared.errors import DataError

if TYPE_CHECKING:
    from flan_datagen.catalog.entry import Part

_SHOWN = 5
"""Unknown labels that a message names."""


def check_labels(
    expected: Mapping[str, Mapping[int, str]], found: Mapping[str, Sequence[str]], *, dataset: str
) -> None:
    """Refuses a source that numbers its labels otherwise.

    Args:
      expected: names by code, by column.
      found: the names that the source states, in the order of their codes.
      dataset: its id, for messages.

    Raises:
      DataError: a name or the order differs.
    """
    for column, names in expected.items():
        if column not in found:
            continue
        want = [names[code] for code in sorted(names)]
        if list(found[column]) != want:
            raise DataError(
                f"dataset {dataset!r}, column {column!r}: the labels are {', '.join(found[column])}, in this order; "
                f"expected {', '.join(want)}: this is another version of the data, whose labels mean something else"
            )


def coded(frame: pl.DataFrame, part: "Part", *, dataset: str) -> pl.DataFrame:
    """`frame` with label names turned into their codes.

    Only columns that the catalog declares as integers: labels ["no", "yes"] and a column of texts "yes", "no", ""
    give 1, 0 and null. Codes written as text ("1", "-1") stay what they are.

    Raises:
      DataError: a name that is none of the labels.
    """
    for column, names in part.labels.items():
        if column not in frame.columns or part.columns.get(column) != pl.Int64:
            continue
        dtype = frame.schema[column]
        if dtype.is_integer():
            _check_codes(frame[column], names, dataset)
        if dtype == pl.Boolean:
            frame = frame.with_columns(pl.col(column).cast(pl.Int64))
        if not isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
            continue
        text = pl.col(column).cast(pl.String).str.strip_chars()
        codes = {name: code for code, name in names.items()}
        code = pl.coalesce(
            text.replace_strict(codes, default=None, return_dtype=pl.Int64), text.cast(pl.Int64, strict=False)
        )
        unknown = frame.filter(code.is_null() & (text != ""))[column].cast(pl.String).unique().sort()
        if len(unknown):
            more = ", …" if len(unknown) > _SHOWN else ""
            raise DataError(
                f"dataset {dataset!r}, column {column!r}: found the label {', '.join(unknown[:_SHOWN])}{more}; "
                f"expected {', '.join(names.values())}"
            )
        frame = frame.with_columns(code.alias(column))
    return frame


def _check_codes(codes: pl.Series, names: Mapping[int, str], dataset: str) -> None:
    """Refuses codes that count from 1 where they should count from 0: all but one would mean another option."""
    found = set(codes.drop_nulls().unique()) - {-1}
    if found and min(found) == min(names) + 1 and max(found) == max(names) + 1:
        raise DataError(
            f"dataset {dataset!r}, column {codes.name!r}: the labels are {min(found)} to {max(found)}; expected "
            + ", ".join(f"{code} ({name})" for code, name in names.items())
        )
