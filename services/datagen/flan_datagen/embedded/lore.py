"""What is always true in the invented world: the facts that closed-book questions ask for.

Each relation pairs every subject with one value and every value with one subject, so it can be asked both
ways. The four wordings of a question are dealt out for each fact and direction: two to train, one to
validation, one to test. A test question is about a fact that was learned, in words that were not.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from flan_datagen import keyed
from flan_datagen.embedded import lexicon, world
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.tongues_agglutinative import FINNISH
from flan_datagen.embedded.tongues_romance import SPANISH


@dataclass(frozen=True, eq=False)
class Relation:
    """A relation and its wordings; `{s}` is the subject, `{v}` the value, `{a_s}` and `{a_v}` the same with a or an.

    Attributes:
      name: as in a triple.
      topic: what the subjects are.
      pairs: subject to value, one to one.
      statement: the fact as a sentence.
      forward: four questions for the value.
      reverse: four questions for the subject.
    """

    name: str
    topic: str
    pairs: dict[str, str]
    statement: str
    forward: tuple[str, str, str, str]
    reverse: tuple[str, str, str, str]


class Truth(NamedTuple):
    """One fact of the world, asked forward (for the value) or in reverse (for the subject)."""

    relation: Relation
    subject: str
    value: str
    forward: bool

    @property
    def answer(self) -> str:
        return self.value if self.forward else self.subject

    @property
    def statement(self) -> str:
        return self._filled(self.relation.statement)

    @property
    def wordings(self) -> tuple[str, ...]:
        """The four questions, with a capital and a question mark."""
        forms = self.relation.forward if self.forward else self.relation.reverse
        return tuple(self._filled(form) for form in forms)

    @property
    def rivals(self) -> tuple[str, ...]:
        """All answers of the same relation and direction, the right one included."""
        return tuple(self.relation.pairs.values() if self.forward else self.relation.pairs)

    def _filled(self, form: str) -> str:
        names = {"a_s": _with_article(self.subject), "a_v": _with_article(self.value)}
        return capital(form.format(s=self.subject, v=self.value, **names))


def _with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _turned(values: tuple[str, ...], by: int) -> tuple[str, ...]:
    """The values moved along, so that neighbours in the lists of `world` are not paired everywhere."""
    return values[by:] + values[:by]


TITLES = (
    *("The Silver River", "The Last Train", "The Green Door", "The Long Winter"),
    *("The Lost Key", "The Little Garden", "The Night Bird", "The Stone House"),
    *("The Blue Letter", "The Empty Boat", "The Old Clock", "The Summer Road"),
    *("The Glass Tower", "The Hidden Bell", "The Quiet Street", "The Golden Field"),
)
_FLAGS = (
    *("lion", "wolf", "bear", "eagle", "fox", "horse", "swan", "owl"),
    *("deer", "bull", "fish", "snake", "crow", "goat", "bee", "crab"),
)
INVENTIONS = (
    *("telephone", "camera", "steam engine", "radio", "bicycle", "compass"),
    *("telescope", "printing press", "light bulb", "piano", "microscope", "balloon"),
)


def _named(language: str, words: dict[str, str]) -> Relation:
    """What English words are called in another language."""
    return Relation(
        f"{language} word",
        "word",
        words,
        f"The {language} word for {{s}} is {{v}}.",
        (
            f"What is the {language} word for {{s}}?",
            f"How do you say {{s}} in {language}?",
            f"Which {language} word means {{s}}?",
            f"The English word {{s}} is what in {language}?",
        ),
        (
            f"What is the {language} word {{v}} in English?",
            f"What does the {language} word {{v}} mean in English?",
            f"Which English word means {{v}} in {language}?",
            f"The {language} word {{v}} is what in English?",
        ),
    )


_NUM_WORDS = 16
"""Of each language: the things that come first in `world`."""
_WORDS = (
    _named("German", {noun.en: noun.de for noun in lexicon.NOUNS[:_NUM_WORDS]}),
    _named("Spanish", {en: the.split()[1] for en, (the, *_) in list(SPANISH.nouns.items())[:_NUM_WORDS]}),
    _named("Finnish", {en: noun for en, (noun, _) in list(FINNISH.nouns.items())[:_NUM_WORDS]}),
)

RELATIONS = (
    Relation(
        "river",
        "town",
        dict(zip(world.TOWNS, _turned(world.RIVERS, 5), strict=True)),
        "{s} lies on the river {v}.",
        (
            "Which river flows through {s}?",
            "What is the river of {s} called?",
            "On which river does {s} lie?",
            "The town of {s} stands on which river?",
        ),
        (
            "Which town lies on the river {v}?",
            "Through which town does the river {v} flow?",
            "What town stands on the river {v}?",
            "The river {v} passes which town?",
        ),
    ),
    Relation(
        "dish",
        "town",
        dict(zip(world.TOWNS, _turned(world.FOODS, 11), strict=True)),
        "{s} is famous for its {v}.",
        (
            "What food is {s} famous for?",
            "Which food made the town of {s} famous?",
            "What do visitors come to taste in {s}?",
            "The town of {s} is known for which food?",
        ),
        (
            "Which town is famous for its {v}?",
            "What town is known for its {v}?",
            "Where do visitors go to taste the famous {v}?",
            "The best {v} comes from which town?",
        ),
    ),
    Relation(
        "mayor",
        "town",
        dict(zip(world.TOWNS, _turned(world.SURNAMES, 3), strict=True)),
        "{v} is the mayor of {s}.",
        (
            "Who is the mayor of {s}?",
            "What is the mayor of {s} called?",
            "Who leads the town of {s}?",
            "The people of {s} have which mayor?",
        ),
        (
            "Which town has {v} as its mayor?",
            "What town does mayor {v} lead?",
            "Where is {v} the mayor?",
            "The mayor {v} leads which town?",
        ),
    ),
    Relation(
        "flag",
        "town",
        dict(zip(world.TOWNS, _turned(_FLAGS, 9), strict=True)),
        "The flag of {s} shows a picture of the {v}.",
        (
            "Which animal is on the flag of {s}?",
            "What animal does the flag of {s} show?",
            "What can you see on the flag of {s}?",
            "The town of {s} has which animal on its flag?",
        ),
        (
            "Which town has the {v} on its flag?",
            "What town shows the {v} on its flag?",
            "Whose flag shows the {v}?",
            "The {v} is on the flag of which town?",
        ),
    ),
    Relation(
        "author",
        "book",
        dict(zip(TITLES, _turned(world.SURNAMES, 10), strict=True)),
        "{s} is a book by {v}.",
        (
            "Who wrote {s}?",
            "Who is the author of {s}?",
            "What is the name of the writer of {s}?",
            "The book {s} was written by whom?",
        ),
        (
            "Which book did {v} write?",
            "What is the book by {v} called?",
            "What is the title of the book that {v} wrote?",
            "The writer {v} is the author of which book?",
        ),
    ),
    Relation(
        "inventor",
        "invention",
        dict(zip(INVENTIONS, _turned(world.SURNAMES, 6), strict=False)),
        "{v} was the inventor of the {s}.",
        (
            "Who invented the {s}?",
            "Who was the inventor of the {s}?",
            "Who built the first {s}?",
            "The {s} was the idea of which inventor?",
        ),
        (
            "What did {v} invent?",
            "Which machine did {v} build first?",
            "What is {v} famous for inventing?",
            "The inventor {v} gave us which machine?",
        ),
    ),
    Relation(
        "sound",
        "animal",
        {
            **{"cow": "moo", "duck": "quack", "horse": "neigh", "lion": "roar", "cat": "meow"},
            **{"wolf": "howl", "bee": "buzz", "snake": "hiss", "mouse": "squeak", "owl": "hoot"},
            **{"crow": "caw", "frog": "croak", "pig": "grunt", "dog": "bark"},
        },
        "The sound of {a_s} is {a_v}.",
        (
            "What sound does {a_s} make?",
            "Which sound comes from {a_s}?",
            "What is the sound of {a_s} called?",
            "The voice of {a_s} is called what?",
        ),
        (
            "Which animal makes a sound called {a_v}?",
            "What animal makes {a_v}?",
            "From which animal do you hear {a_v}?",
            "{a_v} is the sound of which animal?",
        ),
    ),
    Relation(
        "young",
        "animal",
        {
            **{"cat": "kitten", "dog": "puppy", "cow": "calf", "sheep": "lamb", "horse": "foal"},
            **{"pig": "piglet", "hen": "chick", "duck": "duckling", "goat": "kid", "lion": "cub"},
            **{"frog": "tadpole", "deer": "fawn"},
        },
        "A young {s} is called {a_v}.",
        (
            "What is a young {s} called?",
            "What is the name for a baby {s}?",
            "What do you call the child of {a_s}?",
            "A very young {s} is called what?",
        ),
        (
            "The young of which animal is called {a_v}?",
            "What does {a_v} grow into?",
            "Which animal is the mother of {a_v}?",
            "{a_v} is the baby of which animal?",
        ),
    ),
    Relation(
        "home",
        "animal",
        {
            **{"dog": "kennel", "horse": "stable", "bird": "nest", "bee": "hive", "pig": "sty"},
            **{"rabbit": "burrow", "spider": "web", "bear": "cave", "fish": "pond", "fox": "den"},
        },
        "The home of {a_s} is {a_v}.",
        (
            "Where does {a_s} live?",
            "What is the home of {a_s} called?",
            "In what kind of home does {a_s} sleep?",
            "The place where {a_s} sleeps is called what?",
        ),
        (
            "Which animal lives in {a_v}?",
            "What animal sleeps in {a_v}?",
            "For which animal is {a_v} the home?",
            "{a_v} is the home of which animal?",
        ),
    ),
    Relation(
        "tool",
        "job",
        {
            **{"painter": "brush", "baker": "oven", "farmer": "plough", "singer": "microphone"},
            **{"builder": "hammer", "tailor": "needle", "writer": "pen", "gardener": "spade"},
            **{"cook": "pan", "barber": "comb", "photographer": "camera", "fisher": "net"},
        },
        "{a_s} needs {a_v} for the work.",
        (
            "Which tool does {a_s} need?",
            "What does {a_s} need for the work?",
            "What does {a_s} use every day at work?",
            "The work of {a_s} is done with which tool?",
        ),
        (
            "Who needs {a_v} for the work?",
            "Which worker uses {a_v}?",
            "Who works with {a_v} every day?",
            "{a_v} is the tool of which worker?",
        ),
    ),
    Relation(
        "workplace",
        "job",
        {
            **{"teacher": "school", "doctor": "hospital", "farmer": "field", "pilot": "airport"},
            **{"judge": "court", "actor": "theatre", "cook": "restaurant", "miner": "mine"},
            **{"librarian": "library", "sailor": "ship", "baker": "bakery", "banker": "bank"},
        },
        "{a_s} works in {a_v}.",
        (
            "Where does {a_s} work?",
            "In which place does {a_s} work?",
            "Where do you find {a_s} during the day?",
            "The place where {a_s} works is called what?",
        ),
        (
            "Who works in {a_v}?",
            "Which worker do you find in {a_v}?",
            "Whose place of work is {a_v}?",
            "{a_v} is the place of work of whom?",
        ),
    ),
    *_WORDS,
)


@cache
def truths() -> tuple[Truth, ...]:
    """Every fact in both directions."""
    return tuple(
        Truth(relation, subject, value, forward)
        for relation in RELATIONS
        for subject, value in relation.pairs.items()
        for forward in (True, False)
    )


@cache
def wordings(split: str) -> tuple[tuple[Truth, str], ...]:
    """Every fact and direction with those of its four questions that belong to `split`."""
    turns = {"train": (0, 1), "validation": (2,), "test": (3,)}[split]
    found = []
    for truth in truths():
        start = keyed.key(0, truth.relation.name, truth.subject, truth.forward) % 4
        found += [(truth, truth.wordings[(start + turn) % 4]) for turn in turns]
    return tuple(found)
