"""StoryCloze: four sentences and two endings, of which one follows.

What the ending follows from stands among sentences that have nothing to do with it. A wrong ending is the right
one of another story.
"""

from collections.abc import Iterator

from flan_datagen.embedded import causes, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.ids import uuid
from flan_datagen.embedded.rows import Row, Turn
from flan_datagen.embedded.scripts import SCRIPTS

_Tale = tuple[list[str], str, str]
"""Four sentences, the right ending, the wrong one."""

_SETTINGS = (
    "It was a {day} in {month}.",
    "{p} lived in {town}.",
    "{p} was a {job}.",
    "{p} had a friend called {q}.",
    "The house of {p} was {colour}.",
    "{p} had a {pet} at home.",
)


def _setting(draw: Draw, person: str, friend: str, count: int) -> list[str]:
    """Sentences on somebody that no ending follows from."""
    slots = {
        "p": person,
        "q": friend,
        "day": draw.pick(world.DAYS),
        "month": draw.pick(world.MONTHS),
        "town": draw.pick(world.TOWNS),
        "job": draw.pick(world.JOBS),
        "colour": draw.pick(world.COLOURS),
        "pet": draw.pick(world.PETS),
    }
    return [text.format_map(slots) for text in draw.several(_SETTINGS, count)]


_STARTS = ("It is {day}.", "{p} has a free day.", "The sun shines in {town}.", "{p} gets up early on {day}.")


def _steps(draw: Draw) -> _Tale:
    """The next step, against one that comes earlier or later or belongs to something else."""
    number, step, person = draw.owned(
        lambda: (draw.below(len(SCRIPTS)), draw.between(1, 4), draw.pick(world.PEOPLE)),
        lambda made: "/".join(map(str, made)),
    )
    script, he = SCRIPTS[number], capital(world.pronoun(person))
    slots = {"p": person, "day": draw.pick(world.DAYS), "town": draw.pick(world.TOWNS)}
    told = [text.format_map(slots) for text in draw.several(_STARTS, 2)]
    if step < 4:
        told.append(f"{person} wants to {script.wish}.")
    done = [f"{he} {action}." for action in script.steps[:step]]
    # Where four steps leave no room for the wish, the first one names who takes it.
    told += [f"{person} {script.steps[0]}.", *done[1:]] if step == 4 else done
    if draw.chance(0.5):
        wrong = script.steps[draw.other(range(1, 5), step)]
    else:
        wrong = SCRIPTS[draw.other(range(len(SCRIPTS)), number)].steps[draw.between(1, 4)]
    return told[-4:], f"{he} {script.steps[step]}.", f"{he} {wrong}."


def _effect(draw: Draw) -> _Tale:
    def make() -> tuple[str, list[str]]:
        link, other = draw.pick(causes.LINKS), draw.pick(causes.LINKS)
        while other.field == link.field:
            other = draw.pick(causes.LINKS)
        person = draw.pick(world.PEOPLE)
        slots = causes.slots(draw, person)
        return person, [causes.fill(text, slots) for text in (link.cause, link.effect, other.effect)]

    person, (told, right, wrong) = draw.owned(make, lambda made: "/".join((made[0], made[1][0])))
    setting = _setting(draw, person, draw.other(world.PEOPLE, person), 3)
    return [*setting, told], right, wrong


def _feeling(draw: Draw) -> _Tale:
    """How one of two feels; the wrong ending is often how the other one does."""

    def make() -> tuple[list[str], list[str], list[str]]:
        people, moods = draw.several(world.PEOPLE, 2), draw.several(tuple(causes.NEWS), 2)
        told = [
            causes.fill(draw.pick(causes.NEWS[mood]), causes.slots(draw, person))
            for mood, person in zip(moods, people, strict=True)
        ]
        return people, moods, told

    people, moods, told = draw.owned(make, lambda made: "/".join(sorted(made[2])))
    both = draw.chance(0.6)
    setting = _setting(draw, *people, 2 if both else 3)
    story = [*setting, *(draw.shuffled(told) if both else told[:1])]
    right, wrong = (f"{people[0]} was {mood}." for mood in moods)
    return story, right, wrong


_MAKERS = (_steps, _effect, _feeling)


def story_cloze(turn: Turn) -> Iterator[Row]:
    """Cases: place of the right ending, by what it follows from."""
    draw, place = turn.draw, turn.case % 2
    story, right, wrong = _MAKERS[turn.case // 2](draw)
    quiz = (wrong, right) if place else (right, wrong)
    yield {
        "story_id": uuid(draw),
        **{f"input_sentence_{number}": text for number, text in enumerate(story, 1)},
        "sentence_quiz1": quiz[0],
        "sentence_quiz2": quiz[1],
        "answer_right_ending": place + 1,
    }
