"""TREC: what kind of thing a question asks for.

All classes ask about the same towns, clubs, machines and books, and begin with the same words; now and then the
question word alone tells, as in the real set. In one out of five the words of two classes stand together, and only
their place tells: "the home town of the leader" is a place, "the leader of the home town" a person.
"""

from collections.abc import Iterator

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.lore import INVENTIONS, TITLES
from flan_datagen.embedded.rows import Row, Turn

COARSE = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
FINE = (
    *("ABBR:abb", "ABBR:exp"),
    *("ENTY:animal", "ENTY:body", "ENTY:color", "ENTY:cremat", "ENTY:currency", "ENTY:dismed"),
    *("ENTY:event", "ENTY:food", "ENTY:instru", "ENTY:lang", "ENTY:letter", "ENTY:other", "ENTY:plant"),
    *("ENTY:product", "ENTY:religion", "ENTY:sport", "ENTY:substance", "ENTY:symbol"),
    *("ENTY:techmeth", "ENTY:termeq", "ENTY:veh", "ENTY:word"),
    *("DESC:def", "DESC:desc", "DESC:manner", "DESC:reason"),
    *("HUM:gr", "HUM:ind", "HUM:title", "HUM:desc"),
    *("LOC:city", "LOC:country", "LOC:mount", "LOC:other", "LOC:state"),
    *("NUM:code", "NUM:count", "NUM:date", "NUM:dist", "NUM:money", "NUM:ord", "NUM:other"),
    *("NUM:period", "NUM:perc", "NUM:speed", "NUM:temp", "NUM:volsize", "NUM:weight"),
)
"""Both in the order of the Hub."""

_KINDS = (
    *(("Music School", "MS"), ("Book Club", "BC"), ("Chess Team", "CT"), ("Garden Society", "GS")),
    *(("Film Group", "FG"), ("Sailing Club", "SC"), ("Art Museum", "AM"), ("Post Office", "PO")),
)
_CLUBS = {
    f"{town} {_KINDS[place][0]}": town[0] + _KINDS[place][1]
    for number, town in enumerate(world.TOWNS)
    for place in (3 * number % 8, (3 * number + 4) % 8)
}
"""A club and its three letters."""

