"""News items by topic: a headline and a sentence, about the same towns and people whatever the topic.

Topics are numbered as the labels of AG News: 0 world, 1 sports, 2 business, 3 science and technology.
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


def headline(draw: Draw, topic: int) -> str:
    """One headline, without a full stop."""
    return draw.pick(_HEADLINES[topic]).format(**_names(draw))


def report(draw: Draw, topic: int) -> str:
    """One sentence of the item itself."""
    return draw.pick(_SENTENCES[topic]).format(**_names(draw))


def _names(draw: Draw) -> dict[str, str]:
    town, other = draw.several(world.TOWNS, 2)
    return {"town": town, "other": other, "name": draw.pick(world.SURNAMES), "day": draw.pick(world.DAYS)}
