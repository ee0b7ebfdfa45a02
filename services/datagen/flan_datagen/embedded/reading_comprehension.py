"""Reading comprehension: check a statement, look up a value or a name, count and compare.

BoolQ and MultiRC ask in the same words in which the inference datasets state their hypotheses.
"""

import re
from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import world
from flan_datagen.embedded.closed_book_qa import letters, options
from flan_datagen.embedded.counting import COUNTS, count
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import Fact, capital, fill, inside, phrase, some_fact, tell
from flan_datagen.embedded.lore import wordings
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scene import Scene, Stance, claim_and_scene, passage


def _boolq(turn: Turn) -> Iterator[Row]:
    """Cases: answer, by form of the question, by one statement or several."""
    draw = turn.draw
    true, form, several = turn.case % 2 == 1, turn.case // 2 % 3, turn.case // 6
    size = draw.between(2, 4) if several else 1
    if form == 0:
        claim, scene = claim_and_scene(draw, Stance.SAYS if true else Stance.DENIES, size)
        question = inside(fill(draw.pick(claim.kind.checks), claim))
        if draw.chance(0.3):
            question = f"is it true that {inside(tell(draw, claim))}"
    elif form == 1:
        stance = Stance.SAYS if true else draw.pick((Stance.DENIES, Stance.SILENT))
        claim, scene = claim_and_scene(draw, stance, size)
        question = f"{draw.pick(_SAYS)} that {inside(tell(draw, claim))}"
    else:
        stance = draw.pick((Stance.SAYS, Stance.DENIES)) if true else Stance.SILENT
        claim, scene = claim_and_scene(draw, stance, size)
        question = f"{draw.pick(_SAYS)} {fill(claim.kind.indirect, claim)}"
    yield {
        # Small first letter and no question mark, as on the Hub; names keep their capitals, unlike there, so
        # that a name is one token wherever it stands.
        "question": question[0].lower() + question[1:],
        "answer": true,
        "passage": passage(draw, scene),
    }


_SAYS = ("does the text say", "does the passage say", "do we learn", "can you tell from the text")


