"""Expressions that several adapters make text with.

The words of a dataset stay as they are, tokenised or in lower case where the source has them so: scores are
compared with others' on the same text. Taken out is only what is no text: markup, media, storage formats.
"""

import polars as pl


def first(texts: pl.Expr) -> pl.Expr:
    """The first of a List[String]; null for an empty one."""
    return texts.list.get(0, null_on_oob=True)


def spaced(text: pl.Expr) -> pl.Expr:
    """Underscores, which Wikipedia and DBpedia write in names, as spaces."""
    return text.str.replace_all("_", " ", literal=True)


def with_question_mark(text: pl.Expr) -> pl.Expr:
    """A question with exactly one question mark at its end; a blank stays blank.

    Search queries (BoolQ, Natural Questions) come without one; templates add none, so that there are never two.

    >>> pl.select(with_question_mark(pl.lit("is water wet"))).item()
    'is water wet?'
    """
    return text.str.replace(r"([^\s?])[\s?]*$", "$1?")
