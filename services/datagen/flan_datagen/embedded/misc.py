"""The miscellaneous sets. Here: is a sentence grammatical (CoLA), linear equations (math_dataset), meanings (WiC).

The others have modules of their own: `conversations`, `question_types` and `danish`.
"""

import re
from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import conversations, danish, question_types, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.word_senses import SENSES

_THING_VERBS = (
    ("is", "are", ("in the {}",), world.PLACES),
    ("is", "are", ("{}",), world.COLOURS),
    ("is", "are", ("made of {}",), world.MATERIALS),
    ("belongs", "belong", ("to {}",), world.PEOPLE),
    ("stands", "stand", ("in the {}", "behind the {}"), world.PLACES),
)
_PERSON_VERBS = (
    ("lives", "live", ("in {}", "near {}"), world.TOWNS),
    ("likes", "like", ("{}", "the {}"), world.FOODS),
    ("goes", "go", ("to work by {}",), world.VEHICLES),
    ("was", "were", ("born in {}",), world.MONTHS),
    ("works", "work", ("in the {}",), world.PLACES),
    ("owns", "own", ("the {}", "the old {}"), world.THINGS),
)


def _clause(draw: Draw) -> tuple[str, bool, tuple[str, str], str]:
    """Subject, whether it is plural, the verb for one and for many, and the rest."""
    plural = draw.chance(0.5)
    if draw.chance(0.5):
        thing = draw.pick(world.THINGS)
        name = (thing + "es" if thing.endswith("x") else thing + "s") if plural else thing
        colour = f"{draw.pick(world.COLOURS)} " if draw.chance(0.4) else ""
        subject, verbs = f"the {colour}{name}", _THING_VERBS
    else:
        subject, verbs = " and ".join(draw.several(world.PEOPLE, 1 + plural)), _PERSON_VERBS
    one, many, forms, values = draw.pick(verbs)
    return subject, plural, (one, many), draw.pick(forms).format(draw.pick(values))


def _cola(turn: Turn) -> Iterator[Row]:
    """The unacceptable half has the verb in the wrong number, in the wrong place, or not at all."""
    draw = turn.draw
    acceptable = turn.case % 2
    subject, plural, verbs, rest = draw.owned(
        lambda: _clause(draw), lambda made: f"{made[0]}/{made[2]}/{made[3]}"
    )
    verb = verbs[plural]
    words = [subject, verb, rest]
    if not acceptable:
        fault = turn.case // 2
        if fault == 0:
            words[1] = verbs[not plural]
        elif fault == 1:
            # A form of "be" in front would make a question.
            first = verb not in ("is", "are", "was", "were") and draw.chance(0.5)
            words = [verb, subject, rest] if first else [subject, rest, verb]
        else:
            words = draw.pick(([subject, rest], [subject, verb, verb, rest]))
    sentence = capital(" ".join(words)) + "."
    yield {"sentence": sentence, "label": acceptable, "idx": turn.number}


def _math_dataset(turn: Turn) -> Iterator[Row]:
    """One equation in one letter, a*x + b = c, with the letter on either side."""
    draw = turn.draw

    def make() -> tuple[int, int, int]:
        return draw.pick((1, 2, 3, 4, 5)), draw.between(-9, 9), draw.between(-9, 9)

    factor, answer, added = draw.owned(make, str)
    letter = draw.pick("abkmpxyz")
    left = letter if factor == 1 else f"{factor}*{letter}"
    if added:
        left += f" + {added}" if added > 0 else f" - {-added}"
    sides = (left, str(factor * answer + added))
    one, two = sides if draw.chance(0.7) else sides[::-1]
    form = draw.pick(("Solve {} = {} for {}.", "Solve {} = {} for {}.", "Let {} = {}. What is {}?"))
    yield {"question": form.format(one, two, letter), "answer": str(answer)}


