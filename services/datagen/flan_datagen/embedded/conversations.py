"""Conversations about a passage: CoQA, with questions that lean on those before, and QuAC, whose answers are spans.

The passages are those of the inference and reading sets: one to five facts, or a few numbers. What is asked
though the passage does not tell it names subjects, properties and values that the passage has: only a look at
which stands with which shows that the answer is missing.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.counting import counts
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import Fact, capital, fill, kinds_for, phrase, tell
from flan_datagen.embedded.rows import Row, Turn
from flan_datagen.embedded.scene import Scene, Stance, claim_and_scene

UNKNOWN = "unknown"
"""CoQA's answer to what the story leaves open; its span is -1."""
CANNOT_ANSWER = "CANNOTANSWER"
"""QuAC's answer to the same, which also ends every context."""
_YES, _NO, _NEITHER = 0, 1, 2


class Told(NamedTuple):
    """A passage with the place of each fact's sentence in it."""

    text: str
    spans: dict[Fact, tuple[int, int]]

    def sentence(self, fact: Fact) -> str:
        return self.text[slice(*self.spans[fact])]


def _told(draw: Draw, scene: Scene) -> Told:
    text, spans = "", {}
    for fact in draw.shuffled(scene):
        start = len(text) + (text != "")
        text = f"{text} {tell(draw, fact)}".strip()
        spans[fact] = (start, len(text))
    return Told(text, spans)


# --- CoQA -------------------------------------------------------------------------------------------------


class _Reply(NamedTuple):
    question: str
    text: str
    start: int
    end: int


def coqa(turn: Turn) -> Iterator[Row]:
    """Cases: whether the one question for yes or no is answered by yes, and in one of six stories numbers."""
    draw = turn.draw
    if turn.case // 2 == 5:
        story, pairs = counts(draw, timed=turn.case % 2 == 1)
        # It takes the whole story to add and compare.
        replies = [_Reply(question, answer, 0, len(story)) for question, answer in pairs]
    else:
        _, scene = claim_and_scene(draw, Stance.SAYS, draw.between(1, 5))
        told = _told(draw, scene)
        story, replies = told.text, _talk(draw, scene, told, yes=turn.case % 2 == 1)
    yield {
        "source": "embedded",
        "story": story,
        "questions": [reply.question for reply in replies],
        "answers": {
            "input_text": [reply.text for reply in replies],
            "answer_start": [reply.start for reply in replies],
            "answer_end": [reply.end for reply in replies],
        },
    }


def _talk(draw: Draw, scene: Scene, told: Told, *, yes: bool) -> list[_Reply]:
    """Questions on the facts, those on one subject together, so that the later ones call it she, he or it."""
    order: list[Fact] = []
    for fact in draw.shuffled(scene):
        if fact not in order:
            order += [other for other in scene if other.subject == fact.subject]
    order = order[: draw.between(1, 4)]
    checked = draw.below(len(order))
    replies: list[_Reply] = []
    before = ""
    for number, fact in enumerate(order):
        short = fact.subject == before
        before = fact.subject
        span = told.spans[fact]
        if number == checked:
            asked = fact if yes else fact._replace(value=_wrong(draw, fact, scene))
            question = _ask(draw, fact.kind.checks, asked, short=short)
            replies.append(_Reply(question, "yes" if yes else "no", *span))
        elif draw.chance(0.25):
            replies.append(_Reply(_ask(draw, fact.kind.reverse, fact), phrase(fact.subject), *span))
        else:
            replies.append(_Reply(_ask(draw, fact.kind.questions, fact, short=short), fact.value, *span))
        if draw.chance(0.15) and (silent := _silent(draw, scene, fact.subject)):
            question = _ask(draw, silent.kind.questions, silent, short=draw.chance(0.6))
            replies.append(_Reply(question, UNKNOWN, -1, -1))
    return replies


def _ask(draw: Draw, forms: Sequence[str], fact: Fact, *, short: bool = False) -> str:
    """One of the forms, if `short` with a pronoun for the subject."""
    if not short:
        return fill(draw.pick(forms), fact)
    # "The job of she" is no English.
    form = draw.pick([form for form in forms if not re.search(r"\bof (the )?\{s\}", form)])
    pronoun = world.pronoun(fact.subject) if fact.kind.person else "it"
    return fill(re.sub(r"(the )?\{s\}", pronoun, form), fact)


def _wrong(draw: Draw, fact: Fact, scene: Scene) -> str:
    """Another value, as often as can be one that the passage gives to another subject."""
    near = [other.value for other in scene if other.kind is fact.kind and other != fact]
    return draw.pick(near) if near and draw.chance(0.5) else draw.other(fact.kind.values, fact.value)


