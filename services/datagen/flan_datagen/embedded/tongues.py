"""Sentences said in English and in another language: what they mean, and how a language says it.

A meaning is a frame with English words in its places, drawn from the words that the other language has. Each
language has its own words and endings (`tongues_*`), and says a frame by the method of the same name. Only main
clauses of the present, and one of the past, whose grammar is regular.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital


class Meaning(NamedTuple):
    """English words by their place; "" where the frame has no such place."""

    frame: str
    who: str = ""
    noun: str = ""
    colour: str = ""
    verb: str = ""
    word: str = ""


class Tongue:
    """A language. Mappings have the English words as keys; what they map to is each language's own business.

    Attributes:
      code: as on the Hub.
      link: joins two sentences.
      people: names that it can put in all their forms.
      nouns, colours: for things, "lamp" and "red".
      words: by frame, what fills its last place: "in the kitchen" of `where`.
      verbs: by frame, for the two with several.
    """

    code: str
    link: str
    people: Sequence[str] = world.PEOPLE
    nouns: Mapping[str, Any]
    colours: Mapping[str, Any]
    words: Mapping[str, Mapping[str, Any]]
    verbs: Mapping[str, Mapping[str, str]]

    def say(self, meaning: Meaning) -> str:
        """The sentence without its full stop, as it stands within a longer one."""
        return getattr(self, meaning.frame)(meaning)

    def join(self, sentences: Sequence[str]) -> str:
        """One or more sentences as a whole one."""
        return capital(self.link.join(sentences)) + "."

    @property
    def frames(self) -> tuple[str, ...]:
        """The names of the frames that it can say."""
        return tuple(name for name in _THINGS + _PEOPLE if hasattr(self, name))


_THINGS = ("where", "material", "colour", "owner")
"""Frames whose subject is a thing."""
_PEOPLE = ("gets", "job", "food", "town", "pet", "travel", "month")
"""Frames whose subject is a person."""


def meaning(draw: Draw, tongue: Tongue, frame: str | None = None) -> Meaning:
    """A random one that the tongue can say."""
    frame = frame or draw.pick(tongue.frames)
    noun = draw.pick(tuple(tongue.nouns)) if frame in (*_THINGS, "gets") else ""
    coloured = frame in ("colour", "gets") or (noun != "" and draw.chance(0.6))
    return Meaning(
        frame,
        who=draw.pick(tongue.people) if frame == "owner" or frame in _PEOPLE else "",
        noun=noun,
        colour=draw.pick(tuple(tongue.colours)) if coloured else "",
        verb=draw.pick(tuple(tongue.verbs[frame])) if frame in tongue.verbs else "",
        word=draw.pick(tuple(tongue.words[frame])) if frame in tongue.words else "",
    )


class _English(Tongue):
    code, link = "en", " and "

    def where(self, m: Meaning) -> str:
        return f"{_the(m)} is {m.word}"

    def material(self, m: Meaning) -> str:
        return f"{_the(m)} is made of {m.word}"

    def colour(self, m: Meaning) -> str:
        return f"the {m.noun} is {m.colour}"

    def owner(self, m: Meaning) -> str:
        return f"{_the(m)} belongs to {m.who}"

    def gets(self, m: Meaning) -> str:
        return f"{m.who} {m.verb} a {m.colour} {m.noun}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} is a {m.word}"

    def food(self, m: Meaning) -> str:
        return f"{m.who} {m.verb} {m.word}"

    def town(self, m: Meaning) -> str:
        return f"{m.who} lives in {m.word}"

    def pet(self, m: Meaning) -> str:
        return f"{m.who} has a {m.word}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} goes to work by {m.word}"

    def month(self, m: Meaning) -> str:
        return f"{m.who} was born in {m.word}"


def _the(m: Meaning) -> str:
    return f"the {m.colour} {m.noun}" if m.colour else f"the {m.noun}"


ENGLISH = _English()


def table(*pairs: tuple[str, ...]) -> dict[str, Any]:
    """(English, form) to form, (English, form, form ...) to a tuple of the forms."""
    return {english: forms[0] if len(forms) == 1 else forms for english, *forms in map(tuple, pairs)}


def listed(english: Sequence[str] | str, forms: str) -> dict[str, str]:
    """English words and the forms in the same order; in a text, with a comma and a space between them.

    >>> listed("cat, dog", "un chat, un chien")
    {'cat': 'un chat', 'dog': 'un chien'}
    """
    words = english.split(", ") if isinstance(english, str) else english
    return dict(zip(words, forms.split(", "), strict=True))


PLACES = tuple(f"in the {place}" for place in world.PLACES)
TOWNS = {town: town for town in world.TOWNS}
