"""Yelp: reviews of places where something is sold or served.

A review says what happened, mostly in words that both moods use. One out of four is mixed: something was not as
all the rest, but the verdict at the end tells what the guest thinks. Another one out of four has one sentence of
either mood, and only who says it, or when, tells which is the guest's own.
"""

from collections.abc import Iterator

from flan_datagen.embedded import reviews, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Row, Turn

_Pair = tuple[str, str]
"""A sentence of a bad and one of a good mood."""

_SERVICE: tuple[_Pair, ...] = (
    ("Nobody smiled at us.", "Everybody smiled at us."),
    ("They never answered my questions.", "They answered all my questions."),
    ("We had to wait one hour.", "We did not have to wait at all."),
    ("The bill was higher than we had thought.", "The bill was lower than we had thought."),
    ("They forgot what we had asked for.", "They did not forget what we had asked for."),
    ("The place was not clean.", "The place was clean."),
    ("{q} had left the place in tears.", "{q} had told us to go there."),
    ("They did not say sorry when they broke my {thing}.", "They said sorry at once when a {thing} fell."),
    ("I would have liked to leave after a minute.", "I would have liked to stay all day."),
    ("The {part} was {word}.", "The {part} was {word}."),
    ("I found the {part} {word}.", "I found the {part} {word}."),
    ("The {part} was not {against} at all.", "The {part} was not {against} at all."),
    (
        "{q} calls the {part} {against}. I call it {word}.",
        "{q} calls the {part} {against}. I call it {word}.",
    ),
)
_PLACES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[_Pair, ...]], ...] = (
    (
        ("restaurant", "café", "bakery", "bar"),
        ("service", "food", "menu", "music", "waiter", "table"),
        (
            ("My {food} had no taste.", "My {food} had a fine taste."),
            ("There was too little {food} for the two of us.", "There was enough {food} for the two of us."),
            ("They had no {food} left.", "They had my favourite {food}."),
            (
                "{p} could not finish the {food} because of the smell.",
                "{p} finished the {food} and asked for more.",
            ),
        ),
    ),
    (
        ("hotel", "guest house"),
        ("service", "room", "bed", "breakfast", "view", "garden"),
        (
            ("We did not sleep because of the noise.", "We slept well, there was no noise."),
            ("The {thing} in our room was broken.", "Even the {thing} in our room was new."),
            ("There was no {food} for breakfast.", "There was {food} for breakfast."),
            ("After one night we asked for our money.", "After one night we asked for another."),
        ),
    ),
    (
        ("shop", "market", "book shop", "repair shop"),
        ("service", "choice", "owner", "quality", "window"),
        (
            ("The {thing} that I bought broke after a day.", "The {thing} that I bought has never broken."),
            ("They would not take the {thing} back.", "They took the {thing} back at once."),
            ("They did not have one {thing} that I liked.", "They had more than one {thing} that I liked."),
            (
                "I paid more for the {thing} than anywhere else.",
                "I paid less for the {thing} than anywhere else.",
            ),
        ),
    ),
)
_OPENINGS = (
    "I went to the {kind} in {town} with {p} on {day}.",
    "On {day} {p} took me to this {kind} in {town}.",
    "This {kind} in {town} is near my house.",
    "We stopped at the {kind} in {town} on our way home.",
)
_VERDICTS: tuple[_Pair, ...] = (
    ("I will not go there again.", "I will go there again."),
    ("It was not worth the money.", "It was worth the money."),
    ("You should stay away.", "You should not stay away."),
    ("I cannot tell my friends to go there.", "I can only tell my friends to go there."),
    ("One star is too many.", "Five stars are too few."),
    ("We left and were not happy.", "We left and were happy."),
)
# What does not count and what counts; in either order, so that no word stands beside one mood only.
_FRAMES = (
    ("Last year I wrote: {}", "Today I write: {}"),
    ("{p} told me: {}", "I tell you: {}"),
    ("{p} will say: {}", "I will say: {}"),
)
_QUOTES = _SERVICE[-1]
"""Two sentences, which no frame holds together."""
_TURNS = ("All the same, {}", "But {}", "Still, {}", "In the end, {}")


def yelp_polarity(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    text = draw.owned(lambda: _review(draw, turn.case), str)
    if draw.chance(0.15):
        text = text.replace(". ", ".\\n\\n", 1)
    # As in the Hub's rows: a line break is a backslash and an n, a quote is doubled after a backslash.
    text = text.replace('"', '\\""')
    yield {"text": text, "label": turn.case}


def _review(draw: Draw, mood: int) -> str:
    kinds, parts, own = draw.pick(_PLACES)
    p, q = draw.several(world.PEOPLE, 2)
    kind = draw.pick(kinds)
    slots = {
        "kind": f'"{kind}"' if draw.chance(0.1) else kind,
        **{"p": p, "q": q, "town": draw.pick(world.TOWNS), "day": draw.pick(world.DAYS)},
        **{"food": draw.pick(world.FOODS), "thing": draw.pick(world.THINGS)},
    }

    def fill(text: str, side: int) -> str:
        words = {"word": draw.pick(reviews.words(side)), "against": draw.pick(reviews.words(1 - side))}
        return text.format_map(slots | words | {"part": draw.pick(parts)})

    opening = capital(draw.pick(_OPENINGS).format_map(slots))
    shape = draw.below(4)
    if shape == 0:
        other, own_one = draw.several([pair for pair in (*own, *_SERVICE) if pair is not _QUOTES], 2)
        against, said = draw.pick(_FRAMES)
        framed = [
            against.format(fill(other[1 - mood], 1 - mood), p=p),
            said.format(fill(own_one[mood], mood)),
        ]
        return " ".join((opening, *draw.shuffled(framed)))
    told = draw.several((*own, *own, *_SERVICE), draw.between(2, 3))
    while len(set(told)) < len(told):
        told = draw.several((*own, *own, *_SERVICE), len(told))
    mixed = shape == 1
    sides = [mood] * len(told)
    if mixed:
        sides[0] = 1 - mood
    said = draw.shuffled([fill(pair[side], side) for pair, side in zip(told, sides, strict=True)])
    verdict = draw.pick(_VERDICTS)[mood]
    if mixed:
        first = verdict if verdict.startswith("I ") else verdict[0].lower() + verdict[1:]
        said.append(draw.pick(_TURNS).format(first))
    elif draw.chance(0.5):
        said.append(verdict)
    return " ".join((opening, *said))
