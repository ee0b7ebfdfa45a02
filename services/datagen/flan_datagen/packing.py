"""Packing the examples of a window into rows, and dealing the rows to batches.

    budgets 8 inputs, 4 targets; examples (inputs, targets)  A (5, 2)  B (3, 1)  C (4, 1)  D (2, 3)
    D takes the largest share of a budget, C is the largest that fits beside it: [D C], 6/8 and 4/4
    A is the largest left, B fills its row:                                      [A B], 8/8 and 3/4

Best fit makes one row after another. The example with the largest share of a budget begins it; the largest that have
room follow, by the scarcer budget, and the last two are the pair that fills it best. With short examples at hand to the
end, rows are filled to the last token, or nearly, and their number is that of the lower bound or one more (measured by
bench/pack.py); best fit decreasing, which never looks at pairs, took up to two percent more.

Where both budgets are scarce, rows full of long inputs leave the long targets over: 1.15 times the rows that are needed
on a mixture of all clusters. There examples are placed once more, by size, each into the row whose loads stay least in
their squares, among as many rows as are needed at least: loads even out, and an example goes where the others are
unlike it. The packing with fewer rows is taken. To fill row after row by such squares (Panigrahy et al., "Heuristics
for Vector Bin Packing", 2011) was as good and took ten times as long.

All of it is integers and stable orders: the same rows on every machine. The loops are compiled: best fit decreasing in
numpy, all examples of equal lengths at once, took 10 to 100 times as long as compiled.
"""

import dataclasses
from typing import Literal, get_args

import numpy as np

from flan_datagen import keyed
from flan_datagen.compiled import compiled
from flan_datagen.runs import within

Algorithm = Literal["best_fit", "first_fit", "next_fit", "none"]

_LARGEST_ROOM = 2**30
"""Loads are squared, two squares added, and all of it has to fit 64 bits."""

_FIRST, _LAST, _EVENEST = range(3)
"""Which row an example is put into, if it has room."""


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
      order: int64[num_examples], example numbers row by row, ascending in a row.
      row_examples: int64[num_rows], examples of each row, at least 1.
    """

    order: np.ndarray
    row_examples: np.ndarray

    def examples(self, rows: np.ndarray) -> np.ndarray:
        """Example numbers of rows int64[n], in their order."""
        counts = self.row_examples[rows]
        starts = (np.cumsum(self.row_examples) - self.row_examples)[rows]
        return self.order[np.repeat(starts, counts) + within(counts)]


@dataclasses.dataclass(frozen=True)
class Dealt(Packed):
    """Examples in rows, batch by batch.

    Attributes:
      batch_rows: int64[num_batches], rows of each batch, at least 1.
    """

    batch_rows: np.ndarray


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
    match algorithm:
        case "best_fit":
            row = _best_fit(first, second, room)
        case "first_fit":
            row = _place(first, second, room, _FIRST, 0)
        case "next_fit":
            row = _place(first, second, room, _LAST, 0)
        case "none":
            row = np.arange(len(first))
        case _:
            known = ", ".join(get_args(Algorithm))
            raise ValueError(f"the packing algorithm is {algorithm!r}; expected one of {known}")
    return Packed(np.argsort(row, kind="stable"), np.bincount(row))


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
    batch_sizes = np.bincount(batch, minlength=num_batches)
    return Dealt(packed.examples(rows), packed.row_examples[rows], batch_sizes)


def _best_fit(first: np.ndarray, second: np.ndarray, room: int) -> np.ndarray:
    """The row of every example, int64[num_examples]."""
    if second.sum() > first.sum():
        first, second = second, first
    share = np.maximum(first, second)
    by_first = np.lexsort((second, first))
    # Numbers in the order by the first budget, from the largest share on; the larger goes first among equals.
    by_share = len(first) - 1 - np.argsort(-share[by_first][::-1], kind="stable")
    row = np.empty(len(first), np.int64)
    row[by_first] = _fill(first[by_first], second[by_first], room, by_share)
    least = _least_rows(first, second, room)
    # With one budget there is nothing to even out, and within half a percent next to nothing to gain.
    if second.any() and (int(row.max()) + 1) * 200 > least * 201:
        by_size = np.lexsort((-first, -share))
        even = _place(first[by_size], second[by_size], room, _EVENEST, least)
        if even.max() < row.max():
            row[by_size] = even
    return row


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


@compiled
def _count_below(ascending, num, value):
    """How many of the first `num` are below `value`. numpy's searchsorted takes longer to compile."""
    low, high = 0, num
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _fill(first, second, room, by_share):
    """One row after another: the rows, int64[num_examples].

    Args:
      first: int64[num_examples], ascending.
      second: int64[num_examples].
      room: of either.
      by_share: the numbers of the examples in the order in which they may begin a row.
    """
    sizes = first.copy()
    left = np.arange(len(first))
    num = len(first)
    rows = np.full(len(first), -1, np.int64)
    row = -1
    begun = 0
    first_free = second_free = 0
    chosen = np.empty(2, np.int64)
    while num:
        largest = _count_below(sizes, num, first_free + 1) - 1
        while largest >= 0 and second[left[largest]] > second_free:
            largest -= 1
        chosen[1] = -1
        if largest < 0:
            while rows[by_share[begun]] >= 0:
                begun += 1
            chosen[0] = _count_below(left, num, by_share[begun])
            row += 1
            first_free = second_free = room
        else:
            chosen[0] = largest
            # Two can fill what is left: from half and half on outwards, as long as it leaves a gap.
            if first_free <= 2 * sizes[largest]:
                gap = first_free - sizes[largest]
                more = _count_below(sizes, num, (first_free + 1) // 2)
                less = more - 1
                while gap > 0 and less >= 0 and more <= largest:
                    pair = first_free - sizes[more] - sizes[less]
                    if pair < 0:
                        less -= 1
                        continue
                    if pair < gap and second[left[more]] + second[left[less]] <= second_free:
                        gap = pair
                        chosen[0], chosen[1] = more, less
                    more += 1
        # The second of a pair stands below the first, so that its place stays what it was.
        for place in chosen:
            if place >= 0:
                rows[left[place]] = row
                first_free -= first[left[place]]
                second_free -= second[left[place]]
                num -= 1
                for after in range(place, num):
                    sizes[after] = sizes[after + 1]
                    left[after] = left[after + 1]
    return rows


@compiled
def _place(first, second, room, rule, num_open):
    """Example by example into a row with room, by `rule`, the first of equals: the rows, int64[num_examples].

    `num_open` rows are open from the start; a new one is opened where none has room.
    """
    num = len(first)
    first_load = np.zeros(num, np.int64)
    second_load = np.zeros(num, np.int64)
    rows = np.empty(num, np.int64)
    for example in range(num):
        best = -1
        least = np.int64(0)
        for row in range(max(num_open - 1, 0) if rule == _LAST else 0, num_open):
            first_sum = first_load[row] + first[example]
            second_sum = second_load[row] + second[example]
            if first_sum <= room and second_sum <= room:
                score = first_sum * first_sum + second_sum * second_sum if rule == _EVENEST else row
                if best < 0 or score < least:
                    best, least = row, score
        if best < 0:
            best = num_open
            num_open += 1
        first_load[best] += first[example]
        second_load[best] += second[example]
        rows[example] = best
    return rows


@compiled
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