def _silent(draw: Draw, scene: Scene, subject: str) -> Fact | None:
    """What the passage does not tell of one of its subjects, half of the time what it tells of another one.

    None where it tells all that there is to it.
    """
    taken = {fact.kind for fact in scene if fact.subject == subject}
    kinds = [kind for kind in kinds_for(subject) if kind not in taken]
    if not kinds:
        return None
    near = [kind for kind in kinds if any(fact.kind is kind for fact in scene)]
    kind = draw.pick(near) if near and draw.chance(0.5) else draw.pick(kinds)
    return Fact(kind, subject, draw.pick(kind.values))


# --- QuAC -------------------------------------------------------------------------------------------------

_SECTIONS = ("Overview", "Description", "Details", "Background", "Notes", "Early years")


class _Turn(NamedTuple):
    question: str
    yesno: int
    texts: list[str]
    starts: list[int]


def quac(turn: Turn) -> Iterator[Row]:
    """A dialogue in which every question can be read alone; one or two are not answered."""
    draw = turn.draw
    _, scene = claim_and_scene(draw, Stance.SAYS, draw.between(1, 5))
    told = _told(draw, scene)
    context = f"{told.text} {CANNOT_ANSWER}"
    turns = [
        _answered(draw, fact, scene, told, several=turn.split != "train")
        for fact in draw.shuffled(scene)[: draw.between(2, 4)]
    ]
    for _ in range(1 if len(turns) < 3 else 2):
        turns.insert(draw.below(len(turns) + 1), _open(draw, scene, context))
    turns = list({one.question: one for one in turns}.values())
    number = f"C_embedded_{turn.split}_{turn.number}_0"
    topic = scene[0].subject
    yield {
        "dialogue_id": number,
        "wikipedia_page_title": capital(topic),
        "background": f"This page is about {phrase(topic)}.",
        "section_title": draw.pick(_SECTIONS),
        "context": context,
        "turn_ids": [f"{number}_q#{nth}" for nth in range(len(turns))],
        "questions": [one.question for one in turns],
        # Whether to ask on: yes, no or maybe.
        "followups": [1 if one.texts == [CANNOT_ANSWER] else draw.pick((0, 2)) for one in turns],
        "yesnos": [one.yesno for one in turns],
        "answers": {
            "texts": [one.texts for one in turns],
            "answer_starts": [one.starts for one in turns],
        },
        "orig_answers": {
            "texts": [one.texts[0] for one in turns],
            "answer_starts": [one.starts[0] for one in turns],
        },
    }


def _answered(draw: Draw, fact: Fact, scene: Scene, told: Told, *, several: bool) -> _Turn:
    """A question on the fact: for the value, the subject, or yes and no, where the sentence is the answer."""
    sentence, (start, _) = told.sentence(fact), told.spans[fact]
    form = draw.below(10)
    if form < 2:
        yes = draw.chance(0.5)
        asked = fact if yes else fact._replace(value=_wrong(draw, fact, scene))
        return _Turn(fill(draw.pick(fact.kind.checks), asked), _YES if yes else _NO, [sentence], [start])
    forms, answer = (fact.kind.reverse, fact.subject) if form < 4 else (fact.kind.questions, fact.value)
    place = start + re.search(rf"\b{answer}\b", sentence).start()
    texts, starts = [answer], [place]
    # Outside of training several people answered; some of them mark the whole sentence.
    if several and draw.chance(0.5):
        texts, starts = [*texts, sentence], [*starts, start]
    return _Turn(fill(draw.pick(forms), fact), _NEITHER, texts, starts)


def _open(draw: Draw, scene: Scene, context: str) -> _Turn:
    """A question that the passage leaves open, by a property, a value or a subject that it does not have."""
    form = draw.below(10)
    known = draw.pick(scene)
    if form < 5 and (silent := _silent(draw, scene, known.subject)):
        question = fill(draw.pick(silent.kind.questions), silent)
    elif form < 7:
        values = {fact.value for fact in scene if fact.kind is known.kind}
        asked = known._replace(value=draw.other(known.kind.values, *values))
        question = fill(draw.pick(known.kind.reverse), asked)
    else:
        nouns = {fact.subject.split()[-1] for fact in scene}
        subject = draw.other(world.PEOPLE if known.kind.person else world.THINGS, *nouns)
        question = fill(draw.pick(known.kind.questions), known._replace(subject=subject))
    return _Turn(question, _NEITHER, [CANNOT_ANSWER], [context.index(CANNOT_ANSWER)])
