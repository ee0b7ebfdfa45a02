"""Short talks between two people, each with the sentence that sums it up."""

from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw


class _Talk(NamedTuple):
    """Lines by speaker, `a` first, then in turn; each line has a few wordings. Slots as in `_slots`."""

    lines: tuple[tuple[str, ...], ...]
    summary: str


_TALKS = (
    _Talk(
        (
            ("Do you want to go to the {venue} on {day}?", "Shall we go to the {venue} on {day}?"),
            ("Yes, gladly. When do we meet?", "Good idea! What time?"),
            ("At {hour} o'clock.", "Let us meet at {hour} o'clock."),
            ("See you then.", "Fine.", "I will be there."),
        ),
        "{a} and {b} will go to the {venue} on {day} at {hour} o'clock.",
    ),
    _Talk(
        (
            ("Do you want to go to the {venue} on {day}?", "Shall we go to the {venue} on {day}?"),
            ("Sorry, I cannot. I have to work.", "No, I have to work that day."),
            ("What a pity!", "Maybe next time."),
        ),
        "{b} cannot go to the {venue} with {a} on {day} because {he_b} has to work.",
    ),
    _Talk(
        (
            ("Do you want to go to the {venue} on {day}?", "Shall we go to the {venue} on {day}?"),
            ("Sorry, I am ill.", "I cannot, I am ill and stay in bed."),
            ("Get well soon!", "Oh no! Get some rest."),
        ),
        "{b} cannot go to the {venue} with {a} on {day} because {he_b} is ill.",
    ),
    _Talk(
        (
            ("Have you seen my {thing}?", "I cannot find my {thing}. Do you know where it is?"),
            ("Yes, it is in the {place}.", "I saw it in the {place}."),
            ("Thank you!", "Thanks, I will look there."),
        ),
        "The {thing} of {a} is in the {place}.",
    ),
    _Talk(
        (
            ("I am going to the shop. Do you need anything?", "I am in the shop. What shall I bring?"),
            ("Please bring some {food}.", "Yes, we need {food}."),
            ("Is that all?", "Anything else?"),
            ("And some {more}, please.", "We also need {more}."),
        ),
        "{a} will bring {food} and {more} from the shop for {b}.",
    ),
    _Talk(
        (
            ("I have a new job!", "Guess what, I have found a job."),
            ("Great! What do you do?", "Tell me more!"),
            ("I work as a {job} in {town}.", "I am a {job} in {town} now."),
            ("When did you start?", "Since when?"),
            ("On {day}.", "I started on {day}."),
        ),
        "{a} started to work as a {job} in {town} on {day}.",
    ),
    _Talk(
        (
            ("Can you look after my {pet} on {day}?", "Who can feed my {pet} on {day}? Can you?"),
            ("Of course.", "Yes, I have time."),
            ("Thank you so much!", "You are a true friend."),
        ),
        "{b} will look after the {pet} of {a} on {day}.",
    ),
    _Talk(
        (
            ("How was your trip to {town}?", "Are you back from {town}?"),
            ("It was {good}. I went there by {vehicle}.", "I came back by {vehicle}. The town is {good}."),
            ("Did you buy anything?", "Did you bring anything home?"),
            ("Yes, a {thing}.", "I bought a {thing}."),
        ),
        "{b} went to {town} by {vehicle} and bought a {thing}.",
    ),
)
_VENUES = ("museum", "cinema", "market", "theatre", "zoo", "park", "lake", "concert")
_HOURS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


def talk(draw: Draw) -> tuple[str, str]:
    """A dialogue, one line a turn, and its summary."""
    talk_, slots = draw.owned(lambda: (draw.pick(_TALKS), _slots(draw)), _signature)
    lines = [
        f"{slots['ab'[number % 2]]}: {draw.pick(wordings).format_map(slots)}"
        for number, wordings in enumerate(talk_.lines)
    ]
    # The Hub's dialogues separate their lines in this way.
    return "\r\n".join(lines), talk_.summary.format_map(slots)


def _signature(made: tuple[_Talk, dict[str, str]]) -> str:
    return made[0].summary.format_map(made[1])


def _slots(draw: Draw) -> dict[str, str]:
    one, two = draw.several(world.PEOPLE, 2)
    food, more = draw.several(world.FOODS, 2)
    return {
        "a": one,
        "b": two,
        "he_b": world.pronoun(two),
        "venue": draw.pick(_VENUES),
        "day": draw.pick(world.DAYS),
        "hour": draw.pick(_HOURS),
        "thing": draw.pick(world.THINGS),
        "place": draw.pick(world.PLACES),
        "food": food,
        "more": more,
        "job": draw.pick(world.JOBS),
        "town": draw.pick(world.TOWNS),
        "pet": draw.pick(world.PETS),
        "vehicle": draw.pick(world.VEHICLES),
        "good": draw.pick(("good", "great", "lovely", "beautiful", "wonderful")),
    }
