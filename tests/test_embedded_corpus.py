"""The corpus as files, the running text about its world, and its table of operations."""

import re
import subprocess
import sys

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_datagen.embedded import DATASETS, EmbeddedSource, operations
from flan_datagen.embedded.corpus import PASSAGES_PER_ROW, write_corpus
from flan_datagen.embedded.lore import truths
from flan_datagen.embedded.source import CLUSTERS, splits
from flan_datagen.embedded.text import passages
from flan_datagen.sources import FolderSource
from flan_shared.errors import DataError
from flan_shared.holdout import CLUSTERS as ALL_CLUSTERS
from flan_shared.holdout import training_clusters

ENTRIES = load_catalog()
SOME = {
    name: ENTRIES[name] for name in ("rte", "anli", "opin_idebate", "fix_punct", "samsum") if name in DATASETS
}


# --- files -----------------------------------------------------------------------------------------------


def test_every_dataset_and_part_is_read_back_from_its_folder(tmp_path):
    out = tmp_path / "corpus"
    summary = write_corpus(out, 24, 3, ENTRIES)
    assert summary.datasets == tuple(name for name in ENTRIES if name in DATASETS)
    assert summary.folder == out
    assert summary.num_bytes == sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert {file.path for file in summary.files} == {
        str(path.relative_to(out)) for path in out.rglob("*.parquet")
    }
    assert summary.rows == sum(pl.read_parquet(path).height for path in out.rglob("*.parquet"))
    folder, source = FolderSource(out), EmbeddedSource(seed=3, num_rows=24)
    for name in summary.datasets:
        entry = ENTRIES[name]
        for part in entry.parts:
            for split in splits(entry, part):
                frame = folder.read(entry, part, split)
                assert frame.equals(source.read(entry, part, split)), (name, part, split)
                assert entry.adapt(frame, part)["defect"].null_count() > 0
    lines = (out / "text" / "corpus.txt").read_text().splitlines()
    assert lines == list(passages(3, 24 * PASSAGES_PER_ROW))
    assert summary.passages == len(lines)


def test_the_same_corpus_is_written_twice(tmp_path):
    for name in ("one", "two"):
        write_corpus(tmp_path / name, 12, 0, SOME)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_runs_short_is_said(tmp_path):
    entries = {"natural_questions": ENTRIES["natural_questions"]}
    summary = write_corpus(tmp_path / "out", 6000, 0, entries)
    short = [file for file in summary.files if file.rows < file.asked]
    assert [file.path for file in short] == ["natural_questions/train.parquet"]
    assert short[0].asked == 6000


def test_an_empty_folder_is_taken_and_a_full_one_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    write_corpus(tmp_path / "empty", 1, 0, SOME)
    with pytest.raises(DataError, match=r"empty is not empty; give a new folder for the corpus$"):
        write_corpus(tmp_path / "empty", 1, 0, SOME)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(DataError, match=r"file is no folder; give a new folder"):
        write_corpus(tmp_path / "file", 1, 0, SOME)
    assert (tmp_path / "file").read_text() == "kept"
    with pytest.raises(DataError, match=r"file/below: .*[Nn]ot a directory"):
        write_corpus(tmp_path / "file" / "below", 1, 0, SOME)


@pytest.mark.parametrize("num_rows", [0, -3])
def test_a_corpus_without_rows_is_refused(tmp_path, num_rows):
    with pytest.raises(DataError, match=f"a corpus of {num_rows} rows cannot be made; give at least 1"):
        write_corpus(tmp_path / "out", num_rows, 0, SOME)
    assert not list(tmp_path.iterdir())


def test_a_fault_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(DataError, match=r"cannot be written to .*out: No space left on device$"):
        write_corpus(tmp_path / "out", 1, 0, SOME)
    assert not list(tmp_path.iterdir())


# --- running text ----------------------------------------------------------------------------------------


def test_passages_are_lines_of_their_own():
    made = list(passages(0, 5_000))
    assert len(set(made)) == 5_000
    assert all(passage == " ".join(passage.split()) and 3 <= len(passage.split()) <= 100 for passage in made)
    assert made[:100] == list(passages(0, 100))
    assert len(set(made) & set(passages(1, 5_000))) < 500
    openings = {" ".join(passage.split()[:2]) for passage in made}
    assert len(openings) > 1_000


def test_every_truth_is_said_in_several_wordings():
    sentences = {one for passage in passages(0, 20_000) for one in re.split(r"(?<=[.]) ", passage)}
    for truth in truths()[::40]:
        names = [re.compile(rf"\b{name}\b", re.IGNORECASE) for name in (truth.subject, truth.value)]
        said = {one for one in sentences if all(name.search(one) for name in names)}
        assert len(said) >= 3, (truth.subject, truth.value, said)


@pytest.mark.parametrize(
    ("dataset", "column"),
    [
        *(("samsum", "dialogue"), ("ag_news", "text"), ("imdb", "text"), ("aeslc", "email_body")),
        *(("wiki_lingua_en", "source"), ("rte", "premise"), ("boolq", "passage"), ("xsum", "document")),
    ],
)
def test_no_passage_is_a_text_of_the_tests(dataset, column):
    made = set(passages(0, 20_000))
    entry = ENTRIES[dataset]
    for split in splits(entry, "")[1:]:
        texts = EmbeddedSource().read(entry, "", split)[column]
        tested = {" ".join(text.replace("<br />", " ").split()) for text in texts}
        # A premise of one sentence is a fact, which a text may hold beside others.
        assert not {text for text in tested if text.count(". ") > 0} & made


def test_no_passage_is_a_debate_of_the_only_split():
    made = [passage for passage in passages(0, 20_000) if passage.startswith("This House")]
    frame = EmbeddedSource().read(ENTRIES["opin_idebate"], "", "train")
    debates = {
        " ".join([f"{row['_debate_name']}.", *row["_argument_sentences"]["value"]])
        for row in frame.to_dicts()
    }
    assert len(made) > 500
    assert not debates & set(made)


# --- operations ------------------------------------------------------------------------------------------


def test_clusters_are_those_of_the_catalog():
    assert tuple(CLUSTERS) == ALL_CLUSTERS
    for cluster, datasets in CLUSTERS.items():
        assert all(ENTRIES[name].cluster == cluster for name in datasets if name in ENTRIES)
        assert all(dataset.operations for dataset in datasets.values())


def test_every_operation_has_two_clusters_or_a_reason():
    alone = {operation for operation, clusters in operations.table().items() if len(clusters) == 1}
    assert alone == set(operations.NOT_TEACHABLE)
    assert all(operations.NOT_TEACHABLE.values())


def test_not_teachable_is_what_no_training_cluster_has():
    table = operations.table()
    for heldout in ALL_CLUSTERS:
        lost = set(operations.not_teachable(heldout))
        for operation, clusters in table.items():
            if heldout in clusters:
                assert (operation in lost) == (not set(clusters) & set(training_clusters({heldout}))), (
                    operation
                )
            else:
                assert operation not in lost


def test_a_cluster_is_never_without_anything_to_learn_it_from():
    for heldout, datasets in CLUSTERS.items():
        needed = {operation for dataset in datasets.values() for operation in dataset.operations}
        assert needed - set(operations.not_teachable(heldout)), heldout


def test_the_table_is_printed():
    printed = subprocess.run(
        [sys.executable, "-m", "flan_datagen.embedded.operations"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert printed == operations.render() + "\n"
    assert re.search(
        r"^mood  .*\bsentiment: imdb, .*; summarization: opin_rotten_tomatoes$", printed, re.MULTILINE
    )
    assert all(name in printed for name in DATASETS)
