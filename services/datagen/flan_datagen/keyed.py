"""Keyed randomness: every random choice is a fixed public function of (seed, names, numbers).

No iterator state, no order of calls: any replica computes any draw at one point. A 64-bit key is derived
from the seed and the names by BLAKE2b (RFC 7693); numbers under a key are hashed by SplitMix64 (Steele,
Lea and Flood, OOPSLA 2014), vectorised. Python's own hash() differs between processes and is never used.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = 4
"""Four Feistel rounds of pseudo-random functions are a pseudo-random permutation (Luby and Rackoff, 1988)."""


def key(seed: int, *names: str | int) -> int:
    """A 64-bit key for one purpose.

    >>> key(7, "rte", "template") != key(7, "rte", "order")
    True
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in (seed, *names):
        text = str(part).encode()
        # The length in front keeps ("ab", "c") and ("a", "bc") apart.
        digest.update(len(text).to_bytes(4, "little") + text)
    return int.from_bytes(digest.digest(), "little")


def hashes(key_: int | np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """SplitMix64's output number `numbers` for the seed `key_` (one, or uint64 for each): uint64, as `numbers`."""
    with np.errstate(over="ignore"):
        z = np.uint64(key_) + (numbers.astype(np.uint64) + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def choices(key_: int, numbers: np.ndarray, size: int) -> np.ndarray:
    """A uniform choice below `size` for each of `numbers`: int64. The bias is below size / 2**64."""
    return (hashes(key_, numbers) % np.uint64(size)).astype(np.int64)


def permute(key_: int | np.ndarray, positions: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """The keyed permutation of range(size) at `positions`, without building the list.

    A balanced Feistel network on the next even number of bits, walked along its cycle back into the range
    (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002): at most four turns on average.
    A shuffled list would cost its length for every point and epoch.

    Args:
      key_: from `key`; one, or uint64[n].
      positions: int64[n], each in [0, size).
      size: at least 1, below 2**53; one, or int64[n].

    Returns:
      int64[n].
    """
    shape = positions.shape
    keys = np.broadcast_to(np.asarray(key_, np.uint64), shape)
    sizes = np.broadcast_to(np.asarray(size, np.uint64), shape)
    # frexp's exponent of an integer is its number of bits.
    bits = np.frexp(np.maximum(sizes.astype(np.float64) - 1, 1))[1]
    half = ((bits + 1) // 2).astype(np.uint64)
    mask = (np.uint64(1) << half) - np.uint64(1)
    out = positions.astype(np.uint64)
    todo = np.arange(len(out))
    while len(todo):
        key_now, half_now, mask_now = keys[todo], half[todo], mask[todo]
        left, right = out[todo] >> half_now, out[todo] & mask_now
        for turn in range(_ROUNDS):
            # The turn stands above the bits of `right`: each turn has a function of its own.
            left, right = right, left ^ (hashes(key_now, right | np.uint64(turn << 60)) & mask_now)
        out[todo] = (left << half_now) | right
        todo = todo[out[todo] >= sizes[todo]]
    return out.astype(np.int64)
