"""Summarization: the topic of a news item (AG News) and the gist of a talk (SAMSum)."""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import dialogues, news
from flan_datagen.embedded.rows import Dataset, Row, Turn


def _ag_news(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    # The Hub's text is the headline and the item in one line.
    text = draw.owned(lambda: f"{news.headline(draw, turn.case)} {news.report(draw, turn.case)}", str)
    yield {"text": text, "label": turn.case}


def _samsum(turn: Turn) -> Iterator[Row]:
    dialogue, summary = dialogues.talk(turn.draw)
    yield {"id": f"embedded-{turn.split}-{turn.number}", "dialogue": dialogue, "summary": summary}


DATASETS = {
    "ag_news": Dataset(_ag_news, {"text": pl.String, "label": pl.Int64}, ("topic",), cases=4),
    "samsum": Dataset(
        _samsum,
        {"id": pl.String, "dialogue": pl.String, "summary": pl.String},
        ("gist", "dialogue", "tell the facts"),
        labels=("id",),
    ),
}
