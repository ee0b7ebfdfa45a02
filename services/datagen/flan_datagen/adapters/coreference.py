"""Definite pronoun resolution (DPR), Winogrande and the Winograd schemas (WSC)."""

import polars as pl

from flan_datagen.adapters.label import label_columns
from flan_datagen.adapters.text import GAP, before_blank

_LOWERED = (
    r"^(?:The|A|An|My|Your|His|Her|Its|Our|Their|This|That|These|Those|Some|Any|All|Both|Each|Every|No|Another|Other"
    r"|One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|I|He|She|It|We|You|They|Everyone|Everybody|Someone|Somebody)\b"
)
"""First words of an option that have a capital only where they begin a sentence."""

_POSSESSIVE = r"(?i)^(?:my|your|his|her|its|our|their)$"


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
        start=before_blank(halves.struct.field("field_0")),
        sentence=pl.col("sentence").str.replace("_", GAP, literal=True),
        options=pl.concat_list(
            pl.col("option1").str.strip_chars() + rest, pl.col("option2").str.strip_chars() + rest
        ),
        **label_columns("answer", {"1": 0, "2": 1}),
    )


def wsc(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Part `wsc` asks whether a pronoun means a noun; part `wsc273` asks which of two endings is true."""
    if part == "wsc273":
        return _completions(frame)
    return frame.select("row", "text", "label", noun="span1_text", pronoun="span2_text")


def _completions(frame: pl.DataFrame) -> pl.DataFrame:
    """An option is a candidate in the place of the pronoun with what follows it.

    "The councilmen refused because they feared it.", whose `pronoun_loc` is 31, has the start "The councilmen
    refused because" and the options "the councilmen feared it." and so on. Where the pronoun does not stand at
    `pronoun_loc`, `gapped` and the options have no text, which is a defect.
    """
    text, start = pl.col("text"), pl.col("pronoun_loc")
    length = pl.col("pronoun").str.len_chars()
    frame = frame.with_columns(
        _before=text.str.slice(0, start),
        _seen=text.str.slice(start, length),
        _after=text.str.slice(start + length),
    ).with_columns(
        _after=pl.when(
            (start >= 0) & (pl.col("_seen").str.to_lowercase() == pl.col("pronoun").str.to_lowercase())
        ).then("_after")
    )
    return frame.select(
        "row",
        "text",
        "pronoun",
        "label",
        start=before_blank(pl.col("_before")),
        gapped=pl.col("_before") + GAP + pl.col("_after"),
        options=pl.concat_list(_in_place(0) + pl.col("_after"), _in_place(1) + pl.col("_after")),
    )


def _in_place(index: int) -> pl.Expr:
    """A candidate as it reads where the pronoun stands: capital or small, and "Bo's" in the place of "his"."""
    name = pl.col("options").list.get(index, null_on_oob=True).str.strip_chars()
    head, tail = name.str.slice(0, 1), name.str.slice(1)
    small = head.str.to_lowercase() + tail
    # Whole words: "Ann" is no common name because the text has "planned".
    is_common = name.str.contains(_LOWERED) | _words(pl.col("text")).str.contains(_words(small), literal=True)
    begins_small = pl.col("_seen").str.contains(r"^\p{Ll}")
    name = (
        pl.when(~begins_small)
        .then(head.str.to_uppercase() + tail)
        .when(is_common)
        .then(small)
        .otherwise(name)
    )
    # "her" is also an object; an owner is followed by what is owned.
    owns = pl.col("_seen").str.contains(_POSSESSIVE) & pl.col("_after").str.contains(r"^\s+[\p{L}\p{N}]")
    return pl.when(owns & ~name.str.contains(r"['’]s?$")).then(name + "'s").otherwise(name)


def _words(text: pl.Expr) -> pl.Expr:
    """The words of a text with one space before and after each."""
    return " " + text.str.replace_all(r"[^\p{L}\p{N}'’-]+", " ").str.strip_chars() + " "
