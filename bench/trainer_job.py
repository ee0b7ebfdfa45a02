"""What bench/trainer.py trains on, and writes for its peers: the mixture's tokens without padding, and its examples."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from flan_datagen.window import Window
from flan_shared.checkpoint import flatten
from flan_shared.line import PackedBatch
from flan_shared.spec import RunSpec
from flan_trainer.convert import Source, write_checkpoint

ROWS, INPUTS, TARGETS = 8, 256, 64
FIXED = "fixed"
"""The batch of full rows."""
_T5X_SIZES = ("emb_dim", "num_heads", "head_dim", "mlp_dim", "mlp_activations", "dropout_rate")
_T5X_SIZES += ("logits_via_embedding", "num_encoder_layers", "num_decoder_layers")


def full_rows(windows: list[Window]) -> dict[str, np.ndarray]:
    """A batch without padding: the mixture's tokens, one segment a row."""
    batches = [batch for window in windows for batch in window.shards[0]]
    sides = []
    for width, is_target in ((INPUTS, False), (TARGETS, True)):
        tokens = np.concatenate([_side(batch, is_target) for batch in batches])[: ROWS * width]
        sides.append(tokens.reshape(ROWS, width).astype(np.int32))
    inputs, targets = sides
    return {
        "encoder_input_tokens": inputs,
        "encoder_segment_ids": np.ones_like(inputs),
        "decoder_input_tokens": np.pad(targets[:, :-1], ((0, 0), (1, 0))),
        "decoder_target_tokens": targets,
        "decoder_segment_ids": np.ones_like(targets),
        "decoder_loss_weights": np.ones(targets.shape, np.float32),
    }


def _side(batch: PackedBatch, is_target: bool) -> np.ndarray:
    """The input or the target tokens of a batch, one example behind the other."""
    lengths = np.stack([batch.input_lengths, batch.target_lengths], axis=1).ravel()
    return batch.tokens[np.repeat(np.tile([not is_target, is_target], batch.num_examples), lengths)]


def _one_a_row(batch: PackedBatch) -> dict[str, np.ndarray]:
    """The examples of a batch, padded to the longest: int64[num_examples, longest] inputs and targets."""
    arrays = {}
    for name, lengths in (("inputs", batch.input_lengths), ("targets", batch.target_lengths)):
        arrays[name] = np.zeros((len(lengths), lengths.max()), np.int64)
        arrays[name][np.arange(lengths.max()) < lengths[:, None]] = _side(batch, name == "targets")
    return arrays


def padding(packed: list[PackedBatch]) -> dict[str, Any]:
    """Examples a batch, and the share of tokens that is no padding, packed and padded."""
    tokens = sum(len(batch.tokens) for batch in packed)
    padded = sum(array.size for batch in packed for array in _one_a_row(batch).values())
    return {
        "examples": [batch.num_examples for batch in packed],
        "filled_packed": tokens / (len(packed) * ROWS * (INPUTS + TARGETS)),
        "filled_padded": tokens / padded,
    }


def write_job(
    folder: Path,
    run: RunSpec,
    params: dict[str, Any],
    batches: dict[str, dict[str, np.ndarray]],
    packed: list[PackedBatch],
) -> None:
    """What the peers read."""
    fixed = batches[FIXED]
    job = {
        "threads": len(os.sched_getaffinity(0)),
        "learning_rate": run.optimizer.learning_rate,
        "clipping_threshold": run.optimizer.clipping_threshold,
        "decay_rate": run.optimizer.decay_rate,
        "min_dim_size_to_factor": run.optimizer.min_dim_size_to_factor,
        "z_loss": run.loss.z_loss,
        "network": {name: getattr(run.model, name) for name in _T5X_SIZES} | {"vocab_size": run.vocab_size},
    }
    (folder / "batches").mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / "params.npz", **flatten(params))
    write_checkpoint(Source(folder, "flan", params, run.model), "hf", folder / "hf")
    whole = {"inputs": fixed["encoder_input_tokens"], "targets": fixed["decoder_target_tokens"]}
    wide = {name: array.astype(np.int64) for name, array in whole.items()}
    np.savez(folder / "batches" / f"{FIXED}.npz", **wide, **fixed)
    for number, batch in enumerate(packed):
        np.savez(folder / "batches" / f"padded_{number}.npz", **_one_a_row(batch))
