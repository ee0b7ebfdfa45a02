"""News stories of a sentence each, with the details around them and what a summary keeps.

A story is an event and a few details. Each can be told in several wordings, and each has one wording for
summaries, which holds nothing but what every telling says. What a text says besides, on other people and
things, no summary keeps.

    told       On Monday flames destroyed a barn in Arlo. That makes three such cases this year. Ana likes rice best.
    gist       A fire destroyed a barn in Arlo.
    details    It was the third case this year.
    headline   fire destroys barn in Arlo
"""

from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital, some_fact, tell
from flan_datagen.embedded.lore import RELATIONS


class Event(NamedTuple):
    """One thing that happens: how it is told, its summary, and its headline in small letters."""

    told: tuple[str, ...]
    gist: str
    headline: str


class Detail(NamedTuple):
    """Something said besides: how it is told, and its summary."""

    told: tuple[str, ...]
    summed: str


HOUSES = ("museum", "cinema", "theatre", "school", "station", "church", "hotel", "hospital", "bakery", "bank")
_LINES = ("bus", "train", "tram", "boat", "taxi", "ferry")
_COUNTS = {
    "two": "second",
    "three": "third",
    "four": "fourth",
    "five": "fifth",
    "six": "sixth",
    "ten": "tenth",
}
_AMOUNTS = tuple(
    f"{number} {unit}"
    for number in ("two", "three", "five", "six", "nine")
    for unit in ("hundred", "thousand")
)

EVENTS = (
    Event(
        (
            "A fire broke out in {a_place} in {town} on {day} and left nothing of it.",
            "On {day} flames destroyed {a_place} in {town}.",
            "{A_place} in {town} burned down on {day}.",
        ),
        "A fire destroyed {a_place} in {town}.",
        "fire destroys {place} in {town}",
    ),
    Event(
        (
            "Thieves took {a_material} {thing} from the {house} of {town} on {day}.",
            "Somebody broke into the {house} of {town} on {day} and left with {a_material} {thing}.",
            "On {day} {a_material} {thing} was taken from the {house} of {town} at night.",
        ),
        "{A_material} {thing} was stolen in {town}.",
        "{material} {thing} stolen in {town}",
    ),
    Event(
        (
            "The town of {town} opened a new {house} on {day}.",
            "People in {town} have had a new {house} since {day}.",
            "On {day} a new {house} opened its doors in {town}.",
        ),
        "{town} has a new {house}.",
        "{town} opens new {house}",
    ),
    Event(
        (
            "The {line} drivers of {town} stopped work on {day}.",
            "On {day} the {line} drivers of {town} stayed at home to get more money.",
            "No {line} left {town} on {day} because the drivers want more money.",
        ),
        "The {line} drivers of {town} are on strike.",
        "{line} drivers on strike in {town}",
    ),
    Event(
        (
            "The price of {food} rose in {town} on {day}.",
            "Since {day} people in {town} have paid more for {food}.",
            "On {day} the shops of {town} asked for more money than before for {food}.",
        ),
        "{Food} costs more in {town}.",
        "price of {food} rises in {town}",
    ),
    Event(
        (
            "The {job} {name} from {town} won a prize on {day}.",
            "On {day} a prize went to {name}, a {job} from {town}.",
            "The winner of a prize on {day} was {name}, who works as a {job} in {town}.",
        ),
        "{name}, a {job} from {town}, won a prize.",
        "{job} {name} wins prize in {town}",
    ),
    Event(
        (
            "A {pet} ran away from a farm near {town} on {day}.",
            "On {day} a farmer near {town} looked for a {pet} that had got out of its stable.",
            "The gate of a farm near {town} stood open on {day}, and a {pet} was gone.",
        ),
        "A {pet} escaped from a farm near {town}.",
        "{pet} escapes near {town}",
    ),
    Event(
        (
            "A storm tore the roof off the {house} of {town} on {day}.",
            "On {day} the {house} of {town} lost its roof in a storm.",
            "Strong wind on {day} carried away the roof of the {house} of {town}.",
        ),
        "A storm damaged the {house} of {town}.",
        "storm damages {house} in {town}",
    ),
    Event(
        (
            "{town} beat {other} by three goals on {day}.",
            "On {day} the team of {town} was better than the team of {other}.",
            "The players of {other} lost to the players of {town} on {day}.",
        ),
        "{town} won against {other}.",
        "{town} wins against {other}",
    ),
    Event(
        (
            "The bridge between {town} and {other} was shut on {day}.",
            "On {day} workers put up a fence on the bridge that joins {town} and {other}.",
            "Nobody could cross the bridge between {town} and {other} on {day}.",
        ),
        "The bridge between {town} and {other} is closed.",
        "bridge between {town} and {other} closed",
    ),
    Event(
        (
            "A {job} dug up {a_material} {thing} near {town} on {day}.",
            "On {day} a {job} came upon {a_material} {thing} near {town}.",
            "Under a tree near {town} lay {a_material} {thing}, which a {job} saw on {day}.",
        ),
        "A {job} found {a_material} {thing} near {town}.",
        "{job} finds {material} {thing} near {town}",
    ),
    Event(
        (
            "{name}, who led the {house} of {town}, said goodbye on {day}.",
            "On {day} {name} gave up the post at the head of the {house} of {town}.",
            "{day} was the last day of {name} as the head of the {house} of {town}.",
        ),
        "{name} no longer leads the {house} of {town}.",
        "{name} leaves {house} of {town}",
    ),
)
DETAILS = (
    Detail(
        ("A big crowd gathered to look.", "Hundreds of people wanted to see it with their own eyes."),
        "Many people came.",
    ),
    Detail(
        (
            "Mayor {mayor} said that nobody had expected it.",
            "Mayor {mayor} could not believe the news at first.",
        ),
        "Mayor {mayor} was surprised.",
    ),
    Detail(
        ("That makes {count} such cases this year.", "The town has seen {count} such cases this year."),
        "It was the {nth} case this year.",
    ),
    Detail(
        (
            "The council will speak about it on {when}.",
            "On {when} everybody may ask questions in the town hall.",
        ),
        "There will be a meeting on {when}.",
    ),
    Detail(
        ("The town has to find {amount} coins for it.", "All in all, {amount} coins have to be paid."),
        "It costs {amount} coins.",
    ),
    Detail(
        (
            "Whoever saw it should call the police.",
            "The police would like to hear from people who were there.",
        ),
        "The police ask for help.",
    ),
    Detail(
        ("It did not stop raining that day.", "Rain fell from morning to night."),
        "It rained all day.",
    ),
    Detail(
        ("Even people in {far} could read about it.", "Newspapers as far away as {far} wrote about it."),
        "The news reached {far}.",
    ),
)
_QUOTES = (
    '"We have to wait and see," said {p}.',
    '"I did not sleep all night," said {p}.',
    '"My friends and I talk of nothing else," said {p}.',
    '"It is a day like any other," said {p}.',
)
_MAYORS = next(relation.pairs for relation in RELATIONS if relation.name == "mayor")


