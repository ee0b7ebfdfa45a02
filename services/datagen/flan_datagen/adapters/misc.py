"""CoLA and the mathematics dataset."""

import polars as pl


def cola(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Labels are 0, unacceptable, and 1, acceptable."""
    return frame.select("row", "sentence", "label")


def math_dataset(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Question and answer as plain text."""
    return frame.select("row", question=_plain("question"), answer=_plain("answer"))


def _plain(column: str) -> pl.Expr:
    r"""Text from what may be Python's printed form of bytes, as the Hub has it: `b'1 + 1\n'` is "1 + 1"."""
    text = pl.col(column).str.strip_chars()
    printed = text.str.contains(r"""^b(?:'.*'|".*")$""")
    inner = text.str.slice(2, text.str.len_chars().cast(pl.Int64) - 3)
    inner = inner.str.replace_all(r"\\n", "\n").str.replace_all(r"""\\(['"\\])""", "$1")
    return pl.when(printed).then(inner).otherwise(text)
