"""Packing and dealing: every example once, budgets kept, few rows, batches of mixed kinds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flan_datagen.packing import Budget, Packed, deal, least_rows, lower_bound, pack

ALGORITHMS = ("best_fit", "first_fit", "next_fit", "none")
BUDGETS = {"two": Budget(64, 16), "together": Budget.together(80)}
LENGTHS = st.lists(st.tuples(st.integers(1, 64), st.integers(1, 16)), max_size=80).map(
    lambda pairs: tuple(np.array(pairs, np.int64).reshape(-1, 2).T)
)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compiling takes longer than a property is given."""
    deal(pack(np.ones(1, np.int64), np.ones(1, np.int64), budget=Budget(1, 1)), batch_rows=1, order_key=0)


def rows_of(packed: Packed) -> list[list[int]]:
    return [part.tolist() for part in np.split(packed.order, np.cumsum(packed.row_examples))[:-1]]


def nli(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A premise, a hypothesis and OPTIONS; a word or two of answer."""
    random = np.random.default_rng(seed)
    return np.clip(random.lognormal(4.1, 0.45, num), 8, 1000).astype(np.int64) + 12, random.integers(
        2, 5, num
    )


def with_summaries(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three in ten are articles with their summaries."""
    random = np.random.default_rng(seed)
    inputs, targets = nli(num, seed)
    long = random.random(num) < 0.3
    inputs[long] = np.clip(random.lognormal(6.4, 0.5, long.sum()), 60, 1000).astype(np.int64)
    targets[long] = np.clip(random.lognormal(4.0, 0.5, long.sum()), 8, 256).astype(np.int64)
    return inputs, targets


def with_translations(num: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Half are translations, so that both budgets are about equally scarce."""
    random = np.random.default_rng(seed)
    inputs, targets = with_summaries(num, seed)
    told = random.random(num) < 0.5
    length = np.clip(random.lognormal(3.4, 0.6, told.sum()), 3, 200)
    inputs[told] = length.astype(np.int64) + 15
    targets[told] = (length * random.uniform(0.8, 1.2, told.sum())).astype(np.int64)
    return inputs, targets


def test_the_example_of_the_module():
    packed = pack(np.array([5, 3, 4, 2]), np.array([2, 1, 1, 3]), budget=Budget(8, 4))
    assert rows_of(packed) == [[2, 3], [0, 1]]


def test_first_fit_keeps_all_rows_open_and_next_fit_the_last():
    inputs, targets = np.array([5, 6, 3, 2, 9]), np.ones(5, np.int64)
    rows = {name: rows_of(pack(inputs, targets, budget=Budget(9, 9), algorithm=name)) for name in ALGORITHMS}
    assert rows["first_fit"] == [[0, 2], [1, 3], [4]]
    assert rows["next_fit"] == [[0], [1, 2], [3], [4]]
    assert rows["none"] == [[0], [1], [2], [3], [4]]
    assert rows["best_fit"] == [[4], [1, 2], [0, 3]]


def test_inputs_and_targets_may_share_one_budget():
    inputs, targets = np.array([6, 1, 3, 1]), np.array([1, 5, 1, 3])
    assert rows_of(pack(inputs, targets, budget=Budget.together(11))) == [[0, 3], [1, 2]]
    assert rows_of(pack(inputs, targets, budget=Budget(6, 5))) == [[1], [0], [2, 3]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", BUDGETS)
@given(lengths=LENGTHS)
def test_every_example_is_packed_once_within_the_budget(kind, algorithm, lengths):
    inputs, targets = lengths
    budget = BUDGETS[kind]
    packed = pack(inputs, targets, budget=budget, algorithm=algorithm)
    rows = rows_of(packed)
    assert sorted(example for row in rows for example in row) == list(range(len(inputs)))
    for row in rows:
        assert row
        assert inputs[row].sum() + (0 if budget.targets else targets[row].sum()) <= budget.inputs
        assert targets[row].sum() <= (budget.targets or budget.inputs)
    assert lower_bound(inputs, targets, budget) <= least_rows(inputs, targets, budget) <= len(rows)


@given(LENGTHS)
def test_no_row_stands_where_all_its_examples_had_room_in_an_earlier_one(lengths):
    inputs, targets = lengths
    rows = rows_of(pack(inputs, targets, budget=BUDGETS["two"], algorithm="first_fit"))
    for number, row in enumerate(rows):
        for earlier in rows[:number]:
            before = [example for example in earlier if example < row[0]]
            assert inputs[before].sum() + inputs[row[0]] > 64 or targets[before].sum() + targets[row[0]] > 16


@pytest.mark.parametrize("lengths", [nli, with_summaries])
@pytest.mark.parametrize("budget", [Budget(1024, 256), Budget.together(1280)], ids=["two", "together"])
@pytest.mark.parametrize("seed", range(5))
def test_best_fit_is_within_a_percent_of_the_lower_bound(lengths, budget, seed):
    inputs, targets = lengths(4096, seed)
    rows = len(pack(inputs, targets, budget=budget).row_examples)
    assert rows <= 1.01 * lower_bound(inputs, targets, budget)


@pytest.mark.parametrize("seed", range(5))
def test_best_fit_balances_two_scarce_budgets(seed):
    inputs, targets = with_translations(4096, seed)
    budget = Budget(1024, 256)
    shares = inputs.sum() / 1024, targets.sum() / 256
    assert min(shares) > 0.8 * max(shares)
    assert len(pack(inputs, targets, budget=budget).row_examples) <= 1.01 * least_rows(
        inputs, targets, budget
    )


def test_examples_that_fill_a_budget_count_as_rows_of_the_least():
    inputs, targets = np.array([1000, 20, 20, 20]), np.array([2, 256, 256, 2])
    assert lower_bound(inputs, targets, Budget(1024, 256)) == 516 / 256
    assert least_rows(inputs, targets, Budget(1024, 256)) == 3


def test_equal_lengths_are_packed_equally_whatever_holds_them():
    inputs, targets = with_translations(500)
    frozen = inputs.astype(np.int32), targets[::-1].copy()[::-1]
    for array in frozen:
        array.flags.writeable = False
    for algorithm in ALGORITHMS:
        first = pack(inputs, targets, budget=Budget(1024, 256), algorithm=algorithm)
        second = pack(*frozen, budget=Budget(1024, 256), algorithm=algorithm)
        assert rows_of(first) == rows_of(second)


@pytest.mark.parametrize(
    ("inputs", "targets", "budget", "message"),
    [
        ([3, 9], [1, 1], Budget(8, 4), "example 1 has 9 input tokens; expected 1 to 8"),
        ([3, 8], [5, 1], Budget(8, 4), "example 0 has 5 target tokens; expected 1 to 4"),
        ([3, 0], [1, 1], Budget(8, 4), "example 1 has 0 input tokens; expected 1 to 8"),
        ([3, 7], [1, 5], Budget.together(11), "example 1 has 12 input and target tokens; expected 1 to 11"),
    ],
)
def test_an_example_that_fits_no_row_is_refused(inputs, targets, budget, message):
    with pytest.raises(ValueError, match=message):
        pack(np.array(inputs), np.array(targets), budget=budget)


def test_what_cannot_be_a_budget_or_an_algorithm_is_refused():
    with pytest.raises(ValueError, match="the budget of targets is 0; expected at least 1"):
        Budget(8, 0)
    with pytest.raises(ValueError, match="product above 1073741824"):
        Budget(2**20, 2**11)
    with pytest.raises(ValueError, match="'worst_fit'; expected one of best_fit, first_fit, next_fit, none"):
        pack(np.array([1]), np.array([1]), budget=Budget(1, 1), algorithm="worst_fit")


@given(LENGTHS, st.integers(1, 8), st.integers(0, 2**64 - 1))
def test_dealing_keeps_every_row_and_the_size_of_a_batch(lengths, batch_rows, key):
    packed = pack(*lengths, budget=BUDGETS["two"])
    dealt = deal(packed, batch_rows=batch_rows, order_key=key)
    assert len(dealt.batch_rows) == -(-len(packed.row_examples) // batch_rows)
    assert all(1 <= rows <= batch_rows for rows in dealt.batch_rows)
    assert dealt.batch_rows.sum() == len(packed.row_examples)
    assert sorted(rows_of(Packed(dealt.order, dealt.row_examples))) == sorted(rows_of(packed))


def test_batches_hold_about_equal_numbers_of_examples_and_of_long_ones():
    inputs, targets = with_summaries(4096)
    dealt = deal(pack(inputs, targets, budget=Budget(1024, 256)), batch_rows=32, order_key=1)
    batch = np.repeat(np.arange(len(dealt.batch_rows)), dealt.batch_rows)
    batch = np.repeat(batch, dealt.row_examples)
    sizes = np.bincount(batch)
    assert max(sizes) - min(sizes) <= 0.1 * np.mean(sizes)
    long = np.bincount(batch, inputs[dealt.order] > 256) / sizes
    assert max(long) <= 1.5 * np.mean(long)


def test_the_key_decides_the_order_of_the_batches_alone():
    inputs, targets = with_summaries(256)
    packed = pack(inputs, targets, budget=Budget(1024, 256))
    batches = []
    for key in (1, 2):
        dealt = deal(packed, batch_rows=4, order_key=key)
        rows = rows_of(Packed(dealt.order, dealt.row_examples))
        ends = np.cumsum(dealt.batch_rows)
        batches.append([rows[end - n : end] for n, end in zip(dealt.batch_rows, ends, strict=True)])
    assert batches[0] != batches[1]
    assert sorted(batches[0]) == sorted(batches[1])
