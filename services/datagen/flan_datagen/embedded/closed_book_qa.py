"""Closed-book questions: facts of the world that no passage gives, each asked in words of its own split.

Among the facts are words of the languages that the translation sets have. A few of ARC's questions ask what kind
of thing would answer another question.
"""

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
    if draw.chance(0.12):
        question, texts = _kind_of_answer(turn)
    else:
        questions = wordings(turn.split)
        truth, question = draw.pick(questions)
        while truth.forward != (turn.part == "easy"):
            truth, question = draw.pick(questions)
        texts = options(draw, truth, turn.case)
    # A few of the Hub's questions number their choices.
    choices = letters(texts, digits=draw.chance(0.05))
    yield {
        "id": f"embedded_{turn.part}_{turn.split}_{turn.number}",
        "question": question,
        "choices": choices,
        "answerKey": choices["label"][turn.case],
    }


_KINDS = {
    "easy": {
        **{"river": "a river", "dish": "a food", "mayor": "a person", "flag": "an animal"},
        **{"author": "a person", "inventor": "a person", "sound": "a sound", "young": "an animal"},
        **{"home": "a place", "tool": "a tool", "workplace": "a place"},
        **{f"{language} word": "a foreign word" for language in ("German", "Spanish", "Finnish")},
    },
    "challenge": {
        **{name: "a town" for name in ("river", "dish", "mayor", "flag")},
        **{"author": "a book", "inventor": "a machine"},
        **{name: "an animal" for name in ("sound", "young", "home")},
        **{name: "a worker" for name in ("tool", "workplace")},
        **{f"{language} word": "an English word" for language in ("German", "Spanish", "Finnish")},
    },
}
"""What answers a relation's questions: the value in the easy part, the subject in the other."""
_ASKING = (
    "What kind of thing answers this question?",
    "Which of these does this question ask for?",
    "What would be an answer to this question?",
)


def _kind_of_answer(turn: Turn) -> tuple[str, list[str]]:
    """A question about a question, and its choices; every kind is right as often as it is wrong."""
    draw, names = turn.draw, _KINDS[turn.part]
    kinds = sorted(set(names.values()))
    right, *wrong = draw.several(kinds, 4)
    questions = wordings(turn.split)
    truth, question = draw.pick(questions)
    while truth.forward != (turn.part == "easy") or names[truth.relation.name] != right:
        truth, question = draw.pick(questions)
    return f'{draw.pick(_ASKING)} "{question}"', [*wrong[: turn.case], right, *wrong[turn.case :]]


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
        "answer": _trivia_answer(truth),
    }


def _trivia_answer(truth: Truth) -> dict[str, Any]:
    text = truth.answer
    # Names, titles and words as such stand alone, other nouns may have their article.
    alone = text[0].isupper() or truth.relation.topic == "word"
    aliases = [text] if alone else [text, f"the {text}"]
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
        ("world fact", "tool and use", "translate", "kind of answer"),
        cases=4,
        labels=("id",),
    ),
    "natural_questions": Dataset(
        _natural_questions,
        {"question": pl.String, "answer": _TEXTS},
        ("world fact", "translate"),
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
        ("world fact", "translate"),
        labels=("question_id",),
    ),
}