# `{x}` is a club in full or in three letters, `{t}` a town, `{i}` a machine, `{a}` one with its article, `{b}` a
# book; for ABBR `{s}` is three letters, `{z}` any name or word.
_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    "ABBR": {
        "exp": (
            "What does {s} stand for?",
            "What is {s} short for?",
            "What is the full name of {s}?",
            "Which words are behind the letters {s}?",
            "What do the letters {s} mean?",
            "In full, what is {s} called?",
            "Name the words that {s} stands for.",
            "How is {s} written in full?",
            "Which long name was cut down to {s}?",
            "In which words do you find the letters {s}?",
        ),
        "abb": (
            "What is the short form of {z}?",
            "How is {z} written in short?",
            "Which letters stand for {z}?",
            "In short, what is {z} called?",
            "Name the letters that stand for {z}.",
            "In which short way is {z} written?",
            "What is the abbreviation of {z}?",
            "How do you write {z} with only a few letters?",
            "Which letters are printed instead of {z}?",
            "Name a short way to write {z}.",
        ),
    },
    "ENTY": {
        "color": ("What colour is the door of {x}?", "What colour is the cover of {b}?"),
        "animal": (
            "Which animal is on the sign of {x}?",
            "What animal can you see on the flag of {t}?",
            "What animal is the hero of {b}?",
        ),
        "food": (
            "What food is the town of {t} known for?",
            "In {x}, what food do the guests eat?",
            "Name the dish that visitors eat in {t}.",
        ),
        "letter": ("Which letters are on the door of {x}?", "Which letter does the name {t} begin with?"),
        "other": ("Which prize did {x} win last year?", "What prize did {b} win in its first year?"),
        "lang": (
            "In the country around {t}, what language is spoken?",
            "What language does the person who founded {x} speak?",
            "What language is spoken in {t}?",
            "In what language was {b} written?",
            "In which language do the members of {x} write?",
        ),
        "cremat": (
            "Which film was made of {b}?",
            "Name the song that is sung in {b}.",
            "Which book did {x} print?",
            "What painting hangs in the hall of {x}?",
        ),
        "sport": ("In {t}, what game do the children play?", "Name the sport that {x} teaches."),
        "event": ("Which feast is held in {t} every year?", "What fair made {x} rich?"),
        "plant": ("What plant grows best near {t}?", "Name the tree that stands in front of {x}."),
        "substance": (
            "What is {a} made of?",
            "Which metal is in {a}?",
            "In {a}, what material is used most?",
        ),
        "product": (
            "Which tool do you need to mend {a}?",
            "Name the machine that was used before the {i}.",
            "What machine is like {a} but smaller?",
        ),
        "word": ("What is another word for {a}?", "How do you say {i} in German?"),
    },
    "DESC": {
        "def": ("What is {a}?", "In short, what is {a}?", "What is {x}?"),
        "desc": (
            "What does {x} do for its members?",
            "What is {t} like?",
            "What is the history of {t}?",
            "What is {b} about?",
            "In short, what happens in {b}?",
            "What is the short story in {b} about?",
            "What do the members of {x} do all day?",
            "What did {x} do last year?",
            "What is the town of {t} like?",
            "What is the country around {t} like?",
            "Which lesson does {b} teach?",
            "What is {a} used for?",
            "Name the use of {a}.",
        ),
        "manner": (
            "How does {a} work?",
            "How do you mend {a}?",
            "Which steps does it take to build {a}?",
            "In what way is {t} ruled?",
            "How does {x} choose its members?",
            "How did {t} get its name?",
            "How does {b} end?",
        ),
        "reason": (
            "Why was {x} founded?",
            "Why is {t} famous?",
            "Name the reason why {x} closed.",
            "Name the reason why people leave {t}.",
            "Which causes led to the great fire of {t}?",
            "What made people read {b}?",
        ),
    },
    "HUM": {
        "ind": (
            "Who leads {x}?",
            "What is the full name of the head of {x}?",
            "Which teacher founded {x}?",
            "Name the oldest member of {x}.",
            "In {x}, which member is the best known?",
            "Who is the mayor of {t}?",
            "Which mayor leads {t}?",
            "What is the mayor of {t} called?",
            "Name a singer who was born in {t}.",
            "In {t}, which judge is the best known?",
            "Which inventor built the first {i}?",
            "What woman gave us the {i}?",
            "Name the person who built the first {i}.",
            "Which writer is behind {b}?",
            "What is the author of {b} called?",
            "Name the author of {b}.",
            "Which hero do you meet in {b}?",
            "Who led {x} last year?",
            "Which king ruled the country around {t}?",
            "Who found out why {x} was closed?",
            "Who found out where the first {i} was built?",
            "Who gave the reason for the fire of {t}?",
        ),
        "gr": (
            "Which team beat {x}?",
            "What people lived in the town of {t} long ago?",
            "Which company makes the {i}?",
        ),
        "title": ("What is the title of the person who leads {x}?", "How do people address the head of {t}?"),
    },
    "LOC": {
        "city": (
            "In which town is {x}?",
            "What town is the home of {x}?",
            "Name the town in which {x} was founded.",
            "Name the town that is closest to {t}.",
            "Name the town in which the first {i} was built.",
            "In which town was {b} written?",
            "What town is known for the {i}?",
            "Which town has as many houses as {t}?",
            "In which town does the person who leads {x} live?",
            "In which town did {x} meet last year?",
        ),
        "country": (
            "What country is {t} in?",
            "In what country is {t}?",
            "Which country does {t} belong to?",
            "In which country was the first {i} built?",
            "What country is the home of {b}?",
        ),
        "mount": ("What mountain is closest to {t}?", "Name the highest mountain near {t}."),
        "other": (
            "Where is {x}?",
            "Where does the oldest {i} stand?",
            "Where are the letters from {x} kept?",
            "Which street leads to {x}?",
            "Which building is the home of {x}?",
            "Which river flows through {t}?",
            "Where does {b} begin?",
            "Name the place where {b} begins.",
            "Which place has the oldest {i}?",
            "What is the name of the place where {x} meets?",
        ),
    },
    "NUM": {
        "count": (
            "How many members does {x} have?",
            "How many people live in the town of {t}?",
            "How many letters does the name {t} have?",
            "How many words does {b} have?",
            "How many people in {x} know why it was founded?",
            "What number of houses does {t} have?",
            "What is the number of pages in {b}?",
            "How many parts does {a} have?",
        ),
        "date": (
            "In which year was {x} founded?",
            "What year did {x} open?",
            "Name the year in which {x} was founded.",
            "Name the year in which {t} was built.",
            "Which year saw the great fire of {t}?",
            "In which year was the {i} invented?",
            "Name the year in which the {i} was invented.",
            "Which year saw the first {i}?",
            "In which year did {b} appear?",
            "When was {b} written?",
            "Which day is the birthday of {x}?",
        ),
        "dist": ("How far is it to {t}?", "How long is the short way to {t}?"),
        "money": (
            "What is the price of {a}?",
            "What is the price of {b}?",
            "How much does a day at {x} cost?",
        ),
        "weight": ("What does {a} weigh?", "What is the weight of the animal on the flag of {t}?"),
        "period": ("What is the age of the person who leads {x}?", "How long does it take to read {b}?"),
    },
}
_CHAINS = (
    *("What is the name of the {} of the {} of {x}?", "Name the {} of the {} of {x}."),
    *("What do you call the {} of the {} of {x}?", "Which is the {} of the {} of {x}?"),
)
"""The first noun is what is asked for."""
_NOUNS = (
    (("HUM", "ind", "leader"), ("LOC", "city", "home town")),
    (("HUM", "ind", "founder"), ("LOC", "country", "home country")),
    (("HUM", "ind", "singer"), ("ENTY", "cremat", "favourite song")),
    (("HUM", "ind", "owner"), ("ENTY", "animal", "oldest animal")),
    (("LOC", "country", "country"), ("ENTY", "lang", "language")),
    (("LOC", "other", "favourite place"), ("ENTY", "food", "best food")),
)
"""Either may be the first one."""
_PAIRED = (
    "You told me {known}, now tell me {asked}.",
    "Now tell me {asked}, you told me {known}.",
    "I do not ask {known}, I ask {asked}.",
    "I ask {asked}, I do not ask {known}.",
    "What I know is {known}, what I want to know is {asked}.",
    "What I want to know is {asked}, what I know is {known}.",
)
_CLAUSES: dict[str, dict[str, tuple[str, ...]]] = {
    "ABBR": {
        "exp": ("which words stand behind {s}", "what name was cut down to {s}"),
        "abb": ("which letters stand for {z}", "what short form there is for {z}"),
    },
    "ENTY": {
        "animal": ("which animal guards {x}",),
        "food": ("what food they eat in {t}",),
        "lang": ("which language they speak in {t}",),
        "color": ("what colour they painted {x}",),
    },
    "DESC": {
        "manner": ("how they built {t}", "how to find a way into {x}"),
        "reason": ("why they closed {x}", "why people left {t}"),
        "desc": ("what happens in {b}",),
    },
    "HUM": {"ind": ("who leads {x}", "who wrote {b}", "which king ruled {t}", "what woman founded {x}")},
    "LOC": {
        "other": ("where they built {x}", "where to find {t}", "which street leads to {x}"),
        "city": ("in which town they founded {x}",),
    },
    "NUM": {
        "count": ("how many people know {x}", "what number of people left {t}"),
        "date": ("when they founded {x}", "in which year they built {t}"),
        "dist": ("how far it is to {t}",),
    },
}
"""They end in a name, so that what comes after is no sign of the class."""


