"""Multiple choice by letters, as ARC and OpenBookQA have it: columns `choices` and `answerKey`."""

import polars as pl

NUM_OPTIONS = 4

_TEXTS = pl.col("choices").struct.field("text")
_LABELS = pl.col("choices").struct.field("label")


def lettered() -> dict[str, pl.Expr]:
    """`options`, `label` and `label_seen`.

    The key is looked up among the row's own labels, because some rows have the digits 1 to 4 in place of letters.
    Labels ["1", "2", "3", "4"] and key "3" give 2. A key that is none of the labels gives the index after the
    last one, which the check for defects finds; no key gives null, an unlabelled row.
    """
    key = pl.col("answerKey").str.strip_chars()
    found = pl.coalesce(
        *(
            pl.when(_LABELS.list.get(index, null_on_oob=True) == key).then(pl.lit(index, pl.Int64))
            for index in range(NUM_OPTIONS)
        ),
        _TEXTS.list.len().cast(pl.Int64),
    )
    return {"options": _TEXTS, "label": pl.when(key != "").then(found), "label_seen": key}


def has_all_options() -> pl.Expr:
    """Whether a row has `NUM_OPTIONS` options."""
    return _TEXTS.list.len() == NUM_OPTIONS