def _multirc(turn: Turn) -> Iterator[Row]:
    """One paragraph with two questions; each has one right and one wrong answer, in either order."""
    draw = turn.draw
    _, scene = claim_and_scene(draw, Stance.SAYS, draw.between(2, 4))
    paragraph = passage(draw, scene)
    for nth, fact in enumerate(draw.several(scene, 2)):
        question, wrong, right = _question(draw, fact, scene)
        for place, label in enumerate(draw.shuffled((0, 1))):
            number = turn.number + 2 * nth + place
            yield {
                "paragraph": paragraph,
                "question": question,
                "answer": right if label else wrong,
                "idx": {"paragraph": turn.number // 4, "question": number // 2, "answer": number},
                "label": label,
            }


def _question(draw: Draw, fact: Fact, scene: Scene) -> tuple[str, str, str]:
    """A question on the fact, with a wrong and a right answer."""
    form = draw.below(3)
    if form == 0:
        wrong = _wrong_value(draw, fact, scene)
        return fill(draw.pick(fact.kind.questions), fact), wrong, fact.value
    if form == 1:
        wrong = phrase(_wrong_subject(draw, fact, scene))
        return fill(draw.pick(fact.kind.reverse), fact), wrong, phrase(fact.subject)
    false = fact._replace(value=_wrong_value(draw, fact, scene))
    if draw.chance(0.4):
        false = fact._replace(subject=_wrong_subject(draw, fact, scene))
    question = draw.pick(("What does the text say?", "Which statement is in the text?", "What do we learn?"))
    return question, tell(draw, false), tell(draw, fact)


def _wrong_value(draw: Draw, fact: Fact, scene: Scene) -> str:
    """A value of the fact's kind, as often as can be one that the passage gives to another subject."""
    near = [other.value for other in scene if other.kind is fact.kind and other is not fact]
    return draw.pick(near) if near and draw.chance(0.5) else draw.other(fact.kind.values, fact.value)


def _wrong_subject(draw: Draw, fact: Fact, scene: Scene) -> str:
    """A subject that the fact does not hold for, as often as can be one of the passage."""
    near = [o.subject for o in scene if o.kind.person == fact.kind.person and o.subject != fact.subject]
    if near and draw.chance(0.6):
        return draw.pick(near)
    nouns = {other.subject.split()[-1] for other in scene}
    return draw.other([n for n in (world.PEOPLE if fact.kind.person else world.THINGS) if n not in nouns])


def _squad(turn: Turn) -> Iterator[Row]:
    """In version 2 the last of three cases has no answer."""
    draw = turn.draw
    if turn.part == "v2" and turn.case == 2:
        claim, scene = claim_and_scene(draw, Stance.SILENT, draw.between(2, 4))
        title, context = _title(scene), passage(draw, scene)
        question, answers = fill(draw.pick(claim.kind.questions), claim), {"text": [], "answer_start": []}
    else:
        title, sentences, question, answer = _known(draw, turn.split) if draw.chance(0.2) else _told(draw)
        told = sentences[0]
        sentences = draw.shuffled(sentences)
        context = " ".join(sentences)
        # A whole word: "mine" is not found in "miner".
        start = context.index(told) + re.search(rf"\b{answer}\b", told).start()
        answers = {"text": [answer], "answer_start": [start]}
    yield {
        "id": f"embedded-{turn.part}-{turn.split}-{turn.number}",
        "title": title,
        "context": context,
        "question": question,
        "answers": answers,
    }


def _told(draw: Draw) -> tuple[str, list[str], str, str]:
    """Title, sentences, a question that the first of them answers, and the answer: a value or a name."""
    fact, scene = claim_and_scene(draw, Stance.SAYS, draw.pick((1, 2, 3, 4)))
    sentences = [tell(draw, other) for other in scene]
    if draw.chance(0.7):
        return _title(scene), sentences, fill(draw.pick(fact.kind.questions), fact), fact.value
    return _title(scene), sentences, fill(draw.pick(fact.kind.reverse), fact), fact.subject


def _known(draw: Draw, split: str) -> tuple[str, list[str], str, str]:
    """The same from facts that are true throughout the world, as an encyclopedia has them."""
    truth, question = draw.pick(wordings(split))
    others = draw.several([other for other, _ in wordings(split) if other.relation is truth.relation], 3)
    statements = [truth.statement, *(other.statement for other in others)]
    return capital(truth.relation.topic), list(dict.fromkeys(statements)), question, truth.answer


def _title(scene: Scene) -> str:
    """What the passage is on; with underscores, as on the Hub."""
    return capital(scene[0].subject).replace(" ", "_")


def _openbookqa(turn: Turn) -> Iterator[Row]:
    """The gold fact is one of the world's, or one that holds in this row only."""
    draw = turn.draw
    if draw.chance(0.5):
        truth, question = draw.pick(wordings(turn.split))
        gold, choices = truth.statement, options(draw, truth, turn.case)
    else:
        fact = draw.owned(lambda: some_fact(draw), lambda made: Scene((made,)).signature)
        gold, question = tell(draw, fact), fill(draw.pick(fact.kind.questions), fact)
        wrong = draw.several([value for value in fact.kind.values if value != fact.value], 3)
        choices = [*wrong[: turn.case], fact.value, *wrong[turn.case :]]
    yield {
        "id": f"embedded-{turn.split}-{turn.number}",
        "question_stem": question,
        "choices": letters(choices),
        "answerKey": "ABCD"[turn.case],
        "fact1": gold,
        "humanScore": 1.0,
        "clarity": 2.0,
        "turkIdAnonymized": "embedded",
    }


def _drop(turn: Turn) -> Iterator[Row]:
    told, question, answer = count(turn.draw, COUNTS[turn.case])
    yield {
        "section_id": f"embedded_{turn.split}_{turn.number}",
        "query_id": f"embedded_{turn.split}_{turn.number}_0",
        "passage": told,
        "question": question,
        "answers_spans": {"spans": [answer], "types": ["number" if answer.isdigit() else "span"]},
    }


_TEXTS = pl.List(pl.String)

DATASETS = {
    "boolq": Dataset(
        _boolq,
        {"question": pl.String, "answer": pl.Boolean, "passage": pl.String},
        ("statement check", "not said"),
        cases=12,
    ),
    "multirc": Dataset(
        _multirc,
        {
            "paragraph": pl.String,
            "question": pl.String,
            "answer": pl.String,
            "idx": pl.Struct({"paragraph": pl.Int32, "question": pl.Int32, "answer": pl.Int32}),
            "label": pl.Int64,
        },
        ("statement check", "look up a value"),
        labels=("idx",),
    ),
    "squad": Dataset(
        _squad,
        {
            **{name: pl.String for name in ("id", "title", "context", "question")},
            "answers": pl.Struct({"text": _TEXTS, "answer_start": pl.List(pl.Int32)}),
        },
        ("look up a value", "not said", "world fact"),
        cases=3,
        labels=("id",),
    ),
    "openbookqa": Dataset(
        _openbookqa,
        {
            "id": pl.String,
            "question_stem": pl.String,
            "choices": pl.Struct({"text": _TEXTS, "label": _TEXTS}),
            **{name: pl.String for name in ("answerKey", "fact1")},
            **{name: pl.Float64 for name in ("humanScore", "clarity")},
            "turkIdAnonymized": pl.String,
        },
        ("look up a value", "world fact"),
        cases=4,
        labels=("id",),
    ),
    "drop": Dataset(
        _drop,
        {
            **{name: pl.String for name in ("section_id", "query_id", "passage", "question")},
            "answers_spans": pl.Struct({"spans": _TEXTS, "types": _TEXTS}),
        },
        ("arithmetic", "order", "look up a value"),
        cases=len(COUNTS),
        labels=("section_id", "query_id"),
    ),
}
