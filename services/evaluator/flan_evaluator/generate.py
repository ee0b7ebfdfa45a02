"""Greedy decoding with a key/value cache, batched, until every row has written EOS."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from flan_evaluator.batches import batches, padded
from flan_evaluator.reader import Reader, reader_of
from flan_shared.model import PrefixLM, Transformer
from flan_shared.tokenizer import EOS_ID, PAD_ID

_TOKENS = 8192
"""Input tokens of a batch."""
_MAX_ROWS = 64


def generate(
    module: Transformer | PrefixLM,
    parameters: Mapping[str, Any],
    inputs: Sequence[Sequence[int]],
    *,
    max_decode_length: int,
) -> Iterator[tuple[int, list[int] | None]]:
    """Writes the most likely next token again and again, batch by batch.

    Args:
      module: the model.
      parameters: its parameters.
      inputs: token ids of each example's input, with EOS.
      max_decode_length: tokens to write at most, EOS included.

    Yields:
      Index of an example, and the tokens before EOS; None where a logit was not finite.
    """
    reader = reader_of(module)
    for batch in batches([len(tokens) for tokens in inputs], tokens=_TOKENS, max_rows=_MAX_ROWS):
        tokens = padded([inputs[i] for i in batch.indices], num_rows=batch.num_rows, length=batch.length)
        written, finite = map(np.asarray, _greedy(reader, max_decode_length, parameters, tokens))
        for i, row, is_finite in zip(batch.indices, written.tolist(), finite, strict=False):
            end = row.index(EOS_ID) if EOS_ID in row else len(row)
            yield i, row[:end] if is_finite else None


@functools.partial(jax.jit, static_argnums=(0, 1))
def _greedy(
    reader: Reader, length: int, parameters: Mapping[str, Any], input_tokens: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """int32[batch, length] tokens, 0 after EOS, and bool[batch] whether all logits were finite."""
    num_rows = input_tokens.shape[0]
    read = reader.read(parameters, input_tokens, room=length)
    before, cache = reader.begin(parameters, read, room=length)

    def step(state: tuple) -> tuple:
        position, token, done, finite, written, cache = state
        logits, cache = reader.step(parameters, read, token, cache, room=length)
        token = jnp.where(done, PAD_ID, jnp.argmax(logits, axis=-1).astype(jnp.int32))
        # The sum is finite only if every logit is.
        finite &= done | jnp.isfinite(jnp.sum(logits, axis=-1))
        written = lax.dynamic_update_slice_in_dim(written, token[:, None], position, axis=1)
        return position + 1, token, done | (token == EOS_ID), finite, written, cache

    def unfinished(state: tuple) -> jax.Array:
        position, _, done, *_ = state
        return (position < length) & ~jnp.all(done)

    start = (
        jnp.zeros((), jnp.int32),
        before,
        # Rows of padding are done before they begin.
        jnp.all(input_tokens == PAD_ID, axis=-1),
        jnp.ones(num_rows, bool),
        jnp.full((num_rows, length), PAD_ID, jnp.int32),
        cache,
    )
    _, _, _, finite, written, _ = lax.while_loop(unfinished, step, start)
    return written, finite
