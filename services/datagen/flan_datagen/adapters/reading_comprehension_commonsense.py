"""CosmosQA and ReCoRD."""

import polars as pl

from flan_datagen.adapters.text import GAP, asked, before_blank

_OPTIONS = ("answer0", "answer1", "answer2", "answer3")

_PLACEHOLDER = "@placeholder"

_HIGHLIGHTS = r"(?s)\s*@highlight\b.*$"
"""The summary lines of a news article; the paper's code leaves them out, from the first to the end."""


def cosmos_qa(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The options are columns of their own. Label -1 marks the rows of the test split, which are unlabelled."""
    return frame.select(
        "row", "context", "label", question=asked(pl.col("question")), options=pl.concat_list(*_OPTIONS)
    )


def record(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """An option is an entity of the passage with what follows the placeholder, as in the paper's code.

    The query "Ann said @placeholder was shut." gives the start "Ann said", the query "Ann said ____ was shut." and,
    for the entities "Bridge" and "Rome", the options "Bridge was shut." and "Rome was shut.". Several entities may
    be right ("Rome", "the city of Rome"): the label is the first of them in the order of the entities, and all are
    references. A row without answers is unlabelled; one with answers none of which is an entity has a label that
    names no option, and a query without a placeholder has options without text, which are defects.
    """
    halves = pl.col("query").str.splitn(_PLACEHOLDER, 2)
    rows = frame.select(
        "row",
        passage=pl.col("passage").str.replace(_HIGHLIGHTS, ""),
        query=pl.col("query").str.replace_all(_PLACEHOLDER, GAP, literal=True),
        start=before_blank(halves.struct.field("field_0")),
        rest=halves.struct.field("field_1"),
        answers=_trimmed("answers"),
        entity=_trimmed("entities"),
    )
    long = rows.select("row", "rest", "answers", "entity").explode("entity")
    # Now and then a query names the entity twice.
    again = pl.col("rest").str.split(_PLACEHOLDER).list.join(pl.col("entity"))
    right = pl.col("entity").is_in(pl.col("answers"))
    options = (
        long.with_columns(option=pl.col("entity") + again, right=right.fill_null(False))
        .group_by("row", maintain_order=True)
        .agg(
            options=pl.col("option").filter(pl.col("entity").is_not_null()),
            references=pl.col("option").filter("right"),
            found=pl.col("right").arg_max().cast(pl.Int64),
        )
    )
    count = pl.col("options").list.len().cast(pl.Int64).fill_null(0)  # none to explode: no row to join
    found = pl.when(pl.col("references").list.len() > 0).then("found").otherwise(count)
    answers = pl.col("answers")
    return rows.join(options, on="row", how="left", maintain_order="left").select(
        "row",
        "passage",
        "query",
        "start",
        "options",
        "references",
        label=pl.when(answers.list.len() > 0).then(found),
        label_seen=answers.list.join(" / "),
    )


def _trimmed(column: str) -> pl.Expr:
    """The texts of a list, each once, in their order."""
    text = pl.element().str.strip_chars()
    texts = pl.col(column).fill_null([]).list.eval(text.filter(text.is_not_null() & (text != "")))
    return texts.list.unique(maintain_order=True)
