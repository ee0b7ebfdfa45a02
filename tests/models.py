"""Tiny models of both families and batches for them, packed by hand."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from flan_shared import spec
from flan_shared.model import PrefixLM, Transformer, build_model

VOCAB_SIZE = 40

TINY = {
    "emb_dim": 16,
    "num_heads": 2,
    "head_dim": 8,
    "mlp_dim": 24,
    "num_encoder_layers": 1,
    "num_decoder_layers": 1,
}

TINY_PREFIX_LM = {
    "family": "prefix_lm",
    "emb_dim": 16,
    "num_heads": 2,
    "head_dim": 8,
    "mlp_dim": 24,
    "num_layers": 1,
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


def tiny_prefix_lm(**fields) -> PrefixLM:
    return build_model(spec.PrefixLM(**TINY_PREFIX_LM | fields), VOCAB_SIZE)


@functools.partial(jax.jit, static_argnums=0)
def init(model: Transformer | PrefixLM, seed: int = 0) -> dict:
    tokens = np.ones((1, 2), np.int32)
    arguments = [tokens] * (2 if isinstance(model, PrefixLM) else 3)
    return model.init(jax.random.key(seed), *arguments, enable_dropout=False)


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


def pack_prefix_lm(rows: Sequence[Sequence[Example]], length: int) -> dict[str, np.ndarray]:
    """Features of rows that hold the given examples, each its inputs and then its targets."""
    names = ("target_tokens", "input_tokens", "segment_ids", "positions", "causal_attention")
    batch = {f"decoder_{name}": np.zeros((len(rows), length), np.int32) for name in names}
    batch["decoder_loss_weights"] = np.zeros((len(rows), length), np.float32)
    for row, examples in enumerate(rows):
        start = 0
        for segment, (source, target) in enumerate(examples, start=1):
            tokens = [*source, *target]
            here = slice(start, start + len(tokens))
            batch["decoder_target_tokens"][row, here] = tokens
            batch["decoder_input_tokens"][row, here] = [0, *tokens[:-1]]
            batch["decoder_segment_ids"][row, here] = segment
            batch["decoder_positions"][row, here] = range(len(tokens))
            batch["decoder_causal_attention"][row, start : start + len(source) + 1] = 1
            batch["decoder_loss_weights"][row, start + len(source) : here.stop] = 1
            start = here.stop
    return batch


def _features(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in batch.items() if name != "decoder_loss_weights"}


@functools.partial(jax.jit, static_argnums=0)
def logits(model: Transformer | PrefixLM, params: dict, batch: dict[str, np.ndarray]) -> jax.Array:
    """float32[rows, targets, VOCAB_SIZE], without dropout."""
    return model.apply({"params": params}, **_features(batch), enable_dropout=False)


# To compile takes longer than to compute: with the optimiser off, half as long.
@functools.partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})
def loss_gradients(
    model: Transformer | PrefixLM, params: dict, batch: dict[str, np.ndarray]
) -> tuple[jax.Array, dict]:
    """The cross entropy, summed over the weighted tokens, and its gradients; dropout has a fixed key."""

    def loss(params: dict) -> jax.Array:
        # Of this kind of key because XLA takes long to compile the usual one.
        rngs = {"dropout": jax.random.key(1, impl="unsafe_rbg")}
        scores = jax.nn.log_softmax(model.apply({"params": params}, **_features(batch), rngs=rngs))
        chosen = jnp.take_along_axis(scores, batch["decoder_target_tokens"][..., None], axis=-1)[..., 0]
        return -jnp.sum(chosen * batch["decoder_loss_weights"])

    return jax.value_and_grad(loss)(params)


def random_batch(seed: int, *, rows: int, inputs: int, targets: int) -> dict[str, np.ndarray]:
    """Rows of two random examples each."""
    draw = np.random.default_rng(seed)

    def tokens(length: int) -> list[int]:
        return draw.integers(2, VOCAB_SIZE, size=length).tolist()

    def example() -> Example:
        return tokens(draw.integers(2, inputs // 2)), tokens(draw.integers(2, targets // 2))

    return pack([[example(), example()] for _ in range(rows)], inputs, targets)
