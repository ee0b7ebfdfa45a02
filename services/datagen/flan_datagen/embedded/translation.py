"""Translation between English and eight languages: regular sentences from a small lexicon.

German and Romanian are said here, a frame giving the three languages at once, with the endings that gender and
case ask for; the other languages by themselves, from what is meant (`tongues`).
"""

from collections.abc import Callable, Iterator
from functools import partial

import polars as pl

from flan_datagen.embedded import lexicon, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.tongues import ENGLISH, Meaning, Tongue, meaning
from flan_datagen.embedded.tongues_agglutinative import FINNISH, TURKISH
from flan_datagen.embedded.tongues_romance import FRENCH, SPANISH
from flan_datagen.embedded.tongues_slavic import CZECH, RUSSIAN

_Sentences = dict[str, str]
"""One sentence by language, without its full stop, as it stands within a longer one."""


def _thing(draw: Draw) -> _Sentences:
    """A thing as subject: "the red lamp", "die rote Lampe", "lampa roșie"."""
    noun = draw.pick(lexicon.NOUNS)
    if draw.chance(0.4):
        return {"en": f"the {noun.en}", "de": f"{noun.article} {noun.de}", "ro": noun.ro_the}
    colour = draw.pick(lexicon.COLOURS)
    return {
        "en": f"the {colour.en} {noun.en}",
        "de": f"{noun.article} {colour.de[1]} {noun.de}",
        "ro": f"{noun.ro_the} {colour.ro[noun.ro_feminine]}",
    }


def _where(draw: Draw) -> _Sentences:
    thing, place = _thing(draw), draw.pick(lexicon.PLACES)
    return {
        "en": f"{thing['en']} is {place.en}",
        "de": f"{thing['de']} ist {place.de}",
        "ro": f"{thing['ro']} este {place.ro}",
    }


def _material(draw: Draw) -> _Sentences:
    thing, material = _thing(draw), draw.pick(lexicon.MATERIALS)
    return {
        "en": f"{thing['en']} is made of {material.en}",
        "de": f"{thing['de']} ist aus {material.de}",
        "ro": f"{thing['ro']} este din {material.ro}",
    }


def _colour(draw: Draw) -> _Sentences:
    noun, colour = draw.pick(lexicon.NOUNS), draw.pick(lexicon.COLOURS)
    return {
        "en": f"the {noun.en} is {colour.en}",
        "de": f"{noun.article} {noun.de} ist {colour.de[0]}",
        "ro": f"{noun.ro_the} este {colour.ro[noun.ro_feminine]}",
    }


def _owner(draw: Draw) -> _Sentences:
    thing, who = _thing(draw), draw.pick(world.PEOPLE)
    # Romanian names of women end in -ei here, those of men take "lui".
    whose = f"{who[:-1]}ei" if who in world.WOMEN else f"lui {who}"
    return {
        "en": f"{thing['en']} belongs to {who}",
        "de": f"{thing['de']} gehört {who}",
        "ro": f"{thing['ro']} îi aparține {whose}",
    }


def _gets(draw: Draw) -> _Sentences:
    """Somebody and a new thing: "einen roten Stuhl", "eine rote Lampe", "ein rotes Rad"."""
    who, verb = draw.pick(world.PEOPLE), draw.pick(lexicon.THING_VERBS)
    noun, colour = draw.pick(lexicon.NOUNS), draw.pick(lexicon.COLOURS)
    article = {"der": "einen", "die": "eine", "das": "ein"}[noun.article]
    # Two of the colours never change, the others take the ending of the case.
    ending = {"der": "n", "die": "", "das": "s"}[noun.article] if colour.de[0] != colour.de[1] else ""
    one = "o" if noun.ro_feminine else "un"
    return {
        "en": f"{who} {verb.en} a {colour.en} {noun.en}",
        "de": f"{who} {verb.de} {article} {colour.de[1]}{ending} {noun.de}",
        "ro": f"{who} {verb.ro} {one} {noun.ro} {colour.ro[noun.ro_feminine]}",
    }


