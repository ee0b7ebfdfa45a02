"""Sentiment140: short messages in small letters, with names, links and hashtags, in a good or a bad mood.

Most pairs of wordings differ in a small word only, or say the mood without any word of praise or blame.
"""

from collections.abc import Iterator

from flan_datagen.embedded import reviews, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.rows import Row, Turn

_BAD, _GOOD = 0, 4
"""As in the source: positive is 4."""

_SAID = (
    ("my {vehicle} came one hour late", "my {vehicle} came right on time"),
    ("had the worst {food} ever", "had the best {food} ever"),
    ("have to work on {day} again", "do not have to work on {day}"),
    ("really do not want it to be {day}", "really want it to be {day}"),
    ("lost my new {thing}", "love my new {thing}"),
    ("the {thing} is broken again", "the {thing} is not broken any more"),
    ("my {pet} is not well", "my {pet} is well again"),
    ("{p} did not come to see me", "{p} came to see me"),
    ("did not sleep last night", "did sleep well last night"),
    ("nobody liked my {food}", "everybody liked my {food}"),
    ("{p} forgot my birthday", "{p} did not forget my birthday"),
    ("have to leave {town} and do not want to", "may stay in {town} and do not have to leave"),
    ("no {food} left for me", "there was {food} left for me"),
    ("failed the test", "did not fail the test"),
    ("our team did not win in {town}", "our team did win in {town}"),
    ("cannot find my {thing} anywhere", "found my {thing} at last"),
    ("{film} was {word}", "{film} was {word}"),
    ("what a {word} day in {town}", "what a {word} day in {town}"),
    ("the {food} at the {place} party was {word}", "the {food} at the {place} party was {word}"),
    ("not a {against} day at all", "not a {against} day at all"),
    (
        "thought {day} would be {against} but it was {word}",
        "thought {day} would be {against} but it was {word}",
    ),
    (
        "{p} says {film} is {against} , to me it is {word}",
        "{p} says {film} is {against} , to me it is {word}",
    ),
    ("so happy yesterday , so sad today", "so sad yesterday , so happy today"),
    ("was fine this morning , feel ill now", "felt ill this morning , am fine now"),
)
_STARTS = ("", "", "", "@{user} ", "ok , ", "so ", "well , ", "just saying : ", "@{user} hi ! ")
_ENDS = ("", "", ".", " !", " ...", " #{tag}", " http://short.example/{code}", " &amp; that is all", "!!")
_MONTHS = (("Apr", 30), ("May", 31), ("Jun", 30))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FIRST = 2
"""The weekday of the first of April 2009."""


def sentiment140(turn: Turn) -> Iterator[Row]:
    """One or two statements of one mood. The search term is known outside the training rows only, as in the source."""
    draw, mood = turn.draw, turn.case

    def make() -> tuple[str, str]:
        first, second = (reviews.words(mood), reviews.words(1 - mood))
        slots = {
            "p": draw.pick(world.PEOPLE).lower(),
            "day": draw.pick(world.DAYS).lower(),
            "town": draw.pick(world.TOWNS).lower(),
            "film": draw.pick(reviews.FILMS).lower(),
            **{name: draw.pick(values) for name, values in _NOUNS.items()},
            "word": draw.pick(first),
            "against": draw.pick(second),
        }
        said = draw.several(_SAID, draw.pick((1, 2, 2)))
        topic = next((slots[name] for name in _NOUNS if f"{{{name}}}" in said[0][mood]), "")
        return draw.pick((" , ", " and ", ". ")).join(one[mood].format_map(slots) for one in said), topic

    text, topic = draw.owned(make, lambda made: made[0])
    slots = {
        "user": _user(draw),
        "tag": draw.pick(world.TOWNS).lower(),
        "code": draw.between(1000, 9999),
    }
    yield {
        "text": draw.pick(_STARTS).format_map(slots) + text + draw.pick(_ENDS).format_map(slots),
        "date": _date(draw),
        "user": _user(draw),
        "sentiment": (_BAD, _GOOD)[mood],
        "query": "NO_QUERY" if turn.split == "train" else topic or draw.pick(world.FOODS),
    }


_NOUNS = {
    "food": world.FOODS,
    "thing": world.THINGS,
    "pet": world.PETS,
    "vehicle": world.VEHICLES,
    "place": world.PLACES,
}


def _user(draw: Draw) -> str:
    return f"{draw.pick(world.PEOPLE).lower()}_{draw.below(100)}"


def _date(draw: Draw) -> str:
    """As "Mon May 25 17:29:51 UTC 2009"."""
    month = draw.below(len(_MONTHS))
    name, length = _MONTHS[month]
    day = draw.between(1, length)
    weekday = _DAYS[(_FIRST + sum(days for _, days in _MONTHS[:month]) + day - 1) % 7]
    hours, minutes, seconds = draw.below(24), draw.below(60), draw.below(60)
    return f"{weekday} {name} {day:02} {hours:02}:{minutes:02}:{seconds:02} UTC 2009"
