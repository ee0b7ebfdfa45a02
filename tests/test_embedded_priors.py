"""What a reader learns of the answer who sees a part of the row only: at most a stated share above chance.

A linear model on words and pairs of words (scikit-learn) is trained on training rows and scored on new ones. It is
shown the part that the answer is about, without what it has to be held against: the hypothesis without its premise,
the options without their question. Where words tell by nature (mood, topic, grammar), all of it is shown, and the
bound says so.
"""

import warnings
from collections import Counter
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from flan_datagen.catalog import load_catalog
from flan_datagen.embedded import DATASETS, EmbeddedSource
from flan_datagen.embedded.rows import TRAIN_ROWS

ENTRIES = load_catalog()
NUM_TEST = 600
"""Rows scored: an error of two hundredths for two classes, less for more."""
ROOM = 0.07
"""Above chance, for what is said to tell nothing: three and a half errors."""
OPTIONS = ("OPTIONS",)


class Prior(NamedTuple):
    """Fields that are shown (`OPTIONS`: each option alone), the highest accuracy, why that is right, and the lowest."""

    shown: tuple[str, ...]
    bound: float
    why: str
    floor: float = 0.0


def nothing(*shown: str, chance: float, why: str) -> Prior:
    """A part that tells nothing: to be wrong too often would tell as much."""
    return Prior(shown, chance + ROOM, why, chance - ROOM)


_CLAIM = "the claim is drawn before the answer is known"
_PAIR = "both sentences are drawn alike; only to compare them tells"
_ALIKE = "the wrong options are right ones elsewhere"
PRIORS = {
    **{name: nothing("hypothesis", chance=1 / 3, why=_CLAIM) for name in ("anli", "cb", "mnli", "snli")},
    "rte": nothing("hypothesis", chance=1 / 2, why=_CLAIM),
    "wnli": nothing("hypothesis", chance=1 / 2, why="either name may be meant"),
    "qnli": nothing("sentence", chance=1 / 2, why="every sentence answers some question"),
    **{
        name: nothing("sentence1", "sentence2", chance=1 / 2, why=_PAIR)
        for name in ("mrpc", "paws_wiki", "wic")
    },
    "qqp": nothing("question1", "question2", chance=1 / 2, why=_PAIR),
    "stsb": nothing("sentence1", "sentence2", chance=1 / 6, why=_PAIR),
    "boolq": nothing("question", chance=1 / 2, why=_CLAIM),
    "multirc": nothing(
        "question", "candidate", chance=1 / 2, why="wrong answers are values of the same kind"
    ),
    "copa": nothing(*OPTIONS, chance=1 / 2, why=_ALIKE),
    "piqa": nothing(*OPTIONS, chance=1 / 2, why=_ALIKE),
    "story_cloze": nothing(*OPTIONS, chance=1 / 2, why=_ALIKE),
    "hellaswag": nothing(*OPTIONS, chance=1 / 4, why=_ALIKE),
    "arc": nothing(*OPTIONS, chance=1 / 4, why="the rivals are answers to the same kind of question"),
    "openbookqa": nothing(*OPTIONS, chance=1 / 4, why="the rivals are answers to the same kind of question"),
    "cosmos_qa": nothing(*OPTIONS, chance=1 / 4, why=_ALIKE),
    "dpr": nothing(*OPTIONS, chance=1 / 2, why="either name may be meant"),
    "winogrande": nothing(*OPTIONS, chance=1 / 2, why="either name may be meant"),
    "record": Prior(
        OPTIONS, 0.4, "whether a person or a town is missing can be seen from the rest; chance is 0.24"
    ),
    "wsc": nothing("text", chance=1 / 2, why="either name may be asked about"),
    "wsc/wsc273": nothing(*OPTIONS, chance=1 / 2, why="either name may be meant"),
    "imdb": Prior(("review",), 0.97, "words of praise and blame make the mood; only the denied ones mislead"),
    "yelp_polarity": Prior(
        ("review",), 0.93, "one out of four tells of both moods, and only who says it or when decides", 0.8
    ),
    "sentiment140": Prior(("tweet",), 0.98, "words of praise and blame make the mood; few are denied"),
    "sst2": Prior(("sentence",), 0.92, "one out of four needs the place of a word beside the word", 0.78),
    "ag_news": Prior(
        ("text",), 0.94, "words make the topic, but two events in one sentence need their order", 0.8
    ),
    "trec": Prior(
        ("question",), 0.9, "one out of five asks one thing and mentions another in the same words", 0.78
    ),
    "cola": Prior(
        ("sentence",), 0.9, "two neighbouring words show most faults; the verb's number needs more"
    ),
}
"""By dataset, or dataset/part where a part has another answer."""
OTHER_HALF = {
    **{name: ("premise",) for name in ("anli", "cb", "mnli", "rte", "snli", "wnli")},
    "qnli": ("question",),
    "boolq": ("passage",),
    "multirc": ("paragraph",),
}
"""What the answer is held against; alone it tells nothing either."""


