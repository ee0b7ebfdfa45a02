"""Facts that hold in one row only, and the ways to state them and to ask about them.

A fact is (kind, subject, value). Every kind gives a subject one value and no more ("the home town", "just
one pet"), so that another value contradicts it. Everything that asks about a passage uses these: the same
statement is a premise here, a passage or an answer there.
"""

from dataclasses import dataclass
from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw


@dataclass(frozen=True)
class Kind:
    """A property and its wordings; `{s}` is the subject without article, `{v}` the value.

    Attributes:
      name: as in a triple.
      person: whether its subjects are people (else things, "red lamp").
      values: what it may be.
      statements: whole sentences, equal in meaning.
      predicate: what follows the subject in a sentence that joins several facts.
      questions: ask for the value.
      reverse: ask for the subject.
      checks: ask whether the value is `{v}`.
      indirect: the question as a clause.
    """

    name: str
    person: bool
    values: tuple[str, ...]
    statements: tuple[str, ...]
    predicate: str
    questions: tuple[str, ...]
    reverse: tuple[str, ...]
    checks: tuple[str, ...]
    indirect: str


class Fact(NamedTuple):
    """`subject` without article: "red lamp", "Ana"."""

    kind: Kind
    subject: str
    value: str


PLACE = Kind(
    "location",
    False,
    world.PLACES,
    ("The {s} is in the {v}.", "You can find the {s} in the {v}.", "Someone left the {s} in the {v}."),
    "is in the {v}",
    ("Where is the {s}?", "In which place is the {s}?", "Where can you find the {s}?"),
    ("What is in the {v}?", "Which thing can you find in the {v}?"),
    ("Is the {s} in the {v}?", "Can you find the {s} in the {v}?"),
    "where the {s} is",
)
COLOUR = Kind(
    "colour",
    False,
    world.COLOURS,
    ("The {s} is {v}.", "The colour of the {s} is {v}.", "Someone painted the {s} {v}."),
    "is {v}",
    ("What colour is the {s}?", "Which colour does the {s} have?", "What is the colour of the {s}?"),
    ("Which thing is {v}?", "What has a {v} colour?"),
    ("Is the {s} {v}?", "Is {v} the colour of the {s}?"),
    "what colour the {s} is",
)
MATERIAL = Kind(
    "material",
    False,
    world.MATERIALS,
    ("The {s} is made of {v}.", "Someone made the {s} out of {v}.", "The material of the {s} is {v}."),
    "is made of {v}",
    ("What is the {s} made of?", "Which material is the {s} made of?", "What is the material of the {s}?"),
    ("What is made of {v}?", "Which thing is made of {v}?"),
    ("Is the {s} made of {v}?", "Is {v} the material of the {s}?"),
    "what the {s} is made of",
)
OWNER = Kind(
    "owner",
    False,
    world.PEOPLE,
    ("The {s} belongs to {v}.", "{v} owns the {s}.", "{v} is the owner of the {s}."),
    "belongs to {v}",
    ("Who owns the {s}?", "To whom does the {s} belong?", "Who is the owner of the {s}?"),
    ("What does {v} own?", "Which thing belongs to {v}?"),
    ("Does the {s} belong to {v}?", "Does {v} own the {s}?", "Is {v} the owner of the {s}?"),
    "who owns the {s}",
)
JOB = Kind(
    "job",
    True,
    world.JOBS,
    ("{s} is a {v}.", "{s} works as a {v}.", "{s} earns money as a {v}."),
    "works as a {v}",
    ("What is the job of {s}?", "What does {s} work as?", "Which job does {s} have?"),
    ("Who is a {v}?", "Who works as a {v}?"),
    ("Is {s} a {v}?", "Does {s} work as a {v}?"),
    "what job {s} has",
)
FOOD = Kind(
    "favourite food",
    True,
    world.FOODS,
    (
        "The favourite food of {s} is {v}.",
        "{s} likes {v} best.",
        "{s} likes {v} more than any other food.",
    ),
    "likes {v} best",
    (
        "What is the favourite food of {s}?",
        "Which food does {s} like best?",
        "What does {s} like to eat best?",
    ),
    ("Who likes {v} best?", "Whose favourite food is {v}?"),
    ("Does {s} like {v} best?", "Is {v} the favourite food of {s}?"),
    "which food {s} likes best",
)
TOWN = Kind(
    "home town",
    True,
    world.TOWNS,
    ("{s} lives in {v}.", "The home of {s} is in {v}.", "{v} is the home town of {s}."),
    "lives in {v}",
    ("Where does {s} live?", "In which town does {s} live?", "What is the home town of {s}?"),
    ("Who lives in {v}?", "Whose home is in {v}?"),
    ("Does {s} live in {v}?", "Is the home of {s} in {v}?", "Is {v} the home town of {s}?"),
    "where {s} lives",
)
PET = Kind(
    "pet",
    True,
    world.PETS,
    ("The pet of {s} is a {v}.", "The only pet of {s} is a {v}.", "{s} keeps just one pet, a {v}."),
    "has a {v} as the only pet",
    (
        "What pet does {s} have?",
        "Which animal is the pet of {s}?",
        "Which animal does {s} keep as a pet?",
    ),
    ("Who has a pet {v}?", "Whose pet is a {v}?"),
    ("Is the pet of {s} a {v}?", "Does {s} keep a {v} as a pet?"),
    "what pet {s} has",
)
TRAVEL = Kind(
    "transport",
    True,
    world.VEHICLES,
    ("{s} goes to work by {v}.", "{s} takes the {v} to work.", "The {v} takes {s} to work."),
    "goes to work by {v}",
    ("How does {s} go to work?", "What does {s} take to work?", "How does {s} get to work?"),
    ("Who goes to work by {v}?", "Who takes the {v} to work?"),
    ("Does {s} go to work by {v}?", "Does {s} take the {v} to work?"),
    "how {s} goes to work",
)
MONTH = Kind(
    "birth month",
    True,
    world.MONTHS,
    ("{s} was born in {v}.", "The birthday of {s} is in {v}.", "{v} is the month in which {s} was born."),
    "was born in {v}",
    ("When was {s} born?", "In which month was {s} born?", "In which month is the birthday of {s}?"),
    ("Who was born in {v}?", "Whose birthday is in {v}?"),
    ("Was {s} born in {v}?", "Is the birthday of {s} in {v}?"),
    "when {s} was born",
)

