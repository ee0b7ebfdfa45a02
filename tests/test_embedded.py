"""The embedded corpus as a source: its columns, its balance, its splits, and that nothing but the text tells."""

import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_datagen.embedded import DATASETS as MAKERS
from flan_datagen.embedded import EmbeddedSource
from flan_datagen.embedded.lore import truths, wordings
from flan_shared.errors import DataError

REAL = Path(__file__).parents[2] / "shared" / "data"

CLASSES = {
    **{"rte": 2, "cb": 3, "snli": 3, "wnli": 2, "qnli": 2, "mrpc": 2, "qqp": 2, "imdb": 2, "sst2": 2},
    **{"boolq": 2, "multirc": 2, "cola": 2, "ag_news": 4},
}
PLACES = {
    **{"copa": 2, "piqa": 2, "hellaswag": 4, "arc": 4, "openbookqa": 4, "cosmos_qa": 4, "dpr": 2},
    "winogrande": 2,
}
OTHERS = (
    *("natural_questions", "trivia_qa", "e2e_nlg", "web_nlg_en", "common_gen", "squad", "drop"),
    *("math_dataset", "samsum", "wmt16_deen", "wmt16_roen"),
)
DATASETS = (*CLASSES, *PLACES, *OTHERS)
NUMBERS = {
    *("idx", "ind", "id", "source_id", "section_id", "query_id", "question_id", "split"),
    *("gem_id", "gem_parent_id", "webnlg_id", "concept_set_id"),
}
"""Columns that number a row or name its split."""

ENTRIES = load_catalog()
SOURCE = EmbeddedSource()


def test_every_dataset_is_tested():
    assert set(MAKERS) == set(DATASETS)


@cache
def read(dataset: str, part: str, split: str) -> pl.DataFrame:
    return SOURCE.read(ENTRIES[dataset], part, split)


def splits(dataset: str) -> list[str]:
    named = ENTRIES[dataset].splits
    return list(dict.fromkeys((named.train, named.dev, *named.test)))


def wheres() -> list[tuple[str, str]]:
    return [(dataset, part) for dataset in DATASETS for part in ENTRIES[dataset].parts]


def contents(frame: pl.DataFrame) -> list[str]:
    return [repr(row) for row in frame.drop(NUMBERS & set(frame.columns)).rows()]


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_every_row_passes_the_dataset_s_own_adapter(dataset, part):
    entry = ENTRIES[dataset]
    for split in splits(dataset):
        frame = read(dataset, part, split)
        adapted = entry.adapt(frame, part)
        assert adapted.height == frame.height >= 200
        assert adapted["defect"].null_count() == adapted.height


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_columns_are_those_of_the_real_files(dataset, part):
    files = sorted((REAL / dataset / part).glob("*.parquet"))
    if not files:
        pytest.skip(f"no real rows of {dataset} at ../shared/data")
    schema = dict(read(dataset, part, ENTRIES[dataset].splits.train).schema)
    for name, dtype in pl.read_parquet(files[0]).schema.items():
        assert schema[name] == dtype, name


def test_openbookqa_carries_the_gold_fact():
    frame = read("openbookqa", "", "train")
    assert {"fact1", "humanScore", "clarity", "turkIdAnonymized"} <= set(frame.columns)


