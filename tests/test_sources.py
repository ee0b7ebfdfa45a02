"""Folders of files as a source, and the door to all sources."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_datagen.sources import FolderSource, open_source
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
    with pytest.raises(DataError, match=r"nowhere does not exist; give a folder, or 'embedded'"):
        open_source(str(tmp_path / "nowhere"))
    (tmp_path / "notes.txt").write_text("no data here")
    with pytest.raises(DataError, match=r"holds no dataset; expected files such as .*rte/train\.parquet"):
        open_source(str(tmp_path))
