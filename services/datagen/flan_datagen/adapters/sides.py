"""The sides of a parallel corpus: the Hub has them in one struct, `translation`, TFDS as a column for each language."""

import polars as pl

from flan_shared.errors import DataError

_LINE_BREAKS = r"\s*[\n\r\x0b\x0c\x{85}\x{2028}\x{2029}]\s*"


def side(code: str) -> pl.Expr:
    """The text in one language, in one line: crawled pages put breaks into sentences, which templates read as ends.

    >>> pl.DataFrame({"translation": [{"en": "Good\\n day"}], "en": [None]}).select(side("en")).item()
    'Good day'
    """
    text = pl.coalesce(pl.col("translation").struct.field(code), pl.col(code).cast(pl.String))
    return text.str.strip_chars().str.replace_all(_LINE_BREAKS, " ")


def check_sides(frame: pl.DataFrame, *codes: str, dataset: str) -> None:
    """Refuses a source that has neither form; both are optional in the catalog, so nothing else would notice.

    Raises:
      DataError: no row has anything in any of the columns.
    """
    if not frame.height or any(frame[name].null_count() < frame.height for name in ("translation", *codes)):
        return
    fields = ", ".join(f"{code}: string" for code in codes)
    columns = " and ".join(repr(code) for code in codes)
    found = [name for name in frame.columns if name != "row" and frame[name].null_count() < frame.height]
    raise DataError(
        f"dataset {dataset!r} has nothing in a column 'translation' (struct<{fields}>) or in {columns} (string); "
        f"found: {', '.join(found) or 'no columns'}"
    )
