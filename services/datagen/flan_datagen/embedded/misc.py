"""Two of the miscellaneous sets: is a sentence grammatical (CoLA), and linear equations (math_dataset)."""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Dataset, Row, Turn

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
}
