"""Labels of the embedded corpus's short texts (inference and pairs), found again from the texts.

The readers know what words mean, and nothing of the generator.
"""

import re
from collections import Counter, defaultdict
from functools import cache

import polars as pl
import pytest
from test_embedded_labels import clauses, facts, match, stance

from flan_datagen.embedded import DATASETS
from flan_datagen.embedded.rows import OTHER_ROWS, TRAIN_ROWS

ANLI = [("anli", part) for part in ("r1", "r2", "r3")]
MNLI = [("mnli", part) for part in ("matched", "mismatched")]
PLAIN = [
    (name, "") for name in ("paws_wiki", "stsb", "story_cloze", "sentiment140", "yelp_polarity", "record")
]
ALL = [*ANLI, *MNLI, *PLAIN, ("wsc", "wsc"), ("wsc", "wsc273")]


@cache
def frame(dataset: str, part: str, split: str) -> pl.DataFrame:
    num_rows = TRAIN_ROWS if split == "train" else OTHER_ROWS
    return DATASETS[dataset].frame(seed=0, name=dataset, part=part, split=split, num_rows=num_rows)


def rows(dataset: str, part: str = ""):
    for split in ("train", "test"):
        yield from frame(dataset, part, split).to_dicts()


LABELS = {"stsb": "label", "story_cloze": "answer_right_ending", "sentiment140": "sentiment"}


@pytest.mark.parametrize(("dataset", "part"), [where for where in ALL if where[0] != "record"])
def test_classes_are_even(dataset, part):
    for split in ("train", "test"):
        counts = Counter(frame(dataset, part, split)[LABELS.get(dataset, "label")].round().to_list())
        assert len(counts) == {"anli": 3, "mnli": 3, "stsb": 6}.get(dataset, 2)
        assert len(set(counts.values())) == 1, counts


TEXTS = {
    **{"anli": ["premise"], "mnli": ["premise"], "record": ["passage"], "wsc": ["text"]},
    **{
        "paws_wiki": ["sentence1"],
        "stsb": ["sentence1"],
        "sentiment140": ["text"],
        "yelp_polarity": ["text"],
    },
    "story_cloze": [
        *(f"input_sentence_{number}" for number in range(1, 5)),
        "sentence_quiz1",
        "sentence_quiz2",
    ],
}


@pytest.mark.parametrize(("dataset", "part"), ALL)
def test_texts_of_a_test_are_new(dataset, part):
    train, test = (
        set(frame(dataset, part, split).select(TEXTS[dataset]).rows()) for split in ("train", "test")
    )
    assert not train & test


# --- inference -------------------------------------------------------------------------------------------

NOT = {
    "place": ("The S is not in the V", "You cannot find the S in the V"),
    "colour": ("The S is not V", "The colour of the S is not V"),
    "material": ("The S is not made of V", "The material of the S is not V"),
    "owner": ("The S does not belong to P", "P does not own the S"),
    "job": ("N is not a V", "N does not work as a V"),
    "food": ("The favourite food of N is not V", "N does not like V best"),
    "town": ("N does not live in P", "The home of N is not in P"),
    "pet": ("The pet of N is not a V", "N does not keep a V as a pet"),
    "travel": ("N does not go to work by V", "N does not take the V to work"),
    "month": ("N was not born in P", "The birthday of N is not in P"),
}
SAME = {
    "in the same place": "place",
    "the same colour": "colour",
    "the same material": "material",
    "to the same person": "owner",
    "the same job": "job",
    "like the same food": "food",
    "in the same town": "town",
    "the same animal as a pet": "pet",
    "to work in the same way": "travel",
    "in the same month": "month",
}
ENTAILS = {"says": 0, "silent": 1, "denies": 2}


