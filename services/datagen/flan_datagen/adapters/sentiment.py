"""IMDB, Sentiment140 and SST-2."""

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
