"""MRPC, QQP, PAWS (Wikipedia) and STS-B."""

import polars as pl


def mrpc(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "sentence1", "sentence2", "label")


def qqp(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Quotes are doubled in the source: a left-over of its tab-separated file."""
    return frame.select(
        "row",
        "label",
        question1=pl.col("question1").str.replace_all('""', '"', literal=True),
        question2=pl.col("question2").str.replace_all('""', '"', literal=True),
    )


def paws_wiki(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "sentence1", "sentence2", "label")


def stsb(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Similarity from 0 to 5 as the nearest integer, ties to even: 2.5 is 2, 3.5 is 4."""
    return frame.select(
        "row",
        "sentence1",
        "sentence2",
        label=pl.col("label").fill_nan(None).round(mode="half_to_even").cast(pl.Int64),
        label_seen=pl.col("label").cast(pl.String),
    )