def judged(premise: str, hypothesis: str) -> tuple[str, int]:
    """The kind of a hypothesis, and its label."""
    known, said = facts(premise), hypothesis.removesuffix(".")
    if denied := match(said, NOT):
        return "negated", 2 - ENTAILS[stance(known, denied)]
    if (
        found := re.fullmatch(r"(.+) and (.+?) (?:are|have|belong|like|live|go|were)\b.*", said)
    ) and " same " in said:
        (name,) = (name for words, name in SAME.items() if words in said)
        values = [known.get((name, re.sub("^[Tt]he ", "", subject))) for subject in found.groups()]
        return "compared", 1 if None in values else 0 if values[0] == values[1] else 2
    if said.startswith("The owner of"):
        (owner,) = (
            value
            for (name, subject), value in known.items()
            if name == "owner" and said.startswith(f"The owner of the {subject} ")
        )
        (claim,) = clauses(
            re.sub(r"The owner of the (.+?) (?=works|likes|lives|has|goes|was)", f"{owner} ", said)
        )
        return "bridged", ENTAILS[stance(known, claim)]
    labels = [ENTAILS[stance(known, claim)] for claim in clauses(said)]
    return ("both" if len(labels) == 2 else "plain"), max(labels, key=lambda label: (label == 2, label == 1))


@pytest.mark.parametrize(("dataset", "part"), ANLI)
def test_passages_entail_contradict_or_leave_open(dataset, part):
    kinds = defaultdict(set)
    for row in rows(dataset, part):
        kind, label = judged(row["premise"].replace(".<br>", ". "), row["hypothesis"])
        assert label == row["label"], row
        assert row["reason"]
        kinds[kind].add(label)
    expected = {
        "r1": {"plain", "negated"},
        "r2": {"plain", "negated", "both", "compared"},
        "r3": {"negated", "both", "compared", "bridged"},
    }
    assert set(kinds) == expected[part]
    assert all(labels == {0, 1, 2} for labels in kinds.values())


def test_later_rounds_are_longer():
    means = [frame("anli", part, "train")["premise"].str.len_chars().mean() for part in ("r1", "r2", "r3")]
    assert means[0] * 1.3 < means[1] < means[2]


FRAMED = (
    r"uh-huh, well, (.*), you know",
    r"yeah, (.*), yeah",
    r"Dear \w+, (?:I write to tell you that|you may like to hear that) (.*)",
    r'(".*," (?:said|whispered|cried) \w+\..*)',
    r"According to the report, (.*)",
    r"The report says that (.*)",
    r"Ladies and gentlemen, (?:as we all know|I am glad to say that) (.*)",
)


def unframed(premise: str) -> str:
    """What is said, without who says it to whom."""
    said = next(found[1] for form in FRAMED if (found := re.fullmatch(form, premise)))
    said = re.sub(r'," (said|whispered|cried) \w+\.', ".", said).replace('"', "")
    said = re.sub(r", and(, uh,)? ", ". ", said)
    said = re.sub(r"(By the way, |It adds that |And let me add: )", "", said)
    return ". ".join(one[0].upper() + one[1:] for one in said.removesuffix(".").split(". ")) + "."


@pytest.mark.parametrize(("dataset", "part"), MNLI)
def test_talk_entails_contradicts_or_leaves_open(dataset, part):
    frames = set()
    for row in rows(dataset, part):
        frames.add(next(form for form in FRAMED if re.fullmatch(form, row["premise"])))
        assert judged(unframed(row["premise"]), row["hypothesis"])[1] == row["label"], row
    assert frames == set(FRAMED[:4] if part == "matched" else FRAMED[4:])


# --- pairs -----------------------------------------------------------------------------------------------

# Each form with what is said as a relation of A to B; X is a name or a noun with its article, W any word.
RELATIONS = (
    ("A gave T to B", "B got T from A", "T was given to B by A", "It was A who gave T to B"),
    ("A sold T to B on W", "B bought T from A on W", "On W, A sold T to B", "On W, B bought T from A"),
    ("P went from A to B by W", "P went by W to B from A", "By W, P went from A to B"),
    ("It was by W that P went to B from A",),
    ("P was in A before P was in B", "P was in B after P was in A"),
    ("After P was in A, P was in B", "Before P was in B, P was in A"),
    (
        "P moved T from A to B",
        "T was moved to B from A by P",
        "From A P moved T to B",
        "To B P moved T from A",
    ),
    ("A V B on W", "B was V by A on W", "On W A V B", "On W, B was V by A"),
)
CONVERSE = {
    "younger": "older",
    "shorter": "taller",
    "weaker": "stronger",
    "slower": "faster",
    "poorer": "richer",
}
WORD = {
    **{"A": r"(?P<a>\w+|[Tt]he \w+)", "B": r"(?P<b>\w+|[Tt]he \w+)", "P": r"(?P<p>\w+)"},
    **{"T": r"(?P<t>[Tt]he \w+)", "W": r"(?P<w>\w+)", "V": r"(?P<v>[a-z]+ed)"},
}


