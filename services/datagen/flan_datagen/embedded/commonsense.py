"""Commonsense: the likelier cause or effect, the right tool, the next step."""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import causes, world
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scripts import SCRIPTS


def _copa(turn: Turn) -> Iterator[Row]:
    """Cases: label, by whether the cause or the effect is asked for."""
    draw = turn.draw
    label, asks_effect = turn.case % 2, turn.case // 2

    def make() -> tuple[str, str, str]:
        link = draw.pick(causes.LINKS)
        wrong = draw.pick(causes.LINKS)
        while wrong.field == link.field:
            wrong = draw.pick(causes.LINKS)
        slots = causes.slots(draw, draw.pick(world.PEOPLE))
        told = (
            (link.cause, link.effect, wrong.effect) if asks_effect else (link.effect, link.cause, wrong.cause)
        )
        premise, right, other = (causes.fill(sentence, slots) for sentence in told)
        return premise, right, other

    premise, right, other = draw.owned(make, "/".join)
    choices = right, other
    yield {
        "premise": premise,
        "choice1": choices[label],
        "choice2": choices[1 - label],
        "question": "effect" if asks_effect else "cause",
        "idx": turn.number,
        "label": label,
    }


_USES = (
    ("cut {}", "knife", ("the bread", "the cake", "the cheese", "the meat")),
    ("drive a nail into {}", "hammer", ("the wall", "the board", "the fence", "the door")),
    ("sweep {}", "broom", ("the floor", "the stairs", "the yard", "the hall")),
    ("dig a hole in {}", "spade", ("the garden", "the field", "the sand", "the earth")),
    ("sew {}", "needle", ("the shirt", "the coat", "the button on", "the curtain")),
    ("eat {}", "spoon", ("the soup", "the yoghurt", "the stew", "the ice cream")),
    ("write {}", "pen", ("a letter", "a note", "a list", "a name on the card")),
    ("open {}", "key", ("the front door", "the lock", "the safe", "the gate")),
    ("reach {}", "ladder", ("the roof", "the top shelf", "the high window", "the apples in the tree")),
    ("catch {}", "net", ("the fish", "the butterfly", "the crab", "the frog")),
    ("dry {}", "towel", ("wet hands", "wet hair", "wet plates", "a wet dog")),
    ("clean {}", "brush", ("the teeth", "the shoes", "the horse", "the carpet")),
    ("keep {} dry in the rain", "umbrella", ("a head", "a hat", "a bag", "a coat")),
    ("carry {}", "basket", ("the eggs", "the apples", "the vegetables", "the rolls")),
    ("weigh {}", "scale", ("the flour", "the letter", "the baby", "the sugar")),
    ("boil {}", "pot", ("the rice", "the eggs", "the pasta", "the potatoes")),
    ("saw through {}", "saw", ("the branch", "the log", "the plank", "the beam")),
    ("see {} in the dark", "torch", ("the path", "the steps", "the map", "the sign")),
    ("look at {} from far away", "telescope", ("the moon", "the stars", "the ship", "the mountain")),
    ("make {} smooth", "iron", ("the shirt", "the trousers", "the tablecloth", "the dress")),
)
_GOALS = ("How do you {}?", "To {}, you need the right thing.", "How can I {}?", "You want to {}.")
_SOLUTIONS = ("Use {} for it.", "Take {}.", "You can do that with {}.", "Get {} and start.")


def _piqa(turn: Turn) -> Iterator[Row]:
    draw = turn.draw

    def make() -> tuple[str, str, str]:
        action, tool, objects = draw.pick(_USES)
        wrong = draw.other(_USES, (action, tool, objects))
        return action.format(draw.pick(objects)), tool, wrong[1]

    goal, right, wrong = draw.owned(make, "/".join)
    form = draw.pick(_SOLUTIONS)
    solutions = [form.format(_indefinite(tool)) for tool in (right, wrong)]
    yield {
        "goal": draw.pick(_GOALS).format(goal),
        "sol1": solutions[turn.case],
        "sol2": solutions[1 - turn.case],
        "label": turn.case,
    }


def _indefinite(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _hellaswag(turn: Turn) -> Iterator[Row]:
    """The next step among a step of the same script out of turn and steps of two other scripts."""
    draw = turn.draw

    def make() -> tuple[int, int, str, tuple[int, ...]]:
        first, second, third = draw.several(range(len(SCRIPTS)), 3)
        step = draw.between(1, 4)
        return first, step, draw.pick(world.PEOPLE), (second, third)

    number, step, person, others = draw.owned(make, lambda made: "/".join(map(str, made)))
    script = SCRIPTS[number]
    he = world.pronoun(person)
    if draw.chance(0.2):
        # As in the rows that come from how-to pages; adapters drop the tags.
        start = f"[header] How to {script.wish} [title] {person} shows how."
    else:
        start = f"{person} wants to {script.wish}."
    done = [f"{capital(he)} {action}." for action in script.steps[:step]]
    out_of_turn = draw.other(range(1, 5), step)
    endings = [f"{script.steps[out_of_turn]}."]
    endings += [f"{SCRIPTS[other].steps[draw.between(1, 4)]}." for other in others]
    endings = draw.shuffled(endings)
    endings.insert(turn.case, f"{script.steps[step]}.")
    context, last = " ".join([start, *done]), f"Then {he}"
    yield {
        "ind": turn.number,
        "activity_label": script.name,
        "ctx_a": context,
        "ctx_b": last,
        "ctx": f"{context} {last}",
        "endings": endings,
        "source_id": f"embedded~{turn.split}~{turn.number}",
        "split": {"validation": "val"}.get(turn.split, turn.split),
        "split_type": "indomain",
        "label": str(turn.case),
    }


DATASETS = {
    "copa": Dataset(
        _copa,
        {
            **{name: pl.String for name in ("premise", "choice1", "choice2", "question")},
            "idx": pl.Int32,
            "label": pl.Int64,
        },
        ("cause and effect",),
        cases=4,
        labels=("idx",),
    ),
    "piqa": Dataset(
        _piqa,
        {"goal": pl.String, "sol1": pl.String, "sol2": pl.String, "label": pl.Int64},
        ("tool and use",),
        cases=2,
    ),
    "hellaswag": Dataset(
        _hellaswag,
        {
            "ind": pl.Int32,
            **{name: pl.String for name in ("activity_label", "ctx_a", "ctx_b", "ctx")},
            "endings": pl.List(pl.String),
            **{name: pl.String for name in ("source_id", "split", "split_type", "label")},
        },
        ("order", "topic"),
        cases=4,
        labels=("ind", "source_id"),
    ),
}
