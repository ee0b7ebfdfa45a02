"""Keyed randomness: fixed values, permutations that are permutations, no dependence on order or company."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flan_datagen import keyed


def test_hashes_are_the_published_splitmix64_sequence():
    # First outputs for seed 1234567, as listed with the public reference implementation.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert keyed.hashes(1234567, np.arange(3)).tolist() == expected


def test_keys_tell_names_apart_by_their_bounds():
    assert keyed.key(0, "ab", "c") != keyed.key(0, "a", "bc")
    assert keyed.key(0, "a") != keyed.key(1, "a")


@given(st.integers(0, 2**64 - 1), st.integers(1, 3000))
def test_a_permutation_hits_every_position_once(key, size):
    assert sorted(keyed.permute(key, np.arange(size), size)) == list(range(size))


@given(st.integers(0, 2**64 - 1), st.integers(1, 10**12), st.data())
def test_a_point_of_a_permutation_does_not_depend_on_the_points_beside_it(key, size, data):
    points = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20))
    together = keyed.permute(key, np.array(points), size)
    alone = [int(keyed.permute(key, np.array([point]), size)[0]) for point in points]
    assert together.tolist() == alone
    assert all(0 <= place < size for place in alone)


@pytest.mark.parametrize("size", [10, 1000])
def test_every_place_is_as_likely_under_many_keys(size):
    keys = 2000
    firsts = [int(keyed.permute(keyed.key(0, i), np.array([0]), size)[0]) for i in range(keys)]
    counts = np.bincount(np.array(firsts) * 10 // size, minlength=10)
    # Ten bins of 200: five standard deviations are 67.
    assert np.abs(counts - keys / 10).max() < 67
