"""Paraphrase: do two sentences, or two questions, mean the same?

Both members of a pair are worded anew. What differs in a negative is one value, one name, or only which value
goes with which name, so that the pairs share about as many words whether they match or not. PAWS and STS-B are
made in `pairs`.
"""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import pairs
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import Fact, fill, inside, kinds_for, some_fact, subject_for
from flan_datagen.embedded.rows import Dataset, Row, Turn


def _mrpc(turn: Turn) -> Iterator[Row]:
    """Cases: label, by one fact or two, by which change makes the negative."""
    draw = turn.draw
    label, double, swap = turn.case % 2, turn.case // 2 % 2, turn.case // 4
    first, second = draw.owned(
        lambda: pairs.two_facts(draw), lambda made: pairs.signature(made[: 1 + double])
    )
    pair = first, second
    if not label:
        pair = pairs.swapped(first, second) if swap else _replaced(draw, first, second)
    # A changed word is one word less in common; keeping a wording makes up for it.
    kept = not label and draw.chance(0.5 if not double else 0.0 if swap else 0.25)
    if double:
        forms = draw.pick(first.kind.statements), draw.pick(first.kind.statements)
        others = forms if kept else (draw.pick(first.kind.statements), draw.pick(first.kind.statements))
        facts, new = ((first, forms[0]), (second, forms[1])), ((pair[0], others[0]), (pair[1], others[1]))
        sentences = _joined(draw, facts), _joined(draw, new if draw.chance(0.5) else new[::-1])
    else:
        forms = draw.several(first.kind.statements, 2)
        told = second._replace(value=first.value) if swap and not label else pair[0]
        sentences = fill(forms[0], first), fill(forms[0] if kept else forms[1], told)
    yield {"sentence1": sentences[0], "sentence2": sentences[1], "label": label, "idx": turn.number}


def _replaced(draw: Draw, first: Fact, second: Fact) -> tuple[Fact, Fact]:
    value = draw.other(first.kind.values, first.value, second.value)
    return first._replace(value=value), second


def _joined(draw: Draw, told: tuple[tuple[Fact, str], ...]) -> str:
    (first, one), (second, two) = told
    return (
        f"{fill(one, first).rstrip('.')}{draw.pick((', and ', ', while ', '; '))}{inside(fill(two, second))}."
    )


def _qqp(turn: Turn) -> Iterator[Row]:
    """Cases: label, by open questions or those to be answered by yes or no.

    A negative asks about another subject or value, or now and then for another property.
    """
    draw = turn.draw
    label, open_ = turn.case % 2, turn.case // 2
    fact = draw.owned(lambda: some_fact(draw), lambda made: "?".join((made.kind.name, *made[1 : 3 - open_])))
    forms = draw.several(fact.kind.questions if open_ else fact.kind.checks, 2)
    asked = fact
    if not label:
        if open_ and draw.chance(0.2):
            forms[1] = draw.pick(draw.other(kinds_for(fact.subject), fact.kind).questions)
        else:
            asked = _otherwise(draw, fact, by_value=not open_ and draw.chance(0.5))
            # As above: the wording is mostly kept, so that pairs of both labels share about as many words.
            forms[1] = forms[0] if draw.chance(0.5) else forms[1]
    yield {
        "question1": fill(forms[0], fact),
        "question2": fill(forms[1], asked),
        "label": label,
        "idx": turn.number,
    }


def _otherwise(draw: Draw, fact: Fact, *, by_value: bool) -> Fact:
    """The fact with another value or about another subject."""
    if by_value:
        return fact._replace(value=draw.other(fact.kind.values, fact.value))
    subject = fact.subject
    while subject.split()[-1] == fact.subject.split()[-1]:
        subject = subject_for(draw, fact.kind)
    return fact._replace(subject=subject)


DATASETS = {
    "mrpc": Dataset(
        _mrpc,
        {"sentence1": pl.String, "sentence2": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("same or different", "statement check"),
        cases=12,
        labels=("idx",),
    ),
    "qqp": Dataset(
        _qqp,
        {"question1": pl.String, "question2": pl.String, "label": pl.Int64, "idx": pl.Int32},
        ("same or different",),
        cases=4,
        labels=("idx",),
    ),
    "paws_wiki": Dataset(
        pairs.paws_wiki,
        {"id": pl.Int32, "sentence1": pl.String, "sentence2": pl.String, "label": pl.Int64},
        ("same or different",),
        cases=4,
        labels=("id",),
    ),
    "stsb": Dataset(
        pairs.stsb,
        {"sentence1": pl.String, "sentence2": pl.String, "label": pl.Float32, "idx": pl.Int32},
        ("same or different",),
        cases=6,
        labels=("idx",),
    ),
}
