"""Coreference: who or what a pronoun or a blank stands for.

A schema is a sentence about two of a kind with two endings; each ending points to another of the two:

    The bag did not fit into the box because it was too big.      the bag
    The bag did not fit into the box because it was too small.    the box

Both endings are used equally often, and either is the first of the two options equally often.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital, some_fact, tell
from flan_datagen.embedded.rows import Dataset, Row, Turn


class _Schema(NamedTuple):
    """`{a}` and `{b}` are the two, `{t}` a thing, `{x}` the pronoun or the blank."""

    start: str
    first: str
    second: str
    people: bool = True


_SCHEMAS = (
    _Schema("{a} gave the {t} to {b} because", "{x} did not need it any more", "{x} had asked for it"),
    _Schema("{a} thanked {b} because", "{x} had got help", "{x} had given help"),
    _Schema("{a} sold the {t} to {b} because", "{x} needed money", "{x} wanted to have it"),
    _Schema("{a} lent the {t} to {b}, and", "{x} got it back later", "{x} gave it back later"),
    _Schema("{a} won the race against {b} because", "{x} ran faster", "{x} ran slower"),
    _Schema("{a} asked {b} about the {t} because", "{x} wanted to know more", "{x} knew a lot about it"),
    _Schema("{a} is taller than {b}, so", "{x} can reach the {t}", "{x} cannot reach the {t}"),
    _Schema("{a} is stronger than {b}, so", "{x} can lift the {t}", "{x} cannot lift the {t}"),
    _Schema("{a} took the {t} away from {b}, so", "{x} had it now", "{x} had lost it"),
    _Schema("{a} taught {b} to paint because", "{x} was a good teacher", "{x} wanted to learn"),
    _Schema(
        "{a} works at night and {b} works in the day, so", "{x} sleeps in the day", "{x} sleeps at night"
    ),
    _Schema("{a} had money and {b} had none, so", "{x} bought the {t}", "{x} could not buy the {t}"),
    _Schema("{a} was hungry and {b} was full, so", "{x} ate the food", "{x} did not eat the food"),
    _Schema("{a} visited {b} because", "{x} wanted to see a friend", "{x} had sent an invitation"),
    _Schema("{a} broke the {t} of {b}, so", "{x} had to pay for it", "{x} had to get a new one"),
    _Schema("{a} was older than {b}, so", "{x} went to work", "{x} still went to school"),
    _Schema("{a} hid the {t} from {b}, so", "{x} knew where it was", "{x} could not find it"),
    _Schema("The {a} did not fit into the {b} because", "{x} was too big", "{x} was too small", people=False),
    _Schema("The {a} stood on the {b}, so", "{x} was on top", "{x} was below", people=False),
    _Schema(
        "The {a} was heavy and the {b} was light, so",
        "{x} was hard to lift",
        "{x} was easy to lift",
        people=False,
    ),
    _Schema("The {a} cost more than the {b} because", "{x} was new", "{x} was old and used", people=False),
    _Schema(
        "The {a} was broken and the {b} was fine, so",
        "{x} had to be repaired",
        "{x} could be used",
        people=False,
    ),
    _Schema(
        "The {a} was wet and the {b} was dry, so",
        "{x} had been in the rain",
        "{x} had been in the house",
        people=False,
    ),
    _Schema(
        "The {a} was full and the {b} was empty, so",
        "nothing more fitted into {x}",
        "there was room in {x}",
        people=False,
    ),
)


class Puzzle(NamedTuple):
    """A schema filled in; `{x}` is still open.

    Attributes:
      text: the sentence.
      names: the two, as they stand in the sentence ("Ana", "the box").
      answer: which of them the blank means, 0 or 1.
    """

    text: str
    names: tuple[str, str]
    answer: int

    def with_pronoun(self) -> tuple[str, str]:
        """The sentence with a pronoun in the blank, and the pronoun."""
        pronoun = "it" if self.names[0].startswith("the ") else world.pronoun(self.names[0])
        return self.text.replace("{x}", pronoun), pronoun


def puzzle(draw: Draw, answer: int) -> Puzzle:
    """A puzzle of this split whose blank means name number `answer`; two people are of one pronoun."""

    def make() -> tuple[_Schema, str, str, str]:
        schema = draw.pick(_SCHEMAS)
        group = draw.pick((world.WOMEN, world.MEN)) if schema.people else world.THINGS
        first, second, thing = *draw.several(group, 2), draw.pick(world.THINGS)
        return schema, first, second, thing if "{t}" in "".join(schema[:3]) else ""

    schema, first, second, thing = draw.owned(make, lambda made: "/".join((made[0].start, *made[1:])))
    ending = schema.second if answer else schema.first
    # The blank survives the filling and is replaced by whoever needs a pronoun or an underscore there.
    text = f"{schema.start} {ending}.".format(a=first, b=second, t=thing, x="{x}")
    article = "" if schema.people else "the "
    return Puzzle(text, (article + first, article + second), answer)


def _dpr(turn: Turn) -> Iterator[Row]:
    puzzle_ = puzzle(turn.draw, turn.case % 2)
    sentence, pronoun = puzzle_.with_pronoun()
    names, label = _ordered(puzzle_, turn.case // 2)
    yield {
        "sentence": sentence,
        "pronoun": pronoun,
        "candidates": [capital(name) if sentence.startswith(capital(name)) else name for name in names],
        "label": label,
    }


def _winogrande(turn: Turn) -> Iterator[Row]:
    puzzle_ = puzzle(turn.draw, turn.case % 2)
    names, label = _ordered(puzzle_, turn.case // 2)
    # The Hub's rows name things without the article that stands before the blank.
    text = puzzle_.text.replace("{x}", "the _" if names[0].startswith("the ") else "_")
    first, second = (name.removeprefix("the ") for name in names)
    yield {"sentence": text, "option1": first, "option2": second, "answer": str(label + 1)}


def _ordered(puzzle_: Puzzle, swap: int) -> tuple[tuple[str, str], int]:
    """The names, swapped or not, and the place of the answer among them."""
    names = puzzle_.names[::-1] if swap else puzzle_.names
    return names, puzzle_.answer ^ swap


def _wsc(turn: Turn) -> Iterator[Row]:
    """Cases: which of the two is meant, by label. Spans are counted in words, as on the Hub."""
    label = turn.case // 2
    puzzle_ = _after_a_fact(turn.draw, puzzle(turn.draw, turn.case % 2))
    text, pronoun = puzzle_.with_pronoun()
    start, name = _found(text, puzzle_.names[puzzle_.answer if label else 1 - puzzle_.answer])
    yield {
        "text": text,
        "span1_index": len(text[:start].split()),
        "span2_index": len(puzzle_.text.partition("{x}")[0].split()),
        "span1_text": name,
        "span2_text": pronoun,
        "idx": turn.number,
        "label": label,
    }


def _wsc273(turn: Turn) -> Iterator[Row]:
    """Cases: which of the two is meant, by the order of the options. Places are counted in characters."""
    puzzle_ = _after_a_fact(turn.draw, puzzle(turn.draw, turn.case % 2))
    text, pronoun = puzzle_.with_pronoun()
    names, label = _ordered(puzzle_, turn.case // 2)
    place = puzzle_.text.index("{x}")
    # The clause that the pronoun stands in: all of it, after the word that joins it.
    quote = max(text.rfind(link, 0, place) + len(link) for link in _LINKS if link in text[:place])
    yield {
        "text": text,
        "pronoun": pronoun,
        "pronoun_loc": place,
        "quote": text[quote:].rstrip("."),
        "quote_loc": quote,
        "options": [capital(name) for name in names],
        "label": label,
        "source": "(Embedded corpus)",
    }


def _after_a_fact(draw: Draw, puzzle_: Puzzle) -> Puzzle:
    """The puzzle, in one of three rows at the end of a passage on somebody or something else."""
    if not draw.chance(1 / 3):
        return puzzle_
    taken = set(re.findall(r"\w+", puzzle_.text))
    told: list[str] = []
    while len(told) < 2:
        fact = some_fact(draw)
        if not {*fact.subject.split(), fact.value} & taken:
            taken |= {*fact.subject.split(), fact.value}
            told.append(tell(draw, fact))
    return puzzle_._replace(text=" ".join((*told, puzzle_.text)))


_LINKS = (" because ", ", so ", ", and ")


def _found(text: str, name: str) -> tuple[int, str]:
    """Where a name stands in the text, and how it is written there."""
    start = re.search(rf"\b{name}\b", text, re.IGNORECASE).start()
    return start, text[start : start + len(name)]


@dataclass(frozen=True)
class _WithOther(Dataset):
    """A dataset with a part whose columns and rows are those of another one."""

    other: tuple[str, Dataset] = field(kw_only=True)

    def frame(self, *, part: str, **asked: Any) -> pl.DataFrame:
        name, dataset = self.other
        return dataset.frame(part=part, **asked) if part == name else super().frame(part=part, **asked)


DATASETS = {
    "dpr": Dataset(
        _dpr,
        {
            "sentence": pl.String,
            "pronoun": pl.String,
            "candidates": pl.List(pl.String),
            "label": pl.Int64,
        },
        ("reference", "cause and effect"),
        cases=4,
    ),
    "winogrande": Dataset(
        _winogrande,
        {"sentence": pl.String, "option1": pl.String, "option2": pl.String, "answer": pl.String},
        ("reference", "cause and effect"),
        cases=4,
    ),
    "wsc": _WithOther(
        _wsc,
        {
            "text": pl.String,
            **{f"span{number}_index": pl.Int32 for number in (1, 2)},
            **{f"span{number}_text": pl.String for number in (1, 2)},
            "idx": pl.Int32,
            "label": pl.Int64,
        },
        ("reference", "cause and effect"),
        cases=4,
        labels=("idx",),
        other=(
            "wsc273",
            Dataset(
                _wsc273,
                {
                    **{"text": pl.String, "pronoun": pl.String, "pronoun_loc": pl.Int32},
                    **{"quote": pl.String, "quote_loc": pl.Int32, "options": pl.List(pl.String)},
                    **{"label": pl.Int64, "source": pl.String},
                },
                ("reference", "cause and effect"),
                cases=4,
            ),
        ),
    ),
}
