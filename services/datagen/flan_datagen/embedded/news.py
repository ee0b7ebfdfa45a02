"""News items by topic: a headline and a sentence, about the same towns and people whatever the topic.

Topics are numbered as the labels of AG News: 0 world, 1 sports, 2 business, 3 science and technology. An item may
mention another topic in passing: what happened decides, not what went on beside it or who heard of it.
"""

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw

_HEADLINES = (
    (
        "{town} and {other} sign peace treaty",
        "Vote in {town} ends in protest",
        "President {name} visits {town}",
        "Border between {town} and {other} closed",
        "Minister {name} leaves the government",
    ),
    (
        "{town} beats {other} in the final",
        "Coach {name} leaves the team of {town}",
        "{name} wins gold in {town}",
        "Injury stops striker {name}",
        "{town} draws with {other} at home",
    ),
    (
        "Bank of {town} raises interest rates",
        "{name} company buys rival in {other}",
        "Shares fall in {town}",
        "Oil price rises again in {town}",
        "Factory in {town} cuts jobs",
    ),
    (
        "Scientists in {town} find new planet",
        "{name} presents a faster computer",
        "Space probe lands safely, says {name}",
        "New software protects phones in {town}",
        "Study in {town} explains how birds sleep",
    ),
)
_SENTENCES = (
    (
        "The government of {town} talked with its neighbours on {day}.",
        "Soldiers guarded the streets of {town} on {day}.",
        "On {day} the leaders of both countries met in {other}.",
        "The people of {town} will elect a new parliament on {day}.",
    ),
    (
        "The team scored twice in the second half on {day}.",
        "Thousands of fans cheered in the stadium of {town} on {day}.",
        "The runner set a new record in {town} on {day}.",
        "The players will meet {other} in the next round on {day}.",
    ),
    (
        "The company reported higher profits on {day}.",
        "Investors in {town} sold their shares on {day}.",
        "The sales of the firm in {other} grew, it said on {day}.",
        "The deal is worth ten million, the bank said on {day}.",
    ),
    (
        "The researchers showed their results in {town} on {day}.",
        "The new chip uses less power, engineers said on {day}.",
        "The satellite sent its first pictures on {day}.",
        "The internet service will start in {other} on {day}.",
    ),
)
_EVENTS = (
    (
        "{town} elects a new parliament",
        "{town} signs a peace treaty",
        "{town} closes its border",
        "{town} loses its minister",
        "{town} opens talks with rebels",
    ),
    (
        "{town} wins the cup",
        "{town} signs a new striker",
        "{town} loses the final",
        "{town} opens the season with a draw",
        "{town} finds a new coach",
    ),
    (
        "{town} sells its bank",
        "{town} raises oil prices",
        "{town} closes its factory",
        "{town} opens a stock market",
        "{town} wins new investors",
    ),
    (
        "{town} launches a satellite",
        "{town} finds a new planet",
        "{town} opens a computer laboratory",
        "{town} loses a space probe",
        "{town} raises the speed of the internet",
    ),
)
"""All begin alike and share their verbs: side by side, only the place in the sentence tells which one is the news."""
_BESIDE = (
    *("{event}, while {other}", "{event}, on the day that {other}", "{event}, just after {other}"),
    *("While {other}, {event}", "On the day that {other}, {event}", "Just after {other}, {event}"),
)
_REACTIONS = (
    "It was a surprise to many people in {town} on {day}.",
    "Nobody in {other} had expected this on {day}.",
    "{name} was the first to hear of it on {day}.",
    "The people of {town} talked of nothing else on {day}.",
)
_PASSING = (
    (
        "Minister {name} heard of it in the parliament of {town} on {day}.",
        "Soldiers in {town} read about it in their tents on {day}.",
        "President {name} was told of it at the border on {day}.",
    ),
    (
        "Coach {name} heard of it in the stadium of {town} on {day}.",
        "The players of {town} read about it after the match on {day}.",
        "Striker {name} was told of it in the second half on {day}.",
    ),
    (
        "Banker {name} heard of it in the stock market of {town} on {day}.",
        "Investors in {town} read about it at the bank on {day}.",
        "The head of an oil company was told of it in {town} on {day}.",
    ),
    (
        "Engineer {name} heard of it in a laboratory in {town} on {day}.",
        "Scientists in {town} read about it at their computers on {day}.",
        "Researcher {name} was told of it over the internet on {day}.",
    ),
)
"""Somebody of a topic hears of news of another one."""


def item(draw: Draw, topic: int) -> tuple[str, str]:
    """A headline and a sentence; one out of three is plain, the others name a second topic in passing."""
    other = draw.other(range(4), topic)
    shape = draw.below(12)
    if shape < 4:
        return headline(draw, topic), report(draw, topic)
    if shape < 7:
        title = headline(draw, topic)
        return title, _passing(draw, other, title)
    if shape < 9:
        title = _event(draw, topic, draw.pick(world.TOWNS))
        return title, _passing(draw, other, title)
    one, two = draw.several(world.TOWNS, 2)
    events = {"event": _event(draw, topic, one), "other": _event(draw, other, two)}
    return draw.pick(_BESIDE).format(**events), draw.pick(_REACTIONS).format(**_names(draw))


def _event(draw: Draw, topic: int, town: str) -> str:
    return draw.pick(_EVENTS[topic]).format(town=town)


def _passing(draw: Draw, topic: int, title: str) -> str:
    """Nobody who is named in the headline, who would be of two topics."""
    name = draw.other(world.SURNAMES, *title.split())
    return draw.pick(_PASSING[topic]).format(**(_names(draw) | {"name": name}))


def headline(draw: Draw, topic: int) -> str:
    """One headline, without a full stop."""
    return draw.pick(_HEADLINES[topic]).format(**_names(draw))


def report(draw: Draw, topic: int) -> str:
    """One sentence of the item itself."""
    return draw.pick(_SENTENCES[topic]).format(**_names(draw))


def _names(draw: Draw) -> dict[str, str]:
    town, other = draw.several(world.TOWNS, 2)
    return {"town": town, "other": other, "name": draw.pick(world.SURNAMES), "day": draw.pick(world.DAYS)}
