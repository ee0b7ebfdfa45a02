"""Expressions that several adapters make text with.

The words of a dataset stay as they are, tokenised or in lower case where the source has them so: scores are
compared with others' on the same text. Taken out is only what is no text: markup, media, storage formats.
"""

import polars as pl

from flan_shared.errors import DataError

GAP = "____"
"""A blank to fill in, as it is shown."""

NOTHING_BEFORE = "..."
"""Stands where a sentence begins with its blank, so that no template shows an empty beginning."""

_COMMANDS = r"(?i)^\s*(?:name|list|describe|give|explain|state|identify|tell|mention|find|complete|choose)\s"


def first(texts: pl.Expr) -> pl.Expr:
    """The first of a List[String]; null for an empty one."""
    return texts.list.get(0, null_on_oob=True)


def spaced(text: pl.Expr) -> pl.Expr:
    """Underscores, which Wikipedia and DBpedia write in names, as spaces."""
    return text.str.replace_all("_", " ", literal=True)


def with_question_mark(text: pl.Expr) -> pl.Expr:
    """A search query (BoolQ, Natural Questions) as a question with one question mark; a blank stays blank.

    >>> pl.select(with_question_mark(pl.lit("is water wet"))).item()
    'is water wet?'
    """
    return text.str.replace(r"([^\s?])[\s?]*$", "$1?")


def asked(text: pl.Expr) -> pl.Expr:
    """A question that people wrote: one question mark at its end, where "??" or none was typed.

    "Name a river." and whatever else ends with a mark of its own stays as it is, as does a space before the mark
    in tokenised text.
    """
    once = text.str.replace(r"\?(?:\s*\?)+\s*$", "?")
    is_open = once.str.contains(r"[\p{L}\p{N}\p{Pe}\p{Pf}\"'%]\s*$") & ~once.str.contains(_COMMANDS)
    return pl.when(is_open).then(once.str.strip_chars_end() + "?").otherwise(once)


def before_blank(text: pl.Expr) -> pl.Expr:
    """What stands before a blank; `NOTHING_BEFORE` where that is nothing."""
    return pl.when(text.str.strip_chars() == "").then(pl.lit(NOTHING_BEFORE)).otherwise(text)


def check_forms(frame: pl.DataFrame, *columns: str, dataset: str) -> None:
    """Refuses a source with none of the columns that each stand for a form of the dataset.

    The catalog has them all as optional, so nothing else would notice.

    Raises:
      DataError: no row has anything in any of them.
    """
    if frame.height and all(frame[name].null_count() == frame.height for name in columns):
        found = [name for name in frame.columns if name != "row" and frame[name].null_count() < frame.height]
        raise DataError(
            f"dataset {dataset!r} has nothing in any of the columns {', '.join(columns)}; "
            f"found: {', '.join(found) or 'no columns'}"
        )
