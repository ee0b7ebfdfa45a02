"""ANLI and MNLI: statements of several kinds, held against passages (ANLI) and against talk, letters and tales (MNLI).

A hypothesis is one of these; every kind comes with every label:

    plain      The red lamp is in the hall.
    negated    The red lamp is not in the hall.                               DENIES entails it
    both       The red lamp is in the hall, and Ana is a baker.               one of the two decides
    compared   The red lamp and the cup are in the same place.                two facts to find
    bridged    The owner of the red lamp lives in Kelm.                       two facts to join
"""

from collections.abc import Callable, Iterator

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import (
    KINDS,
    OWNER,
    Fact,
    capital,
    fill,
    inside,
    kinds_for,
    phrase,
    some_fact,
    subject_for,
    tell,
)
from flan_datagen.embedded.ids import uuid
from flan_datagen.embedded.rows import Row, Turn
from flan_datagen.embedded.scene import Scene, Stance, claim_and_scene, passage, sentence

_STANCES = (Stance.SAYS, Stance.SILENT, Stance.DENIES)
"""In the label order of both datasets."""
_OPPOSITE = {Stance.SAYS: Stance.DENIES, Stance.DENIES: Stance.SAYS, Stance.SILENT: Stance.SILENT}

_DENIALS = {
    "location": ("The {s} is not in the {v}.", "You cannot find the {s} in the {v}."),
    "colour": ("The {s} is not {v}.", "The colour of the {s} is not {v}."),
    "material": ("The {s} is not made of {v}.", "The material of the {s} is not {v}."),
    "owner": ("The {s} does not belong to {v}.", "{v} does not own the {s}."),
    "job": ("{s} is not a {v}.", "{s} does not work as a {v}."),
    "favourite food": ("The favourite food of {s} is not {v}.", "{s} does not like {v} best."),
    "home town": ("{s} does not live in {v}.", "The home of {s} is not in {v}."),
    "pet": ("The pet of {s} is not a {v}.", "{s} does not keep a {v} as a pet."),
    "transport": ("{s} does not go to work by {v}.", "{s} does not take the {v} to work."),
    "birth month": ("{s} was not born in {v}.", "The birthday of {s} is not in {v}."),
}
_ALIKE = {
    "location": "are in the same place",
    "colour": "have the same colour",
    "material": "are made of the same material",
    "owner": "belong to the same person",
    "job": "have the same job",
    "favourite food": "like the same food best",
    "home town": "live in the same town",
    "pet": "have the same animal as a pet",
    "transport": "go to work in the same way",
    "birth month": "were born in the same month",
}

_Case = tuple[str, Scene]
"""A hypothesis and the facts of its premise."""


def _plain(draw: Draw, stance: Stance, size: int) -> _Case:
    claim, scene = claim_and_scene(draw, stance, size)
    return tell(draw, claim), scene


def _negated(draw: Draw, stance: Stance, size: int) -> _Case:
    claim, scene = claim_and_scene(draw, _OPPOSITE[stance], size)
    return fill(draw.pick(_DENIALS[claim.kind.name]), claim), scene


def _both(draw: Draw, stance: Stance, size: int) -> _Case:
    """The second half is always true: it tells nothing, wherever it stands."""
    claim, scene = claim_and_scene(draw, stance, size - 1)
    nouns = {fact.subject.split()[-1] for fact in (claim, *scene)}
    while True:
        second = some_fact(draw, draw.other(KINDS, claim.kind))
        if second.subject.split()[-1] not in nouns and second not in scene:
            break
    return sentence(draw.shuffled((claim, second))), Scene((*scene, second))


def _compared(draw: Draw, stance: Stance, size: int) -> _Case:
    """Three subjects and two values in every passage; the pair agrees, differs, or one of the two is left open."""

    def make() -> _Case:
        kind = draw.pick(KINDS)
        subjects: list[str] = []
        while len(subjects) < 4:
            subject = subject_for(draw, kind)
            if subject.split()[-1] not in [other.split()[-1] for other in subjects]:
                subjects.append(subject)
        shared, single = draw.several(kind.values, 2)
        told = subjects[:2] + subjects[2 + (stance is Stance.SILENT) :][:1]
        values = [shared, shared, single]
        if stance is Stance.SAYS:
            pair = subjects[:2]
        elif stance is Stance.DENIES:
            pair = [subjects[draw.below(2)], told[2]]
        else:
            pair = [told[draw.below(3)], subjects[2]]
        facts = [Fact(kind, subject, value) for subject, value in zip(told, values, strict=True)]
        # What else is said is on one of the pair; on the open one, where there is one.
        about = pair[1] if stance is Stance.SILENT else draw.pick(pair)
        free = [other for other in kinds_for(about) if other is not kind]
        others = draw.several(free, min(size - 3, len(free)))
        facts += [Fact(other, about, draw.pick(other.values)) for other in others]
        one, two = draw.shuffled(pair)
        return capital(f"{phrase(one)} and {phrase(two)} {_ALIKE[kind.name]}."), Scene(facts)

    return draw.owned(make, lambda made: made[1].signature)