def relation(text: str) -> tuple[str, ...]:
    if found := re.fullmatch(r"Of (\w+) and (\w+), (\w+) is the (\w+) one", text):
        one, two, which, more = found.groups()
        text = f"{which} is {more} than {two if which == one else one}"
    if found := re.fullmatch(r"(\w+) is (\w+) than (\w+)", text):
        one, more, two = found.groups()
        return (more, one, two) if more in CONVERSE.values() else (CONVERSE[more], two, one)
    for forms in RELATIONS:
        for form in forms:
            seen: set[str] = set()
            body = ""
            for piece in re.split(r"\b([ABPTWV])\b", form):
                known = piece in seen & set(WORD)
                seen.add(piece)
                body += f"(?P={piece.lower()})" if known else WORD.get(piece, piece)
            if found := re.fullmatch(body, text):
                groups = {name: value.lower() for name, value in found.groupdict().items()}
                return tuple(f"{name}={groups[name]}" for name in sorted(groups))
    raise AssertionError(text)


def test_same_words_mean_the_same_or_not():
    related = 0
    shares = defaultdict(list)
    for row in rows("paws_wiki"):
        one, two = (
            re.sub(r" ([,;.])", r"\1", row[f"sentence{number}"]).removesuffix(".") for number in (1, 2)
        )
        try:
            same = facts(one + ".") == facts(two + ".")
        except AssertionError:
            related += 1
            same = relation(one) == relation(two)
        assert same == row["label"], row
        words = [Counter(row[f"sentence{number}"].lower().split()) for number in (1, 2)]
        shares[row["label"]].append((words[0] & words[1]).total() / (words[0] | words[1]).total())
    assert related == (TRAIN_ROWS + OTHER_ROWS) // 2
    means = [sum(shares[label]) / len(shares[label]) for label in (0, 1)]
    assert abs(means[0] - means[1]) < 0.03
    assert min(means) > 0.6


DEEDS = (
    r"On {day} {who} {did} the {thing} in the {place}",
    r"{who} {did} the {thing} in the {place} on {day}",
    r"In the {place} {who} {did} the {thing} on {day}",
    r"On {day} the {thing} was {did} by {who} in the {place}",
    r"The {thing} was {did} in the {place} by {who} on {day}",
    r"It was {who} who {did} the {thing} in the {place} on {day}",
)
PARTS = {
    "day": r"(?P<day>[A-Z][a-z]+)(?P<hour> [a-z]+)?",
    "who": r"(?P<who>[A-Z][a-z]+)",
    "did": r"(?P<did>[a-z]+)",
    "thing": r"(?P<colour>[a-z]+ )?(?P<thing>[a-z]+)",
    "place": r"(?P<place>[a-z]+)",
}


def deed(text: str) -> dict[str, str | None]:
    found = [
        match_.groupdict() for form in DEEDS if (match_ := re.fullmatch(form.format(**PARTS) + r"\.", text))
    ]
    (only,) = [groups for groups in found if "was" not in groups.values()]
    return only


def test_similarity_is_the_number_of_facts_that_agree():
    scores = set()
    for row in rows("stsb"):
        one, two = deed(row["sentence1"]), deed(row["sentence2"])
        alike = {name for name in PARTS if one[name] == two[name]}
        less = sum(
            one[more] != two[more] for more, name in (("hour", "day"), ("colour", "thing")) if name in alike
        )
        assert row["label"] == pytest.approx(len(alike) - less / 5), row
        scores.add(round(row["label"], 1))
    assert {0.0, 5.0, 4.8, 4.6, 0.8, 1.6} <= scores
