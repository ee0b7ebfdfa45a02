"""Running text as examples: spans that were taken out are to be written, or the text from a place on.

Span corruption (arXiv:1910.10683, section 3.1.4; t5/data/preprocessors.py, `span_corruption`), 12 tokens at a density
of 0.25 and spans of 1.5 on average, sentinels from 99 down, EOS still to come:

    text     a b c d e f g h i j k l
    inputs   a b c 99 e f g h i j 98
    targets  99 d 98 k l

Runs of text and of noise take turns, text begins and noise ends. How many tokens and spans are taken is a function of
the length alone; all ways to cut the noise into so many spans are equally likely, and all ways to cut the rest. Targets
do not end with another sentinel: T5 gives one to every run of text, and after the last noise there is none. The cuts
are drawn in one pass over the gaps (Knuth, The Art of Computer Programming 2, section 3.4.2, algorithm S) by hashes of
(key, gap), where T5 shuffles them.
"""

import dataclasses

import numpy as np

from flan_datagen.compiled import compiled
from flan_datagen.packing import Budget


@dataclasses.dataclass(frozen=True)
class Noise:
    """How much is taken out.

    Attributes:
      density: share of the tokens, above 0 and below 1.
      mean_span_length: tokens, at least 1.
    """

    density: float
    mean_span_length: float

    def counts(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and spans that are taken out of texts of int64[n] tokens, at least 2 each: int64[n] both.

        Halves are rounded to even, as by `round`. T5 takes more spans than there are runs of text to stand between
        them, and fails, where the density is high; here there are as many as fit.
        """
        tokens = np.clip(np.rint(lengths * self.density).astype(np.int64), 1, lengths - 1)
        spans = np.rint(tokens / self.mean_span_length).astype(np.int64)
        return tokens, np.clip(spans, 1, np.minimum(tokens, lengths - tokens))

    def longest_text(self, budget: Budget, *, sentinels: int) -> int:
        """Tokens of the longest text of which the example fits; 0 where none does.

        With a budget for inputs and one for targets that suffices it is that of T5's `random_spans_helper`: 568 for
        512 inputs and the defaults.

        Args:
          budget: of one example, EOS included.
          sentinels: ids for spans.
        """
        # Neither side ever gets shorter with the text, and together they are longer than it.
        lengths = np.arange(2, budget.inputs + (budget.targets or 0))
        tokens, spans = self.counts(lengths)
        inputs, targets = lengths - tokens + spans + 1, tokens + spans + 1
        if budget.targets is None:
            fits = inputs + targets <= budget.inputs
        else:
            fits = (inputs <= budget.inputs) & (targets <= budget.targets)
        return int(lengths[fits & (spans <= sentinels)].max(initial=0))


@dataclasses.dataclass(frozen=True)
class Corrupted:
    """Texts with spans taken out, end to end, EOS not among them.

    Attributes:
      inputs: of all texts, the type of the text's ids.
      input_lengths: of each, int64[n].
      targets: likewise.
      target_lengths: likewise.
    """

    inputs: np.ndarray
    input_lengths: np.ndarray
    targets: np.ndarray
    target_lengths: np.ndarray


def corrupt(
    tokens: np.ndarray, lengths: np.ndarray, keys: np.ndarray, *, noise: Noise, first_sentinel: int
) -> Corrupted:
    """Takes spans out of texts.

    Args:
      tokens: ids of all texts, end to end; of a type that holds the sentinels too.
      lengths: tokens of each text, at least 2, int64[n].
      keys: of each text's noise, uint64[n].
      noise: how much.
      first_sentinel: id of the first span of a text; that of the second is one less, and so on.
    """
    num_noise, spans = noise.counts(lengths)
    input_lengths, target_lengths = lengths - num_noise + spans, num_noise + spans
    inputs, targets = (np.empty(each.sum(), tokens.dtype) for each in (input_lengths, target_lengths))
    _corrupt(tokens, lengths, num_noise, spans, keys, first_sentinel, inputs, targets)
    return Corrupted(inputs, input_lengths, targets, target_lengths)


@compiled
def _below(key, number, size):
    """Below `size`: `keyed.choices`, with the key first."""
    z = key + (np.uint64(number) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) % np.uint64(size))


@compiled
def _cut(num_items, num_runs, key, number, runs):
    """Cuts items into runs of at least one, their lengths into `runs`; gap g is decided by hash `number` + g."""
    run, length, needed = 0, 1, num_runs - 1
    for gap in range(num_items - 1):
        if _below(key, number + gap, num_items - 1 - gap) < needed:
            runs[run] = length
            run += 1
            length = 0
            needed -= 1
        length += 1
    runs[run] = length


@compiled
def _corrupt(tokens, lengths, num_noise, spans, keys, first_sentinel, inputs, targets):
    """Fills `inputs` and `targets`."""
    most = 1
    for text in range(len(lengths)):
        most = max(most, spans[text])
    kept = np.empty(most, np.int64)
    taken = np.empty(most, np.int64)
    read = written = told = 0
    for text in range(len(lengths)):
        noise, runs = num_noise[text], spans[text]
        _cut(noise, runs, keys[text], 0, taken)
        _cut(lengths[text] - noise, runs, keys[text], noise, kept)
        for run in range(runs):
            for _ in range(kept[run]):
                inputs[written] = tokens[read]
                read += 1
                written += 1
            inputs[written] = targets[told] = first_sentinel - run
            written += 1
            told += 1
            for _ in range(taken[run]):
                targets[told] = tokens[read]
                read += 1
                told += 1
