"""Labels that the source does not write as an index from 0."""

from collections.abc import Mapping

import polars as pl

_UNKNOWN = -2
"""Not -1, which means unlabelled: a label that nobody knows is a defect."""


def label_columns(column: str, indices: Mapping[str, int]) -> dict[str, pl.Expr]:
    """The columns `label` and `label_seen` from a column of text or numbers.

    With indices {"1": 0, "2": 1}: "1" is label 0; "" and null are unlabelled; "3" is a defect, and is shown as
    the source has it.

    Args:
      column: name of the source column.
      indices: option by what the source writes.
    """
    seen = pl.col(column).cast(pl.String).str.strip_chars()
    index = seen.replace_strict({**indices, "-1": -1}, default=_UNKNOWN, return_dtype=pl.Int64)
    return {"label": pl.when(seen != "").then(index), "label_seen": seen}
