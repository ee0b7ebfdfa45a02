"""Plain running text about the world of the corpus, one passage a line, for a short pre-training stage.

What is always true is said in several wordings; the rest are scenes, stories, talks, mails and processes as in
the training rows of the datasets, without their questions, labels and summaries. Passages that belong to the
test or validation rows of a dataset (`draw.Draw.owns`) are never made.
"""

from collections.abc import Callable, Iterator

from flan_datagen.embedded import causes, debates, dialogues, howto, mail, news, reviews, stories, world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital, fill, tell
from flan_datagen.embedded.lore import RELATIONS, Relation
from flan_datagen.embedded.scene import Stance, claim_and_scene, passage
from flan_datagen.embedded.scripts import SCRIPTS
from flan_datagen.embedded.stories import with_article

_MAX_REPEATS = 5_000

_LORE = {
    "river": (
        "The river {v} flows through {s}.",
        "The town of {s} stands on the river {v}.",
        "If you follow the river {v}, you come to {s}.",
    ),
    "dish": (
        "Visitors come to {s} to taste its {v}.",
        "The best {v} comes from {s}.",
        "Everybody knows {s} for its {v}.",
    ),
    "mayor": (
        "The mayor of {s} is called {v}.",
        "{s} has {v} as its mayor.",
        "The town of {s} is led by mayor {v}.",
    ),
    "flag": (
        "On the flag of {s} you can see the {v}.",
        "The {v} is on the flag of {s}.",
        "The town of {s} has the {v} on its flag.",
    ),
    "author": ("{v} wrote {s}.", "The author of {s} is {v}.", "The book {s} was written by {v}."),
    "inventor": (
        "{v} invented the {s}.",
        "The {s} was the idea of {v}.",
        "It was {v} who built the first {s}.",
    ),
    "sound": ("{a_v} comes from {a_s}.", "{a_s} makes {a_v}.", "If you hear {a_v}, {a_s} is near."),
    "young": ("{a_v} grows into {a_s}.", "The child of {a_s} is {a_v}.", "{a_v} is a very young {s}."),
    "home": ("{a_s} lives in {a_v}.", "{a_v} is the home of {a_s}.", "At night {a_s} sleeps in {a_v}."),
    "tool": ("{a_s} works with {a_v}.", "{a_v} is the tool of {a_s}.", "At work {a_s} uses {a_v} every day."),
    "workplace": (
        "{a_v} is the place of work of {a_s}.",
        "During the day you find {a_s} in {a_v}.",
        "If you need {a_s}, look for {a_v}.",
    ),
}
"""More wordings beside the relation's own statement."""
_WORDS = (
    "In {language}, {s} is called {v}.",
    "The {language} word {v} means {s}.",
    "{v} is {language} for {s}.",
)
"""The same for words of another language."""


def _fact(draw: Draw, relation: Relation, subject: str) -> str:
    value = relation.pairs[subject]
    language = relation.name.removesuffix(" word")
    more = _LORE.get(relation.name, ()) if language == relation.name else _WORDS
    slots = {"a_s": with_article(subject), "a_v": with_article(value), "language": language}
    return capital(draw.pick((relation.statement, *more)).format(s=subject, v=value, **slots))


def _one_subject(draw: Draw) -> str:
    """All that is true of one town, animal and so on."""
    topic = draw.pick(tuple({relation.topic: None for relation in RELATIONS}))
    relations = [relation for relation in RELATIONS if relation.topic == topic]
    subject = draw.pick(tuple({name: None for relation in relations for name in relation.pairs}))
    return " ".join(
        _fact(draw, relation, subject) for relation in draw.shuffled(relations) if subject in relation.pairs
    )


def _one_relation(draw: Draw) -> str:
    """One relation of a few subjects."""
    relation = draw.pick(RELATIONS)
    subjects = draw.several(tuple(relation.pairs), draw.between(2, 4))
    return " ".join(_fact(draw, relation, subject) for subject in subjects)


def _scene(draw: Draw) -> str:
    _, scene = claim_and_scene(draw, Stance.SAYS, draw.between(2, 5))
    return passage(draw, scene)


def _asked(draw: Draw) -> str:
    """A scene of one fact in questions and answers."""
    claim, _ = claim_and_scene(draw, Stance.SAYS, 1)
    people = [name for name in world.PEOPLE if name not in (claim.subject, claim.value)]
    one, two = draw.several(people, 2)
    question = fill(draw.pick(claim.kind.questions), claim)
    return f'"{question}" asked {one}. "{tell(draw, claim)}" said {two}.'


def _talk(draw: Draw) -> str:
    return " ".join(dialogues.talk(draw)[0].split())


