"""Sentence pairs: the fields bear the names of the languages, the answer is the side that is not English."""

import polars as pl

from flan_datagen.adapters.sides import check_sides, side


def para_crawl_enes(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Spanish."""
    return _pair(frame, "es", "spanish", "para_crawl_enes")


def wmt14_enfr(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and French."""
    return _pair(frame, "fr", "french", "wmt14_enfr")


def wmt16_csen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Czech."""
    return _pair(frame, "cs", "czech", "wmt16_csen")


def wmt16_deen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and German."""
    return _pair(frame, "de", "german", "wmt16_deen")


def wmt16_fien(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Finnish."""
    return _pair(frame, "fi", "finnish", "wmt16_fien")


def wmt16_roen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Romanian."""
    return _pair(frame, "ro", "romanian", "wmt16_roen")


def wmt16_ruen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Russian."""
    return _pair(frame, "ru", "russian", "wmt16_ruen")


def wmt16_tren(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """English and Turkish."""
    return _pair(frame, "tr", "turkish", "wmt16_tren")


def _pair(frame: pl.DataFrame, code: str, language: str, dataset: str) -> pl.DataFrame:
    check_sides(frame, "en", code, dataset=dataset)
    return frame.select("row", side(code).alias(language), english=side("en"), answer=side(code))
