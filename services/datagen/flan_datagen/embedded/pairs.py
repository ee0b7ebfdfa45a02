"""PAWS and STS-B: pairs of sentences with the same words, and pairs that share a given number of facts."""

from collections.abc import Iterator
from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import KINDS, Fact, capital, fill, inside, some_fact
from flan_datagen.embedded.rows import Row, Turn


def two_facts(draw: Draw) -> tuple[Fact, Fact]:
    """Two facts of one kind with different subjects and values."""
    kind = draw.pick(KINDS)
    first = some_fact(draw, kind)
    second = some_fact(draw, kind)
    while second.subject.split()[-1] == first.subject.split()[-1] or second.value == first.value:
        second = some_fact(draw, kind)
    return first, second


def swapped(first: Fact, second: Fact) -> tuple[Fact, Fact]:
    """The facts with each other's values."""
    return first._replace(value=second.value), second._replace(value=first.value)


def signature(facts: tuple[Fact, ...]) -> str:
    """Equal for equal facts in any order."""
    return "|".join(sorted(f"{fact.kind.name}/{fact.subject}/{fact.value}" for fact in facts))


class _Frame(NamedTuple):
    """What two are to each other: `forms` mean the same, and something else with `{a}` and `{b}` swapped."""

    forms: tuple[str, ...]
    names: tuple[str, ...]


def _deed(past: str) -> _Frame:
    return _Frame(
        (
            f"{{a}} {past} {{b}} on {{day}}.",
            f"{{b}} was {past} by {{a}} on {{day}}.",
            f"On {{day}} {{a}} {past} {{b}}.",
            f"On {{day}}, {{b}} was {past} by {{a}}.",
        ),
        world.PEOPLE,
    )


def _degree(more: str, less: str) -> _Frame:
    return _Frame(
        (
            f"{{a}} is {more} than {{b}}.",
            f"{{b}} is {less} than {{a}}.",
            f"Of {{a}} and {{b}}, {{a}} is the {more} one.",
            f"Of {{b}} and {{a}}, {{b}} is the {less} one.",
        ),
        world.PEOPLE,
    )


_FRAMES = (
    _Frame(
        (
            "{a} gave the {t} to {b}.",
            "{b} got the {t} from {a}.",
            "The {t} was given to {b} by {a}.",
            "It was {a} who gave the {t} to {b}.",
        ),
        world.PEOPLE,
    ),
    _Frame(
        (
            "{a} sold the {t} to {b} on {day}.",
            "{b} bought the {t} from {a} on {day}.",
            "On {day}, {a} sold the {t} to {b}.",
            "On {day}, {b} bought the {t} from {a}.",
        ),
        world.PEOPLE,
    ),
    _Frame(
        (
            "{p} went from {a} to {b} by {v}.",
            "{p} went by {v} to {b} from {a}.",
            "By {v}, {p} went from {a} to {b}.",
            "It was by {v} that {p} went to {b} from {a}.",
        ),
        world.TOWNS,
    ),
    _Frame(
        (
            "{p} was in {a} before {p} was in {b}.",
            "{p} was in {b} after {p} was in {a}.",
            "After {p} was in {a}, {p} was in {b}.",
            "Before {p} was in {b}, {p} was in {a}.",
        ),
        world.TOWNS,
    ),
    _Frame(
        (
            "{p} moved the {t} from the {a} to the {b}.",
            "The {t} was moved to the {b} from the {a} by {p}.",
            "From the {a} {p} moved the {t} to the {b}.",
            "To the {b} {p} moved the {t} from the {a}.",
        ),
        world.PLACES,
    ),
    *(_deed(past) for past in ("helped", "thanked", "visited", "called", "followed", "painted")),
    *(
        _degree(more, less)
        for more, less in (
            ("older", "younger"),
            ("taller", "shorter"),
            ("stronger", "weaker"),
            ("faster", "slower"),
            ("richer", "poorer"),
        )
    ),
)


def paws_wiki(turn: Turn) -> Iterator[Row]:
    """Cases: label, by two facts of one kind or two names in one frame.

    Both labels come from the same forms and the same words: only what goes with what is changed.
    """
    draw = turn.draw
    make = _two_clauses if turn.case // 2 else _two_names
    one, two = (_tokens(text) for text in make(draw, turn.case % 2))
    yield {"id": turn.number, "sentence1": one, "sentence2": two, "label": turn.case % 2}


def _tokens(text: str) -> str:
    """Marks set apart, as in the final set on the Hub."""
    return text.replace(",", " ,").replace(";", " ;").replace(".", " .")


