"""`flan up --start`: pre-train, tune what came out, and tune a prompt on that, as a person does it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SIZES = {
    "heldout": "{nli: [rte, cb]}",
    "lengths": "{inputs: 64, targets: 16}",
    "packing": "{window: 32, batch_rows: 4}",
    "schedule.warmup_steps": "0",
    "train.steps": "6",
    "checkpoint.every_steps": "6",
    "evaluation.rows": "8",
}
MIXTURE = {"mixture.datasets": "{sentiment: [sst2], commonsense: [copa]}"}
MODEL = {
    "model": "{family: prefix_lm, emb_dim: 16, num_heads: 2, head_dim: 8, mlp_dim: 16, num_layers: 2}",
    "tokenizer.vocab_size": "500",
}


def flan_up(folder: Path, *arguments: str, **settings: str) -> tuple[str, dict]:
    """What it says on the way, and its result."""
    flags = [flag for name, value in (SIZES | settings).items() for flag in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "flan_cli.main", "up", "--json", "result.json", *flags, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stderr, json.loads((folder / "result.json").read_text())


def step_zero(said: str) -> str:
    """The first digits of the digest that a run began with."""
    return re.search(r"checkpoint of step 0 saved \(digest ([0-9a-f]+)\)", said)[1]


def test_pre_training_tuning_and_a_prompt_each_begin_where_the_one_before_ended(tmp_path):
    # All sizes of the network and the tokenizer are the checkpoint's from the second run on.
    _, first = flan_up(tmp_path, "--spec", "pretrain", "--dir", "pre", **MODEL)
    said, second = flan_up(tmp_path, "--start", "pre", "--dir", "tuned", **MIXTURE)
    assert first["final_digest"].startswith(step_zero(said))
    assert second["final_digest"] != first["final_digest"]
    assert second["accounting"]["drawn"] == second["accounting"]["trained"] > 0

    spec = json.loads((tmp_path / "tuned" / "spec.json").read_text())
    assert spec["start"] == {"source": "checkpoint", "digest": first["final_digest"]}
    assert spec["model"]["num_layers"] == 2

    _, third = flan_up(
        tmp_path, "--start", "tuned", "--dir", "prompted", "--set", "prompt.length=3", **MIXTURE
    )
    shown = subprocess.run(
        [sys.executable, "-m", "flan_cli.main", "checkpoint", "show", "prompted", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(shown.stdout)
    assert (report["prompt_length"], report["parameters_digest"]) == (3, third["final_digest"])


def test_a_start_that_is_not_there_is_one_line(tmp_path):
    command = [sys.executable, "-m", "flan_cli.main", "up", "--start", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("flan: checkpoint nowhere is not a folder")
