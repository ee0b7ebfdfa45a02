"""Folders of files as a source, several sources as one, and the door to all of them."""

import json

import polars as pl
import pytest
from hubs import entry, parquet

from flan_datagen.catalog import load_catalog
from flan_datagen.sources import FolderSource, MixedSource, open_source
from flan_shared.errors import DataError

RTE, ANLI, HELLASWAG = (load_catalog()[name] for name in ("rte", "anli", "hellaswag"))
FRAME = pl.DataFrame({"premise": ["b", "a"], "hypothesis": ["2", "1"], "label": [1, 0]})

WRITERS = {
    "parquet": pl.DataFrame.write_parquet,
    "jsonl": pl.DataFrame.write_ndjson,
    "csv": pl.DataFrame.write_csv,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rte").mkdir()
    FRAME.write_parquet(tmp_path / "rte" / "train.parquet")
    return tmp_path


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_rows_in_their_order(tmp_path, suffix):
    (tmp_path / "rte").mkdir()
    WRITERS[suffix](FRAME, tmp_path / "rte" / f"train.{suffix}")
    frame = FolderSource(tmp_path).read(RTE, "", "train")
    # The hypothesis is text although all of it is digits.
    assert frame.equals(FRAME)
    assert RTE.adapt(frame, "")["answer"].to_list() == ["no", "yes"]


def test_a_label_that_the_entry_calls_text_stays_text_in_csv(tmp_path):
    (tmp_path / "hellaswag").mkdir()
    (tmp_path / "hellaswag" / "test.csv").write_text("ctx,label\nHe runs and,3\n")
    frame = FolderSource(tmp_path).read(HELLASWAG, "", "test")
    assert frame.to_dicts() == [{"ctx": "He runs and", "label": "3"}]


def test_parts_have_folders_of_their_own(tmp_path):
    (tmp_path / "anli" / "r2").mkdir(parents=True)
    FRAME.write_parquet(tmp_path / "anli" / "r2" / "train.parquet")
    source = FolderSource(tmp_path)
    assert [part for part in ANLI.parts if source.has(ANLI, part, "train")] == ["r2"]
    assert source.read(ANLI, "r2", "train").equals(FRAME)


def test_a_split_that_is_not_there_is_said_to_be_absent(folder):
    source = FolderSource(folder)
    assert source.has(RTE, "", "train")
    assert not source.has(RTE, "", "validation")
    with pytest.raises(DataError, match=r"rte/validation has no file; expected one of validation\.parquet"):
        source.read(RTE, "", "validation")


def test_two_files_for_one_split_are_refused(folder):
    FRAME.write_csv(folder / "rte" / "train.csv")
    with pytest.raises(DataError, match=r"has train\.parquet and train\.csv; keep one file for each split"):
        FolderSource(folder).has(RTE, "", "train")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.parquet", b"PAR1 this is no parquet file PAR1"),
        ("train.parquet", b""),
        ("train.jsonl", b'{"premise": "a"\nnot json'),
        ("train.csv", b""),
    ],
)
def test_an_unreadable_file_is_one_line_with_path_and_cause(tmp_path, name, content):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        FolderSource(tmp_path).read(RTE, "", "train")
    assert str(caught.value).startswith(f"{tmp_path}/rte/{name} cannot be read: ")
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_is_unreadable_wherever_it_is_cut(folder):
    path = folder / "rte" / "train.parquet"
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read"):
            FolderSource(folder).read(RTE, "", "train")


def test_the_digest_follows_the_content(folder):
    before = FolderSource(folder).digest(RTE, "", "train")
    assert before == FolderSource(folder).digest(RTE, "", "train")
    assert len(before) == 64
    FRAME.reverse().write_parquet(folder / "rte" / "train.parquet")
    assert FolderSource(folder).digest(RTE, "", "train") != before


def test_a_folder_opens_under_its_name(folder):
    assert open_source(str(folder)).name == str(folder)


def test_a_folder_that_is_missing_or_holds_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist; give a folder, or 'embedded', or 'hub'"):
        open_source(str(tmp_path / "nowhere"))
    (tmp_path / "notes.txt").write_text("no data here")
    with pytest.raises(DataError, match=r"holds no dataset; expected files such as .*rte/train\.parquet"):
        open_source(str(tmp_path))


SHARDS = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
HASHED = ["train-00000-of-00002-1a2b.parquet", "train-00001-of-00002-3c4d.parquet"]
CONVERTED = ["train/0000.parquet", "train/0001.parquet"]