def trec(turn: Turn) -> Iterator[Row]:
    """Cases: the coarse classes."""
    draw = turn.draw
    coarse = COARSE[turn.case]
    forms = _all_of(_FORMS, coarse)

    def make() -> tuple[str, str]:
        form_of = draw.below(12)
        if form_of < 2:
            return _paired(draw, coarse)
        if form_of == 2 and coarse in ("HUM", "LOC", "ENTY"):
            return _chained(draw, coarse)
        fine, form = draw.pick(forms)
        return fine, _filled(draw, form)

    fine, text = draw.owned(make, lambda made: made[1])
    yield {"text": text, "coarse_label": turn.case, "fine_label": FINE.index(f"{coarse}:{fine}")}


def _all_of(forms: dict[str, dict[str, tuple[str, ...]]], coarse: str) -> list[tuple[str, str]]:
    """A class's forms, each with its fine class."""
    return [(fine, form) for fine, found in forms[coarse].items() for form in found]


def _paired(draw: Draw, coarse: str) -> tuple[str, str]:
    """A request beside another one that is not made."""
    fine, asked = draw.pick(_all_of(_CLAUSES, coarse))
    _, known = draw.pick(_all_of(_CLAUSES, draw.other(COARSE, coarse)))
    clauses = {"asked": _named(draw, asked), "known": _named(draw, known)}
    return fine, draw.pick(_PAIRED).format(**clauses)


def _chained(draw: Draw, coarse: str) -> tuple[str, str]:
    """A noun of the class that belongs to a noun of another one."""
    pair = draw.pick([pair for pair in _NOUNS if coarse in (pair[0][0], pair[1][0])])
    first, second = pair if pair[0][0] == coarse else pair[::-1]
    return first[1], _named(draw, draw.pick(_CHAINS).format(first[2], second[2], x="{x}"))


def _filled(draw: Draw, form: str) -> str:
    return capital(_named(draw, form))


def _named(draw: Draw, form: str) -> str:
    club, short = draw.pick(tuple(_CLUBS.items()))
    machine, town, book = draw.pick(INVENTIONS), draw.pick(world.TOWNS), draw.pick(TITLES)
    named = f"the {draw.pick((club, short))}"
    words = (f"the {club}", f"the {club}", f"the name {town}", f"the word {machine}", f"the title {book}")
    return form.format(x=named, s=short, t=town, i=machine, b=book, a=f"a {machine}", z=draw.pick(words))
