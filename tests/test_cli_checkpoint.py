"""`flan checkpoint`: what it writes, what it says, how it fails."""

import json

import folders_of_checkpoints as folders
import numpy as np
import pytest

from flan_cli.main import run
from flan_trainer.convert.safetensors import read_safetensors

pytestmark = pytest.mark.slow


def test_import_export_and_show(tokenizer, tmp_path, capfd):
    model = folders.GATED.model_copy(update={"vocab_size": 640})
    tensors = folders.tensors_of(folders.GATED)
    tensors |= {name: np.resize(tensors[name], (640, 16)) for name in ("shared.weight", "lm_head.weight")}
    folders.write_folder(tmp_path / "hf", tensors, folders.config_of(folders.GATED) | {"vocab_size": 640})
    tokenizer_file = tmp_path / "some.model"
    tokenizer_file.write_bytes(tokenizer.model)

    arguments = ["import", str(tmp_path / "hf"), "--out", str(tmp_path / "flan")]
    assert run(["checkpoint", *arguments, "--tokenizer", str(tokenizer_file)]) == 0
    said = capfd.readouterr().out
    assert "a checkpoint of Hugging Face" in said
    assert (
        "t5_1_1, 2+3 layers, emb_dim 16, 2 heads of 4, mlp_dim 24 (gelu, linear), output layer its own"
        in said
    )
    assert tokenizer.digest in said

    assert run(["checkpoint", "show", str(tmp_path / "flan"), "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["model"] == model.model_dump(mode="json")
    assert shown["parameters_digest"] in said

    exported = str(tmp_path / "again")
    assert run(["checkpoint", "export", str(tmp_path / "flan"), "--to", "hf", "--out", exported]) == 0
    again = read_safetensors(tmp_path / "again" / "model.safetensors")
    assert all(again[name].tobytes() == tensors[name].tobytes() for name in tensors)
    assert (tmp_path / "again" / "spiece.model").read_bytes() == tokenizer.model


def test_a_fault_is_one_line(tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    assert run(["checkpoint", "show", str(tmp_path / "empty")]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"flan: {tmp_path / 'empty'} is not a checkpoint: expected params/")
    assert said.count("\n") == 1
