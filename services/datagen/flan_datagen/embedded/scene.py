"""Passages of a few facts that a claim is held against.

The claim is drawn first and in the same way whatever the answer will be, so the claim alone tells nothing.
Then the passage is built around it:

    claim               The red lamp is in the hall.
    SAYS                The red lamp is in the hall. Ana is a baker.
    DENIES              The red lamp is in the attic. The cup is in the hall.
    SILENT              The cup is in the hall. The red lamp is made of glass.

Other facts of the claim's kind stand beside it in all three, about half of those that may with the claim's
own value: finding the value somewhere in the text is not enough.
"""

import enum
from collections.abc import Sequence

from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import (
    KINDS,
    Fact,
    Kind,
    capital,
    clause,
    fill,
    kinds_for,
    phrase,
    some_fact,
    subject_for,
    tell,
)


class Stance(enum.Enum):
    """What a passage has to say on a claim."""

    SAYS = 0
    DENIES = 1
    SILENT = 2


class Scene(tuple[Fact, ...]):
    """The facts of one passage, at most one for each kind and subject."""

    __slots__ = ()

    @property
    def signature(self) -> str:
        """Equal for equal facts in any order."""
        return "|".join(sorted(f"{fact.kind.name}/{fact.subject}/{fact.value}" for fact in self))


def claim_and_scene(
    draw: Draw, stance: Stance, size: int, *, kinds: Sequence[Kind] = KINDS
) -> tuple[Fact, Scene]:
    """A claim and the scene of `size` facts that says, denies or leaves it out; the scene is this split's.

    With SAYS the claim is the scene's first fact, with DENIES its first fact is the true one.
    """

    def make() -> tuple[Fact, Scene]:
        claim = some_fact(draw, draw.pick(kinds))
        return claim, Scene(_around(draw, claim, stance, size))

    return draw.owned(make, lambda made: made[1].signature)


def _around(draw: Draw, claim: Fact, stance: Stance, size: int) -> list[Fact]:
    if stance is Stance.SAYS:
        facts = [claim]
    elif stance is Stance.DENIES:
        facts = [claim._replace(value=draw.other(claim.kind.values, claim.value))]
    else:
        facts = [_twin(draw, claim, draw.chance(0.5)) if draw.chance(0.5) else _sibling(draw, claim)]
    while len(facts) < size:
        turn = draw.below(4)
        if turn < 2:
            fact = _twin(draw, claim, stance is not Stance.SAYS and draw.chance(0.6))
        elif turn == 2:
            fact = _sibling(draw, claim)
        else:
            fact = some_fact(draw)
        if not _same_name(fact, claim) and not any(_clash(fact, other) for other in facts):
            facts.append(fact)
    return facts


def _twin(draw: Draw, claim: Fact, same_value: bool) -> Fact:
    """Another subject of the claim's kind."""
    noun = claim.subject.split()[-1]
    while True:
        subject = subject_for(draw, claim.kind)
        if subject.split()[-1] != noun:
            break
    value = claim.value if same_value else draw.other(claim.kind.values, claim.value)
    return Fact(claim.kind, subject, value)


def _sibling(draw: Draw, claim: Fact) -> Fact:
    """Another property of the claim's subject."""
    kind = draw.other(kinds_for(claim.subject), claim.kind)
    return Fact(kind, claim.subject, draw.pick(kind.values))


def _same_name(fact: Fact, claim: Fact) -> bool:
    """Whether the fact would settle the claim, or its subject be taken for the claim's."""
    if fact.subject == claim.subject:
        return fact.kind is claim.kind
    return fact.subject.split()[-1] == claim.subject.split()[-1]


def _clash(fact: Fact, other: Fact) -> bool:
    """Whether two facts in one passage would leave open which of them is meant."""
    return _same_name(fact, other) or (fact.kind is other.kind and fact.value == other.value)


def passage(draw: Draw, facts: Sequence[Fact], *, joined: float = 0.25) -> str:
    """The facts as running text in random order, now and then two in one sentence."""
    rest = draw.shuffled(facts)
    sentences = []
    while rest:
        if len(rest) > 1 and draw.chance(joined):
            sentences.append(sentence((rest.pop(), rest.pop())))
        else:
            sentences.append(tell(draw, rest.pop()))
    return " ".join(sentences)


def sentence(facts: Sequence[Fact]) -> str:
    """One or two facts as one sentence."""
    if len(facts) == 1:
        return capital(clause(facts[0])) + "."
    first, second = facts
    if first.subject == second.subject:
        predicates = f"{fill(first.kind.predicate, first)} and {fill(second.kind.predicate, second)}"
        return capital(f"{phrase(first.subject)} {predicates}.")
    return capital(f"{clause(first)}, and {clause(second)}.")
