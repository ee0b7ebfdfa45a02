"""Commonsense: the likelier cause or effect, the right tool, the next step, the right form, the end of a story."""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import causes, endings, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scripts import BASE, FRAMES, SCRIPTS, THIRD, Script, forms


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
    """Cases: place of the right ending, by what is wrong with the others: two times out of three what they say."""
    place, ask = turn.case % 4, turn.case // 4
    (start, done, last), right, wrong, script = (_form if ask == 2 else _next_step)(turn.draw)
    endings = turn.draw.shuffled(wrong)
    endings.insert(place, right)
    context = " ".join([start, *done])
    yield {
        "ind": turn.number,
        "activity_label": script.name,
        "ctx_a": context,
        "ctx_b": last,
        "ctx": f"{context} {last}",
        "endings": [f"{ending}." for ending in endings],
        "source_id": f"embedded~{turn.split}~{turn.number}",
        "split": {"validation": "val"}.get(turn.split, turn.split),
        "split_type": "indomain",
        "label": str(place),
    }


_Asked = tuple[tuple[str, list[str], str], str, list[str], Script]
"""Start, steps so far and begun sentence; the right ending; the wrong ones; the script."""


def _next_step(draw: Draw) -> _Asked:
    """The next step among a step of the same script out of turn and steps of two other scripts."""

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
    wrong = [script.steps[draw.other(range(1, 5), step)]]
    wrong += [SCRIPTS[other].steps[draw.between(1, 4)] for other in others]
    return (start, done, f"Then {he}"), script.steps[step], wrong, script


def _form(draw: Draw) -> _Asked:
    """The next step in four forms: only what stands before it tells which one is right."""

    def make() -> tuple[int, int, str, str]:
        return (
            draw.below(len(SCRIPTS)),
            draw.between(0, 4),
            draw.pick(world.PEOPLE),
            draw.pick(world.PEOPLE),
        )

    number, step, person, friend = draw.owned(make, lambda made: "/".join(map(str, made)))
    script, form = SCRIPTS[number], draw.below(4)
    # One and several are as frequent where the form does not follow from it.
    plural = draw.chance(0.5)
    if form in (THIRD, BASE) and (form == THIRD or draw.chance(0.5)):
        frame, plural = FRAMES[0], form == BASE
    else:
        frame = draw.pick([frame for frame in FRAMES if frame.form == form])
    friend = friend if friend != person else draw.other(world.PEOPLE, person)
    subject = f"{person} and {friend}" if plural else person
    they = "they" if plural else world.pronoun(person)
    start = f"{subject} {'want' if plural else 'wants'} to {script.wish}."
    done = [f"{capital(they)} {forms(action)[BASE if plural else THIRD]}." for action in script.steps[:step]]
    endings = list(forms(script.steps[step]))
    right = endings.pop(form)
    last = f"{'Then' if step else 'First'} {they}{frame.several if plural else frame.one}"
    return (start, done, last), right, endings, script


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
        ("order", "topic", "correct form"),
        cases=12,
        labels=("ind", "source_id"),
    ),
    "story_cloze": Dataset(
        endings.story_cloze,
        {
            "story_id": pl.String,
            **{f"input_sentence_{number}": pl.String for number in range(1, 5)},
            **{f"sentence_quiz{number}": pl.String for number in (1, 2)},
            "answer_right_ending": pl.Int32,
        },
        ("order", "cause and effect", "mood"),
        cases=6,
        labels=("story_id",),
    ),
}
