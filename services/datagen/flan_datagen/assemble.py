"""A window's token ids from texts to batches, in arrays throughout: no example is an object of its own.

The ids of all inputs, of the inputs that were shortened, of all targets, those of the prompt and one EOS lie in one
array; an example is two runs in it, and the tokens of a window are one gather.
"""

import dataclasses

import numpy as np

from flan_datagen.asking import Quarantined
from flan_datagen.encode import Encoded
from flan_shared.tokenizer import EOS_ID


@dataclasses.dataclass(frozen=True)
class Examples:
    """Token ids of examples.

    Attributes:
      pool: uint16 or uint32[num_ids], all ids; the last ones are the prompt's, then EOS.
      input_start: where each example's input begins in it, int64[n].
      input_length: its ids, prompt and EOS not counted, int64[n].
      target_start: the same of the target.
      target_length: the same of the target.
      prompt_length: ids of the prompt, which stands before every input; mostly 0.
    """

    pool: np.ndarray
    input_start: np.ndarray
    input_length: np.ndarray
    target_start: np.ndarray
    target_length: np.ndarray
    prompt_length: int = 0

    @classmethod
    def of(
        cls,
        inputs: Encoded,
        targets: Encoded,
        fitted: dict[int, np.ndarray],
        *,
        target_length: int,
        prompt: np.ndarray,
    ) -> "Examples":
        """Examples of one window.

        Args:
          inputs: of every example.
          targets: of every example; cut at the end to `target_length` - 1 ids.
          fitted: ids of the inputs that had to be shortened, by example.
          target_length: tokens of a row's targets, EOS included.
          prompt: its ids, int64[prompt_length].
        """
        places = np.fromiter(fitted, np.int64, len(fitted))
        lengths = np.array([len(ids) for ids in fitted.values()], np.int64)
        pool = pooled(inputs.ids.dtype, prompt, inputs.ids, *fitted.values(), targets.ids)
        input_start, input_length = inputs.offsets[:-1].copy(), np.diff(inputs.offsets)
        input_start[places] = len(inputs.ids) + np.cumsum(lengths) - lengths
        input_length[places] = lengths
        first_target = len(inputs.ids) + lengths.sum()
        cut = np.minimum(np.diff(targets.offsets), target_length - 1)
        return cls(pool, input_start, input_length, targets.offsets[:-1] + first_target, cut, len(prompt))

    @property
    def input_tokens(self) -> np.ndarray:
        """Tokens of each example's input, the prompt and EOS among them, int64[n]."""
        return self.prompt_length + self.input_length + 1

    @property
    def target_tokens(self) -> np.ndarray:
        """Tokens of each example's target, EOS among them, int64[n]."""
        return self.target_length + 1

    def at(self, examples: np.ndarray) -> "Examples":
        """Those at positions int64[m]."""
        return dataclasses.replace(
            self,
            input_start=self.input_start[examples],
            input_length=self.input_length[examples],
            target_start=self.target_start[examples],
            target_length=self.target_length[examples],
        )

    def tokens(self) -> np.ndarray:
        """Prompt, input, EOS, target, EOS of one example after another: the ids of `pool`'s type, [num_tokens].

        >>> pool = np.array([5, 6, 7, 9, 1])
        >>> one = np.array([1])
        >>> Examples(pool, np.array([0]), np.array([2]), np.array([3]), one).tokens().tolist()
        [5, 6, 1, 9, 1]
        """
        eos = len(self.pool) - 1
        runs = [
            (self.input_start, self.input_length),
            (eos, 1),
            (self.target_start, self.target_length),
            (eos, 1),
        ]
        if self.prompt_length:
            runs.insert(0, (eos - self.prompt_length, self.prompt_length))
        starts, lengths = np.empty((2, len(self.input_start), len(runs)), np.int64)
        for place, (start, length) in enumerate(runs):
            starts[:, place], lengths[:, place] = start, length
        starts, lengths = starts.ravel(), lengths.ravel()
        first = np.cumsum(lengths) - lengths
        return self.pool[np.arange(lengths.sum()) + np.repeat(starts - first, lengths)]


def pooled(dtype: np.dtype, prompt: np.ndarray, *ids: np.ndarray) -> np.ndarray:
    """`Examples.pool`: ids end to end, then those of the prompt, then EOS."""
    return np.concatenate([*ids, prompt.astype(dtype), np.array([EOS_ID], dtype)]).astype(dtype, copy=False)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What the draws of a window came to; n of them were sound.

    Attributes:
      examples: of the sound draws, in draw order; one without a target id has lost it and is dropped.
      stream: what each was drawn from, an index into the names of its maker, int64[n].
      shortened: whether the input was, bool[n].
      cut: whether the target was, bool[n].
      quarantined: rows set aside, in draw order.
      quarantined_stream: what each of these was drawn from, int64[len(quarantined)].
    """

    examples: Examples
    stream: np.ndarray
    shortened: np.ndarray
    cut: np.ndarray
    quarantined: tuple[Quarantined, ...]
    quarantined_stream: np.ndarray