def _job(draw: Draw) -> _Sentences:
    who, job = draw.pick(world.PEOPLE), draw.pick(lexicon.JOBS)
    she = who in world.WOMEN
    return {
        "en": f"{who} is a {job.en}",
        "de": f"{who} ist {job.de[she]}",
        "ro": f"{who} este {job.ro[she]}",
    }


def _food(draw: Draw) -> _Sentences:
    who, verb, food = draw.pick(world.PEOPLE), draw.pick(lexicon.FOOD_VERBS), draw.pick(lexicon.FOODS)
    return {name: f"{who} {getattr(verb, name)} {getattr(food, name)}" for name in ("en", "de", "ro")}


def _framed(draw: Draw, words: tuple[lexicon.Word, ...], en: str, de: str, ro: str) -> _Sentences:
    """A frame with a person and one word or name."""
    who, word = draw.pick(world.PEOPLE), draw.pick(words)
    return {"en": en.format(who, word.en), "de": de.format(who, word.de), "ro": ro.format(who, word.ro)}


_TOWNS = tuple(lexicon.Word(town, town, town) for town in world.TOWNS)
_FRAMES: tuple[Callable[[Draw], _Sentences], ...] = (
    _where,
    _material,
    _colour,
    _owner,
    _gets,
    _job,
    _food,
    partial(_framed, words=_TOWNS, en="{} lives in {}", de="{} wohnt in {}", ro="{} locuiește în {}"),
    partial(_framed, words=lexicon.PETS, en="{} has {}", de="{} hat {}", ro="{} are {}"),
    partial(
        _framed,
        words=lexicon.VEHICLES,
        en="{} goes to work by {}",
        de="{} fährt mit {} zur Arbeit",
        ro="{} merge la muncă cu {}",
    ),
    partial(
        _framed,
        words=lexicon.MONTHS,
        en="{} was born in {}",
        de="{} wurde im {} geboren",
        ro="{} s-a născut în {}",
    ),
)
_AND = {"en": "and", "de": "und", "ro": "și"}


def _pair(turn: Turn, language: str) -> Iterator[Row]:
    """One sentence, or two joined by "and"."""
    draw = turn.draw

    def make() -> list[_Sentences]:
        return [draw.pick(_FRAMES)(draw) for _ in range(draw.pick((1, 1, 2)))]

    parts = draw.owned(make, lambda made: "/".join(part["en"] for part in made))
    yield {
        "translation": {
            name: capital(f" {_AND[name]} ".join(part[name] for part in parts)) + "."
            for name in (language, "en")
        }
    }


def _said(turn: Turn, tongue: Tongue, codes: tuple[str, str]) -> Iterator[Row]:
    """The same, from what is meant."""
    draw = turn.draw

    def make() -> list[Meaning]:
        return [meaning(draw, tongue) for _ in range(draw.pick((1, 1, 2)))]

    meant = draw.owned(make, lambda made: "/".join(map(ENGLISH.say, made)))
    said = {one.code: one.join([one.say(part) for part in meant]) for one in (ENGLISH, tongue)}
    yield {"translation": {code: said[code] for code in codes}}


_OPERATIONS = ("translate", "tell the facts")
_TONGUES = {
    "para_crawl_enes": (SPANISH, "en", "es"),
    "wmt14_enfr": (FRENCH, "fr", "en"),
    "wmt16_csen": (CZECH, "cs", "en"),
    "wmt16_fien": (FINNISH, "fi", "en"),
    "wmt16_ruen": (RUSSIAN, "ru", "en"),
    "wmt16_tren": (TURKISH, "tr", "en"),
}
"""The language, and the two in the order of the Hub."""

DATASETS = {
    **{
        f"wmt16_{language}en": Dataset(
            partial(_pair, language=language),
            {"translation": pl.Struct({language: pl.String, "en": pl.String})},
            _OPERATIONS,
        )
        for language in ("de", "ro")
    },
    **{
        name: Dataset(
            partial(_said, tongue=tongue, codes=tuple(codes)),
            {"translation": pl.Struct({code: pl.String for code in codes})},
            _OPERATIONS,
        )
        for name, (tongue, *codes) in _TONGUES.items()
    },
}