KINDS = (PLACE, COLOUR, MATERIAL, OWNER, JOB, FOOD, TOWN, PET, TRAVEL, MONTH)
_THING_KINDS = tuple(kind for kind in KINDS if not kind.person)
_PERSON_KINDS = tuple(kind for kind in KINDS if kind.person)


def kinds_for(subject: str) -> tuple[Kind, ...]:
    """The kinds that a subject may have; a thing that is named by its colour has no other colour."""
    if subject in world.PEOPLE:
        return _PERSON_KINDS
    if subject.split()[0] in world.COLOURS:
        return tuple(kind for kind in _THING_KINDS if kind is not COLOUR)
    return _THING_KINDS


def subject_for(draw: Draw, kind: Kind) -> str:
    """A person, or a thing that half of the time carries a colour or a size."""
    if kind.person:
        return draw.pick(world.PEOPLE)
    thing = draw.pick(world.THINGS)
    if draw.chance(0.4):
        return thing
    return f"{draw.pick(world.SIZES if kind is COLOUR else world.COLOURS + world.SIZES)} {thing}"


def some_fact(draw: Draw, kind: Kind | None = None) -> Fact:
    """Any fact, of `kind` if one is given."""
    kind = kind or draw.pick(KINDS)
    return Fact(kind, subject_for(draw, kind), draw.pick(kind.values))


def phrase(subject: str) -> str:
    """The subject with its article: "the red lamp", "Ana"."""
    return subject if subject in world.PEOPLE else f"the {subject}"


def fill(template: str, fact: Fact) -> str:
    """One of the kind's wordings with the fact's subject and value."""
    return template.format(s=fact.subject, v=fact.value)


def tell(draw: Draw, fact: Fact) -> str:
    """The fact as a sentence of its own."""
    return fill(draw.pick(fact.kind.statements), fact)


def clause(fact: Fact) -> str:
    """The fact as the main clause of a longer sentence: "the red lamp is in the hall"."""
    return f"{phrase(fact.subject)} {fill(fact.kind.predicate, fact)}"


def inside(sentence: str) -> str:
    """A sentence as a clause within another: first letter small unless it is a name, no full stop."""
    word = sentence.split()[0]
    small = word in ("The", "You", "Someone", "A", "It")
    return (sentence[0].lower() if small else sentence[0]) + sentence[1:].rstrip(".?")


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]