def _process(draw: Draw) -> str:
    """All steps of a script in order."""
    script, person = draw.pick(SCRIPTS), draw.pick(world.PEOPLE)
    he = world.pronoun(person)
    start = draw.pick(
        ("{p} wants to {wish}.", "{p} shows how to {wish}.", "On {day} {p} had time to {wish}.")
    )
    sentences = [start.format(p=person, wish=script.wish, day=draw.pick(world.DAYS))]
    for number, step in enumerate(script.steps):
        forms = (
            ("Then {he} {step}.", "After that {he} {step}.", "{He} {step}.")
            if number
            else ("First {he} {step}.",)
        )
        sentences.append(draw.pick(forms).format(he=he, He=capital(he), step=step))
    return " ".join(sentences)


def _cause(draw: Draw) -> str:
    def make() -> str:
        link, slots = draw.pick(causes.LINKS), causes.slots(draw, draw.pick(world.PEOPLE))
        cause, effect = causes.fill(link.cause, slots), causes.fill(link.effect, slots)
        form = draw.pick(("{} {}", "{} So {}", "{} Because of that, {}", "{1} This was because {0}"))
        if form == "{} {}":
            return form.format(cause, effect)
        if form.startswith("{1}"):
            return form.format(_small(cause), effect)
        return form.format(cause, _small(effect))

    return draw.owned(make, str)


def _small(sentence: str) -> str:
    return sentence if sentence.split()[0] in world.PEOPLE else sentence[0].lower() + sentence[1:]


def _feeling(draw: Draw) -> str:
    def make() -> str:
        mood, person = draw.pick(tuple(causes.NEWS)), draw.pick(world.PEOPLE)
        told = causes.fill(draw.pick(causes.NEWS[mood]), causes.slots(draw, person))
        he = world.pronoun(person)
        return f"{told} {draw.pick((f'{person} is {mood}.', f'Now {he} is {mood}.', f'That is why {he} is {mood}.'))}"

    return draw.owned(make, str)


def _news(draw: Draw) -> str:
    topic = draw.below(4)
    # The rule of the data sets that show both: with a full stop after the headline, and without.
    while True:
        headline, report = news.headline(draw, topic), news.report(draw, topic)
        if draw.owns(f"{headline} {report}") and draw.owns(f"{headline}. {report}"):
            return f"{headline}. {report}"


def _story(draw: Draw) -> str:
    story = stories.story(draw, draw.between(1, 3))
    sentences = [story.told(draw), *story.details_told(draw)]
    if draw.chance(0.5):
        sentences.append(stories.aside(draw))
    return " ".join(sentences)


def _review(draw: Draw) -> str:
    return draw.owned(lambda: reviews.review(draw, draw.below(2), draw.pick(reviews.FILMS)), str)


def _debate(draw: Draw) -> str:
    debate = debates.debate(draw)
    return f"{debate.name}. {' '.join(debate.arguments)}"


def _counting(draw: Draw) -> str:
    one, two = draw.several(world.PEOPLE, 2)
    thing = draw.pick(("apples", "eggs", "books", "coins", "stamps", "shells", "tickets", "flowers"))
    first, second = draw.between(2, 20), draw.between(2, 20)
    told = f"{one} has {first} {thing} and {two} has {second}."
    more, most = abs(first - second), one if first > second else two
    ends = [f"Together they have {first + second}."]
    if more:
        ends.append(f"{most} has {more} more than {two if most == one else one}.")
    return f"{told} {draw.pick(ends)}"


_KINDS: tuple[Callable[[Draw], str], ...] = (
    *(_one_subject, _one_subject, _one_relation, _scene, _scene, _scene, _asked, _talk, _process, _cause),
    *(_feeling, _news, _story, _story, _review, _debate, _counting),
    lambda draw: howto.guide(draw)[0],
    lambda draw: mail.mail(draw)[0],
)


def passages(seed: int, num: int) -> Iterator[str]:
    """`num` passages, no two alike, none with a line break; the first ones are the same for any `num`.

    Raises:
      RuntimeError: there are not that many.
    """
    draw = Draw(seed, "text", split="train")
    # All debates of the data set are made as training rows, and its test rows are set aside from them.
    unused = Draw(seed, "text", split="test")
    seen: set[str] = set()
    repeats = 0
    while len(seen) < num:
        make = draw.pick(_KINDS)
        text = make(unused if make is _debate else draw)
        if text in seen:
            repeats += 1
            if repeats > _MAX_REPEATS:
                raise RuntimeError(f"no new passage after {len(seen)}")
            continue
        repeats = 0
        seen.add(text)
        yield text