def _two_names(draw: Draw, label: int) -> tuple[str, str]:
    def make() -> tuple[_Frame, str, str, dict[str, str]]:
        frame = draw.pick(_FRAMES)
        first, second = draw.several(frame.names, 2)
        slots = {
            "p": draw.other(world.PEOPLE, first, second),
            "t": draw.pick(world.THINGS),
            "v": draw.pick(world.VEHICLES),
            "day": draw.pick(world.DAYS),
        }
        used = {name: value for name, value in slots.items() if f"{{{name}}}" in frame.forms[0]}
        return frame, first, second, used

    frame, first, second, slots = draw.owned(
        make, lambda made: "/".join((made[0].forms[0], *sorted(made[1:3]), *made[3].values()))
    )
    one, two = draw.several(frame.forms, 2)
    names = (first, second) if label else (second, first)
    return one.format(a=first, b=second, **slots), two.format(a=names[0], b=names[1], **slots)


def _two_clauses(draw: Draw, label: int) -> tuple[str, str]:
    """The clauses change their places, or their wording, or both; with label 0 the values are swapped, too."""
    first, second = draw.owned(lambda: two_facts(draw), lambda made: signature(_sorted_values(made)))
    told = (first, second) if label else swapped(first, second)
    link = draw.pick((", and ", ", while ", "; "))
    forms = draw.several(first.kind.statements, 2)
    turned, reworded = draw.pick(((True, False), (False, True), (True, True)))
    new = forms[1] if reworded else forms[0]
    texts = [fill(new, fact) for fact in told]
    return _join(link, fill(forms[0], first), fill(forms[0], second)), _join(
        link, *(texts[::-1] if turned else texts)
    )


def _sorted_values(facts: tuple[Fact, Fact]) -> tuple[Fact, Fact]:
    """Equal for two facts and for the same with swapped values."""
    return facts if facts[0].value < facts[1].value else swapped(*facts)


def _join(link: str, one: str, two: str) -> str:
    return f"{one.rstrip('.')}{link}{inside(two)}."


# --- graded similarity -----------------------------------------------------------------------------------

_DEEDS = (
    *("painted", "sold", "found", "lost", "cleaned", "carried"),
    *("repaired", "bought", "moved", "washed", "dropped", "used"),
)
_WORDINGS = (
    "On {day} {who} {did} the {thing} in the {place}.",
    "{who} {did} the {thing} in the {place} on {day}.",
    "In the {place} {who} {did} the {thing} on {day}.",
    "On {day} the {thing} was {did} by {who} in the {place}.",
    "The {thing} was {did} in the {place} by {who} on {day}.",
    "It was {who} who {did} the {thing} in the {place} on {day}.",
)
_SLOTS = {
    "who": world.PEOPLE,
    "did": _DEEDS,
    "thing": world.THINGS,
    "place": world.PLACES,
    "day": world.DAYS,
}
_NEARER = {"thing": world.COLOURS, "day": ("morning", "evening", "afternoon", "night")}
"""Words that say more on a slot; one that only one of the sentences has costs a fifth of a point."""


def stsb(turn: Turn) -> Iterator[Row]:
    """A point for each of five facts that agree (who, did what, what with, where, when), less for half-said ones.

    No more than two fifths are taken off, so that the score rounds to the number of facts that agree.
    """
    draw = turn.draw
    first = draw.owned(
        lambda: {name: draw.pick(values) for name, values in _SLOTS.items()},
        lambda made: "/".join(made.values()),
    )
    agree = draw.several(tuple(_SLOTS), turn.case)
    second = {
        name: first[name] if name in agree else draw.other(values, first[name])
        for name, values in _SLOTS.items()
    }
    fifths = 0
    for name, words in _NEARER.items():
        more = [draw.pick(words) if draw.chance(0.5) else "", draw.pick(words) if draw.chance(0.5) else ""]
        if name in agree:
            # Both, none or one, so that such words are as frequent as where the slot differs.
            word = draw.pick(words)
            more = draw.pick(([word, word], ["", ""], [word, ""], ["", word]))
            fifths += more[0] != more[1]
        for told, word in zip((first, second), more, strict=True):
            told[name] = " ".join(filter(None, (word, told[name]) if name == "thing" else (told[name], word)))
    wordings = draw.several(_WORDINGS, 2)
    yield {
        "sentence1": capital(wordings[0].format_map(first)),
        "sentence2": capital(wordings[1].format_map(second)),
        "label": round(turn.case - fifths / 5, 1),
        "idx": turn.number,
    }
