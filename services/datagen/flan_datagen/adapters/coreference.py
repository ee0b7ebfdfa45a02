"""Definite pronoun resolution (DPR) and Winogrande."""

import polars as pl

from flan_datagen.adapters.label import label_columns


def dpr(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "sentence", "pronoun", "label", options="candidates")


def winogrande(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """An option is one of the two names with what follows the blank, as in the paper's code.

    "Ann thanked Bo because _ had helped." gives the start "Ann thanked Bo because", the sentence
    "Ann thanked Bo because ____ had helped." and the options "Ann had helped." and "Bo had helped.".
    A sentence without a blank has options without text, which is a defect.
    """
    halves = pl.col("sentence").str.splitn("_", 2)
    rest = halves.struct.field("field_1")
    return frame.select(
        "row",
        start=halves.struct.field("field_0"),
        sentence=pl.col("sentence").str.replace("_", "____", literal=True),
        options=pl.concat_list(
            pl.col("option1").str.strip_chars() + rest, pl.col("option2").str.strip_chars() + rest
        ),
        **label_columns("answer", {"1": 0, "2": 1}),
    )
