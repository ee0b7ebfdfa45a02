"""Packing the examples of a window into rows, and dealing the rows to batches.

    budgets 8 inputs, 4 targets; examples (inputs, targets)  A (5, 2)  B (3, 1)  C (4, 1)  D (2, 3)
    by size D A C B:  [D]  then A beside D would make 5 targets: [D] [A]  then [D C] [A]  then [D C] [A B]
    rows [D C] with 6/8 and 4/4, [A B] with 8/8 and 3/4

Best fit takes examples by size and puts each into the fullest row that has room. With one budget, or two of which one
hardly matters, that is within a percent of the lower bound. Where both are scarce it puts long inputs beside long inputs
until one budget is spent in a row and the other is not: half translations took 1.2 times the rows they had to. There
examples are placed once more, each into the row whose load stays least in the squares of both shares, among as many rows
as are needed at least: so loads even out, and an example goes where the others are unlike it. The packing with fewer
rows is taken. Best fit by squares alone (Panigrahy et al., "Heuristics for Vector Bin Packing", 2011, section 2) was as
good, but at ten times the time. bench/pack.py has the figures.

All of it is integers and stable orders: the same rows on every machine. The loops are compiled, because no form of them
in numpy came near: placing all examples of equal lengths at once took 20 to 100 times as long.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, get_args

import numba
import numpy as np

from flan_datagen import keyed

Algorithm = Literal["best_fit", "first_fit", "next_fit", "none"]

_LARGEST_ROOM = 2**30
"""Loads are squared, two squares added, and all of it has to fit 64 bits."""

_FIRST, _FULLEST, _EVENEST = range(3)
"""Which row with room an example is put into."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """Tokens that a row has room for.

    Attributes:
      inputs: input tokens.
      targets: target tokens; None: inputs and targets share the room of `inputs` (prefix LM).
    """

    inputs: int
    targets: int | None

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ValueError(f"the budget of {name} is {size}; expected at least 1")
        if self.inputs * (self.targets or 1) > _LARGEST_ROOM:
            raise ValueError(
                f"the budgets {self.inputs} and {self.targets} have a product above {_LARGEST_ROOM}; give smaller ones"
            )

    @classmethod
    def together(cls, total: int) -> "Budget":
        """One budget for inputs and targets together."""
        return cls(total, None)


@dataclasses.dataclass(frozen=True)
class Packed:
    """Examples in rows.

    Attributes:
      order: int64[num_examples], example numbers row by row, as they stand in the row.
      row_examples: int64[num_rows], examples of each row, at least 1.
    """

    order: np.ndarray
    row_examples: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dealt:
    """Rows in batches.

    Attributes:
      order: int64[num_examples], example numbers batch by batch and row by row.
      row_examples: int64[num_rows], batch by batch.
      batch_rows: int64[num_batches], rows of each batch, at least 1.
    """

    order: np.ndarray
    row_examples: np.ndarray
    batch_rows: np.ndarray

    def examples(self, rows: np.ndarray) -> np.ndarray:
        """Example numbers of rows int64[n], in their order."""
        counts = self.row_examples[rows]
        starts = (np.cumsum(self.row_examples) - self.row_examples)[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.order[np.repeat(starts, counts) + within]


def pack(
    input_lengths: np.ndarray,
    target_lengths: np.ndarray,
    *,
    budget: Budget,
    algorithm: Algorithm = "best_fit",
) -> Packed:
    """Packs every example into exactly one row.

    Args:
      input_lengths: int64[num_examples], EOS included.
      target_lengths: int64[num_examples], EOS included.
      budget: of a row.
      algorithm: `best_fit`, see the module. For comparison, in the order given: `first_fit`, into the first of all
        rows that has room; `next_fit`, into the last row or else a new one, as seqio does (seqio/utils.py,
        trim_and_pack_dataset: one partial example, which it also ends after every max(lengths) examples);
        `none`, one example a row.

    Raises:
      ValueError: an example has a side without tokens or does not fit a row; or the algorithm is unknown.
    """
    first, second, room = _sizes(input_lengths, target_lengths, budget)
    arrival = np.arange(len(first))
    match algorithm:
        case "best_fit":
            return _best_fit(first, second, room)
        case "first_fit":
            row = _place(first, second, room, _FIRST, 0, False)
        case "next_fit":
            row = _place(first, second, room, _FIRST, 0, True)
        case "none":
            row = arrival
        case _:
            known = ", ".join(get_args(Algorithm))
            raise ValueError(f"the packing algorithm is {algorithm!r}; expected one of {known}")
    return _packed(arrival, row)


def lower_bound(input_lengths: np.ndarray, target_lengths: np.ndarray, budget: Budget) -> float:
    """Rows that the tokens would fill without a gap: max(inputs / budget, targets / budget), or the sum's share."""
    first, second, room = _sizes(input_lengths, target_lengths, budget)
    return max(int(first.sum()), int(second.sum())) / room


def least_rows(input_lengths: np.ndarray, target_lengths: np.ndarray, budget: Budget) -> int:
    """A closer lower bound: examples that leave no room for even the smallest other one have a row to themselves.

    Examples that were cut at a budget are such: they fill one budget and leave the other empty.
    """
    return _least_rows(*_sizes(input_lengths, target_lengths, budget))


