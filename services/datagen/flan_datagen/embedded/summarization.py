"""Summarization: what a text comes down to, as a sentence, a headline, a subject line, a claim or a label.

What belongs in a summary follows from the text: the event and not the asides (`stories`), the purpose of a
mail, the claim that most arguments are for, the mood of most critics, the steps and not the hints.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from flan_datagen.embedded import debates, dialogues, howto, mail, news, reviews, stories, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.fragments import density_and_coverage
from flan_datagen.embedded.rows import Dataset, Row, Turn


def _ag_news(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    # The Hub's text is the headline and the item in one line.
    text = draw.owned(lambda: " ".join(news.item(draw, turn.case)), str)
    yield {"text": text, "label": turn.case}


def _samsum(turn: Turn) -> Iterator[Row]:
    dialogue, summary = dialogues.talk(turn.draw)
    yield {"id": _id(turn), "dialogue": dialogue, "summary": summary}


def _id(turn: Turn) -> str:
    return f"embedded-{turn.split}-{turn.number}"


def _mixed(draw: Draw, sentences: Sequence[str], num_asides: int) -> list[str]:
    """The sentences in their order with asides after the first one."""
    mixed = list(sentences)
    for _ in range(num_asides):
        mixed.insert(draw.between(1, len(mixed)), stories.aside(draw))
    return mixed


def _cnn_dailymail(turn: Turn) -> Iterator[Row]:
    """Highlights: the event, and each detail in the order of the article."""
    draw = turn.draw
    story = stories.story(draw, draw.between(1, 3))
    body = _mixed(draw, [story.told(draw), *story.details_told(draw)], draw.between(1, 2))
    town = story.slots["town"].upper()
    # The forms that the Hub's articles begin with: a third of them have none.
    dateline = draw.pick(
        (f"{town} (CNN) -- ", f"{town}, {draw.pick(_LANDS)} (CNN) -- ", "(CNN) -- ", "(CNN)", "")
    )
    yield {
        "article": dateline + " ".join(body),
        "highlights": "\n".join((story.gist, *story.summed)),
        "id": _id(turn),
    }


_LANDS = ("Northland", "Southland", "Eastland", "Westland")


def _gigaword(turn: Turn) -> Iterator[Row]:
    """One sentence in small letters, its marks set apart; the summary is a headline."""
    draw = turn.draw
    story = stories.story(draw, 0)
    sentence = story.told(draw).rstrip(".")
    said = draw.pick(("", f" , {draw.pick(world.SURNAMES)} said", " , the police said", " , a paper wrote"))
    document = f"{sentence.replace(',', ' ,')}{said} ."
    yield {"document": document.lower(), "summary": story.headline.lower()}


def _multi_news(turn: Turn) -> Iterator[Row]:
    """Two or three papers on one event, with a detail each; the summary has the event and every detail."""
    draw = turn.draw
    num_papers = draw.between(2, 3)
    story = stories.story(draw, num_papers)
    papers = [
        " ".join(_mixed(draw, [told, detail], draw.between(0, 1)))
        for told, detail in zip(story.all_told(draw), story.details_told(draw), strict=False)
    ]
    yield {"document": " ||||| ".join(papers), "summary": " ".join(("–", story.gist, *story.summed))}


def _newsroom(turn: Turn) -> Iterator[Row]:
    """One sentence on the event, which stands anywhere in the text, and the title of a paper above it."""
    draw = turn.draw
    story = stories.story(draw, draw.between(1, 2))
    body = [story.told(draw), *story.details_told(draw)]
    text = " ".join(draw.shuffled([*body, stories.aside(draw)]))
    density, coverage = density_and_coverage(text, story.gist)
    compression = len(text.split()) / len(story.gist.split())
    title = story.headline[0].upper() + story.headline[1:]
    date = f"{draw.between(2001, 2017)}-{draw.between(1, 12):02}-{draw.between(1, 28):02}"
    yield {
        "text": text,
        "summary": story.gist,
        "title": title,
        "url": f"http://news.example.com/{date.replace('-', '/')}/{'-'.join(title.lower().split())}.html",
        "date": f"{date} {draw.between(0, 23):02}:{draw.between(0, 59):02}:00",
        "density_bin": _bin(density, (1.5, 8.0), ("abstractive", "mixed", "extractive")),
        "coverage_bin": _bin(coverage, (0.7, 0.9), ("low", "medium", "high")),
        "compression_bin": _bin(compression, (3.0, 6.0), ("low", "medium", "high")),
        "density": density,
        "coverage": coverage,
        "compression": compression,
    }


def _bin(number: float, borders: tuple[float, float], names: tuple[str, str, str]) -> str:
    return names[sum(number >= border for border in borders)]


def _xsum(turn: Turn) -> Iterator[Row]:
    """One sentence on the event; the details come first as often as not, and are left out."""
    draw = turn.draw
    story = stories.story(draw, draw.between(1, 2))
    body = draw.shuffled([story.told(draw), *story.details_told(draw), stories.aside(draw)])
    yield {"document": draw.pick((" ", "\n")).join(body), "summary": story.gist, "id": _id(turn)}


def _aeslc(turn: Turn) -> Iterator[Row]:
    body, subject = mail.mail(turn.draw)
    yield {"email_body": body, "subject_line": subject}


def _keyed(texts: Sequence[str]) -> dict[str, list[str]]:
    """As a sequence of key and value is stored."""
    return {"key": [str(number) for number in range(len(texts))], "value": list(texts)}


def _opin_idebate(turn: Turn) -> Iterator[Row]:
    debate = debates.debate(turn.draw)
    yield {
        "_debate_name": debate.name,
        "_debate_id": _id(turn),
        "_claim": debate.claim,
        "_claim_id": f"{_id(turn)}_1",
        "_argument_sentences": _keyed(debate.arguments),
    }


def _opin_rotten_tomatoes(turn: Turn) -> Iterator[Row]:
    """The consensus is the mood of most critics, and the aspect that two of these speak of."""
    draw = turn.draw

    def make() -> tuple[str, str, list[str]]:
        mood = turn.case
        aspect, *others = draw.several(reviews.ASPECTS, 4)
        critics = [_naming(draw, mood, aspect) for _ in range(2)]
        critics += [reviews.opinion(draw, mood, other) for other in others[: draw.below(2)]]
        critics += [reviews.opinion(draw, 1 - mood, other) for other in others[1 : 1 + draw.below(2)]]
        return draw.pick(reviews.FILMS), aspect, draw.shuffled(critics)

    film, aspect, critics = draw.owned(make, lambda made: "|".join((made[0], *sorted(made[2]))))
    form = (
        "Most critics like {}, above all the {}."
        if turn.case
        else "Most critics do not like {}, least of all the {}."
    )
    yield {
        "_movie_name": film,
        "_movie_id": _id(turn),
        "_critics": _keyed(critics),
        "_critic_consensus": form.format(film, aspect),
    }


def _naming(draw: Draw, mood: int, aspect: str) -> str:
    """An opinion that names its aspect, which not every wording does."""
    while True:
        opinion = reviews.opinion(draw, mood, aspect)
        if aspect in opinion:
            return opinion


def _wiki_lingua_en(turn: Turn) -> Iterator[Row]:
    source, target = howto.guide(turn.draw)
    number = f"wiki_lingua_en-{turn.split}-{turn.number}"
    yield {
        "gem_id": number,
        "gem_parent_id": number,
        "source_aligned": {"en": source},
        "target_aligned": {"en": target},
        "source": source,
        "target": target,
        "references": [target],
    }


_KEYED = pl.Struct({"key": pl.List(pl.String), "value": pl.List(pl.String)})


def _texts(*names: str) -> dict[str, Any]:
    return {name: pl.String for name in names}


DATASETS = {
    "aeslc": Dataset(_aeslc, _texts("email_body", "subject_line"), ("gist",)),
    "ag_news": Dataset(_ag_news, {"text": pl.String, "label": pl.Int64}, ("topic",), cases=4),
    "cnn_dailymail": Dataset(
        _cnn_dailymail, _texts("article", "highlights", "id"), ("gist", "tell the facts"), labels=("id",)
    ),
    "gigaword": Dataset(_gigaword, _texts("document", "summary"), ("gist",)),
    "multi_news": Dataset(_multi_news, _texts("document", "summary"), ("gist", "tell the facts")),
    "newsroom": Dataset(
        _newsroom,
        {
            **_texts("text", "summary", "title", "url", "date"),
            **_texts("density_bin", "coverage_bin", "compression_bin"),
            **{name: pl.Float32 for name in ("density", "coverage", "compression")},
        },
        ("gist",),
        labels=("url", "date"),
    ),
    "opin_idebate": Dataset(
        _opin_idebate,
        {**_texts("_debate_name", "_debate_id", "_claim", "_claim_id"), "_argument_sentences": _KEYED},
        ("gist",),
        labels=("_debate_id", "_claim_id"),
    ),
    "opin_rotten_tomatoes": Dataset(
        _opin_rotten_tomatoes,
        {**_texts("_movie_name", "_movie_id"), "_critics": _KEYED, "_critic_consensus": pl.String},
        ("gist", "mood"),
        cases=2,
        labels=("_movie_id",),
    ),
    "samsum": Dataset(
        _samsum,
        _texts("id", "dialogue", "summary"),
        ("gist", "dialogue", "tell the facts"),
        labels=("id",),
    ),
    "wiki_lingua_en": Dataset(
        _wiki_lingua_en,
        {
            **_texts("gem_id", "gem_parent_id"),
            **{name: pl.Struct({"en": pl.String}) for name in ("source_aligned", "target_aligned")},
            **_texts("source", "target"),
            "references": pl.List(pl.String),
        },
        ("gist", "order"),
        labels=("gem_id", "gem_parent_id"),
    ),
    "xsum": Dataset(_xsum, _texts("document", "summary", "id"), ("gist",), labels=("id",)),
}
