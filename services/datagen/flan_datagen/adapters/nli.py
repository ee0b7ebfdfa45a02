"""ANLI, CB, MNLI, QNLI, RTE, SNLI and WNLI.

The label orders differ and are the sources' own: CB has contradiction before neutral, WNLI has no before yes. The
catalog lists the options of each in that order, so labels pass through.
"""

import polars as pl

from flan_datagen.adapters.markup import without_breaks


def anli(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Round 3 has passages from wikiHow, which mark their steps by HTML line breaks."""
    return frame.select("row", "hypothesis", "label", premise=without_breaks("premise"))


def cb(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "premise", "hypothesis", "label")


def mnli(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "premise", "hypothesis", "label")


def qnli(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "question", "sentence", "label")


def rte(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "premise", "hypothesis", "label")


def snli(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Rows on which the annotators did not agree have label -1 in every split."""
    return frame.select("row", "premise", "hypothesis", "label")


def wnli(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "label", premise="sentence1", hypothesis="sentence2")