class Story(NamedTuple):
    """An event with details; `slots` fills the wordings of both."""

    event: Event
    details: tuple[Detail, ...]
    slots: dict[str, str]

    @property
    def gist(self) -> str:
        return self.event.gist.format_map(self.slots)

    @property
    def headline(self) -> str:
        return self.event.headline.format_map(self.slots)

    @property
    def summed(self) -> list[str]:
        """The details in the wording of summaries."""
        return [detail.summed.format_map(self.slots) for detail in self.details]

    def told(self, draw: Draw) -> str:
        """The event in one of its wordings."""
        return draw.pick(self.event.told).format_map(self.slots)

    def all_told(self, draw: Draw) -> list[str]:
        """The event in each of its wordings, in random order."""
        return [wording.format_map(self.slots) for wording in draw.shuffled(self.event.told)]

    def details_told(self, draw: Draw) -> list[str]:
        """Each of the details in one of its wordings."""
        return [draw.pick(detail.told).format_map(self.slots) for detail in self.details]


def story(draw: Draw, num_details: int) -> Story:
    """A story whose event is this split's: no gist of a test is one of training, whatever the details."""
    return draw.owned(
        lambda: Story(draw.pick(EVENTS), tuple(draw.several(DETAILS, num_details)), _slots(draw)),
        lambda made: made.gist,
    )


def aside(draw: Draw) -> str:
    """A sentence that no summary keeps."""
    if draw.chance(0.3):
        return draw.pick(_QUOTES).format(p=draw.pick(world.PEOPLE))
    return tell(draw, some_fact(draw))


def _slots(draw: Draw) -> dict[str, str]:
    town, other, far = draw.several(world.TOWNS, 3)
    day, when = draw.several(world.DAYS, 2)
    place, material, food = draw.pick(world.PLACES), draw.pick(world.MATERIALS), draw.pick(world.FOODS)
    count = draw.pick(tuple(_COUNTS))
    # As adjectives: "a wooden lamp", but "a glass lamp".
    material = {"wood": "wooden"}.get(material, material)
    return {
        **{"town": town, "other": other, "far": far, "day": day, "when": when, "food": food},
        **{"place": place, "a_place": with_article(place), "A_place": capital(with_article(place))},
        **{"material": material, "a_material": with_article(material)},
        **{"A_material": capital(with_article(material)), "Food": capital(food)},
        **{"count": count, "nth": _COUNTS[count], "amount": draw.pick(_AMOUNTS), "mayor": _MAYORS[town]},
        "thing": draw.pick(world.THINGS),
        "house": draw.pick(HOUSES),
        "line": draw.pick(_LINES),
        "job": draw.pick(world.JOBS),
        "name": draw.pick(world.SURNAMES),
        "pet": draw.pick(world.PETS),
    }


def with_article(noun: str) -> str:
    """The noun after "a" or "an"."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun
