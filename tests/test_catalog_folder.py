"""The dataset of docs/catalog-folder.md, as a reader of that page would add it."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from flan_cli.main import run

PAGE = Path(__file__).parents[1] / "docs" / "catalog-folder.md"

pytestmark = pytest.mark.slow


@pytest.fixture
def folders(tmp_path):
    """The page's catalog file, and rows for it."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    catalog, data = tmp_path / "my-catalog", tmp_path / "data"
    catalog.mkdir()
    (catalog / "tickets.yaml").write_text(example)
    (data / "tickets").mkdir(parents=True)
    for split, count in (("train", 200), ("test", 40)):
        pl.DataFrame(
            {
                "subject": [f"Order {number}" for number in range(count)],
                "body": [("The card was charged twice.", "The parcel is late.")[n % 2] for n in range(count)],
                "team": [("billing", "shipping")[number % 2] for number in range(count)],
            }
        ).write_parquet(data / "tickets" / f"{split}.parquet")
    return ["--catalog", str(catalog), "--data", f"{data},embedded"]


def test_it_is_previewed_like_any_other(folders, capsys):
    assert run(["preview", "tickets", "-n", "4", "--template", "0", "--json", *folders]) == 0
    for line in capsys.readouterr().out.splitlines():
        example = json.loads(line)
        assert example["inputs"].endswith("OPTIONS:\n- the billing team\n- the shipping team")
        assert example["targets"] == (
            "the billing team" if "charged" in example["inputs"] else "the shipping team"
        )


def test_it_is_mixed_with_datasets_of_another_source(folders, capsys):
    mixture = ["--mixture", "demo", "--set", "mixture.datasets={misc: [tickets, cola]}"]
    mixture += ["--set", "tokenizer.vocab_size=500"]
    assert run(["catalog", *mixture, "--json", *folders]) == 0
    units = {unit["dataset"]: unit for unit in json.loads(capsys.readouterr().out)["units"]}
    # A fifth of a small split at most is set aside for development.
    assert units["tickets"]["rows"] == 160
    assert units["cola"]["rows"] > 1000


def test_an_unknown_label_stops_with_both_sides(folders, capsys):
    path = Path(folders[3].split(",")[0]) / "tickets" / "train.parquet"
    pl.read_parquet(path).with_columns(team=pl.lit("returns")).write_parquet(path)
    assert run(["preview", "tickets", *folders]) == 2
    assert "column 'team': found the label returns; expected billing, shipping" in capsys.readouterr().err