def choosing() -> list[tuple[str, str]]:
    """Every dataset and part of the corpus that has options."""
    return [
        (name, part.name)
        for name, entry in ENTRIES.items()
        for part in entry.members
        if part.has_options and name in DATASETS
    ]


@cache
def adapted(dataset: str, part: str, split: str) -> pl.DataFrame:
    num_rows = TRAIN_ROWS if split == "train" else NUM_TEST
    frame = DATASETS[dataset].frame(
        seed=0, name=dataset, part=part, split=split, num_rows=num_rows, exhaust=True
    )
    return ENTRIES[dataset].adapt(frame, part)


def numbers(frame: pl.DataFrame) -> list[int]:
    return [options.index(answer) for options, answer in frame.select("options", "answer").rows()]


def prior(dataset: str, part: str) -> Prior:
    return PRIORS.get(f"{dataset}/{part}") or PRIORS[dataset]


class Words:
    """Logistic regression on counts of words and pairs of words."""

    def __init__(self, texts: list[str], classes: list[int]) -> None:
        self.count = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]")
        self.model = LogisticRegression(max_iter=1000, tol=1e-3)
        with warnings.catch_warnings():
            # A model that has not quite settled is as good a judge.
            warnings.simplefilter("ignore")
            self.model.fit(self.count.fit_transform(texts), classes)

    def odds(self, texts: list[str]) -> np.ndarray:
        return self.model.predict_log_proba(self.count.transform(texts))

    def guess(self, texts: list[str]) -> np.ndarray:
        return self.model.classes_[self.odds(texts).argmax(1)]


def accuracy(dataset: str, part: str, shown: tuple[str, ...]) -> float:
    """Of the model on new rows."""
    train, test = adapted(dataset, part, "train"), adapted(dataset, part, "test")
    right = numbers(test)
    if shown != OPTIONS:
        texts = [[" / ".join(row) for row in frame.select(shown).rows()] for frame in (train, test)]
        return float((Words(texts[0], numbers(train)).guess(texts[1]) == right).mean())
    pairs = [
        (option, int(option == answer))
        for options, answer in train.select("options", "answer").rows()
        for option in options
    ]
    model = Words([option for option, _ in pairs], [taken for _, taken in pairs])
    guesses = [int(model.odds(options)[:, 1].argmax()) for options in test["options"].to_list()]
    return float((np.array(guesses) == right).mean())


def test_every_set_with_options_has_a_bound():
    assert {dataset for dataset, _ in choosing()} == {name.partition("/")[0] for name in PRIORS}
    assert all(prior.why for prior in PRIORS.values())


@pytest.mark.parametrize(("dataset", "part"), choosing())
def test_a_majority_guess_is_at_chance(dataset, part):
    source = EmbeddedSource()
    splits = ENTRIES[dataset].part(part).splits
    for split in dict.fromkeys((*splits.train[:1], *splits.test[:1])):
        frame = ENTRIES[dataset].adapt(source.read(ENTRIES[dataset], part, split), part)
        counts = Counter(numbers(frame))
        if dataset == "record":
            # As many options as the passage has names, of which several may be right.
            assert max(counts.values()) / frame.height <= (1 / frame["options"].list.len()).mean() + ROOM
        else:
            assert set(frame["options"].list.len()) == {len(counts)}
            assert len(set(counts.values())) == 1, counts


@pytest.mark.parametrize(("dataset", "part"), choosing())
def test_a_part_of_the_row_does_not_tell_the_answer(dataset, part):
    shown, bound, _, floor = prior(dataset, part)
    assert floor <= accuracy(dataset, part, shown) <= bound


@pytest.mark.parametrize(("dataset", "part"), [where for where in choosing() if where[0] in OTHER_HALF])
def test_the_other_half_does_not_tell_the_answer(dataset, part):
    chance = 1 / len(ENTRIES[dataset].part(part).options)
    assert abs(accuracy(dataset, part, OTHER_HALF[dataset]) - chance) <= ROOM