@pytest.mark.parametrize("dataset", [*CLASSES, *PLACES])
def test_answers_are_exactly_balanced(dataset):
    entry = ENTRIES[dataset]
    for part in entry.parts:
        for split in splits(dataset):
            adapted = entry.adapt(read(dataset, part, split), part)
            pairs = adapted.select("options", "answer").rows()
            counts = Counter(options.index(answer) for options, answer in pairs)
            assert len(counts) == (CLASSES | PLACES)[dataset]
            assert len(set(counts.values())) == 1, counts


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_no_row_is_made_twice_or_stands_in_two_splits(dataset, part):
    train, *others = (contents(read(dataset, part, split)) for split in splits(dataset))
    assert len(set(train)) == len(train)
    for other in others:
        assert len(set(other)) == len(other)
        assert not set(train) & set(other)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        *(("rte", "premise"), ("snli", "premise"), ("boolq", "passage"), ("multirc", "paragraph")),
        *(("drop", "passage"), ("cosmos_qa", "context"), ("mrpc", "sentence1"), ("dpr", "sentence")),
        *(("cola", "sentence"), ("imdb", "text"), ("samsum", "summary")),
    ],
)
def test_test_texts_are_new(dataset, text):
    """Not only whole rows: what a test asks about is no combination of training."""
    assert not set(read(dataset, "", "train")[text]) & set(read(dataset, "", splits(dataset)[-1])[text])


def test_closed_book_facts_are_the_same_in_every_split_and_the_words_are_not():
    asked = {split: wordings(split) for split in ("train", "validation", "test")}
    for split, questions in asked.items():
        assert {truth for truth, _ in questions} == set(truths()), split
    assert not set(asked["train"]) & set(asked["test"])
    trained = {question: answer[0] for question, answer in read("natural_questions", "", "train").rows()}
    for question, answer in read("natural_questions", "", "validation").rows():
        assert question not in trained
        assert answer[0] in trained.values()


def test_another_process_makes_the_same_rows():
    script = (
        "from flan_datagen.catalog import load_catalog\n"
        "from flan_datagen.embedded import EmbeddedSource\n"
        "entries, source = load_catalog(), EmbeddedSource()\n"
        "for name in ('rte', 'squad', 'cosmos_qa', 'natural_questions', 'wmt16_deen'):\n"
        "    entry = entries[name]\n"
        "    frame = source.read(entry, entry.parts[0], entry.splits.train)\n"
        "    print(source.digest(entry, entry.parts[0], entry.splits.train), frame.write_ndjson())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert read("rte", "", "train").write_ndjson() in runs[0]


def test_another_seed_makes_other_rows_and_another_digest():
    entry, other = ENTRIES["rte"], EmbeddedSource(seed=1)
    assert set(contents(other.read(entry, "", "train"))) != set(contents(read("rte", "", "train")))
    assert other.digest(entry, "", "train") != SOURCE.digest(entry, "", "train")


def test_digest_names_what_is_read():
    squad, rte = ENTRIES["squad"], ENTRIES["rte"]
    digests = [
        SOURCE.digest(squad, "v1", "train"),
        SOURCE.digest(squad, "v2", "train"),
        SOURCE.digest(squad, "v1", "validation"),
        SOURCE.digest(rte, "", "train"),
    ]
    assert len(set(digests)) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert EmbeddedSource().digest(rte, "", "train") == digests[3]


def test_what_it_does_not_make_is_refused():
    rte = ENTRIES["rte"]
    assert not SOURCE.has(rte, "v1", "train")
    assert not SOURCE.has(rte, "", "nowhere")
    stranger = replace(rte, id="stranger")
    assert not SOURCE.has(stranger, "", "train")
    with pytest.raises(DataError, match="no stranger/train"):
        SOURCE.read(stranger, "", "train")
    with pytest.raises(DataError, match="no rte/nowhere"):
        SOURCE.digest(rte, "", "nowhere")


def test_operations_return_in_several_clusters():
    clusters = defaultdict(set)
    for name, dataset in MAKERS.items():
        for operation in dataset.operations:
            clusters[operation].add(ENTRIES[name].cluster)
    alone = {operation for operation, found in clusters.items() if len(found) == 1}
    assert alone == {"same or different", "correct form", "gist", "translate"}


def test_texts_are_short_and_of_few_words():
    words: Counter[str] = Counter()
    for dataset in set(DATASETS) - {"wmt16_deen", "wmt16_roen"}:
        for part in ENTRIES[dataset].parts:
            adapted = ENTRIES[dataset].adapt(read(dataset, part, "train"), part)
            for field in ENTRIES[dataset].fields:
                for text in adapted[field]:
                    found = re.findall(r"[A-Za-z]+", text or "")
                    assert len(found) <= 75, text
                    words.update(found)
    assert len(words) < 1_600


# --- what a part alone tells -----------------------------------------------------------------------------


def grams(text: str) -> set[str]:
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    return set(words) | {" ".join(pair) for pair in pairwise(words)}


class NaiveBayes:
    """Words and pairs of words, present or not; the plainest learner that sees a prior."""

    def __init__(self, texts: list[str], labels: list[int]) -> None:
        self.labels = Counter(labels)
        self.counts: dict[int, Counter[str]] = defaultdict(Counter)
        for text, label in zip(texts, labels, strict=True):
            self.counts[label].update(grams(text))

    def log_odds(self, text: str, label: int) -> float:
        counts, total = self.counts[label], self.labels[label]
        return sum(math.log((counts[gram] + 1) / (total + 2)) for gram in grams(text))

    def guess(self, text: str) -> int:
        return max(self.labels, key=lambda label: self.log_odds(text, label))


def held_out(dataset: str) -> pl.DataFrame:
    """Many rows about facts that are not trained on: an error of about two hundredths."""
    return MAKERS[dataset].frame(seed=0, name=dataset, part="", split="test", num_rows=600)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        *(("rte", "premise"), ("rte", "hypothesis"), ("cb", "premise"), ("cb", "hypothesis")),
        *(("snli", "premise"), ("snli", "hypothesis"), ("wnli", "sentence1"), ("wnli", "sentence2")),
        *(("qnli", "question"), ("qnli", "sentence"), ("mrpc", "sentence1"), ("mrpc", "sentence2")),
        *(("qqp", "question1"), ("qqp", "question2"), ("boolq", "question"), ("boolq", "passage")),
        *(("multirc", "paragraph"), ("multirc", "question"), ("multirc", "answer")),
    ],
)
def test_one_half_of_a_row_does_not_tell_the_label(dataset, text):
    label = "answer" if dataset == "boolq" else "label"
    train, test = read(dataset, "", "train"), held_out(dataset)
    model = NaiveBayes(train[text].to_list(), train[label].cast(int).to_list())
    right = [model.guess(row[text]) == int(row[label]) for row in test.to_dicts()]
    assert sum(right) / len(right) < 1 / CLASSES[dataset] + 0.07


