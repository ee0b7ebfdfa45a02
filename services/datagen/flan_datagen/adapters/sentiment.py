"""IMDB, Sentiment140, SST-2 and Yelp."""

import polars as pl

from flan_datagen.adapters.label import label_columns
from flan_datagen.adapters.markup import without_breaks, without_entities

_NEUTRAL = 2


def imdb(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "label", review=without_breaks("text"))


def sentiment140(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Without the neutral tweets, which only the test split has: the task knows two classes.

    The paper's code counts them as negative (its filter for them is not applied), which is wrong for them.
    """
    return frame.filter(pl.col("sentiment").ne_missing(_NEUTRAL)).select(
        "row", tweet=without_entities("text"), **label_columns("sentiment", {"0": 0, "4": 1})
    )


def sst2(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "sentence", "label")


def yelp_polarity(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Labels are 0 and 1 on the Hub, though their names are "1" and "2"."""
    return frame.select("row", "label", review=_unescaped(pl.col("text")))


def _unescaped(text: pl.Expr) -> pl.Expr:
    r"""Quotes and line breaks as they were before the reviews were written to a CSV file.

    A quote is doubled there and mostly has a backslash before it, a line break is a backslash and an n:
    `It said \""open\"".\nIt was not.` is `It said "open".`, then `It was not.` in a line of its own.
    """
    return (
        text.str.replace_all(r'\\?""', '"')
        .str.replace_all(r"\"", '"', literal=True)
        .str.replace_all(r"\n", "\n", literal=True)
    )
