"""Takes web markup out of texts; their words stay as they are."""

import polars as pl

_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}


def without_breaks(column: str) -> pl.Expr:
    r"""A run of HTML line breaks as one line break: "Good.<br /><br />Bad." is "Good.\nBad."."""
    return pl.col(column).str.replace_all(r"(?i)(?:\s*<br\s*/?>\s*)+", "\n")


def without_entities(column: str) -> pl.Expr:
    """The five named characters of HTML as themselves: "AT&amp;T" is "AT&T"."""
    return pl.col(column).str.replace_many(list(_ENTITIES), list(_ENTITIES.values()))
