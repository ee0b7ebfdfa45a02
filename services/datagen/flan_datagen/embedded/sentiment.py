"""Sentiment: the mood of a review (IMDB, Yelp), of a phrase from one (SST-2) and of a tweet (Sentiment140)."""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import reviews, tweets, visits
from flan_datagen.embedded.rows import Dataset, Row, Turn


def _imdb(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    text = draw.owned(lambda: reviews.review(draw, turn.case, draw.pick(reviews.FILMS)), str)
    if draw.chance(0.1):
        # The Hub's reviews carry the web page's line breaks.
        text = text.replace(". ", ".<br /><br />", 1)
    yield {"text": text, "label": turn.case}


def _sst2(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    phrase = draw.owned(lambda: reviews.remark(draw, turn.case), str)
    # Tokenised and with a space at the end, as on the Hub.
    yield {"sentence": phrase + " ", "label": turn.case, "idx": turn.number}


DATASETS = {
    "imdb": Dataset(_imdb, {"text": pl.String, "label": pl.Int64}, ("mood",), cases=2),
    "sentiment140": Dataset(
        tweets.sentiment140,
        {
            **{name: pl.String for name in ("text", "date", "user")},
            "sentiment": pl.Int32,
            "query": pl.String,
        },
        ("mood",),
        cases=2,
        labels=("date", "user", "query"),
    ),
    "yelp_polarity": Dataset(
        visits.yelp_polarity, {"text": pl.String, "label": pl.Int64}, ("mood",), cases=2
    ),
    "sst2": Dataset(
        _sst2,
        {"sentence": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("mood",),
        cases=2,
        labels=("idx",),
    ),
}
