"""The training step of transformers' T5: `python bench/torch_peer.py FOLDER`, for an environment with torch.

bench/trainer.py writes FOLDER and says when to make a round (bench/rounds.py): job.json, the checkpoint `hf`, and
in `batches` `fixed.npz` and `padded_*.npz`, int64[rows, length] `inputs` and `targets`, 0 where there is none.

The model is `T5ForConditionalGeneration` with what transformers chooses for its attention, in float32 and without
torch.compile. `Adafactor` is set to what the spec means: one learning rate, relative to the size of a parameter.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rounds import answer
from transformers.optimization import Adafactor

_NO_LABEL = -100


class _Adafactor(Adafactor):
    """Factors what flan_trainer.optimizer does: matrices of which both sides are long enough."""

    min_dim_size_to_factor = 128

    @classmethod
    def _get_options(cls, param_group: dict[str, Any], param_shape: torch.Size) -> tuple[bool, bool]:
        _, use_first_moment = Adafactor._get_options(param_group, param_shape)
        factored = len(param_shape) >= 2 and min(param_shape) >= cls.min_dim_size_to_factor
        return factored, use_first_moment


class Peer:
    """The model, its optimizer and its batches."""

    def __init__(self, folder: Path) -> None:
        """Loads what `folder` holds."""
        job = json.loads((folder / "job.json").read_text())
        torch.set_num_threads(job["threads"])
        self._model = transformers.T5ForConditionalGeneration.from_pretrained(folder / "hf", dropout_rate=0.0)
        self._model.train()
        self._optimizer = _Adafactor(
            self._model.parameters(),
            lr=job["learning_rate"],
            eps=(1e-30, 1e-3),
            clip_threshold=job["clipping_threshold"],
            decay_rate=-job["decay_rate"],
            beta1=None,
            weight_decay=0.0,
            scale_parameter=True,
            relative_step=False,
            warmup_init=False,
        )
        _Adafactor.min_dim_size_to_factor = job["min_dim_size_to_factor"]
        self._batches = {path.stem: _batch(path) for path in (folder / "batches").glob("*.npz")}

    def step(self, name: str) -> float:
        """One update on a batch; its loss."""
        loss = self._model(**self._batches[name]).loss
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item()


def _batch(path: Path) -> dict[str, torch.Tensor]:
    with np.load(path) as arrays:
        inputs, targets = (torch.from_numpy(arrays[name]) for name in ("inputs", "targets"))
    return {
        "input_ids": inputs,
        "attention_mask": (inputs > 0).long(),
        "labels": targets.masked_fill(targets == 0, _NO_LABEL),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of bench/trainer.py")
    peer = Peer(parser.parse_args().folder)
    answer(peer.step, {"torch": torch.__version__, "transformers": transformers.__version__})


if __name__ == "__main__":
    main()
