"""Structure to text: a record, some triples or a few concepts become sentences.

As in the GEM editions, the other splits carry every reference and the train split none besides the target.
"""

from collections.abc import Iterator

import polars as pl

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import OWNER, Fact, capital, fill, kinds_for, some_fact
from flan_datagen.embedded.rows import Dataset, Row, Turn
from flan_datagen.embedded.scene import Scene, Stance, claim_and_scene, passage

_TYPES = ("restaurant", "pub", "coffee shop")
_PRICES = ("cheap", "moderate", "high")
_WHERE = {"city centre": " in the city centre", "riverside": " by the riverside"}
_RATINGS = ("low", "average", "high")


def _gem(turn: Turn, name: str, texts: list[str]) -> Row:
    """The columns that GEM's data sets share; the first text is the target."""
    number = f"{name}-{turn.split}-{turn.number}"
    return {
        "gem_id": number,
        "gem_parent_id": number,
        "target": texts[0],
        "references": [] if turn.split == "train" else list(dict.fromkeys(texts)),
    }


def _e2e_nlg(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    record = draw.owned(lambda: _record(draw), str)
    texts = [_describe(record, turned) for turned in draw.shuffled((False, True))]
    yield {
        "meaning_representation": ", ".join(f"{name}[{value}]" for name, value in record.items()),
        **_gem(turn, "e2e_nlg", texts),
    }


def _record(draw: Draw) -> dict[str, str]:
    """A name and a type, and some of five more fields."""
    record = {
        "name": f"The {capital(draw.pick(world.COLOURS))} {capital(draw.pick(world.THINGS))}",
        "eatType": draw.pick(_TYPES),
        "food": draw.pick(world.FOODS),
        "priceRange": draw.pick(_PRICES),
        "customer rating": draw.pick(_RATINGS),
        "area": draw.pick(tuple(_WHERE)),
        "familyFriendly": draw.pick(("yes", "no")),
    }
    kept = {"name", "eatType", *draw.several(list(record)[2:], draw.between(1, 4))}
    return {name: value for name, value in record.items() if name in kept}


def _describe(record: dict[str, str], turned: bool) -> str:
    """All fields of the record in two sentences at most."""
    name, kind = record["name"], record["eatType"]
    where = _WHERE.get(record.get("area", ""), "")
    price = f" at {record['priceRange']} prices" if "priceRange" in record else ""
    first = f"{name} is a {kind}{where}"
    link = " that serves"
    if turned:
        first, link = f"There is a {kind}{where} called {name}", ", which serves"
    if "food" in record or price:
        first += f"{link} {record.get('food', 'meals')}{price}"
    more = []
    if "customer rating" in record:
        more.append(f"has {_article(record['customer rating'])} rating")
    if "familyFriendly" in record:
        more.append("is good for families" if record["familyFriendly"] == "yes" else "is not for families")
    return f"{first}. It {' and '.join(more)}." if more else f"{first}."


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _triple(fact: Fact) -> str:
    return " | ".join(name.replace(" ", "_") for name in (fact.subject, fact.kind.name, fact.value))


def _web_nlg_en(turn: Turn) -> Iterator[Row]:
    draw = turn.draw
    _, scene = claim_and_scene(draw, Stance.SAYS, turn.case + 1)
    facts = Scene(draw.shuffled(scene))
    yield {
        "input": [_triple(fact) for fact in facts],
        "category": "Person" if facts[0].kind.person else "Thing",
        "webnlg_id": f"{turn.split}/{len(facts)}/Id{turn.number}",
        **_gem(turn, "web_nlg_en", [passage(draw, facts, joined=0.4) for _ in range(3)]),
    }


def _dart(turn: Turn) -> Iterator[Row]:
    """Cases: by a scene of one to three facts, or a chain in which a value has properties of its own.

    Some come as from a table, with a first triple that names the row only.
    """
    draw = turn.draw
    if turn.case < 3:
        _, scene = claim_and_scene(draw, Stance.SAYS, turn.case + 1)
        facts = draw.shuffled(scene)
        texts = [passage(draw, facts, joined=0.4) for _ in range(draw.between(1, 3))]
    else:
        facts = draw.owned(lambda: _chain(draw), lambda made: Scene(made).signature)
        texts = [form(facts) for form in draw.several(_CHAINED, draw.between(1, 2))]
    triples = [_dart_triple(fact) for fact in facts]
    table = draw.chance(0.2)
    if table:
        triples = [["[TABLECONTEXT]", "NAME", facts[0].subject], *triples]
    texts = list(dict.fromkeys(texts))
    yield {
        "tripleset": triples,
        # As on the Hub, where those that are not from tables have none.
        "subtree_was_extended": draw.chance(0.5) if table else None,
        "annotations": {"source": ["embedded"] * len(texts), "text": texts},
    }


def _chain(draw: Draw) -> list[Fact]:
    """A thing, its owner, and something about the owner."""
    owned = some_fact(draw, OWNER)
    kind = draw.pick(kinds_for(owned.value))
    return [owned, Fact(kind, owned.value, draw.pick(kind.values))]


def _who(facts: list[Fact]) -> str:
    owned, more = facts
    return f"The {owned.subject} belongs to {owned.value}, who {fill(more.kind.predicate, more)}."


def _whose(facts: list[Fact]) -> str:
    owned, more = facts
    return f"{owned.value}, who {fill(more.kind.predicate, more)}, owns the {owned.subject}."


def _one_by_one(facts: list[Fact]) -> str:
    owned, more = facts
    told = fill(more.kind.predicate, more)
    return f"{owned.value} is the owner of the {owned.subject}. {owned.value} {told}."


_CHAINED = (_who, _whose, _one_by_one)


def _dart_triple(fact: Fact) -> list[str]:
    return [fact.subject, fact.kind.name.upper().replace(" ", "_"), fact.value]


_VERBS = (
    ("carry", "carries", ("box", "basket", "chair", "ladder"), ("garden", "barn", "kitchen"), "to"),
    ("clean", "cleans", ("table", "plate", "bowl", "floor"), ("kitchen", "hall", "office"), "in"),
    ("throw", "throws", ("ball", "stone", "stick", "ring"), ("park", "garden", "yard"), "in"),
    ("paint", "paints", ("wall", "door", "mask", "boat"), ("studio", "garage", "shop"), "in"),
    ("read", "reads", ("book", "letter", "map", "paper"), ("library", "bedroom", "train"), "in"),
    ("eat", "eats", ("apple", "cake", "soup", "bread"), ("kitchen", "park", "restaurant"), "in"),
    ("push", "pushes", ("cart", "bike", "car", "boat"), ("garage", "barn", "yard"), "to"),
    ("wash", "washes", ("shirt", "dog", "cup", "window"), ("garden", "yard", "hall"), "in"),
    ("sell", "sells", ("flower", "hat", "lamp", "clock"), ("market", "shop", "street"), "in"),
    ("draw", "draws", ("horse", "tree", "house", "bird"), ("school", "studio", "park"), "in"),
)
_WHO = ("man", "woman", "boy", "girl", "teacher", "farmer", "child", "student", "sailor", "cook")


def _common_gen(turn: Turn) -> Iterator[Row]:
    draw = turn.draw

    def make() -> tuple[int, str, str, str]:
        number = draw.below(len(_VERBS))
        _, _, things, places, _ = _VERBS[number]
        return number, draw.pick(_WHO), draw.pick(things), draw.pick(places)

    number, who, thing, place = draw.owned(make, lambda made: "/".join(map(str, made)))
    verb, verbs, _, _, towards = _VERBS[number]
    forms = (
        f"A {who} {verbs} {_some(thing)} {towards} the {place}.",
        f"The {who} {verbs} the {thing} {towards} the {place}.",
        f"{capital(towards)} the {place} the {who} {verbs} {_some(thing)}.",
        f"One {who} {verbs} {_some(thing)} {towards} the {place} every day.",
    )
    first = draw.pick(forms)
    yield {
        "concept_set_id": turn.number,
        "concepts": draw.shuffled((who, verb, thing, place)),
        **_gem(turn, "common_gen", [first, *(form for form in forms if form != first)]),
    }


def _some(thing: str) -> str:
    """A thing with its article, a food without one."""
    return thing if thing in world.FOODS else _article(thing)


_GEM = {"gem_id": pl.String, "gem_parent_id": pl.String}
_TEXTS = {"target": pl.String, "references": pl.List(pl.String)}

DATASETS = {
    "e2e_nlg": Dataset(
        _e2e_nlg,
        {**_GEM, "meaning_representation": pl.String, **_TEXTS},
        ("tell the facts",),
        labels=("gem_id", "gem_parent_id"),
    ),
    "web_nlg_en": Dataset(
        _web_nlg_en,
        {
            "input": pl.List(pl.String),
            **_TEXTS,
            "category": pl.String,
            "webnlg_id": pl.String,
            **_GEM,
        },
        ("tell the facts", "look up a value"),
        cases=3,
        labels=("webnlg_id", "gem_id", "gem_parent_id"),
    ),
    "dart": Dataset(
        _dart,
        {
            "tripleset": pl.List(pl.List(pl.String)),
            "subtree_was_extended": pl.Boolean,
            "annotations": pl.Struct({"source": pl.List(pl.String), "text": pl.List(pl.String)}),
        },
        ("tell the facts", "look up a value"),
        cases=4,
    ),
    "common_gen": Dataset(
        _common_gen,
        {
            **_GEM,
            "concept_set_id": pl.Int32,
            "concepts": pl.List(pl.String),
            **_TEXTS,
        },
        ("tell the facts",),
        labels=("gem_id", "gem_parent_id", "concept_set_id"),
    ),
}
