"""CommonGen, E2E NLG and WebNLG: data, written out in one line, to a text.

The rows that scores are reported on list several references for one input; the GEM versions have them, in
`references`, beside `target`.
"""

import polars as pl

from flan_datagen.adapters.text import spaced


def common_gen(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`["dog", "frisbee", "catch"]` becomes "dog, frisbee, catch"."""
    return frame.select("row", "references", concepts=pl.col("concepts").list.join(", "), answer="target")


def e2e_nlg(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`name[Blue Spice], area[city centre]` becomes "name = Blue Spice, area = city centre"."""
    attributes = pl.col("meaning_representation").str.replace_all(r"\s*\[\s*([^\]]*?)\s*\]", " = $1")
    return frame.select("row", "references", attributes=attributes, answer="target")


def web_nlg_en(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`Aarhus_Airport | runwayLength | 2702.0` becomes "Aarhus Airport, runwayLength, 2702.0".

    Semicolons stand between triples. Their order is that of the source.
    """
    triple = spaced(pl.element()).str.replace_all(r"\s*\|\s*", ", ")
    triples = pl.col("input").list.eval(triple).list.join("; ")
    return frame.select("row", "references", triples=triples, answer="target")
