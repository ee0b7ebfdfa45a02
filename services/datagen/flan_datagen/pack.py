"""Packing examples into rows with two budgets, and dealing rows to batches.

Best fit over examples sorted by their larger share of a budget: with a whole window at hand it comes within a
percent of the lower bound, where first fit in order of arrival wastes a quarter on mixed lengths.

    budgets 8 inputs, 4 targets; examples (inputs, targets)  A (5, 2)  B (3, 1)  C (4, 1)  D (2, 3)
    in order D A C B:  [D]  then A beside D would make 5 targets: [D] [A]  then [D C] [A]  then [D C] [A B]
    rows [D C] with 6/8 and 4/4, [A B] with 8/8 and 3/4
"""

import numpy as np

from flan_datagen import keyed


def pack(
    input_lengths: np.ndarray, target_lengths: np.ndarray, *, inputs: int, targets: int
) -> list[list[int]]:
    """Packs every example into exactly one row.

    Args:
      input_lengths: int64[num_examples], each at most `inputs`.
      target_lengths: int64[num_examples], each at most `targets`.
      inputs: input tokens a row.
      targets: target tokens a row.

    Returns:
      Example numbers row by row, in the order in which they stand in the row.
    """
    num = len(input_lengths)
    need = np.stack([input_lengths / inputs, target_lengths / targets], axis=1)
    lengths = np.stack([input_lengths, target_lengths], axis=1)
    free = np.tile(np.array([inputs, targets], np.int64), (num, 1))
    rows: list[list[int]] = []
    for example in np.argsort(-need.max(axis=1), kind="stable"):
        left = free[: len(rows)] - lengths[example]
        fits = np.flatnonzero((left >= 0).all(axis=1))
        if len(fits):
            slack = left[fits, 0] / inputs + left[fits, 1] / targets
            row = int(fits[np.argmin(slack)])
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(int(example))
        free[row] -= lengths[example]
    return rows


def deal(rows: list[list[int]], *, batch_rows: int, order_key: int) -> list[list[list[int]]]:
    """Deals rows to ceil(rows / batch_rows) batches of about equal numbers of examples, in keyed order.

    Packing sorts by length: batches cut in that order would each be of one kind.

    Args:
      rows: from `pack`.
      batch_rows: rows a batch at most.
      order_key: key of the order of the batches.
    """
    num_batches = -(-len(rows) // batch_rows)
    batches: list[list[list[int]]] = [[] for _ in range(num_batches)]
    load = np.zeros(num_batches, np.int64)
    for row in sorted(rows, key=len, reverse=True):
        open_ = np.array([len(batch) < batch_rows for batch in batches])
        batch = int(np.argmin(np.where(open_, load, np.iinfo(np.int64).max)))
        batches[batch].append(row)
        load[batch] += len(row)
    order = np.argsort(keyed.hashes(order_key, np.arange(num_batches)), kind="stable")
    return [batches[i] for i in order]
