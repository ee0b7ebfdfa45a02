"""Seeded draws for one dataset and split, and the rule that keeps the splits apart.

Only `random.Random.random` is used: Python promises the same numbers for the same seed in every version,
which it does not for `choice`, `sample` and `shuffle`.
"""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from flan_datagen import keyed

T = TypeVar("T")

SPLITS = ("train", "validation", "test")
_TENTHS = {"train": range(0, 6), "validation": range(6, 8), "test": range(8, 10)}
_MAX_TRIES = 10_000


class Draw:
    """Random choices, fixed by the seed and the names.

    Signatures are dealt to splits by `owns`, the same way for every dataset and every seed: a passage that
    one dataset tests on is no other's training passage.
    """

    def __init__(self, seed: int, *names: str, split: str) -> None:
        """Args:
        seed: of the corpus.
        names: what the draws are for; other names give independent draws.
        split: one of `SPLITS`.
        """
        self._tenths = _TENTHS[split]
        self._random = random.Random(keyed.key(seed, *names, split)).random

    def below(self, size: int) -> int:
        """An integer in [0, size)."""
        return int(self._random() * size)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, values: Sequence[T]) -> T:
        return values[int(self._random() * len(values))]

    def other(self, values: Sequence[T], *taken: T) -> T:
        """One of `values` that is not among `taken`; there must be one."""
        for _ in range(_MAX_TRIES):
            value = values[int(self._random() * len(values))]
            if value not in taken:
                return value
        raise RuntimeError(f"no value left besides {taken}")

    def several(self, values: Sequence[T], count: int) -> list[T]:
        """`count` of `values` at different places, in random order."""
        rest = list(values)
        return [rest.pop(int(self._random() * len(rest))) for _ in range(count)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        return self.several(values, len(values))

    def owns(self, signature: str) -> bool:
        """Whether rows with this signature may stand in this split; true for exactly one split."""
        return keyed.key(0, "split", signature) % 10 in self._tenths

    def owned(self, make: Callable[[], T], signature: Callable[[T], str]) -> T:
        """The first of the values that `make` gives whose signature belongs to this split."""
        for _ in range(_MAX_TRIES):
            value = make()
            if self.owns(signature(value)):
                return value
        raise RuntimeError(f"{_MAX_TRIES} draws gave nothing for this split")
