"""Debates on what a town should do: arguments, and the claim that most of them speak for."""

from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import inside
from flan_datagen.embedded.stories import HOUSES


class Debate(NamedTuple):
    """Name of the debate, its arguments and the claim."""

    name: str
    arguments: tuple[str, ...]
    claim: str


_MEASURES = (
    ("close the {house} of {town}", "Closing the {house} of {town}"),
    ("build a new {house} in {town}", "Building a new {house} in {town}"),
    ("ban cars from {town}", "Banning cars from {town}"),
    ("give free {food} to the people of {town}", "Giving free {food} to the people of {town}"),
    ("let everybody in {town} keep a {pet}", "Letting everybody in {town} keep a {pet}"),
    ("stop all work in {town} on {day}", "Stopping all work in {town} on {day}"),
    ("sell the {house} of {town}", "Selling the {house} of {town}"),
    ("teach every child in {town} to be a {job}", "Teaching every child in {town} to be a {job}"),
    ("paint every house in {town} {colour}", "Painting every house in {town} {colour}"),
    ("make {town} pay for the {vehicle}", "Making {town} pay for the {vehicle}"),
)
_REASONS = (
    (
        "saves money",
        (
            "The taxes could go down.",
            "There would be more coins left for other things.",
            "Life would be cheaper.",
        ),
    ),
    (
        "costs too much",
        (
            "Nobody knows who should pay for it.",
            "The bill would be very high.",
            "The taxes would have to go up.",
        ),
    ),
    (
        "is good for health",
        ("Fewer people would need a doctor.", "Everybody would live longer.", "The air would be clean."),
    ),
    (
        "is bad for health",
        ("More people would need a doctor.", "Many would fall ill.", "The air would be dirty."),
    ),
    (
        "creates jobs",
        (
            "Many people would find work.",
            "Firms would need more hands.",
            "Nobody would have to look for a job.",
        ),
    ),
    (
        "destroys jobs",
        (
            "Many people would lose their work.",
            "Firms would send their people home.",
            "Shops would have to close.",
        ),
    ),
    (
        "brings quiet",
        ("You could hear the birds again.", "The nights would be calm.", "There would be less noise."),
    ),
    (
        "brings noise",
        (
            "You could not hear your own words.",
            "The nights would be loud.",
            "There would be no quiet street left.",
        ),
    ),
    (
        "helps the young",
        (
            "Children would learn more.",
            "Pupils would do better in their tests.",
            "Teachers would have more time.",
        ),
    ),
    (
        "harms the young",
        (
            "Children would learn less.",
            "Pupils would do worse in their tests.",
            "Teachers would have less time.",
        ),
    ),
    (
        "is fair",
        (
            "Rich and poor would get the same.",
            "Nobody would be left out.",
            "Everybody would have an equal part.",
        ),
    ),
    (
        "is not fair",
        ("Only the rich would gain by it.", "The poor would be left out.", "A few would get everything."),
    ),
)


def debate(draw: Draw) -> Debate:
    """Two or three arguments for the claim and now and then one of another kind."""

    def make() -> Debate:
        measure, gerund = draw.pick(_MEASURES)
        slots = {
            **{"house": draw.pick(HOUSES), "town": draw.pick(world.TOWNS), "food": draw.pick(world.FOODS)},
            **{"pet": draw.pick(world.PETS), "day": draw.pick(world.DAYS), "job": draw.pick(world.JOBS)},
            **{"colour": draw.pick(world.COLOURS), "vehicle": draw.pick(world.VEHICLES)},
        }
        reason, other = draw.several(_REASONS, 2)
        arguments = draw.several(reason[1], draw.between(2, 3))
        if draw.chance(0.5):
            arguments = draw.shuffled([*arguments, draw.pick(other[1])])
        if draw.chance(0.5):
            arguments[0] = f"If we {measure.format_map(slots)}, {_small(arguments[0])}."
        return Debate(
            f"This House would {measure.format_map(slots)}",
            tuple(arguments),
            f"{gerund.format_map(slots)} {reason[0]}.",
        )

    return draw.owned(make, lambda made: "|".join((made.name, *sorted(made.arguments))))


def _small(sentence: str) -> str:
    """A sentence, none of which begins with a name, as a clause within another."""
    return inside(sentence[0].lower() + sentence[1:])
