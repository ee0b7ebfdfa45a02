"""Paraphrase: do two sentences, or two questions, mean the same?

Both members of a pair are worded anew. What differs in a negative is one value, one name, or only which value
goes with which name, so that the pairs share about as many words whether they match or not.
"""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import KINDS, Fact, capital, clause, fill, inside, some_fact, subject_for
from flan_datagen.embedded.rows import Dataset, Row, Turn


def _two_facts(draw: Draw) -> tuple[Fact, Fact]:
    """Two facts of one kind with different subjects and values."""
    kind = draw.pick(KINDS)
    first = some_fact(draw, kind)
    second = some_fact(draw, kind)
    while second.subject.split()[-1] == first.subject.split()[-1] or second.value == first.value:
        second = some_fact(draw, kind)
    return first, second


def _signature(facts: tuple[Fact, ...]) -> str:
    return "|".join(sorted(f"{fact.kind.name}/{fact.subject}/{fact.value}" for fact in facts))


def _mrpc(turn: Turn) -> Iterator[Row]:
    """Cases: label, by one fact or two, by which change makes the negative."""
    draw = turn.draw
    label, double, swap = turn.case % 2, turn.case // 2 % 2, turn.case // 4
    first, second = draw.owned(lambda: _two_facts(draw), _signature)
    if not double:
        forms = draw.several(first.kind.statements, 2)
        changed = first
        if not label:
            # A negative keeps a wording of its own too: the changed word is not all that differs.
            changed = first._replace(subject=second.subject) if swap else first._replace(value=second.value)
        sentences = fill(forms[0], first), fill(forms[1], changed)
    else:
        pair = (first, second)
        if not label:
            pair = _swapped(first, second) if swap else _replaced(draw, first, second)
        link = draw.pick((", and ", ", while ", "; "))
        sentences = (
            _joined(draw, (first, second), draw.pick((", and ", ", while ", "; "))),
            _joined(draw, pair if draw.chance(0.5) else pair[::-1], link),
        )
    yield {
        "sentence1": capital(sentences[0]),
        "sentence2": capital(sentences[1]),
        "label": label,
        "idx": turn.number,
    }


def _swapped(first: Fact, second: Fact) -> tuple[Fact, Fact]:
    return first._replace(value=second.value), second._replace(value=first.value)


def _replaced(draw: Draw, first: Fact, second: Fact) -> tuple[Fact, Fact]:
    value = draw.other(first.kind.values, first.value, second.value)
    return (
        (first._replace(value=value), second) if draw.chance(0.5) else (first, second._replace(value=value))
    )


def _joined(draw: Draw, facts: tuple[Fact, Fact], link: str) -> str:
    first, second = (
        inside(fill(draw.pick(fact.kind.statements), fact)) if draw.chance(0.7) else clause(fact)
        for fact in facts
    )
    return f"{first}{link}{second}."


def _qqp(turn: Turn) -> Iterator[Row]:
    """Cases: label, by asking about another subject or for another property."""
    draw = turn.draw
    label, other_kind = turn.case % 2, turn.case // 2
    fact = draw.owned(lambda: some_fact(draw), lambda made: f"{made.kind.name}?{made.subject}?{made.value}")
    forms = draw.several(fact.kind.questions, 2)
    asked = fact
    if not label and other_kind:
        kind = draw.other([kind for kind in KINDS if kind.person == fact.kind.person], fact.kind)
        if fact.subject.split()[0] in kind.values:
            kind = draw.other([k for k in KINDS if not k.person], fact.kind, kind)
        forms[1] = draw.pick(kind.questions)
    elif not label:
        subject = subject_for(draw, fact.kind)
        while subject.split()[-1] == fact.subject.split()[-1]:
            subject = subject_for(draw, fact.kind)
        asked = fact._replace(subject=subject)
    questions = [fill(forms[0], fact), fill(forms[1], asked)]
    yield {
        "question1": questions[0],
        "question2": questions[1],
        "label": label,
        "idx": turn.number,
    }


DATASETS = {
    "mrpc": Dataset(
        _mrpc,
        {"sentence1": pl.String, "sentence2": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("same or different", "statement check"),
        cases=6 * 2,
        labels=("idx",),
    ),
    "qqp": Dataset(
        _qqp,
        {"question1": pl.String, "question2": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("same or different",),
        cases=4,
        labels=("idx",),
    ),
}