def write(folder, *names, frame=FRAME):
    """The frame's rows dealt in order to the files."""
    share = -(-frame.height // len(names))
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        frame[index * share : (index + 1) * share].write_parquet(folder / name)


@pytest.mark.parametrize(
    "names", [SHARDS, HASHED, CONVERTED], ids=["numbered", "with hashes", "converted branch"]
)
def test_several_files_of_a_split_are_read_in_their_order(tmp_path, names):
    write(tmp_path / "rte", *names)
    source = FolderSource(tmp_path)
    assert source.has(RTE, "", "train")
    assert source.read(RTE, "", "train").equals(FRAME)


def test_many_files_are_in_order_of_their_number(tmp_path):
    frame = pl.DataFrame({"text": [str(index) for index in range(12)]})
    write(tmp_path / "own", *(f"train/{index}.parquet" for index in range(12)), frame=frame)
    assert FolderSource(tmp_path).read(entry("own"), "", "train").equals(frame)


def test_a_split_does_not_take_the_files_of_another_that_begins_alike(tmp_path):
    write(tmp_path / "rte", "train-00000-of-00001.parquet")
    write(tmp_path / "rte", "train-easy-00000-of-00001.parquet", frame=FRAME.reverse())
    source = FolderSource(tmp_path)
    assert source.read(RTE, "", "train").equals(FRAME)
    assert source.read(RTE, "", "train-easy").equals(FRAME.reverse())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (SHARDS[:1], r"has train-00000-of-00002\.parquet; expected all from number 0 to 1, each once"),
        (SHARDS[1:], r"has train-00001-of-00002\.parquet; expected all from number 0 to 1"),
        ([SHARDS[0], HASHED[0], SHARDS[1]], r"expected all from number 0 to 1, each once"),
        (["train/0000.parquet", "train/0002.parquet"], r"has 0000\.parquet, 0002\.parquet; .* 0 to 2"),
        (
            ["train.parquet", *SHARDS],
            r"has train\.parquet and train-\*\.parquet; keep one file for each split",
        ),
        (["train.parquet", *CONVERTED], r"has train\.parquet and train/; keep one file for each split"),
    ],
)
def test_files_that_make_no_whole_split_are_refused(tmp_path, names, expected):
    write(tmp_path / "rte", *names)
    with pytest.raises(DataError, match=expected):
        FolderSource(tmp_path).has(RTE, "", "train")


def test_files_of_one_split_with_different_columns_are_refused(tmp_path):
    write(tmp_path / "rte", SHARDS[0])
    write(tmp_path / "rte", SHARDS[1], frame=FRAME.drop("label"))
    with pytest.raises(
        DataError, match=r"train-00000-of-00002\.parquet and the 1 files after it do not make one"
    ):
        FolderSource(tmp_path).read(RTE, "", "train")


def test_a_damaged_one_of_several_files_is_named(tmp_path):
    write(tmp_path / "rte", *SHARDS)
    (tmp_path / "rte" / SHARDS[1]).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet cannot be read: "):
        FolderSource(tmp_path).read(RTE, "", "train")


def test_the_digest_of_several_files_follows_each_of_them(tmp_path):
    write(tmp_path / "rte", *SHARDS)
    before = FolderSource(tmp_path).digest(RTE, "", "train")
    assert before == FolderSource(tmp_path).digest(RTE, "", "train")
    write(tmp_path / "rte", SHARDS[1], frame=FRAME)
    assert FolderSource(tmp_path).digest(RTE, "", "train") != before


def test_the_first_folder_that_has_the_split_is_taken(tmp_path):
    mnli = entry("mnli", parts=("matched", "mismatched"), folders=("mnli/own", "mnli"))
    write(tmp_path / "mnli", "train.parquet", "test.parquet")
    write(tmp_path / "mnli" / "own", "test.parquet", frame=FRAME.reverse())
    source = FolderSource(tmp_path)
    assert source.read(mnli, "mismatched", "train").height == 1
    assert source.read(mnli, "matched", "test").equals(FRAME.reverse())
    with pytest.raises(
        DataError, match=r"mnli/own/validation and .*/mnli/validation have no file; expected one of"
    ):
        source.read(mnli, "matched", "validation")


def test_a_path_with_special_characters_means_itself(tmp_path):
    folder = tmp_path / "a=1,[b]*"
    write(folder / "rte", *CONVERTED)
    source = open_source(str(folder))
    assert source.read(RTE, "", "train").equals(FRAME)
    assert source.labels(RTE, "", "train") == {}


