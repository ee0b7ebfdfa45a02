"""CommonGen, DART, E2E NLG and WebNLG: data, written out in one line, to a text.

Each comes in two forms. GEM has a row for each text, in `target`; the rows that scores are reported on list all
texts for their data in `references`. The original form names its columns otherwise and, in DART and WebNLG, has
a row for each piece of data with all of its texts: the first is the target, all are references.
"""

import polars as pl

from flan_datagen.adapters.text import check_forms, first, spaced

_CONTEXT = r"(?i)^\[\s*table\s*context\s*\]$"
"""DART's subject of facts that are about the table as a whole."""

_BRACKETED = r"^\[\s*([^\[\]]*?)\s*\]$"
"""DART's own cells, `[TITLE]`, beside those of its tables."""


def common_gen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`["dog", "frisbee", "catch"]` becomes "dog, frisbee, catch". The original form has no references."""
    return frame.select("row", "references", concepts=pl.col("concepts").list.join(", "), answer="target")


def dart(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`["Ann_Lee", "AGE", "31"]` becomes "Ann Lee, AGE, 31", `["[TABLECONTEXT]", "[TITLE]", "Crew"]` "TITLE, Crew".

    Semicolons stand between triples. Their order is that of the source.
    """
    check_forms(frame, "target", "annotations", dataset="dart")
    cell = spaced(pl.element()).str.strip_chars()
    kept = cell.filter(cell.is_not_null() & (cell != "") & ~cell.str.contains(_CONTEXT))
    triple = pl.element().list.eval(kept.str.replace(_BRACKETED, "$1")).list.join(", ")
    texts = pl.col("annotations").struct.field("text")
    return frame.select(
        "row",
        triples=pl.col("tripleset").list.eval(triple).list.join("; "),
        answer=pl.coalesce("target", first(texts)),
        references=pl.coalesce("references", texts),
    )


def e2e_nlg(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`name[Blue Spice], area[city centre]` becomes "name = Blue Spice, area = city centre"."""
    check_forms(frame, "target", "human_reference", dataset="e2e_nlg")
    attributes = pl.col("meaning_representation").str.replace_all(r"\s*\[\s*([^\]]*?)\s*\]", " = $1")
    return frame.select(
        "row", "references", attributes=attributes, answer=pl.coalesce("target", "human_reference")
    )


def web_nlg_en(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`Aarhus_Airport | runwayLength | 2702.0` becomes "Aarhus Airport, runwayLength, 2702.0".

    Semicolons stand between triples. Their order is that of the source. The original form has several spellings
    of a set of triples; GEM took the first of the modified ones.
    """
    check_forms(frame, "input", "modified_triple_sets", dataset="web_nlg_en")
    sets = pl.col("modified_triple_sets").struct.field("mtriple_set")
    triple = spaced(pl.element()).str.replace_all(r"\s*\|\s*", ", ")
    texts = pl.col("lex").struct.field("text")
    return frame.select(
        "row",
        triples=pl.coalesce("input", first(sets)).list.eval(triple).list.join("; "),
        answer=pl.coalesce("target", first(texts)),
        references=pl.coalesce("references", texts),
    )
