"""One window of a run, from draws to the bytes on the line: a pure function of (spec, source, window).

    draws -> token ids -> rows -> batches

What is drawn is rows under templates (`instructions.py`) or running text (`pretraining.py`). Every step takes the
whole window as arrays.
"""

import dataclasses
from collections import Counter

import numpy as np

from flan_datagen import keyed
from flan_datagen.asking import Quarantined
from flan_datagen.assemble import Drawn, Examples
from flan_datagen.clock import Clock
from flan_datagen.instructions import InHand, Instructions, check_lengths
from flan_datagen.mixture import Draws
from flan_datagen.packing import deal, pack
from flan_datagen.pool import Pools
from flan_datagen.pretraining import RunningText
from flan_datagen.room import row_budget
from flan_shared.line import PackedBatch
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Window:
    """What a replica writes for one ticket.

    Attributes:
      shards: for every shard its batches, in order; at least one.
      quarantined: rows set aside, in draw order.
      num_examples: examples packed.
      num_tokens: their tokens, the prompt and EOS included.
      tallies: by dataset (or part, where that is the unit) counts of `examples`, `input_tokens`, `target_tokens`,
        `quarantined`, `dropped` (no target token), `shortened` (inputs) and `cut` (targets).
      seconds_by_phase: how long `read` (draws, rows), `render`, `tokenize` and `pack` took; of running text `read`,
        `corrupt` and `pack`.
    """

    shards: tuple[tuple[PackedBatch, ...], ...]
    quarantined: tuple[Quarantined, ...]
    num_examples: int
    num_tokens: int
    tallies: dict[str, Counter[str]]
    seconds_by_phase: dict[str, float]


class WindowMaker:
    """Makes windows of one run; holds the pools, keeps no position."""

    def __init__(self, spec: RunSpec, pools: Pools, tokenizer: Tokenizer) -> None:
        """Reads the training pools, or the running text.

        Raises:
          DataError: a dataset of the mixture has no rows in the source, or the source no running text.
          SpecError: the spec names an unknown dataset, or lengths that fit no example.
        """
        self.spec = spec
        self.in_hand = InHand()
        self._examples: Instructions | RunningText = (
            RunningText(spec, pools, tokenizer)
            if spec.pretraining
            else Instructions(spec, pools, tokenizer, self.in_hand)
        )
        self.source_digest = self._examples.source_digest
        self._spec_digest = spec.digest
        self._budget = row_budget(spec)

    def make(self, window: int, num_shards: int = 1) -> Window:
        """Window `window` for `num_shards` trainer hosts; the same bytes from anyone at any time."""
        clock = Clock()
        drawn = self._examples.drawn(window, clock)
        kept = np.flatnonzero(drawn.examples.target_length)
        dropped = len(drawn.stream) - len(kept)
        shards = self._batches(
            window,
            drawn.examples.at(kept),
            self._examples.clusters[drawn.stream[kept]],
            num_shards,
            lost=(dropped, len(drawn.quarantined)),
        )
        tallies = self._tallies(drawn)
        clock.lap("pack")
        num_tokens = sum(len(batch.tokens) for batches in shards for batch in batches)
        return Window(shards, drawn.quarantined, len(kept), num_tokens, tallies, clock.seconds)

    @property
    def num_rows(self) -> int:
        """What is drawn once an epoch: rows of all pools, or segments of the text."""
        return self._examples.num_rows

    def draws(self, window: int) -> Draws:
        """The draws of a window whose rows are sound."""
        return self._examples.draws(window)

    def texts(self, draws: Draws) -> tuple[list[str], list[str]]:
        """Inputs and targets of sound draws of a mixture, before any shortening."""
        return self._examples.texts(draws)

    def _batches(
        self,
        window: int,
        examples: Examples,
        clusters: np.ndarray,
        num_shards: int,
        *,
        lost: tuple[int, int],
    ) -> tuple[tuple[PackedBatch, ...], ...]:
        packing = self.spec.packing
        input_lengths, target_lengths = examples.input_tokens, examples.target_tokens
        packed = pack(input_lengths, target_lengths, budget=self._budget, algorithm=packing.algorithm)
        order_key = keyed.key(self.spec.seed, "batches", window)
        dealt = deal(packed, batch_rows=packing.batch_rows, order_key=order_key)
        # A window without rows is one batch without rows: it still carries the counts and the end.
        last_rows = np.cumsum(dealt.batch_rows) if len(dealt.batch_rows) else np.zeros(1, np.int64)
        shards: list[list[PackedBatch]] = [[] for _ in range(num_shards)]
        first_row = 0
        for number, last_row in enumerate(last_rows.tolist(), start=1):
            for shard in range(num_shards):
                rows = np.arange(first_row + shard, last_row, num_shards)
                order = dealt.examples(rows)
                # The window's losses ride on the first batch of the first shard, so that they count once.
                dropped, quarantined = lost if number == 1 and shard == 0 else (0, 0)
                shards[shard].append(
                    PackedBatch(
                        window=window,
                        batch=number,
                        shard=shard,
                        end=number == len(last_rows),
                        spec_digest=self._spec_digest,
                        source_digest=self.source_digest,
                        tokens=examples.at(order).tokens(),
                        input_lengths=input_lengths[order],
                        target_lengths=target_lengths[order],
                        row_examples=dealt.row_examples[rows],
                        num_rows=last_row - first_row,
                        clusters=clusters[order],
                        drawn=len(order) + dropped + quarantined,
                        dropped=dropped,
                        quarantined=quarantined,
                    )
                )
            first_row = last_row
        return tuple(map(tuple, shards))

    def _tallies(self, drawn: Drawn) -> dict[str, Counter[str]]:
        names, examples = self._examples.names, drawn.examples
        kept = examples.target_length > 0

        def count(streams: np.ndarray, of: np.ndarray | None = None) -> list[int]:
            return np.bincount(streams, of, len(names)).astype(np.int64).tolist()

        columns = {
            "examples": count(drawn.stream, kept),
            "input_tokens": count(drawn.stream, examples.input_tokens * kept),
            "target_tokens": count(drawn.stream, examples.target_tokens * kept),
            "quarantined": count(drawn.quarantined_stream),
            "dropped": count(drawn.stream, ~kept),
            "shortened": count(drawn.stream, kept & drawn.shortened),
            "cut": count(drawn.stream, kept & drawn.cut),
        }
        return {
            names[stream]: Counter({what: column[stream] for what, column in columns.items()})
            for stream in np.union1d(drawn.stream, drawn.quarantined_stream).tolist()
        }


__all__ = ["InHand", "Window", "WindowMaker", "check_lengths"]
