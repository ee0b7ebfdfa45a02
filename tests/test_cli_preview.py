"""`flan preview` and `flan tokenizer train`, which start a datagen of their own."""

import json

import pytest

from flan_cli.main import run
from flan_shared.tokenizer import Tokenizer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    assert run(["tokenizer", "train", "--out", str(path), "--vocab-size", "600"]) == 0
    return path


def test_trained_tokenizer_keeps_an_options_block(tokenizer_file):
    tokenizer = Tokenizer.load(tokenizer_file)
    assert tokenizer.vocab_size == 600
    block = "Does it follow?\n\nOPTIONS:\n- yes\n- no"
    assert tokenizer.decode(tokenizer.encode([block])[0]) == block


def test_preview_shows_what_the_model_reads_and_where_it_came_from(capsys):
    assert run(["preview", "rte", "-n", "3", "--split", "test", "--template", "0"]) == 0
    out = capsys.readouterr().out
    assert out.count("rte test row ") == out.count("template 0") == 3
    assert out.count("\n  OPTIONS:\n  - yes\n  - no\n") == 3
    assert out.count("\noptions     yes | no\n") == 3


def test_preview_as_json_is_one_object_an_example(capsys):
    assert run(["preview", "copa", "-n", "4", "--json", "--shots", "1"]) == 0
    examples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(examples) == 4
    assert list(examples[0]) == [
        "dataset",
        "cluster",
        "part",
        "split",
        "row",
        "template",
        "turned_around",
        "inputs",
        "targets",
        "options",
        "references",
    ]


def test_packed_preview_fills_rows_with_segments_from_1(capsys, tokenizer_file):
    arguments = ["preview", "sst2", "-n", "20", "--packed", "--tokenizer", str(tokenizer_file)]
    assert run([*arguments, "--json"]) == 0
    places = [json.loads(line)["placement"] for line in capsys.readouterr().out.splitlines()]
    rows = {place["row"]: [each for each in places if each["row"] == place["row"]] for place in places}
    assert len(places) == 20 > len(rows)
    for members in rows.values():
        assert [each["segment"] for each in members] == list(range(1, len(members) + 1))
        assert sum(each["num_input_tokens"] for each in members) <= 256
        assert sum(each["num_target_tokens"] for each in members) <= 64

    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("segment ") == 20
    assert f"20 examples in {len(rows)} rows of 256 input and 48 target tokens" in out


def test_all_shows_every_template_of_every_dataset(capsys):
    assert run(["catalog", "--json"]) == 0
    catalog = json.loads(capsys.readouterr().out)
    assert run(["preview", "--all", "-n", "1", "--json"]) == 0
    examples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(each["dataset"], each["template"], each["turned_around"]) for each in examples} == {
        (each["id"], template["id"], template["turned_around"])
        for each in catalog
        for template in each["templates"]
    }
    assert all(each["inputs"].strip() and each["targets"].strip() and each["references"] for each in examples)


def test_forms_and_orders_of_options_may_be_looked_at(capsys):
    shown = {}
    for flags in (["--form", "bare"], ["--form", "name"], ["--options", "none"], ["--options", "shuffled"]):
        assert run(["preview", "rte", "-n", "6", "--json", *flags]) == 0
        shown[flags[1]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(each["inputs"].startswith("[Natural language inference: RTE] ") for each in shown["name"])
    assert [f"[Natural language inference: RTE] {each['inputs']}" for each in shown["bare"]] == [
        each["inputs"] for each in shown["name"]
    ]
    assert not any("OPTIONS" in each["inputs"] for each in shown["none"] + shown["bare"])
    assert {tuple(each["options"]) for each in shown["shuffled"]} <= {(), ("yes", "no"), ("no", "yes")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no dataset 'nothing'"),
        ([], "give a dataset, such as `flan preview rte`, or --all"),
        (["--all", "--packed"], "leave --packed and --template out"),
        (["rte", "--catalog", "nowhere"], "catalog folder nowhere does not exist"),
        (["rte", "--template", "99"], "has no template 99"),
        (["rte", "--data", "nowhere"], "data folder nowhere does not exist"),
        (["rte", "--datagen", "127.0.0.1:1"], "no datagen answers at 127.0.0.1:1"),
    ],
)
def test_fault_of_the_user_is_one_line(capsys, arguments, message):
    assert run(["preview", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("flan: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
