"""Reading comprehension with commonsense: feelings, causes and effects, the topic, and what a text leaves open.

ReCoRD's gists with a blank are made in `clozes`.
"""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import causes, clozes, news, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import fill, tell
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scene import Stance, claim_and_scene, passage

_Question = tuple[str, str, str, list[str]]
"""Context, question, right answer, three wrong ones."""


def _feeling(draw: Draw) -> _Question:
    """How somebody feels after some news, while somebody else feels otherwise."""

    def make() -> tuple[list[str], list[str], list[str]]:
        people, moods = draw.several(world.PEOPLE, 2), draw.shuffled(list(causes.NEWS))
        told = [
            causes.fill(draw.pick(causes.NEWS[mood]), causes.slots(draw, person))
            for mood, person in zip(moods, people, strict=False)
        ]
        return people, moods, told[: draw.pick((1, 2, 2))]

    (who, _), moods, told = draw.owned(make, lambda made: "/".join(sorted(made[2])))
    question = draw.pick(("How does {} feel?", "How may {} feel now?", "What mood is {} in?")).format(who)
    right, *wrong = (f"{who} is {mood}." for mood in moods)
    return " ".join(draw.shuffled(told)), question, right, wrong


def _link(draw: Draw) -> _Question:
    """What may follow, or what may have been the reason."""
    links = [draw.pick(causes.LINKS)]
    while len(links) < 4:
        link = draw.pick(causes.LINKS)
        if link.field not in [other.field for other in links]:
            links.append(link)
    who = draw.pick(world.PEOPLE)
    values = causes.slots(draw, who)
    asks_effect = draw.chance(0.5)
    told = causes.fill(links[0].cause if asks_effect else links[0].effect, values)
    choices = [causes.fill(link.effect if asks_effect else link.cause, values) for link in links]
    question = draw.pick(
        ("What may happen next?", "What is the likely result?", "What followed from this?")
        if asks_effect
        else ("What may be the reason?", "Why did this happen?", "What may have happened before?")
    )
    _, scene = claim_and_scene(draw, Stance.SAYS, 1)
    context = draw.shuffled((told, tell(draw, scene[0])))
    return " ".join(context), question, choices[0], choices[1:]


_ABOUT = ("world politics", "sport", "business", "science and technology")


def _topic(draw: Draw) -> _Question:
    topic = draw.below(4)
    text = draw.owned(lambda: f"{news.headline(draw, topic)}. {news.report(draw, topic)}", str)
    question = draw.pick(("What is the text about?", "What is the topic of this news?"))
    return text, question, _ABOUT[topic], [name for name in _ABOUT if name != _ABOUT[topic]]


_OPEN = ("The text does not say.", "None of the above choices.", "That is left open.")


def _lookup(draw: Draw) -> _Question:
    """A value of the text; in one of four rows the text leaves it open, which always is among the answers."""
    stance = Stance.SILENT if draw.chance(0.25) else Stance.SAYS
    claim, scene = claim_and_scene(draw, stance, draw.between(1, 3))
    question = fill(draw.pick(claim.kind.questions), claim)
    open_ = draw.pick(_OPEN)
    values = [fact.value for fact in scene if fact.kind is claim.kind and fact is not claim]
    values += draw.several([value for value in claim.kind.values if value not in values], 4)
    if stance is Stance.SILENT:
        return passage(draw, scene), question, open_, values[:3]
    wrong = [value for value in values if value != claim.value][:2]
    return passage(draw, scene), question, claim.value, [open_, *wrong]


_ASKS = (_feeling, _link, _lookup)


def _cosmos_qa(turn: Turn) -> Iterator[Row]:
    """Cases: place of the right answer, by what is asked."""
    draw = turn.draw
    place, ask = turn.case % 4, _ASKS[turn.case // 4]
    if ask is _link and draw.chance(0.25):
        ask = _topic
    context, question, right, wrong = ask(draw)
    answers = draw.shuffled(wrong)
    answers.insert(place, right)
    yield {
        "id": f"embedded##{turn.split}##{turn.number}",
        "context": context,
        "question": question,
        **{f"answer{number}": answer for number, answer in enumerate(answers)},
        "label": place,
    }


DATASETS = {
    "cosmos_qa": Dataset(
        _cosmos_qa,
        {
            **{name: pl.String for name in ("id", "context", "question")},
            **{f"answer{number}": pl.String for number in range(4)},
            "label": pl.Int32,
        },
        ("mood", "cause and effect", "topic", "look up a value", "not said"),
        cases=12,
        labels=("id",),
    ),
    "record": Dataset(
        clozes.record,
        {
            **{"passage": pl.String, "query": pl.String, "entities": pl.List(pl.String)},
            "entity_spans": pl.Struct(
                {"text": pl.List(pl.String), "start": pl.List(pl.Int32), "end": pl.List(pl.Int32)}
            ),
            "answers": pl.List(pl.String),
            "idx": pl.Struct({"passage": pl.Int32, "query": pl.Int32}),
        },
        ("gist", "look up a value"),
        labels=("idx",),
    ),
}
