"""Sentence pairs of WMT: the fields bear the names of the languages, the answer is the side that is not English."""

import polars as pl


def wmt14_enfr(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and French."""
    return _pair(frame, "fr", "french")


def wmt16_csen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Czech."""
    return _pair(frame, "cs", "czech")


def wmt16_deen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and German."""
    return _pair(frame, "de", "german")


def wmt16_roen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Romanian."""
    return _pair(frame, "ro", "romanian")


def wmt16_ruen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Russian."""
    return _pair(frame, "ru", "russian")


def wmt16_tren(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Turkish."""
    return _pair(frame, "tr", "turkish")


def _pair(frame: pl.DataFrame, code: str, language: str) -> pl.DataFrame:
    sides = pl.col("translation").struct
    return frame.select(
        "row", sides.field(code).alias(language), english=sides.field("en"), answer=sides.field(code)
    )
