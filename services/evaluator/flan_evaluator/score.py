"""Rank classification: the log-likelihood of every option given the input.

The input is encoded once. All options of an example stand in one decoder row, told apart by segment ids as packed
training examples are; they attend to the one encoded input, whose keys and values are so computed once as well.

    options   [7, 8], [9]              (token ids, EOS = 1)
    targets   7 8 1 9 1 0 0 0
    inputs    0 7 8 0 9 0 0 0
    segments  1 1 1 2 2 0 0 0

A row of options longer than `_ROW_LENGTH` is continued in a second pass over the same encoded inputs, so that no
example can make the decoder's attention grow without bound.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flan_evaluator.batches import batches, bucket, padded
from flan_shared.model import Transformer
from flan_shared.tokenizer import EOS_ID

_TOKENS = 8192
"""Encoder tokens of a batch."""
_MAX_ROWS = 64
_MAX_LOGITS = 2**26
"""Logits of a batch: 256 MiB of float32."""
_ROW_LENGTH = 256
"""Decoder tokens of a row, unless one option alone is longer."""
_ROW_STEP = 16

Tokens = Sequence[int]


def score_options(
    module: Transformer,
    parameters: Mapping[str, Any],
    inputs: Sequence[Tokens],
    options: Sequence[Sequence[Tokens]],
    *,
    with_eos: bool = True,
) -> Iterator[tuple[int, np.ndarray]]:
    """Scores all options of all examples, batch by batch.

    Args:
      module: the model.
      parameters: its parameters.
      inputs: token ids of each example's input, with EOS.
      options: token ids of each example's options, each with EOS.
      with_eos: whether the log-likelihood of EOS is part of the score, as in FLAN and T5X; without it, options
        that begin another option are favoured.

    Yields:
      Index of an example, and float64[num_options]: natural log-likelihoods, summed over tokens.
    """
    if not inputs:
        return
    rows = [_rows_of([len(option) for option in alternatives]) for alternatives in options]
    longest = max(sum(len(options[i][o]) for o in row) for i, of in enumerate(rows) for row in of)
    length = bucket(longest, _ROW_STEP)
    max_rows = min(_MAX_ROWS, max(1, _MAX_LOGITS // (length * module.vocab_size)))
    for batch in batches([len(tokens) for tokens in inputs], tokens=_TOKENS, max_rows=max_rows):
        encoder_input_tokens = padded(
            [inputs[i] for i in batch.indices], num_rows=batch.num_rows, length=batch.length
        )
        encoded = _encode(module, parameters, encoder_input_tokens)
        scores = {i: np.zeros(len(options[i])) for i in batch.indices}
        for turn in range(max(len(rows[i]) for i in batch.indices)):
            chosen = [rows[i][turn] if turn < len(rows[i]) else [] for i in batch.indices]
            packed = [[options[i][o] for o in row] for i, row in zip(batch.indices, chosen, strict=True)]
            targets, segments = _packed_rows(packed, num_rows=batch.num_rows, length=length)
            by_token = np.asarray(
                _log_likelihoods(module, parameters, encoded, encoder_input_tokens, targets, segments)
            )
            if not with_eos:
                by_token = np.where(targets == EOS_ID, 0, by_token)
            for i, row, values, segment in zip(batch.indices, chosen, by_token, segments, strict=False):
                # Slot 0 collects the padding.
                scores[i][row] = np.bincount(segment, weights=values, minlength=len(row) + 1)[1:]
        yield from scores.items()


def _rows_of(lengths: Sequence[int]) -> list[list[int]]:
    """Deals options to decoder rows, in order.

    >>> _rows_of([100, 100, 100, 300, 5])
    [[0, 1], [2], [3], [4]]
    """
    rows: list[list[int]] = [[]]
    room = _ROW_LENGTH
    for option, length in enumerate(lengths):
        if length > room and rows[-1]:
            rows.append([])
            room = _ROW_LENGTH
        rows[-1].append(option)
        room -= length
    return rows


def _packed_rows(
    rows: Sequence[Sequence[Tokens]], *, num_rows: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and segments, int32[num_rows, length] each: see the picture above."""
    targets = [np.concatenate(row) if row else () for row in rows]
    segments = [np.repeat(np.arange(1, len(row) + 1), list(map(len, row))) for row in rows]
    return (
        padded(targets, num_rows=num_rows, length=length),
        padded(segments, num_rows=num_rows, length=length),
    )


@functools.partial(jax.jit, static_argnums=0)
def _encode(module: Transformer, parameters: Mapping[str, Any], tokens: jax.Array) -> jax.Array:
    return module.apply({"params": parameters}, tokens, enable_dropout=False, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _log_likelihoods(
    module: Transformer,
    parameters: Mapping[str, Any],
    encoded: jax.Array,
    encoder_input_tokens: jax.Array,
    decoder_target_tokens: jax.Array,
    decoder_segment_ids: jax.Array,
) -> jax.Array:
    """float32[batch, length]: the log-likelihood of each target token, 0 at padding."""
    shifted = jnp.pad(decoder_target_tokens, ((0, 0), (1, 0)))[:, :-1]
    is_first = decoder_segment_ids != jnp.pad(decoder_segment_ids, ((0, 0), (1, 0)))[:, :-1]
    logits = module.apply(
        {"params": parameters},
        encoded,
        encoder_input_tokens,
        jnp.where(is_first, 0, shifted),
        decoder_target_tokens,
        # No encoder_segment_ids: every segment of a row attends to the row's one input.
        decoder_segment_ids=decoder_segment_ids,
        enable_dropout=False,
        method="decode",
    ).astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, decoder_target_tokens[..., None], axis=-1)[..., 0]
    return jnp.where(decoder_segment_ids > 0, chosen - jax.nn.logsumexp(logits, axis=-1), 0.0)
