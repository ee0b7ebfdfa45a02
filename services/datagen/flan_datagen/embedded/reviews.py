"""Reviews and feelings: sentences that carry a mood, good or bad.

The mood is the speaker's. Now and then a sentence denies the opposite word ("not dull at all") or reports what
somebody else thought, so that counting good and bad words is not quite enough.
"""

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw

FILMS = tuple(
    f"The {adjective} {noun}"
    for adjective in ("Silver", "Last", "Green", "Long", "Lost", "Little", "Quiet", "Golden")
    for noun in ("River", "Train", "Door", "Winter", "Letter", "Road", "Tower", "Island")
)
_PARTS = ("story", "ending", "opening", "plot", "hero")
ASPECTS = (*_PARTS, "music", "acting", "camera work")
"""What a review speaks of; only `_PARTS` can be counted."""

_PLAIN = (
    ("I watched {film} with {p} on {day}.", "{film} is a film about a {job} from {town}."),
    ("{p} took me to see {film} on {day}.", "The film {film} tells of a {job} who lives in {town}."),
    ("On {day} I saw {film} with {p}.", "In {film} a {job} comes home to {town}."),
)
_SAYS = (
    "The {aspect} was {word}.",
    "I found the {aspect} {word}.",
    "The {aspect} is really {word}.",
    "To me the {aspect} seemed {word}.",
)
_DENIES = ("The {aspect} was not {against} at all.", "I would never call the {aspect} {against}.")
_OTHERS = (
    "{p} thought it was {against}, but I found it {word}.",
    "My friends say it is {against}. For me it was {word}.",
)
_ENDS = (
    (
        "I would not watch it again.",
        "Do not waste your time.",
        "I left before the end.",
        "I want my money back.",
    ),
    (
        "I would watch it again.",
        "Take your time and go to see it.",
        "I stayed until the end.",
        "It is worth the money.",
    ),
)


def words(mood: int) -> tuple[str, ...]:
    """The adjectives of a mood, 0 bad or 1 good."""
    return world.GOOD if mood else world.BAD


def review(draw: Draw, mood: int, film: str) -> str:
    """Three to five sentences on a film."""
    slots = {
        "film": film,
        "p": draw.pick(world.PEOPLE),
        "day": draw.pick(world.DAYS),
        "job": draw.pick(world.JOBS),
        "town": draw.pick(world.TOWNS),
    }
    sentences = [draw.pick(draw.pick(_PLAIN)).format(**slots)]
    sentences += [opinion(draw, mood, aspect) for aspect in draw.several(ASPECTS, draw.between(1, 3))]
    if draw.chance(0.4):
        sentences.append(draw.pick(_ENDS[mood]))
    return " ".join(sentences)


def opinion(draw: Draw, mood: int, aspect: str) -> str:
    """One sentence on one aspect."""
    slots = {"aspect": aspect, "word": draw.pick(words(mood)), "against": draw.pick(words(1 - mood))}
    turn = draw.below(10)
    if turn == 0:
        return draw.pick(_DENIES).format(**slots)
    if turn == 1:
        return draw.pick(_OTHERS).format(p=draw.pick(world.PEOPLE), **slots)
    return draw.pick(_SAYS).format(**slots)


def remark(draw: Draw, mood: int) -> str:
    """A phrase without a full stop, in small letters.

    Most have words of both moods. In the last group neighbouring words are as frequent in either mood: only what
    is denied, compared, said by others or put last tells.
    """
    first, second = draw.several(words(mood), 2)
    (one, two), part = draw.several(ASPECTS, 2), draw.pick(_PARTS)
    against = draw.pick(words(1 - mood))
    kind = draw.pick(("film", "comedy", "drama", "book", "play", "show"))
    person = draw.pick(world.PEOPLE).lower()
    alone = (
        f"a {first} and {second} {kind}",
        f"the {one} is {first} and the {two} is {second}",
        f"a {kind} with a {first} {part}",
        f"this {kind} is {first} from start to end",
        f"the {one} of this {kind} is {first}",
        f"a {first} {part} makes this a {second} {kind}",
    )
    beside = (
        f"not a {against} {kind} , but a {first} one",
        f"far from {against} , the {one} is {first}",
        f"the {one} is never {against} and the {two} is {first}",
        f"{person} feared a {against} {kind} and got a {first} one"
        if mood
        else f"{person} hoped for a {against} {kind} and got a {first} one",
        f"the {one} could be {against} and is {first}",
    )
    bound = (
        (
            f"the {one} is {against} , all in all the {kind} is {first}",
            f"all in all the {kind} is {first} , the {one} is {against}",
        ),
        (f"more of a {first} {kind} than a {against} one", f"less of a {against} {kind} than a {first} one"),
        (
            f"for {person} the {one} is {against} , for me the {one} is {first}",
            f"for me the {one} is {first} , for {person} the {one} is {against}",
        ),
        (
            f"nobody can say that the {one} of this {kind} is {against}",
            f"everybody can say that the {one} of this {kind} is {first}",
        ),
        (
            f"it is wrong to call the {one} or the {two} {against}",
            f"it is right to call the {one} or the {two} {first}",
        ),
    )
    group = draw.below(8)
    if group < 2:
        return draw.pick(alone)
    return draw.pick(beside) if group < 6 else draw.pick(draw.pick(bound))
