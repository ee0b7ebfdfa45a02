"""The mixture: quotas in closed form, epochs that are permutations, draws that depend on nothing but the spec."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flan_datagen.mixture import Mixture, Stream, draw_exemplars

STREAMS = [Stream("large", 5000, 3000), Stream("small", 40, 40), Stream("other", 900, 900)]


def mixture(streams=STREAMS, *, seed=3, window=100):
    return Mixture(streams, seed=seed, window=window)


@given(st.integers(0, 10**6), st.integers(0, 2**32), st.integers(1, 5000))
def test_counts_are_within_one_of_the_exact_share(window, seed, size):
    mixed = mixture(seed=seed, window=size)
    total = sum(stream.rate for stream in STREAMS)
    for index, stream in enumerate(STREAMS):
        assert abs(mixed.count(index, window) - window * size * stream.rate / total) <= 1


def test_windows_follow_each_other_without_gap_or_repeat():
    mixed = mixture()
    for index in range(len(STREAMS)):
        numbers = np.concatenate([d.number[d.stream == index] for d in map(mixed.draws, range(50))])
        assert sorted(numbers) == list(range(len(numbers)))


def test_an_epoch_draws_every_row_once():
    mixed = mixture()
    draws = [mixed.draws(window) for window in range(400)]
    rows = np.concatenate([d.row[d.stream == 1] for d in draws])
    numbers = np.concatenate([d.number[d.stream == 1] for d in draws])
    by_number = rows[np.argsort(numbers)]
    assert len(by_number) > 5 * 40
    epochs = [by_number[start : start + 40] for start in range(0, 200, 40)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(40))
    assert any((epochs[0] != epoch).any() for epoch in epochs[1:])


def test_a_window_is_the_same_whenever_it_is_made():
    before = mixture().draws(17)
    mixed = mixture()
    for window in (3, 99, 17):
        again = mixed.draws(window)
    for name in ("stream", "number", "row", "choice"):
        assert (getattr(before, name) == getattr(again, name)).all()


def test_the_order_of_the_datasets_decides_nothing():
    one, other = mixture().draws(5), mixture(STREAMS[::-1]).draws(5)
    assert (one.stream == 2 - other.stream).all()
    assert (one.row == other.row).all()


def test_datasets_are_interleaved_within_a_window():
    stream = mixture(window=1000).draws(0).stream
    halves = stream[:500], stream[500:]
    assert abs((halves[0] == 2).mean() - (halves[1] == 2).mean()) < 0.1


def test_every_template_is_drawn_about_equally():
    draws = [mixture(window=1000).draws(window) for window in range(10)]
    templates = np.concatenate([d.choice[d.stream == 0] for d in draws]) % np.uint64(10)
    counts = np.bincount(templates.astype(np.int64), minlength=10)
    assert counts.min() > 0.8 * counts.mean()


@given(st.integers(0, 2**63), st.integers(2, 50), st.integers(0, 16), st.data())
def test_exemplars_are_never_the_query_and_never_one_twice(key, num_rows, num_shots, data):
    query = data.draw(st.integers(0, num_rows - 1))
    candidates = np.arange(100, 100 + num_rows)

    def drawn(num_shots, query):
        shots = draw_exemplars(np.array([key], np.uint64), candidates, num_shots, queries=np.array([query]))
        return [row for row in shots[0].tolist() if row >= 0]

    rows = drawn(num_shots, 100 + query)
    assert 100 + query not in rows
    assert set(rows) <= set(candidates.tolist())
    assert len(set(rows)) == len(rows) == min(num_shots, num_rows - 1)
    # A smaller k asks for a beginning of the same list.
    assert drawn(num_shots // 2, 100 + query) == rows[: num_shots // 2]
    # A query from elsewhere takes nothing away.
    assert len(drawn(num_shots, -1)) == min(num_shots, num_rows)


def test_exemplars_of_many_draws_are_those_of_each():
    keys, queries, candidates = np.arange(20, dtype=np.uint64), np.arange(20) % 7, np.arange(7)
    together = draw_exemplars(keys, candidates, 5, queries=queries)
    for key, query, rows in zip(keys, queries, together, strict=True):
        assert (draw_exemplars(key[None], candidates, 5, queries=query[None])[0] == rows).all()


def test_without_candidates_there_are_no_exemplars():
    shots = draw_exemplars(np.zeros(3, np.uint64), np.zeros(0, np.int64), 2, queries=np.full(3, -1))
    assert (shots == -1).all()
