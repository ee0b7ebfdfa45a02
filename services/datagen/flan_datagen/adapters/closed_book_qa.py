"""ARC, Natural Questions (open) and TriviaQA."""

import polars as pl

from flan_datagen.adapters import choices
from flan_datagen.adapters.text import first, with_question_mark

_HIDDEN = "<unk>"
"""What TriviaQA's test split has for every answer."""


def arc(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Both parts alike. The few rows without exactly four options are left out, as in the paper's evaluation."""
    return frame.filter(choices.has_all_options()).select("row", "question", **choices.lettered())


def natural_questions(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The first of the answers is the target, all are references."""
    return frame.select(
        "row",
        question=with_question_mark(pl.col("question")),
        answer=first(pl.col("answer")),
        references="answer",
    )


def trivia_qa(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The value as it is written is the target, the value and its aliases are references.

    The paper's code takes `normalized_value`, in lower case and without articles ("citizen of world"). The
    metric normalises both sides, so scores do not depend on it, and the target here is a name that one can read.
    Rows of the test split have no public answer and are left out.
    """
    answer = pl.col("answer").struct
    return frame.filter(answer.field("value").ne_missing(_HIDDEN)).select(
        "row",
        question=_without_quoting(pl.col("question")),
        answer=answer.field("value"),
        references=answer.field("aliases"),
    )


def _without_quoting(text: pl.Expr) -> pl.Expr:
    """`"Who was the ""Iron Duke""?"`, quoted for a CSV file, is `Who was the "Iron Duke"?`."""
    return (
        pl.when(text.str.contains(r'^"[^"]*""(?:[^"]|"")*"$'))
        .then(text.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True))
        .otherwise(text)
    )