@pytest.mark.parametrize("dataset", ["copa", "piqa", "hellaswag", "openbookqa", "cosmos_qa", "dpr"])
def test_options_without_their_question_do_not_tell_the_answer(dataset):
    entry = ENTRIES[dataset]
    train, test = (entry.adapt(frame, "") for frame in (read(dataset, "", "train"), held_out(dataset)))
    pairs = [
        (option, int(option == answer))
        for options, answer in train.select("options", "answer").rows()
        for option in options
    ]
    model = NaiveBayes(*map(list, zip(*pairs, strict=True)))
    right = [
        max(options, key=lambda text: model.log_odds(text, 1) - model.log_odds(text, 0)) == answer
        for options, answer in test.select("options", "answer").rows()
    ]
    assert sum(right) / len(right) < 1 / PLACES[dataset] + 0.07


@pytest.mark.parametrize(("dataset", "columns"), [("mrpc", "sentence"), ("qqp", "question")])
def test_pairs_share_as_many_words_whether_they_match_or_not(dataset, columns):
    shared = defaultdict(list)
    for row in read(dataset, "", "train").to_dicts():
        one, two = (set(re.findall(r"\w+", row[f"{columns}{number}"])) for number in (1, 2))
        shared[row["label"]].append(len(one & two) / len(one | two))
    means = [sum(shared[label]) / len(shared[label]) for label in (0, 1)]
    assert abs(means[0] - means[1]) < 0.05