def deal(packed: Packed, *, batch_rows: int, order_key: int) -> Dealt:
    """Deals rows to ceil(rows / batch_rows) batches of about equal numbers of examples, in keyed order.

    Packing sorts by length: batches cut in that order would each be of one kind.

    Args:
      packed: from `pack`.
      batch_rows: rows a batch at most.
      order_key: key of the order of the batches.
    """
    num_rows = len(packed.row_examples)
    num_batches = -(-num_rows // batch_rows)
    by_load = np.argsort(-packed.row_examples, kind="stable")
    dealt = _deal(packed.row_examples[by_load], num_batches, batch_rows)
    turn = np.argsort(keyed.hashes(order_key, np.arange(num_batches)), kind="stable")
    place = np.empty(num_batches, np.int64)
    place[turn] = np.arange(num_batches)
    batch = place[dealt]
    rows = by_load[np.argsort(batch, kind="stable")]
    counts = packed.row_examples[rows]
    starts = np.cumsum(packed.row_examples) - packed.row_examples
    # Example numbers of row after row: each row's start, and 0, 1, 2, … within it.
    within = np.arange(len(packed.order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Dealt(
        packed.order[np.repeat(starts[rows], counts) + within],
        counts,
        np.bincount(batch, minlength=num_batches),
    )


def _best_fit(first: np.ndarray, second: np.ndarray, room: int) -> Packed:
    order = np.lexsort((-first, -np.maximum(first, second)))
    first, second = first[order], second[order]
    row = _place(first, second, room, _FULLEST, 0, False)
    least = _least_rows(first, second, room)
    # With one budget there is nothing to even out, and within half a percent next to nothing to gain.
    if second.any() and (int(row.max()) + 1) * 200 > least * 201:
        other = _place(first, second, room, _EVENEST, least, False)
        if other.max() < row.max():
            row = other
    return _packed(order, row)


def _packed(order: np.ndarray, row: np.ndarray) -> Packed:
    return Packed(order[np.argsort(row, kind="stable")], np.bincount(row))


def _sizes(
    input_lengths: np.ndarray, target_lengths: np.ndarray, budget: Budget
) -> tuple[np.ndarray, np.ndarray, int]:
    """What examples take of two budgets, int64[num_examples] each, in units of which a row has equally many of both.

    The second is zero everywhere where the budget is one.
    """
    # Copies, because the loops would be compiled once more for arrays that are read-only or strided.
    inputs, targets = (np.array(lengths, np.int64) for lengths in (input_lengths, target_lengths))
    _check("input", inputs, budget.inputs)
    _check("target", targets, budget.targets or budget.inputs)
    if budget.targets is not None:
        return inputs * budget.targets, targets * budget.inputs, budget.inputs * budget.targets
    _check("input and target", inputs + targets, budget.inputs)
    return inputs + targets, np.zeros(len(inputs), np.int64), budget.inputs


def _check(side: str, lengths: np.ndarray, room: int) -> None:
    wrong = np.flatnonzero((lengths < 1) | (lengths > room))
    if len(wrong):
        raise ValueError(
            f"example {wrong[0]} has {lengths[wrong[0]]} {side} tokens; expected 1 to {room}: "
            "give each side its EOS and shorten it to the budget before packing"
        )


def _least_rows(first: np.ndarray, second: np.ndarray, room: int) -> int:
    if not len(first):
        return 0
    alone = (first + first.min() > room) | (second + second.min() > room)
    return int(alone.sum()) + -(-max(int(first[~alone].sum()), int(second[~alone].sum())) // room)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:
        # No folder to cache in: compiling anew at every start takes about a second.
        return numba.njit(function)


@_compiled
def _place(first, second, room, rule, num_open, only_last):
    """Example by example into a row with room, by `rule`, the first of equals: the rows, int64[num_examples].

    `num_open` rows are open from the start; a new one is opened where none has room.
    """
    num = len(first)
    first_free = np.full(num, room, np.int64)
    second_free = np.full(num, room, np.int64)
    rows = np.empty(num, np.int64)
    for example in range(num):
        best = -1
        least = np.int64(0)
        for row in range(max(num_open - 1, 0) if only_last else 0, num_open):
            first_left = first_free[row] - first[example]
            second_left = second_free[row] - second[example]
            if first_left >= 0 and second_left >= 0:
                if rule == _FULLEST:
                    score = first_left + second_left
                elif rule == _EVENEST:
                    score = (room - first_left) ** 2 + (room - second_left) ** 2
                else:
                    score = row
                if best < 0 or score < least:
                    best, least = row, score
        if best < 0:
            best = num_open
            num_open += 1
        first_free[best] -= first[example]
        second_free[best] -= second[example]
        rows[example] = best
    return rows


@_compiled
def _deal(loads, num_batches, batch_rows):
    """Row by row into the batch with the least load that is not full, the first of equals: int64[n] batches."""
    sums = np.zeros(num_batches, np.int64)
    rows = np.zeros(num_batches, np.int64)
    batches = np.empty(len(loads), np.int64)
    for row in range(len(loads)):
        best = -1
        for batch in range(num_batches):
            if rows[batch] < batch_rows and (best < 0 or sums[batch] < sums[best]):
                best = batch
        sums[best] += loads[row]
        rows[best] += 1
        batches[row] = best
    return batches
