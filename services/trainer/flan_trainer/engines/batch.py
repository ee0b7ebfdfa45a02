"""The batches that engines take, checked at the door."""

import numpy as np

from flan_shared import spec
from flan_shared.errors import FlanError
from flan_trainer.engines.base import Batch

_DECODER = {
    "decoder_input_tokens": np.int32,
    "decoder_target_tokens": np.int32,
    "decoder_segment_ids": np.int32,
    "decoder_loss_weights": np.float32,
    "decoder_clusters": np.int32,
}

_FOR_METRICS = ("decoder_clusters",)
"""What may be left out: all tokens are of the first cluster then."""


class BatchError(FlanError):
    """A batch that must not be trained on."""


def feature_types(model: spec.Model) -> dict[str, type]:
    """What a model computes with, `[rows, length]` each, under T5X's names; other features are left alone."""
    if isinstance(model, spec.EncoderDecoder):
        return {"encoder_input_tokens": np.int32, "encoder_segment_ids": np.int32, **_DECODER}
    return {**_DECODER, "decoder_causal_attention": np.int32}


def prepare(
    batch: Batch, run: spec.RunSpec, rows: int, *, may_be_empty: bool = False
) -> dict[str, np.ndarray]:
    """Checks a batch and fills it up with rows of padding, so that every batch has one shape.

    Args:
      batch: `feature_types` of the spec's model, with at most `rows` rows, of the lengths of the spec.
      run: the spec.
      rows: rows of the result. Padding has weight 0 and enters no sum.
      may_be_empty: whether all weights may be 0, as in one host's part of a batch.

    Returns:
      The features, exactly `rows` rows each.

    Raises:
      BatchError: a feature is missing or misshapen, a token is not in the vocabulary or the prompt, or all weights
        are 0.
    """
    lengths = run.row_lengths
    inputs_stack = next(iter(lengths))
    filled, given = {}, None
    for name, dtype in feature_types(run.model).items():
        if name not in batch and name in _FOR_METRICS:
            filled[name] = np.zeros((rows, lengths[name.split("_")[0]]), dtype)
            continue
        if name not in batch:
            raise BatchError(
                f"the batch has no {name}, which a model of family {run.model.family} takes; "
                f"it has {', '.join(sorted(batch))}"
            )
        array = batch[name]
        given = array.shape[0] if given is None else given
        expected = (given, lengths[name.split("_")[0]])
        if array.dtype != dtype or array.shape != expected or given > rows:
            raise BatchError(
                f"{name} of the batch is {array.dtype}{list(array.shape)}; "
                f"expected {np.dtype(dtype)}{list(expected)} with at most {rows} rows"
            )
        num_ids = run.num_ids if name.startswith(inputs_stack) else run.vocab_size
        if name.endswith("_tokens") and array.size and not 0 <= array.min() <= array.max() < num_ids:
            raise BatchError(
                f"{name} of the batch holds tokens from {array.min()} to {array.max()}; expected 0 to "
                f"{num_ids - 1}: was the batch made with another tokenizer{' or prompt' if run.prompt else ''}?"
            )
        filled[name] = np.pad(array, ((0, rows - given), (0, 0)))
    if run.prompt:
        # A prefix LM reads inputs and targets in one row; of the two only targets have weight.
        learnt = filled["decoder_target_tokens"][filled["decoder_loss_weights"] > 0]
        if learnt.max(initial=0) >= run.vocab_size:
            raise BatchError(
                f"decoder_target_tokens of the batch has weight where it holds {learnt.max()}, an id of the prompt; "
                f"expected at most {run.vocab_size - 1} there"
            )
    if not may_be_empty and not filled["decoder_loss_weights"].sum() > 0:
        raise BatchError(f"no token of the batch has weight ({given} rows): there is nothing to learn from")
    return filled
