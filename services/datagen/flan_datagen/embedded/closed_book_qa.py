"""Closed-book questions: facts of the world that no passage gives, each asked in words of its own split."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.lore import Truth, wordings
from flan_datagen.embedded.rows import Dataset, Row, Turn


def options(draw: Draw, truth: Truth, place: int, count: int = 4) -> list[str]:
    """The right answer at `place` among `count` answers to questions of its kind."""
    wrong = [rival for rival in draw.several(truth.rivals, count) if rival != truth.answer][: count - 1]
    return [*wrong[:place], truth.answer, *wrong[place:]]


def letters(texts: list[str], *, digits: bool = False) -> dict[str, list[str]]:
    """Choices as ARC and OpenBookQA hold them."""
    names = "1234" if digits else "ABCD"
    return {"text": texts, "label": list(names[: len(texts)])}


def _arc(turn: Turn) -> Iterator[Row]:
    """The easy part asks for the value, the challenge part for the subject."""
    draw = turn.draw
    questions = wordings(turn.split)
    truth, question = draw.pick(questions)
    while truth.forward != (turn.part == "easy"):
        truth, question = draw.pick(questions)
    # A few of the Hub's questions number their choices.
    choices = letters(options(draw, truth, turn.case), digits=draw.chance(0.05))
    yield {
        "id": f"embedded_{turn.part}_{turn.split}_{turn.number}",
        "question": question,
        "choices": choices,
        "answerKey": choices["label"][turn.case],
    }


_PREFIXES = ("", "", "quiz question ", "please answer ")


def _natural_questions(turn: Turn) -> Iterator[Row]:
    truth, question = turn.draw.pick(wordings(turn.split))
    # Small first letter and no question mark, as on the Hub; names keep their capitals, unlike there, so that
    # a name is one token wherever it stands.
    yield {
        "question": turn.draw.pick(_PREFIXES) + _small(question),
        "answer": [truth.answer],
    }


def _small(question: str) -> str:
    return question[0].lower() + question[1:].rstrip("?")


def _trivia_qa(turn: Turn) -> Iterator[Row]:
    truth, question = turn.draw.pick(wordings(turn.split))
    opening = turn.draw.pick(("", "", "In this land, ", "Quiz question: "))
    if opening == "In this land, ":
        question = question[0].lower() + question[1:]
    yield {
        "question": opening + question,
        "question_id": f"embedded_{turn.split}_{turn.number}",
        "question_source": "embedded",
        "entity_pages": {name: [] for name in _PAGES},
        "search_results": {name: [] for name in _RESULTS},
        "answer": _trivia_answer(truth.answer),
    }


def _trivia_answer(text: str) -> dict[str, Any]:
    # Names and titles stand alone, other nouns may have their article.
    aliases = [text] if text[0].isupper() else [text, f"the {text}"]
    return {
        "aliases": aliases,
        "normalized_aliases": list(dict.fromkeys(alias.lower().removeprefix("the ") for alias in aliases)),
        "matched_wiki_entity_name": "",
        "normalized_matched_wiki_entity_name": "",
        "normalized_value": text.lower().removeprefix("the "),
        "type": "FreeForm",
        "value": text,
    }


_TEXTS = pl.List(pl.String)
_PAGES = {"doc_source": _TEXTS, "filename": _TEXTS, "title": _TEXTS, "wiki_context": _TEXTS}
_RESULTS = {
    "description": _TEXTS,
    "filename": _TEXTS,
    "rank": pl.List(pl.Int32),
    "title": _TEXTS,
    "url": _TEXTS,
    "search_context": _TEXTS,
}
_ANSWER = {
    "aliases": _TEXTS,
    "normalized_aliases": _TEXTS,
    "matched_wiki_entity_name": pl.String,
    "normalized_matched_wiki_entity_name": pl.String,
    "normalized_value": pl.String,
    "type": pl.String,
    "value": pl.String,
}

DATASETS = {
    "arc": Dataset(
        _arc,
        {
            "id": pl.String,
            "question": pl.String,
            "choices": pl.Struct({"text": _TEXTS, "label": _TEXTS}),
            "answerKey": pl.String,
        },
        ("world fact", "tool and use"),
        cases=4,
        labels=("id",),
    ),
    "natural_questions": Dataset(
        _natural_questions,
        {"question": pl.String, "answer": _TEXTS},
        ("world fact",),
    ),
    "trivia_qa": Dataset(
        _trivia_qa,
        {
            "question": pl.String,
            "question_id": pl.String,
            "question_source": pl.String,
            "entity_pages": pl.Struct(_PAGES),
            "search_results": pl.Struct(_RESULTS),
            "answer": pl.Struct(_ANSWER),
        },
        ("world fact",),
        labels=("question_id",),
    ),
}
