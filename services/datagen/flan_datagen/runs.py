"""Runs of different lengths, laid end to end in one array."""

import numpy as np


def within(counts: np.ndarray) -> np.ndarray:
    """The place of every element in its run, int64[sum(counts)].

    >>> within(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
