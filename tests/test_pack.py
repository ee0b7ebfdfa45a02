"""Packing and dealing: every example once, budgets kept, batches of mixed kinds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flan_datagen.pack import deal, pack

LENGTHS = st.lists(st.tuples(st.integers(1, 64), st.integers(1, 16)), max_size=80)


def test_the_example_of_the_module():
    rows = pack(np.array([5, 3, 4, 2]), np.array([2, 1, 1, 3]), inputs=8, targets=4)
    assert rows == [[3, 2], [0, 1]]


@given(LENGTHS)
def test_every_example_is_packed_once_within_both_budgets(lengths):
    inputs, targets = (np.array([pair[side] for pair in lengths], np.int64) for side in (0, 1))
    rows = pack(inputs, targets, inputs=64, targets=16)
    assert sorted(example for row in rows for example in row) == list(range(len(lengths)))
    for row in rows:
        assert row
        assert inputs[row].sum() <= 64
        assert targets[row].sum() <= 16


@given(LENGTHS.filter(len), st.integers(1, 8), st.integers(0, 2**64 - 1))
def test_dealing_keeps_every_row_and_the_size_of_a_batch(lengths, batch_rows, key):
    inputs, targets = (np.array([pair[side] for pair in lengths], np.int64) for side in (0, 1))
    rows = pack(inputs, targets, inputs=64, targets=16)
    batches = deal(rows, batch_rows=batch_rows, order_key=key)
    assert len(batches) == -(-len(rows) // batch_rows)
    assert sorted(map(tuple, rows)) == sorted(tuple(row) for batch in batches for row in batch)
    assert all(1 <= len(batch) <= batch_rows for batch in batches)


def test_batches_hold_about_equal_numbers_of_examples():
    random = np.random.default_rng(0)
    inputs = np.concatenate([random.integers(4, 30, 600), random.integers(200, 256, 100)])
    targets = random.integers(1, 8, 700)
    batches = deal(pack(inputs, targets, inputs=256, targets=64), batch_rows=8, order_key=1)
    sizes = [sum(len(row) for row in batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 0.3 * np.mean(sizes)
