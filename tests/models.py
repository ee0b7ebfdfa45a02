"""A tiny model and batches for it, packed by hand."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from flan_shared import spec
from flan_shared.model import Transformer, build_model

VOCAB_SIZE = 40

TINY = {
    "emb_dim": 16,
    "num_heads": 2,
    "head_dim": 8,
    "mlp_dim": 24,
    "num_encoder_layers": 1,
    "num_decoder_layers": 1,
}

Example = tuple[list[int], list[int]]

# Of different lengths; only their targets count in a loss.
EXAMPLES: list[Example] = [
    ([5, 9, 12, 3, 30, 1], [7, 8, 1]),
    ([21, 22, 1], [33, 1]),
    ([6, 6, 17, 4, 1], [11, 2, 12, 19, 1]),
    ([39, 3, 1], [2, 1]),
]


def tiny_model(**fields) -> Transformer:
    return build_model(spec.EncoderDecoder(**TINY | fields), VOCAB_SIZE)


@functools.partial(jax.jit, static_argnums=0)
def init(model: Transformer, seed: int = 0) -> dict:
    tokens = np.ones((1, 2), np.int32)
    return model.init(jax.random.key(seed), tokens, tokens, tokens, enable_dropout=False)


def pack(rows: Sequence[Sequence[Example]], inputs: int, targets: int) -> dict[str, np.ndarray]:
    """Features of rows that hold the given examples, one after another."""
    names = ("input_tokens", "segment_ids", "positions")
    batch = {f"encoder_{name}": np.zeros((len(rows), inputs), np.int32) for name in names}
    batch |= {f"decoder_{name}": np.zeros((len(rows), targets), np.int32) for name in names}
    batch["decoder_target_tokens"] = np.zeros((len(rows), targets), np.int32)
    batch["decoder_loss_weights"] = np.zeros((len(rows), targets), np.float32)
    for row, examples in enumerate(rows):
        i = t = 0
        for segment, (source, target) in enumerate(examples, start=1):
            here, there = slice(i, i + len(source)), slice(t, t + len(target))
            batch["encoder_input_tokens"][row, here] = source
            batch["encoder_segment_ids"][row, here] = segment
            batch["encoder_positions"][row, here] = range(len(source))
            batch["decoder_target_tokens"][row, there] = target
            batch["decoder_input_tokens"][row, there] = [0, *target[:-1]]
            batch["decoder_segment_ids"][row, there] = segment
            batch["decoder_positions"][row, there] = range(len(target))
            batch["decoder_loss_weights"][row, there] = 1
            i, t = i + len(source), t + len(target)
    return batch


@functools.partial(jax.jit, static_argnums=0)
def logits(model: Transformer, params: dict, batch: dict[str, np.ndarray]) -> jax.Array:
    """float32[rows, targets, VOCAB_SIZE], without dropout."""
    features = {name: array for name, array in batch.items() if name != "decoder_loss_weights"}
    return model.apply({"params": params}, **features, enable_dropout=False)


def random_batch(seed: int, *, rows: int, inputs: int, targets: int) -> dict[str, np.ndarray]:
    """Rows of two random examples each."""
    draw = np.random.default_rng(seed)

    def tokens(length: int) -> list[int]:
        return draw.integers(2, VOCAB_SIZE, size=length).tolist()

    def example() -> Example:
        return tokens(draw.integers(2, inputs // 2)), tokens(draw.integers(2, targets // 2))

    return pack([[example(), example()] for _ in range(rows)], inputs, targets)
