"""The embedded corpus as a source: its columns, its sizes, its splits."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_datagen.embedded import DATASETS as MAKERS
from flan_datagen.embedded import EmbeddedSource
from flan_datagen.embedded.lore import truths, wordings
from flan_datagen.embedded.rows import OTHER_ROWS, TRAIN_ROWS
from flan_datagen.embedded.source import sharing, splits
from flan_shared.errors import DataError

REAL = Path(__file__).parents[2] / "shared" / "data"

DATASETS = tuple(MAKERS)
NUMBERS = {"split", "references"}
"""Columns that name a row's split, or that one split alone fills; others that number it are a maker's `labels`."""

ENTRIES = load_catalog()
SOURCE = EmbeddedSource()


def test_all_62_datasets_are_made():
    assert set(MAKERS) == set(ENTRIES)
    assert len(MAKERS) == 62


@cache
def read(dataset: str, part: str, split: str) -> pl.DataFrame:
    return SOURCE.read(ENTRIES[dataset], part, split)


def wheres() -> list[tuple[str, str]]:
    return [(name, part) for name in DATASETS if name in ENTRIES for part in ENTRIES[name].parts]


def contents(dataset: str, frame: pl.DataFrame) -> list[str]:
    numbers = NUMBERS | set(MAKERS[dataset].labels)
    return [repr(row) for row in frame.drop(numbers & set(frame.columns)).rows()]


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_every_row_passes_the_dataset_s_own_adapter(dataset, part):
    entry = ENTRIES[dataset]
    for split in splits(entry, part):
        frame = read(dataset, part, split)
        adapted = entry.adapt(frame, part)
        # A conversation becomes a row for each question; parts that share one table divide it, and leave out
        # what has nothing to mend.
        assert adapted["row"].n_unique() >= frame.height or len(sharing(entry, part, split)) > 1
        assert adapted.height >= OTHER_ROWS
        assert adapted["defect"].null_count() == adapted.height


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_columns_are_those_of_the_real_files(dataset, part):
    folders = (REAL / folder for folder in ENTRIES[dataset].part(part).folders)
    files = sorted(file for folder in folders for file in folder.glob("*.parquet"))
    if not files:
        pytest.skip(f"no real rows of {dataset} at ../shared/data")
    schema = dict(read(dataset, part, splits(ENTRIES[dataset], part)[0]).schema)
    for name, dtype in pl.read_parquet_schema(files[0]).items():
        assert schema[name] == dtype, name


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_columns_are_those_that_the_catalog_reads(dataset, part):
    member = ENTRIES[dataset].part(part)
    schema = read(dataset, part, splits(ENTRIES[dataset], part)[0]).schema
    assert set(member.columns) - member.optional_columns <= set(schema)


def test_openbookqa_carries_the_gold_fact():
    frame = read("openbookqa", "", "train")
    assert {"fact1", "humanScore", "clarity", "turkIdAnonymized"} <= set(frame.columns)


@pytest.mark.parametrize(("dataset", "part"), wheres())
def test_no_row_is_made_twice_or_stands_in_two_splits(dataset, part):
    rows = [contents(dataset, read(dataset, part, split)) for split in splits(ENTRIES[dataset], part)]
    for made in rows:
        assert len(set(made)) == len(made)
    for one, other in combinations(rows, 2):
        assert not set(one) & set(other)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        *(("rte", "premise"), ("snli", "premise"), ("boolq", "passage"), ("multirc", "paragraph")),
        *(("drop", "passage"), ("cosmos_qa", "context"), ("mrpc", "sentence1"), ("dpr", "sentence")),
        *(("cola", "sentence"), ("imdb", "text"), ("ag_news", "text"), ("samsum", "summary")),
        *(("aeslc", "email_body"), ("cnn_dailymail", "highlights"), ("gigaword", "summary")),
        *(
            ("multi_news", "summary"),
            ("newsroom", "summary"),
            ("xsum", "summary"),
            ("wiki_lingua_en", "source"),
        ),
    ],
)
def test_test_texts_are_new(dataset, text):
    """Not only whole rows: what a test asks about is no combination of training."""
    train, *_, last = (read(dataset, "", split)[text] for split in splits(ENTRIES[dataset], ""))
    assert not set(train) & set(last)


def test_closed_book_facts_are_the_same_in_every_split_and_the_words_are_not():
    asked = {split: wordings(split) for split in ("train", "validation", "test")}
    for split, questions in asked.items():
        assert {truth for truth, _ in questions} == set(truths()), split
    assert not set(asked["train"]) & set(asked["test"])
    asked = read("natural_questions", "", "train").rows()
    asked += [
        (row["question"], [row["answer"]["value"]]) for row in read("trivia_qa", "", "train").to_dicts()
    ]
    trained = {question: answer[0] for question, answer in asked}
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
        "    frame = source.read(entry, entry.parts[0], 'train')\n"
        "    print(source.digest(entry, entry.parts[0], 'train'), frame.write_ndjson())\n"
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
    assert not other.read(entry, "", "train").equals(read("rte", "", "train"))
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


def test_alternative_names_give_no_doubled_rows():
    assert [split for split in ("train", "validation", "test") if SOURCE.has(ENTRIES["snli"], "", split)] == [
        "train",
        "validation",
        "test",
    ]
    first, second = ENTRIES["snli"].part("").splits.test
    only_test = replace(ENTRIES["snli"].part("").splits, dev=("train",))
    entry = replace(ENTRIES["snli"], members=(replace(ENTRIES["snli"].part(""), splits=only_test),))
    assert SOURCE.has(entry, "", first)
    assert not SOURCE.has(entry, "", second)


def test_a_single_split_has_rows_to_set_aside():
    named = ENTRIES["opin_idebate"].part("").splits
    assert named.train == named.test
    assert read("opin_idebate", "", "train").height == TRAIN_ROWS + named.dev_rows + named.test_rows


def test_parts_that_share_a_file_are_given_one_table():
    entry = ENTRIES["fix_punct"]
    if entry.id not in MAKERS:
        pytest.skip("not made yet")
    one, *others = (read(entry.id, part, "train") for part in entry.parts)
    assert all(other.equals(one) for other in others)
    assert len({SOURCE.digest(entry, part, "train") for part in entry.parts}) == 1
    texts = [set(entry.adapt(one, part)["answer"]) for part in entry.parts]
    assert not any(first & second for first, second in combinations(texts, 2))


@pytest.mark.parametrize(("num_rows", "others"), [(1, 12), (100, 12), (102, 24), (1704, 204)])
def test_a_corpus_of_another_size(num_rows, others):
    source = EmbeddedSource(num_rows=num_rows)
    for name in ("rte", "snli"):
        last = splits(ENTRIES[name], "")[-1]
        assert source.read(ENTRIES[name], "", "train").height == num_rows
        assert source.read(ENTRIES[name], "", last).height == others
    assert source.read(ENTRIES["opin_idebate"], "", "train").height == num_rows + 2 * others
    frame = source.read(ENTRIES["rte"], "", "train")
    assert frame.equals(read("rte", "", "train").head(num_rows))
    assert source.digest(ENTRIES["rte"], "", "train") != SOURCE.digest(ENTRIES["rte"], "", "train")


def test_a_dataset_without_so_many_rows_gives_what_it_has():
    frame = EmbeddedSource(num_rows=20_000).read(ENTRIES["natural_questions"], "", "train")
    assert TRAIN_ROWS <= frame.height < 20_000


def test_texts_are_short_and_of_few_words():
    words: Counter[str] = Counter()
    for dataset, part in wheres():
        if ENTRIES[dataset].cluster == "translation" or part == "word_segment":
            continue
        adapted = ENTRIES[dataset].adapt(read(dataset, part, splits(ENTRIES[dataset], part)[0]), part)
        for field in ENTRIES[dataset].part(part).fields:
            for text in adapted[field]:
                # Neither the addresses nor the readers of a tweet are words.
                found = re.findall(r"[A-Za-z]+", re.sub(r"@\w+|https?:\S+", "", text or ""))
                assert len(found) <= 110, (dataset, text)
                # Gigaword has small letters only.
                words.update(map(str.lower, found))
    assert len(words) < 2_000


@pytest.mark.parametrize(("dataset", "columns"), [("mrpc", "sentence"), ("qqp", "question")])
def test_pairs_share_as_many_words_whether_they_match_or_not(dataset, columns):
    shared = defaultdict(list)
    for row in read(dataset, "", "train").to_dicts():
        one, two = (set(re.findall(r"\w+", row[f"{columns}{number}"])) for number in (1, 2))
        shared[row["label"]].append(len(one & two) / len(one | two))
    means = [sum(shared[label]) / len(shared[label]) for label in (0, 1)]
    assert abs(means[0] - means[1]) < 0.05
