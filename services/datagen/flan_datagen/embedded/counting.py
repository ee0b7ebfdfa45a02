"""Short passages with numbers, and questions that take one step of counting, adding or comparing."""

from collections.abc import Callable
from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw

_COUNTED = ("apples", "eggs", "books", "coins", "cups", "stamps", "shells", "tickets", "hens", "flowers")
_AMOUNTS = ("has", "bought", "found", "sold", "carried")
_INFINITIVES = {"has": "have", "bought": "buy", "found": "find", "sold": "sell", "carried": "carry"}
_EVENTS = (
    ("came home", "come home"),
    ("went to bed", "go to bed"),
    ("ate lunch", "eat lunch"),
    ("left", "leave"),
)


class Count(NamedTuple):
    """One way to ask.

    Attributes:
      timed: whether the numbers are hours of the day instead of amounts.
      ask: from people with their numbers and the wording to a question and its answer.
    """

    timed: bool
    ask: Callable[[Draw, list[tuple[str, int]], "_Wording"], tuple[str, str]]


class _Wording(NamedTuple):
    """`does` is the verb as told, `do` its infinitive, `noun` what is counted (empty for events)."""

    does: str
    do: str
    noun: str


def _how_many(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    name, number = draw.pick(told)
    return f"How many {words.noun} {_did(words)} {name} {words.do}?", str(number)


def _together(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    (one, first), (two, second) = draw.several(told, 2)
    helper = "do" if words.does == "has" else "did"
    return f"How many {words.noun} {helper} {one} and {two} {words.do} together?", str(first + second)


def _more(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    (two, less), (one, most) = sorted(draw.several(told, 2), key=lambda pair: pair[1])
    return f"How many more {words.noun} {_did(words)} {one} {words.do} than {two}?", str(most - less)


def _extreme(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    ordered = sorted(told, key=lambda pair: pair[1])
    if draw.chance(0.5):
        return f"Who {words.does} the most {words.noun}?", ordered[-1][0]
    return f"Who {words.does} the fewest {words.noun}?", ordered[0][0]


def _first(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    ordered = sorted(told, key=lambda pair: pair[1])
    if draw.chance(0.5):
        return f"Who {words.does} last?", ordered[-1][0]
    return f"Who {words.does} first?", ordered[0][0]


def _later(draw: Draw, told: list[tuple[str, int]], words: _Wording) -> tuple[str, str]:
    (one, early), (two, late) = sorted(draw.several(told, 2), key=lambda pair: pair[1])
    return f"How many hours after {one} did {two} {words.do}?", str(late - early)


def _did(words: _Wording) -> str:
    return "does" if words.does == "has" else "did"


COUNTS = (
    Count(False, _how_many),
    Count(False, _together),
    Count(False, _more),
    Count(False, _extreme),
    Count(True, _first),
    Count(True, _later),
)


def count(draw: Draw, asked: Count) -> tuple[str, str, str]:
    """A passage on two or three people, a question and its answer."""
    text, told, words = _numbers(draw, timed=asked.timed)
    return text, *asked.ask(draw, told, words)


def counts(draw: Draw, *, timed: bool) -> tuple[str, list[tuple[str, str]]]:
    """The same with two or more questions, no two alike."""
    text, told, words = _numbers(draw, timed=timed)
    forms = [one for one in COUNTS if one.timed == timed]
    pairs: dict[str, str] = {}
    while len(pairs) < 2:
        pairs = dict(one.ask(draw, told, words) for one in draw.shuffled(forms)[: draw.between(2, 4)])
    return text, list(pairs.items())


def _numbers(draw: Draw, *, timed: bool) -> tuple[str, list[tuple[str, int]], _Wording]:
    """The passage, who has which number, and the wording."""

    def make() -> tuple[list[tuple[str, int]], _Wording]:
        people = draw.several(world.PEOPLE, draw.between(2, 3))
        numbers = draw.several(range(1, 13), len(people))
        if timed:
            does, do = draw.pick(_EVENTS)
            return list(zip(people, numbers, strict=True)), _Wording(does, do, "")
        does = draw.pick(_AMOUNTS)
        words = _Wording(does, _INFINITIVES[does], draw.pick(_COUNTED))
        # One apple would need another word than two.
        return list(zip(people, [number + 1 for number in numbers], strict=True)), words

    told, words = draw.owned(make, str)
    return " ".join(_tell(name, number, words) for name, number in told), told, words


def _tell(name: str, number: int, words: _Wording) -> str:
    if words.noun:
        return f"{name} {words.does} {number} {words.noun}."
    return f"{name} {words.does} at {number} o'clock."