def _bridged(draw: Draw, stance: Stance, size: int) -> _Case:
    """Two owners and two values in every passage; the hypothesis has one of the two values, whatever its label."""

    def make() -> _Case:
        things = [subject_for(draw, OWNER) for _ in range(2)]
        while things[0].split()[-1] == things[1].split()[-1]:
            things[1] = subject_for(draw, OWNER)
        owner, other, stranger = draw.several(world.PEOPLE, 3)
        kind, side = draw.several(kinds_for(owner), 2)
        own, far = draw.several(kind.values, 2)
        holder = stranger if stance is Stance.SILENT else owner
        facts = [
            Fact(OWNER, things[0], owner),
            Fact(OWNER, things[1], other),
            Fact(kind, holder, own),
            Fact(kind, other, far),
        ]
        if size > 4:
            # Else to find nothing but the owner's name would be to find it left open.
            facts.append(Fact(side, owner, draw.pick(side.values)))
        value = own if stance is Stance.SAYS or (stance is Stance.SILENT and draw.chance(0.5)) else far
        claim = fill(kind.predicate, Fact(kind, owner, value))
        return f"The owner of the {things[0]} {claim}.", Scene(facts)

    return draw.owned(make, lambda made: made[1].signature)


_Maker = Callable[[Draw, Stance, int], _Case]
_ROUNDS: dict[str, tuple[tuple[_Maker, ...], tuple[int, int]]] = {
    "r1": ((_plain, _plain, _negated), (2, 4)),
    "r2": ((_plain, _negated, _both, _compared), (4, 5)),
    "r3": ((_negated, _both, _compared, _bridged), (5, 6)),
}
"""The kinds of hypotheses and the number of facts, harder and longer from round to round."""
_REASONS = (
    ("The passage says so.", "This follows from what is told.", "It is there in the text."),
    (
        "The passage leaves this open.",
        "Nothing is said about it.",
        "The text does not tell whether it is so.",
    ),
    ("The passage says something else.", "What is told rules it out.", "The text tells it otherwise."),
)


def anli(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    makers, (low, high) = _ROUNDS[turn.part]
    hypothesis, scene = draw.pick(makers)(draw, _STANCES[turn.case], draw.between(low, high))
    premise = passage(draw, scene)
    if turn.part == "r3" and draw.chance(0.1):
        # As in the rows from how-to pages.
        premise = premise.replace(". ", ".<br>", 1)
    yield {
        "uid": uuid(draw),
        "premise": premise,
        "hypothesis": hypothesis,
        "label": turn.case,
        "reason": draw.pick(_REASONS[turn.case]),
    }


def _phone(draw: Draw, told: list[str], name: str) -> str:
    told = [inside(one) for one in told]
    return draw.pick(
        (f"uh-huh, well, {', and '.join(told)}, you know", f"yeah, {', and, uh, '.join(told)}, yeah")
    )


def _letter(draw: Draw, told: list[str], name: str) -> str:
    first = f"Dear {name}, {draw.pick(('I write to tell you that', 'you may like to hear that'))} {inside(told[0])}."
    return " ".join((first, *(f"By the way, {inside(one)}." for one in told[1:])))


def _tale(draw: Draw, told: list[str], name: str) -> str:
    verb = draw.pick(("said", "whispered", "cried"))
    first = f'"{told[0].rstrip(".")}," {verb} {name}.'
    return " ".join((first, *(f'"{one}"' for one in told[1:])))


def _report(draw: Draw, told: list[str], name: str) -> str:
    first = draw.pick(
        (f"According to the report, {inside(told[0])}.", f"The report says that {inside(told[0])}.")
    )
    return " ".join((first, *(f"It adds that {inside(one)}." for one in told[1:])))


def _speech(draw: Draw, told: list[str], name: str) -> str:
    first = (
        f"Ladies and gentlemen, {draw.pick(('as we all know', 'I am glad to say that'))} {inside(told[0])}."
    )
    return " ".join((first, *(f"And let me add: {one}" for one in told[1:])))


_GENRES = {"matched": (_phone, _letter, _tale), "mismatched": (_report, _speech)}


def mnli(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    maker = draw.pick((_plain, _plain, _negated))
    hypothesis, scene = maker(draw, _STANCES[turn.case], draw.between(1, 2))
    named = {word for fact in scene for word in (fact.subject, fact.value)} | set(
        hypothesis.rstrip(".").split()
    )
    name = draw.pick([name for name in world.PEOPLE if name not in named])
    told = [tell(draw, fact) for fact in draw.shuffled(scene)]
    yield {
        "premise": draw.pick(_GENRES[turn.part])(draw, told, name),
        "hypothesis": hypothesis,
        "label": turn.case,
        "idx": turn.number,
    }
