"""A window's token ids from texts to batches, in arrays throughout: no example is an object of its own.

The ids of all inputs, of the inputs that were shortened, of all targets and one EOS lie in one array; an example is two
runs in it, and the tokens of a window are one gather.
"""

import dataclasses

import numpy as np

from flan_datagen.encode import Encoded
from flan_shared.tokenizer import EOS_ID


@dataclasses.dataclass(frozen=True)
class Examples:
    """Token ids of examples.

    Attributes:
      pool: uint16 or uint32[num_ids], all ids; the last one is EOS.
      input_start: where each example's input begins in it, int64[n].
      input_length: its ids, EOS not counted, int64[n].
      target_start: the same of the target.
      target_length: the same of the target.
    """

    pool: np.ndarray
    input_start: np.ndarray
    input_length: np.ndarray
    target_start: np.ndarray
    target_length: np.ndarray

    @classmethod
    def of(
        cls,
        inputs: Encoded,
        targets: Encoded,
        fitted: dict[int, np.ndarray],
        *,
        target_length: int,
    ) -> "Examples":
        """Examples of one window.

        Args:
          inputs: of every example.
          targets: of every example; cut at the end to `target_length` - 1 ids.
          fitted: ids of the inputs that had to be shortened, by example.
          target_length: tokens of a row's targets, EOS included.
        """
        places = np.fromiter(fitted, np.int64, len(fitted))
        lengths = np.array([len(ids) for ids in fitted.values()], np.int64)
        dtype = inputs.ids.dtype
        pool = np.concatenate([inputs.ids, *fitted.values(), targets.ids, np.array([EOS_ID])]).astype(dtype)
        input_start, input_length = inputs.offsets[:-1].copy(), np.diff(inputs.offsets)
        input_start[places] = len(inputs.ids) + np.cumsum(lengths) - lengths
        input_length[places] = lengths
        first_target = len(inputs.ids) + lengths.sum()
        cut = np.minimum(np.diff(targets.offsets), target_length - 1)
        return cls(pool, input_start, input_length, targets.offsets[:-1] + first_target, cut)

    def at(self, examples: np.ndarray) -> "Examples":
        """Those at positions int64[m]."""
        return Examples(
            self.pool,
            self.input_start[examples],
            self.input_length[examples],
            self.target_start[examples],
            self.target_length[examples],
        )

    def tokens(self) -> np.ndarray:
        """Input, EOS, target, EOS of one example after another: the ids of `pool`'s type, [num_tokens].

        >>> pool = np.array([5, 6, 7, 9, 1])
        >>> one = np.array([1])
        >>> Examples(pool, np.array([0]), np.array([2]), np.array([3]), one).tokens().tolist()
        [5, 6, 1, 9, 1]
        """
        num = len(self.input_start)
        starts, lengths = np.empty((num, 4), np.int64), np.ones((num, 4), np.int64)
        starts[:, 0], lengths[:, 0] = self.input_start, self.input_length
        starts[:, 2], lengths[:, 2] = self.target_start, self.target_length
        starts[:, 1::2] = len(self.pool) - 1
        starts, lengths = starts.ravel(), lengths.ravel()
        first = np.cumsum(lengths) - lengths
        return self.pool[np.arange(lengths.sum()) + np.repeat(starts - first, lengths)]