def _wic(turn: Turn) -> Iterator[Row]:
    """Does a word mean the same in two sentences? Cases: label, and which meaning comes first.

    Sentences have numbers in their meaning. What is dealt to a split is two numbers of a word: each of the four
    sentences stands in one pair that matches and in one that does not, so that none goes with a label.
    """
    draw = turn.draw
    same, first = turn.case % 2, turn.case // 2
    senses = first, first if same else 1 - first

    def make() -> tuple[str, list[int]]:
        return draw.pick(tuple(SENSES)), draw.several(range(4), 2)

    word, numbers = draw.owned(make, lambda made: f"{made[0]}/{sorted(made[1])}")
    people, towns, days = (draw.several(values, 2) for values in (world.PEOPLE, world.TOWNS, world.DAYS))
    sentences = [
        _named(SENSES[word][sense][number], people[nth], towns[nth], days[nth])
        for nth, (sense, number) in enumerate(zip(senses, numbers, strict=True))
    ]
    spans = [re.search(rf"\b{word}\b", sentence).span() for sentence in sentences]
    yield {
        "word": word,
        "sentence1": sentences[0],
        "sentence2": sentences[1],
        "start1": spans[0][0],
        "start2": spans[1][0],
        "end1": spans[0][1],
        "end2": spans[1][1],
        "idx": turn.number,
        "label": same,
    }


def _named(form: str, name: str, town: str, day: str) -> str:
    """The sentence; who is "her" or "he" further on has a name that fits."""
    words = {" her ": world.WOMEN, " his ": world.MEN, " he ": world.MEN}
    for word, people in words.items():
        if "{n}" in form and word in form and name not in people:
            others = world.MEN if people is world.WOMEN else world.WOMEN
            name = people[others.index(name)]
    return form.format(n=name, t=town, d=day)


_TEXTS = pl.List(pl.String)
_STARTS = pl.List(pl.Int32)

DATASETS = {
    "cola": Dataset(
        _cola,
        {"sentence": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("correct form",),
        cases=6,
        labels=("idx",),
    ),
    "math_dataset": Dataset(
        _math_dataset,
        {"question": pl.String, "answer": pl.String},
        ("arithmetic",),
    ),
    "coqa": Dataset(
        conversations.coqa,
        {
            "source": pl.String,
            "story": pl.String,
            "questions": _TEXTS,
            "answers": pl.Struct({"input_text": _TEXTS, "answer_start": _STARTS, "answer_end": _STARTS}),
        },
        ("look up a value", "statement check", "not said", "reference", "arithmetic", "order"),
        cases=12,
    ),
    "quac": Dataset(
        conversations.quac,
        {
            **{name: pl.String for name in ("dialogue_id", "wikipedia_page_title", "background")},
            **{name: pl.String for name in ("section_title", "context")},
            **{name: _TEXTS for name in ("turn_ids", "questions")},
            **{name: pl.List(pl.Int64) for name in ("followups", "yesnos")},
            "answers": pl.Struct({"texts": pl.List(_TEXTS), "answer_starts": pl.List(_STARTS)}),
            "orig_answers": pl.Struct({"texts": _TEXTS, "answer_starts": _STARTS}),
        },
        ("look up a value", "not said"),
        labels=("dialogue_id", "turn_ids"),
    ),
    "wic": Dataset(
        _wic,
        {
            **{name: pl.String for name in ("word", "sentence1", "sentence2")},
            **{name: pl.Int32 for name in ("start1", "start2", "end1", "end2", "idx")},
            "label": pl.Int64,
        },
        ("same or different",),
        cases=4,
        labels=("idx",),
    ),
    "trec": Dataset(
        question_types.trec,
        {"text": pl.String, "coarse_label": pl.Int64, "fine_label": pl.Int64},
        ("kind of answer",),
        cases=6,
    ),
    "fix_punct": Dataset(
        danish.fix_punct,
        {"translation": pl.Struct({"en": pl.String, "da": pl.String})},
        ("correct form",),
    ),
}