def class_labels(*names, column="label"):
    features = {
        column: {"_type": "ClassLabel", "names": names},
        "text": {"_type": "Value", "dtype": "string"},
    }
    return json.dumps({"info": {"features": features}})


def test_labels_are_those_that_the_file_names(tmp_path):
    (tmp_path / "rte").mkdir()
    path = tmp_path / "rte" / "train.parquet"
    path.write_bytes(parquet(FRAME, huggingface=class_labels("entailment", "not_entailment")))
    assert FolderSource(tmp_path).labels(RTE, "", "train") == {"label": ["entailment", "not_entailment"]}


@pytest.mark.parametrize(
    "document", ["", "not json", "[]", '{"info": null}', '{"info": {"features": {"a": 1}}}']
)
def test_a_file_that_names_no_labels_has_none(tmp_path, document):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / "train.parquet").write_bytes(parquet(FRAME, huggingface=document))
    FRAME.write_csv(tmp_path / "rte" / "test.csv")
    source = FolderSource(tmp_path)
    assert source.labels(RTE, "", "train") == source.labels(RTE, "", "test") == {}


def test_files_that_name_different_labels_are_refused(tmp_path):
    (tmp_path / "rte").mkdir()
    for name, labels in zip(SHARDS, (("yes", "no"), ("no", "yes")), strict=True):
        (tmp_path / "rte" / name).write_bytes(parquet(FRAME, huggingface=class_labels(*labels)))
    with pytest.raises(
        DataError, match=r"of-00002\.parquet names labels \{'label': \['no', 'yes'\]\}, but .*'yes', 'no'"
    ):
        FolderSource(tmp_path).labels(RTE, "", "train")


def test_a_dataset_comes_whole_from_the_first_source_that_has_some_of_it(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write(first / "anli" / "r2", "train.parquet")
    write(second / "anli" / "r1", "train.parquet", frame=FRAME.reverse())
    write(second / "rte", "train.parquet", frame=FRAME.reverse())
    source = open_source(f"{first},{second}")
    assert source.name == f"{first},{second}"
    assert [part for part in ANLI.parts if source.has(ANLI, part, "train")] == ["r2"]
    assert source.read(ANLI, "r2", "train").equals(FRAME)
    assert source.read(RTE, "", "train").equals(FRAME.reverse())
    assert source.digest(RTE, "", "train") == FolderSource(second).digest(RTE, "", "train")
    assert source.labels(RTE, "", "train") == {}
    with pytest.raises(DataError, match=r"first/anli/r1/train has no file"):
        source.read(ANLI, "r1", "train")


def test_the_embedded_corpus_fills_up_what_a_folder_lacks(folder):
    source = open_source(f"{folder}, embedded")
    assert source.read(RTE, "", "train").equals(FRAME)
    assert not source.has(RTE, "", "validation")
    assert source.has(HELLASWAG, "", "train")
    assert source.name == f"{folder},embedded"


def test_a_dataset_that_nobody_has_is_absent(folder, tmp_path):
    other = tmp_path / "other"
    write(other / "anli" / "r1", "train.parquet")
    source = open_source(f"{folder},{other}")
    assert not source.has(HELLASWAG, "", "train")
    with pytest.raises(DataError, match=rf"dataset 'hellaswag' is in none of {folder}, {other}"):
        source.read(HELLASWAG, "", "train")


def test_a_source_that_cannot_tell_is_not_passed_over(folder):
    class Unreachable:
        name = "hub"

        def has(self, entry, part, split):
            raise DataError("no network")

    source = MixedSource([FolderSource(folder), Unreachable(), FolderSource(folder)])
    assert source.read(RTE, "", "train").equals(FRAME)
    with pytest.raises(DataError, match="no network"):
        source.has(ANLI, "r1", "train")


def test_a_faulty_one_of_several_sources_is_named(folder, monkeypatch):
    with pytest.raises(DataError, match=r"data folder .*nowhere does not exist"):
        open_source(f"embedded,{folder}/nowhere")
    with pytest.raises(
        DataError, match=r"--data 'embedded,' has an empty name; expected such as 'DIR,hub,embedded'"
    ):
        open_source("embedded,")
    with pytest.raises(DataError, match=r"--data 'embedded,embedded' names 'embedded' twice"):
        open_source("embedded,embedded")
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    with pytest.raises(DataError, match="HF_ENDPOINT is 'nonsense'"):
        open_source("hub,embedded")
