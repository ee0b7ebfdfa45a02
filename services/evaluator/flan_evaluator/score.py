"""Rank classification: the log-likelihood of every option given the input.

The input is read once, whatever the number of its options. Where the family allows it, all options of an example
stand in one row, told apart by segment ids as packed training examples are:

    options   [7, 8], [9]              (token ids, EOS = 1)
    targets   7 8 1 9 1 0 0 0
    segments  1 1 1 2 2 0 0 0

A row of options longer than `_ROW_LENGTH` is continued in a second pass over the same inputs, so that no example can
make the decoder's attention grow without bound. Otherwise each option is a row and a pass of its own.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flan_evaluator.batches import batches, bucket, padded
from flan_evaluator.reader import Reader, reader_of
from flan_shared.model import PrefixLM, Transformer
from flan_shared.tokenizer import EOS_ID

_TOKENS = 8192
"""Input tokens of a batch."""
_MAX_ROWS = 64
_MAX_LOGITS = 2**26
"""Logits of a batch: 256 MiB of float32."""
_ROW_LENGTH = 256
"""Tokens of a row of options, unless one option alone is longer."""
_ROW_STEP = 16

Tokens = Sequence[int]


def score_options(
    module: Transformer | PrefixLM,
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
    reader = reader_of(module)
    row_length = _ROW_LENGTH if reader.options_share_rows else 0
    rows = [_rows_of([len(option) for option in alternatives], row_length) for alternatives in options]
    longest = max(sum(len(options[i][o]) for o in row) for i, of in enumerate(rows) for row in of)
    length = bucket(longest, _ROW_STEP)
    max_rows = min(_MAX_ROWS, max(1, _MAX_LOGITS // (length * module.vocab_size)))
    for batch in batches([len(tokens) for tokens in inputs], tokens=_TOKENS, max_rows=max_rows):
        input_tokens = padded(
            [inputs[i] for i in batch.indices], num_rows=batch.num_rows, length=batch.length
        )
        read = _read(reader, length, parameters, input_tokens)
        scores = {i: np.zeros(len(options[i])) for i in batch.indices}
        for turn in range(max(len(rows[i]) for i in batch.indices)):
            chosen = [rows[i][turn] if turn < len(rows[i]) else [] for i in batch.indices]
            packed = [[options[i][o] for o in row] for i, row in zip(batch.indices, chosen, strict=True)]
            targets, segments = _packed_rows(packed, num_rows=batch.num_rows, length=length)
            by_token = np.asarray(_log_likelihoods(reader, parameters, read, targets, segments))
            if not with_eos:
                by_token = np.where(targets == EOS_ID, 0, by_token)
            for i, row, values, segment in zip(batch.indices, chosen, by_token, segments, strict=False):
                # Slot 0 collects the padding.
                scores[i][row] = np.bincount(segment, weights=values, minlength=len(row) + 1)[1:]
        yield from scores.items()


def _rows_of(lengths: Sequence[int], row_length: int) -> list[list[int]]:
    """Deals options to rows, in order; a row has at least one.

    >>> _rows_of([100, 100, 100, 300, 5], 256)
    [[0, 1], [2], [3], [4]]
    >>> _rows_of([2, 3], 0)
    [[0], [1]]
    """
    rows: list[list[int]] = [[]]
    room = row_length
    for option, length in enumerate(lengths):
        if length > room and rows[-1]:
            rows.append([])
            room = row_length
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


@functools.partial(jax.jit, static_argnums=(0, 1))
def _read(reader: Reader, room: int, parameters: Mapping[str, Any], input_tokens: jax.Array) -> Any:
    return reader.read(parameters, input_tokens, room=room)


@functools.partial(jax.jit, static_argnums=0)
def _log_likelihoods(
    reader: Reader,
    parameters: Mapping[str, Any],
    read: Any,
    target_tokens: jax.Array,
    segment_ids: jax.Array,
) -> jax.Array:
    """float32[batch, length]: the log-likelihood of each target token, 0 at padding."""
    logits = reader.follow(parameters, read, target_tokens, segment_ids)
    chosen = jnp.take_along_axis(logits, target_tokens[..., None], axis=-1)[..., 0]
    return jnp.where(segment_ids > 0, chosen - jax.nn.logsumexp(logits, axis=-1), 0.0)
