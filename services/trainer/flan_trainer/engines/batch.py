"""The batches that engines take, checked at the door."""

import numpy as np

from flan_shared import spec
from flan_shared.errors import FlanError
from flan_trainer.engines.base import Batch

FEATURES = {
    "encoder_input_tokens": np.int32,
    "encoder_segment_ids": np.int32,
    "decoder_input_tokens": np.int32,
    "decoder_target_tokens": np.int32,
    "decoder_segment_ids": np.int32,
    "decoder_loss_weights": np.float32,
}
"""What is computed with, under T5X's names, `[rows, length]` each; other features of a batch are left alone."""


class BatchError(FlanError):
    """A batch that must not be trained on."""


def prepare(batch: Batch, run: spec.RunSpec, vocab_size: int, rows: int) -> dict[str, np.ndarray]:
    """Checks a batch and fills it up with rows of padding, so that every batch has one shape.

    Args:
      batch: `FEATURES`, with at most `rows` rows, of the lengths of the spec.
      run: the spec.
      vocab_size: above every token.
      rows: rows of the result. Padding has weight 0 and enters no sum.

    Returns:
      The features, exactly `rows` rows each.

    Raises:
      BatchError: a feature is missing or misshapen, a token is not in the vocabulary, or all weights are 0.
    """
    lengths = {"encoder": run.lengths.inputs, "decoder": run.lengths.targets}
    filled, given = {}, None
    for name, dtype in FEATURES.items():
        if name not in batch:
            raise BatchError(f"the batch has no {name}; it has {', '.join(sorted(batch))}")
        array = batch[name]
        given = array.shape[0] if given is None else given
        expected = (given, lengths[name.split("_")[0]])
        if array.dtype != dtype or array.shape != expected or given > rows:
            raise BatchError(
                f"{name} of the batch is {array.dtype}{list(array.shape)}; "
                f"expected {np.dtype(dtype)}{list(expected)} with at most {rows} rows"
            )
        if name.endswith("_tokens") and array.size and not 0 <= array.min() <= array.max() < vocab_size:
            raise BatchError(
                f"{name} of the batch holds tokens from {array.min()} to {array.max()}; expected 0 to "
                f"{vocab_size - 1}: was the batch made with another tokenizer?"
            )
        filled[name] = np.pad(array, ((0, rows - given), (0, 0)))
    if not filled["decoder_loss_weights"].sum() > 0:
        raise BatchError(f"no token of the batch has weight ({given} rows): there is nothing to learn from")
    return filled
