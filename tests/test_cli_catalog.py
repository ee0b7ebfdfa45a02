"""`flan catalog` and `flan corpus`, which start a datagen of their own."""

import json

import polars as pl
import pytest

from flan_cli.main import run

pytestmark = pytest.mark.slow

MIXTURE = ["catalog", "--mixture", "demo", "--set", "mixture.datasets={nli: [anli, rte], misc: [cola]}"]
MIXTURE += ["--set", "heldout={sentiment: [sst2]}", "--set", "tokenizer.vocab_size=600"]


def test_the_catalog_as_json_has_what_programs_read(capsys):
    assert run(["catalog", "--json"]) == 0
    catalog = json.loads(capsys.readouterr().out)
    assert len(catalog) == len({each["id"] for each in catalog}) == 62
    for each in catalog:
        assert {"id", "cluster", "parts", "answer_kind", "metrics", "templates", "licence", "source"} <= set(
            each
        )
        for number, template in enumerate(each["templates"]):
            assert template["id"] == number
            assert {"inputs", "targets", "turned_around"} <= set(template)
    anli = next(each for each in catalog if each["id"] == "anli")
    assert anli["parts"] == ["r1", "r2", "r3"]
    assert anli["commercial_use"] == "forbidden"
    assert anli["available"]


def test_the_catalog_as_a_table_names_licences(capsys):
    assert run(["catalog"]) == 0
    out = capsys.readouterr().out
    assert "cc-by-nc-4.0" in out
    assert "62 datasets in 12 clusters" in out


def test_rows_are_counted_by_part_and_split(capsys, data_folder):
    assert run(["catalog", "--rows", "--json", "--data", str(data_folder)]) == 0
    catalog = {each["id"]: each for each in json.loads(capsys.readouterr().out)}
    assert not catalog["anli"]["available"]
    assert catalog["sst2"]["rows"] == [
        {"part": "", "split": split, "source_rows": n, "examples": n, "left_out": 0, "defective": 0}
        for split, n in (("train", 60), ("validation", 30))
    ]


def test_a_mixture_is_rows_caps_rates_shares_and_tokens(capsys):
    assert run([*MIXTURE, "--set", "mixture.cap=1000", "--set", "mixture.rate_maximum=800", "--json"]) == 0
    units = json.loads(capsys.readouterr().out)["units"]
    assert [unit["dataset"] for unit in units] == ["cola", "anli", "rte"]
    assert all(unit["rows"] > unit["pool_rows"] == 1000 > unit["rate"] == 800 for unit in units)
    assert sum(unit["share"] for unit in units) == pytest.approx(1)
    assert sum(unit["token_share"] for unit in units) == pytest.approx(1)
    assert all(unit["input_tokens"] > 10 and unit["target_tokens"] >= 2 for unit in units)


def test_parts_may_be_the_unit_of_the_rates_and_licences_leave_out(capsys):
    assert run([*MIXTURE, "--set", "mixture.rate_unit=part", "--json"]) == 0
    units = json.loads(capsys.readouterr().out)["units"]
    assert [unit["part"] for unit in units] == ["", "r1", "r2", "r3", ""]
    assert run([*MIXTURE, "--set", "licences=commercial", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert [unit["dataset"] for unit in described["units"]] == ["cola"]
    assert described["unlicensed"] == ["anli", "rte"]


def test_the_written_corpus_is_a_data_folder(capsys, tmp_path):
    out = tmp_path / "corpus"
    assert run(["corpus", "--out", str(out), "--rows", "24"]) == 0
    assert "62 datasets" in capsys.readouterr().out
    assert pl.read_parquet(out / "rte" / "train.parquet").height == 24
    assert (out / "text" / "corpus.txt").read_text().count("\n") > 100
    assert run(["preview", "wsc", "--data", str(out), "-n", "2"]) == 0
    assert run(["corpus", "--out", str(out), "--rows", "24"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "seed=1"], "name one with --mixture"),
        (["--mixture", "nothing"], "there is no spec 'nothing'"),
        (["--mixture", "demo", "--set", "mixture.rate_unit=row"], "mixture.rate_unit is"),
        (["--data", "nowhere"], "data folder nowhere does not exist"),
    ],
)
def test_fault_of_the_user_is_one_line(capsys, arguments, message):
    assert run(["catalog", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1
