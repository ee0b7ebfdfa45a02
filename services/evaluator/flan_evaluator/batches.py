"""Batches of few shapes: every new shape is compiled once more, and every padded token is computed for nothing.

Sequences are sorted by length and cut into batches; a batch is padded to a bucket. Buckets are multiples of 64
tokens up to 256 and then grow by about a third, so that ten of them reach 1536 tokens and at most a third of a
long row is padding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flan_shared.tokenizer import PAD_ID


@dataclass(frozen=True)
class Bucketed:
    """One batch.

    Attributes:
      indices: which sequences, at most `num_rows` of them.
      length: tokens of a row.
      num_rows: rows; those past the sequences are padding.
    """

    indices: tuple[int, ...]
    length: int
    num_rows: int


def bucket(length: int, step: int = 64) -> int:
    """The smallest bucket that holds `length` tokens: 1 to 4 times `step`, then 6, 8, 12, 16, 24, 32, … times.

    >>> [bucket(n) for n in (1, 64, 65, 257, 400, 600, 1024)]
    [64, 64, 128, 384, 512, 768, 1024]
    """
    for size in (step, 2 * step, 3 * step, 4 * step):
        if length <= size:
            return size
    size = 4 * step
    while length > size:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def batches(lengths: Sequence[int], *, tokens: int, max_rows: int) -> Iterator[Bucketed]:
    """Every sequence in exactly one batch, longest first: what does not fit into memory fails at once.

    Args:
      lengths: tokens of each sequence.
      tokens: a batch has at most so many, padding included, but always one row.
      max_rows: a batch has at most so many rows. Numbers of rows are powers of two.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist()
    while order:
        length = bucket(lengths[order[0]])
        num_rows = 1 << (max(1, min(max_rows, tokens // length)).bit_length() - 1)
        yield Bucketed(tuple(order[:num_rows]), length, num_rows)
        order = order[num_rows:]


def padded(sequences: Sequence[Sequence[int]], *, num_rows: int, length: int) -> np.ndarray:
    """int32[num_rows, length] with one sequence a row, then padding.

    >>> padded([[5, 1], [7, 8, 1]], num_rows=2, length=4).tolist()
    [[5, 1, 0, 0], [7, 8, 1, 0]]
    """
    rows = np.full((num_rows, length), PAD_ID, dtype=np.int32)
    for row, sequence in zip(rows, sequences, strict=False):
        row[: len(sequence)] = sequence
    return rows
