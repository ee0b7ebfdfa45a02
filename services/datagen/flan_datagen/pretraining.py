"""Draws of running text as examples, in the place of a mixture (`RunSpec.pretraining`).

Draw j is segment perm(j // n)[j % n] of the text's n segments; what is taken out of it is keyed by j, so that a segment
which comes again has other noise. Everything else is as for a mixture: windows, rows, batches, counts; the one dataset
is called `text` and belongs to no cluster.

Span corruption is `span_corruption.py`; segments are the longest of which the examples fit the row. Prefix LM
(arXiv:1910.10683, section 3.2.3): the first tokens of a segment are the input, the rest is the target; how many is
uniform among those that fit. Segments are as long as inputs, as in T5 (t5/data/preprocessors.py, `prefix_lm`), where
both lengths are the same; a network that reads both from one row has segments as long as the row.
"""

import hashlib

import numpy as np

from flan_datagen import keyed
from flan_datagen.assemble import Drawn, Examples, pooled
from flan_datagen.clock import Clock
from flan_datagen.digest import source_digest
from flan_datagen.mixture import Draws, Mixture, Stream
from flan_datagen.pool import Pools
from flan_datagen.room import id_dtype, prompt_ids, text_budget
from flan_datagen.running_text import RunningDocuments, Segments, TokenizedText, open_text
from flan_datagen.span_corruption import Noise, corrupt
from flan_shared.errors import SpecError
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer

DATASET = "text"

_LEAST = 4
"""Tokens of a segment: of shorter ones a cut could leave a single token."""


class RunningText:
    """The examples of a run's text.

    Attributes:
      names: of what is drawn from; `Drawn.stream` counts in it.
      clusters: its index into `RunSpec.trained_clusters`, uint8[1].
      source_digest: of all that the examples hang on besides the spec.
      num_rows: segments, each drawn once an epoch.
      num_tokens: of the text.
    """

    names = (DATASET,)
    clusters = np.zeros(1, np.uint8)

    def __init__(self, spec: RunSpec, pools: Pools, tokenizer: Tokenizer) -> None:
        """Tokenizes the text, unless that was done before.

        Args:
          spec: with `pretraining`, pinned to `tokenizer`.
          pools: whose source has the text, and whose cache keeps it.
          tokenizer: the run's.

        Raises:
          DataError: the source has no running text, or it cannot be read.
          SpecError: the lengths fit no example, or the licence of the text is asked for.
        """
        length = segment_length(spec)
        text = TokenizedText(documents_of(spec, pools), tokenizer, pools.cache)
        own = f"{source_digest(pools, [], tokenizer)}\ntext {text.digest}\n"
        self.source_digest = hashlib.sha256(own.encode()).hexdigest()
        self.num_tokens = len(text)
        self._segments = Segments(text, length)
        self.num_rows = len(self._segments)
        stream = Stream(DATASET, self.num_rows, 1)
        self._mixture = Mixture([stream], seed=spec.seed, window=spec.packing.window)
        self._spec = spec
        self._budget = text_budget(spec)
        self._prompt, self._dtype = prompt_ids(spec), id_dtype(spec)
        self._first_sentinel = tokenizer.vocab_size + spec.tokenizer.extra_ids - 1

    def drawn(self, window: int, clock: Clock) -> Drawn:
        """The examples of a window; laps `read` and `corrupt`."""
        draws = self._mixture.draws(window)
        tokens, lengths = self._segments.take(draws.row)
        clock.lap("read")
        keys = keyed.hashes(keyed.key(self._spec.seed, DATASET, "noise"), draws.number)
        if self._spec.pretraining.objective == "span_corruption":
            examples = self._corrupted(tokens, lengths, keys)
        else:
            examples = self._split(tokens, lengths, keys)
        clock.lap("corrupt")
        nothing = np.zeros(len(draws), bool)
        return Drawn(examples, draws.stream, nothing, nothing, (), np.zeros(0, np.int64))

    def draws(self, window: int) -> Draws:
        """The draws of a window; rows are segments."""
        return self._mixture.draws(window)

    def texts(self, draws: Draws) -> tuple[list[str], list[str]]:
        """There are none to be tokenized: running text is ids."""
        raise TypeError("running text is drawn as ids")

    def _corrupted(self, tokens: np.ndarray, lengths: np.ndarray, keys: np.ndarray) -> Examples:
        made = corrupt(
            tokens.astype(self._dtype),
            lengths,
            keys,
            noise=_noise(self._spec),
            first_sentinel=self._first_sentinel,
        )
        pool = pooled(self._dtype, self._prompt, made.inputs, made.targets)
        input_start, target_start = (
            np.cumsum(each) - each for each in (made.input_lengths, made.target_lengths)
        )
        target_start += len(made.inputs)
        return Examples(
            pool,
            input_start,
            made.input_lengths,
            target_start,
            made.target_lengths,
            len(self._prompt),
        )

    def _split(self, tokens: np.ndarray, lengths: np.ndarray, keys: np.ndarray) -> Examples:
        least, most = np.ones_like(lengths), lengths - 1
        if self._budget.targets is not None:
            # A segment is shorter than inputs: only targets may be too long.
            least = np.maximum(least, lengths - (self._budget.targets - 1))
        chosen = keyed.hashes(keys, np.zeros(len(keys), np.int64)) % (most - least + 1).astype(np.uint64)
        split = least + chosen.astype(np.int64)
        start = np.cumsum(lengths) - lengths
        pool = pooled(self._dtype, self._prompt, tokens)
        return Examples(pool, start, split, start + split, lengths - split, len(self._prompt))


def documents_of(spec: RunSpec, pools: Pools) -> RunningDocuments:
    """The text that a run trains on.

    Raises:
      DataError: the source has none.
      SpecError: the run asks for a licence that the text is not known to have.
    """
    documents = open_text(pools.source.name, pools.cache)
    if spec.licences == "commercial" and not documents.is_generated:
        raise SpecError(
            f"licences is commercial, but the licence of {documents.name} is not known; set licences: any"
        )
    return documents


def segment_length(spec: RunSpec) -> int:
    """Tokens of a segment of text at most.

    Raises:
      SpecError: there is no room for any.
    """
    budget = text_budget(spec)
    if spec.pretraining.objective == "span_corruption":
        length = _noise(spec).longest_text(budget, sentinels=spec.tokenizer.extra_ids)
    else:
        # One EOS where the target has a budget of its own, two where it has not.
        length = budget.inputs - (1 if budget.targets else 2)
    if length < _LEAST:
        raise SpecError(
            f"lengths are {spec.lengths.inputs} inputs and {spec.lengths.targets} targets, which leaves no room for "
            f"{spec.pretraining.objective} of {_LEAST} tokens of text; give longer ones"
        )
    return length


def _noise(spec: RunSpec) -> Noise:
    given = spec.pretraining
    return Noise(given.noise_density, given.mean_noise_span_length)
