"""ReCoRD: news with a sentence that says in short what one of its stories is about, and lacks a name.

The passage tells two stories and what has nothing to do with them. The sentence is the gist of one story, in
words of its own, so which story it means has to be found before the name can be.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from flan_datagen.embedded import stories, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Row, Turn
from flan_datagen.embedded.stories import Story

_MARK = "\n@highlight\n"
_NAME = "|".join((*world.TOWNS, *world.SURNAMES, *world.PEOPLE))
_ENTITY = re.compile(
    # A first name and a family name are one entity; a family name alone is another one.
    rf"\b(?:(?:{'|'.join(world.PEOPLE)}) (?:{'|'.join(world.SURNAMES)})|{_NAME})\b"
)
_KNOWN = ("Everybody in {town} knows {name}.", "People in {town} like {name}.")
_BYSTANDERS = ("{name} was not there.", "{name} heard of it by phone.", "Nobody had told {name}.")
_ELSEWHERE = (
    *("{p} lives in {t}.", "{t} is the home town of {p}.", "The home of {p} is in {t}."),
    *("It was a quiet day in {t}.", "In {t} the sun shone all day.", "The market of {t} was open."),
)


class _Cloze(NamedTuple):
    """Sentences, their highlights, the query, and what may stand in its blank."""

    body: list[str]
    highlights: list[str]
    query: str
    answers: list[str]


def record(turn: Turn) -> Iterator[Row]:
    made = _cloze(turn.draw)
    passage = " ".join(made.body) + "".join(_MARK + line for line in made.highlights)
    spans = [(found[0], found.start(), found.end()) for found in _ENTITY.finditer(passage)]
    entities = list(dict.fromkeys(text for text, _, _ in spans))
    yield {
        "passage": passage,
        "query": made.query,
        "entities": turn.draw.shuffled(entities),
        "entity_spans": _columns(spans),
        "answers": made.answers,
        "idx": {"passage": turn.number, "query": turn.number},
    }


def _columns(spans: list[tuple[str, int, int]]) -> dict[str, list[Any]]:
    texts, starts, ends = zip(*spans, strict=True)
    return {"text": list(texts), "start": list(starts), "end": list(ends)}


def _cloze(draw: Draw) -> _Cloze:
    """One story out of three is alone: a single statement beside two on other towns."""
    alone = draw.chance(1 / 3)
    story = _named(draw, 0 if alone else 1)
    told = [[story.told(draw), *story.details_told(draw)]]
    highlights, taken = story.summed, _names(story)
    if not alone:
        other = _named(draw, 0)
        while other.event is story.event or _names(other) & taken:
            other = _named(draw, 0)
        told.append([other.told(draw)])
        taken |= _names(other)
    slot, answers = _blank(draw, story)
    if slot == "name":
        # Somebody else, so that not every name but one is a town's.
        stranger = f"{draw.other(world.PEOPLE, *taken)} {draw.other(world.SURNAMES, *taken)}"
        taken |= set(stranger.split())
        told[-1].append(draw.pick(_BYSTANDERS).format(name=stranger))
        told[0].append(draw.pick(_KNOWN).format(town=story.slots["town"], name=answers[-1]))
    body = [sentence for block in draw.shuffled(told) for sentence in block]
    # A story that stands alone names one town, mostly: with two others it is not the one that is there by chance.
    for _ in range(1 + alone):
        person, town = draw.other(world.PEOPLE, *taken), draw.other(world.TOWNS, *taken)
        taken |= {person, town}
        body.insert(draw.below(len(body) + 1), draw.pick(_ELSEWHERE).format(p=person, t=town))
    gist = story.event.gist.format_map({**story.slots, slot: "@placeholder"})
    return _Cloze(body, highlights or [capital(story.headline)], gist, answers)


def _named(draw: Draw, num_details: int) -> Story:
    """A story whose hero has a first name, too, and is not the mayor."""
    story = stories.story(draw, num_details)
    while story.slots["name"] == story.slots["mayor"]:
        story = stories.story(draw, num_details)
    name = f"{draw.pick(world.PEOPLE)} {story.slots['name']}"
    return story._replace(slots=story.slots | {"name": name})


def _names(story: Story) -> set[str]:
    """The names that the story may tell of."""
    return {story.slots[slot] for slot in ("town", "other", "far", "mayor")} | set(
        story.slots["name"].split()
    )


def _blank(draw: Draw, story: Story) -> tuple[str, list[str]]:
    """The slot that becomes the blank, and the ways to write its value."""
    slot = draw.pick([slot for slot in ("town", "other", "name") if f"{{{slot}}}" in story.event.gist])
    value = story.slots[slot]
    return slot, [value, value.split()[-1]] if slot == "name" else [value]
