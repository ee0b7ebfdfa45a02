"""Short e-mails with one purpose each, and the subject line that names it."""

from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw


class _Purpose(NamedTuple):
    """What a mail is for: sentences that say it, and its subject line."""

    told: tuple[str, ...]
    subject: str


_PURPOSES = (
    _Purpose(
        (
            "Can we meet on {day} at {hour} o'clock?",
            "I would like to see you in my office on {day}.",
            "Do you have an hour for me on {day}?",
        ),
        "Meeting on {day}",
    ),
    _Purpose(
        (
            "I cannot find my {thing}. Have you seen it?",
            "My {thing} is gone. Do you know where it is?",
            "Did I leave my {thing} in your {place}?",
        ),
        "Lost {thing}",
    ),
    _Purpose(
        (
            "I will go to {town} by {vehicle} on {day}.",
            "On {day} I take the {vehicle} to {town} and stay there for a week.",
            "My bags are packed: tomorrow I leave for {town}.",
        ),
        "Trip to {town}",
    ),
    _Purpose(
        (
            "I am one year older on {day}, so come and have some {food} with us.",
            "Please come to my party on {day}: it is my birthday.",
            "On {day} it is my birthday. Will you come?",
        ),
        "Birthday on {day}",
    ),
    _Purpose(
        (
            "I do not feel well and cannot work on {day}.",
            "I have a bad cold and will stay in bed on {day}.",
            "The doctor says that I must not come to work on {day}.",
        ),
        "Ill on {day}",
    ),
    _Purpose(
        (
            "There is no {food} left in the kitchen. Can you buy some?",
            "We need more {food}. Please get it for us.",
            "Please send us as much {food} as you sent last month.",
        ),
        "Order of {food}",
    ),
    _Purpose(
        (
            "We need a good {job} and cannot find one. Do you know anybody?",
            "The work is too much for us, so we want to hire a {job}.",
            "Do you know a {job} who would like to work for us?",
        ),
        "Looking for a {job}",
    ),
    _Purpose(
        (
            "The {thing} that you sent stands in my {place} now. You are so kind!",
            "What a nice present! The {thing} looks great in the {place}.",
            "I was so happy about the {thing} that came from you.",
        ),
        "Thanks for the {thing}",
    ),
    _Purpose(
        (
            "I have two of them now, so would you like to buy my old {thing}?",
            "I do not use my {thing} any more. Who wants to have it for ten coins?",
            "My old {thing} is in the way. You can have it for a few coins.",
        ),
        "Old {thing} for sale",
    ),
    _Purpose(
        (
            "I am away on {day}. Who can feed my {pet}?",
            "Could you look after my {pet} on {day}?",
            "Nobody is at home on {day}. Will you take care of the {pet}?",
        ),
        "Help with my {pet}",
    ),
)
_OPENINGS = (
    "I hope you are well.",
    "How are you?",
    "It was good to hear from you.",
    "I have a short question.",
)
_BESIDES = (
    "{p} says hello.",
    "The weather in {elsewhere} is lovely.",
    "Last week I was in {elsewhere}.",
    "{p} has a new job as a {work}.",
    "I had some {dish} for lunch.",
    "My train was late again.",
)
_ENDS = ("Best wishes, {you}", "See you soon, {you}", "Thank you, {you}", "Yours, {you}")
_HOURS = ("two", "three", "four", "five", "six", "nine", "ten")


def mail(draw: Draw) -> tuple[str, str]:
    """A mail of this split, in one line as the data set has it, and its subject."""
    return draw.owned(lambda: _mail(draw), lambda made: made[0])


def _mail(draw: Draw) -> tuple[str, str]:
    purpose = draw.pick(_PURPOSES)
    town, elsewhere = draw.several(world.TOWNS, 2)
    food, dish = draw.several(world.FOODS, 2)
    job, work = draw.several(world.JOBS, 2)
    they, you, p = draw.several(world.PEOPLE, 3)
    slots = {
        **{"town": town, "elsewhere": elsewhere, "food": food, "dish": dish, "job": job, "work": work},
        **{"they": they, "you": you, "p": p, "day": draw.pick(world.DAYS), "hour": draw.pick(_HOURS)},
        **{"thing": draw.pick(world.THINGS), "place": draw.pick(world.PLACES), "pet": draw.pick(world.PETS)},
        "vehicle": draw.pick(world.VEHICLES),
    }
    body = [draw.pick(purpose.told)]
    body += draw.several(_BESIDES, draw.between(0, 2))
    body = draw.shuffled(body)
    if draw.chance(0.5):
        body.insert(0, draw.pick(_OPENINGS))
    greeting, end = draw.pick(("Dear {they},", "Hello {they},", "{they},")), draw.pick(_ENDS)
    return " ".join([greeting, *body, end]).format_map(slots), purpose.subject.format_map(slots)
