"""Natural language inference: a statement is said, denied or left open by a text.

Label orders are the datasets' own: entailment is 0 in RTE, SNLI, CB and QNLI, but 1 in WNLI; contradiction
is 2 in SNLI, ANLI and MNLI, and 1 in CB. ANLI and MNLI are made in `inference`.
"""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import inference, world
from flan_datagen.embedded.coreference import puzzle
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import Fact, fill, inside, some_fact, tell
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scene import Scene, Stance, claim_and_scene, passage, sentence

_BY_HALVES = (Stance.SAYS, Stance.DENIES, Stance.SAYS, Stance.SILENT)
"""Half of the rows are entailed; the others are half denied and half left open."""


def _rte(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    stance = _BY_HALVES[turn.case]
    claim, scene = claim_and_scene(draw, stance, draw.between(1, 3))
    yield {
        "premise": passage(draw, scene),
        "hypothesis": tell(draw, claim),
        "idx": turn.number,
        "label": int(stance is not Stance.SAYS),
    }


def _snli(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    stance = (Stance.SAYS, Stance.SILENT, Stance.DENIES)[turn.case]
    claim, scene = claim_and_scene(draw, stance, draw.between(1, 2))
    premise = tell(draw, scene[0]) if len(scene) == 1 else sentence(draw.shuffled(scene))
    yield {"premise": premise, "hypothesis": tell(draw, claim), "label": turn.case}


def _cb(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    stance = (Stance.SAYS, Stance.DENIES, Stance.SILENT)[turn.case]
    claim, scene = claim_and_scene(draw, stance, draw.between(1, 2))
    yield {
        "premise": _talk(draw, claim, scene, stance),
        "hypothesis": tell(draw, claim),
        "idx": turn.number,
        "label": turn.case,
    }


def _talk(draw: Draw, claim: Fact, scene: Scene, stance: Stance) -> str:
    """The scene as a talk. A question without an answer is as likely whatever the stance is: else it would
    give the label away."""
    asks, tells = _speakers(draw, claim, scene)
    turns = [
        f"{asks}: {fill(draw.pick(fact.kind.questions), fact)} {tells}: {tell(draw, fact)}"
        if draw.chance(0.5)
        else f"{tells}: I know that {inside(tell(draw, fact))}. {asks}: I see."
        for fact in scene
    ]
    if draw.chance(0.5):
        open_ = claim if stance is Stance.SILENT and draw.chance(0.5) else _unsaid(draw, claim, scene)
        turns.append(f"{asks}: {fill(draw.pick(open_.kind.questions), open_)} {tells}: I do not know.")
    return " ".join(draw.shuffled(turns))


def _speakers(draw: Draw, claim: Fact, scene: Scene) -> list[str]:
    named = {name for fact in (claim, *scene) for name in (fact.subject, fact.value)}
    return draw.several([name for name in world.PEOPLE if name not in named], 2)


def _unsaid(draw: Draw, claim: Fact, scene: Scene) -> Fact:
    """A fact about a subject that neither the claim nor the scene has."""
    nouns = {fact.subject.split()[-1] for fact in (claim, *scene)}
    while True:
        fact = some_fact(draw)
        if fact.subject.split()[-1] not in nouns:
            return fact


def _wnli(turn: Turn) -> Iterator[Row]:
    puzzle_ = puzzle(turn.draw, turn.case % 2)
    label = turn.case // 2
    text, _ = puzzle_.with_pronoun()
    named = puzzle_.names[puzzle_.answer if label else 1 - puzzle_.answer]
    ending = puzzle_.text.partition(" because " if " because " in puzzle_.text else ", ")[2]
    ending = ending.removeprefix("so ").removeprefix("and ").replace("{x}", named)
    yield {
        "sentence1": text,
        "sentence2": ending[0].upper() + ending[1:],
        "label": label,
        "idx": turn.number,
    }


def _qnli(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    label = turn.case
    stance = Stance.SILENT if label else draw.pick((Stance.SAYS, Stance.DENIES))
    claim, scene = claim_and_scene(draw, stance, draw.between(1, 2))
    yield {
        "question": fill(draw.pick(claim.kind.questions), claim),
        "sentence": tell(draw, scene[0]) if len(scene) == 1 else sentence(draw.shuffled(scene)),
        "label": label,
        "idx": turn.number,
    }


_PAIR = {"premise": pl.String, "hypothesis": pl.String}

DATASETS = {
    "anli": Dataset(
        inference.anli,
        {"uid": pl.String, **_PAIR, "label": pl.Int64, "reason": pl.String},
        ("statement check", "not said"),
        cases=3,
        labels=("uid",),
    ),
    "mnli": Dataset(
        inference.mnli,
        {**_PAIR, "label": pl.Int64, "idx": pl.Int32},
        ("statement check", "not said"),
        cases=3,
        labels=("idx",),
    ),
    "rte": Dataset(
        _rte,
        {**_PAIR, "idx": pl.Int32, "label": pl.Int64},
        ("statement check",),
        cases=4,
        labels=("idx",),
    ),
    "cb": Dataset(
        _cb,
        {**_PAIR, "idx": pl.Int32, "label": pl.Int64},
        ("statement check", "not said", "dialogue"),
        cases=3,
        labels=("idx",),
    ),
    "snli": Dataset(
        _snli,
        {**_PAIR, "label": pl.Int64},
        ("statement check", "not said"),
        cases=3,
    ),
    "wnli": Dataset(
        _wnli,
        {"sentence1": pl.String, "sentence2": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("statement check", "reference"),
        cases=4,
        labels=("idx",),
    ),
    "qnli": Dataset(
        _qnli,
        {"question": pl.String, "sentence": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("not said",),
        cases=2,
        labels=("idx",),
    ),
}
