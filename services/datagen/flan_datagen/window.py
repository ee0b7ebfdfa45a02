"""One window of a run, from draws to the bytes on the line: a pure function of (spec, source, window).

    draws -> texts -> token ids -> rows -> batches

Every step takes the whole window as arrays; only examples that do not fit are looked at one by one.
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from flan_datagen import keyed
from flan_datagen.asking import Asked, Asker, Quarantined
from flan_datagen.assemble import Examples
from flan_datagen.catalog import Entry
from flan_datagen.digest import source_digest
from flan_datagen.encode import Encoder
from flan_datagen.face import drawable_faces
from flan_datagen.fit import fit_inputs
from flan_datagen.mixture import Draws, Mixture, Stream
from flan_datagen.packing import Budget, deal, pack
from flan_datagen.pool import Pools
from flan_datagen.units import mixture_units
from flan_shared.errors import SpecError
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
      num_tokens: their tokens, EOS included.
      tallies: by dataset (or part, where that is the unit) counts of `examples`, `input_tokens`, `target_tokens`,
        `quarantined`, `dropped` (no target token), `shortened` (inputs) and `cut` (targets).
      seconds_by_phase: how long `read` (draws, rows), `render`, `tokenize` and `pack` took.
    """

    shards: tuple[tuple[PackedBatch, ...], ...]
    quarantined: tuple[Quarantined, ...]
    num_examples: int
    num_tokens: int
    tallies: dict[str, Counter[str]]
    seconds_by_phase: dict[str, float]


@dataclasses.dataclass
class InHand:
    """What was being worked on when an exception struck, for the failure report."""

    dataset: str = ""
    row: str = ""


class WindowMaker:
    """Makes windows of one run; holds the pools, keeps no position."""

    def __init__(self, spec: RunSpec, pools: Pools, tokenizer: Tokenizer) -> None:
        """Reads the training pools.

        Raises:
          DataError: a dataset of the mixture has no rows in the source.
          SpecError: the spec names an unknown dataset, or lengths that fit no example.
        """
        self.spec = spec
        self.in_hand = InHand()
        units = mixture_units(spec, pools)
        self._spec_digest = spec.digest
        self._encoder = Encoder(tokenizer)
        self._budget = Budget(spec.lengths.inputs, spec.lengths.targets)
        read = [
            pools.train(unit.entry, seed=spec.seed, cap=spec.mixture.cap, part=unit.part) for unit in units
        ]
        entries = list({unit.entry.id: unit.entry for unit in units}.values())
        self.source_digest = source_digest(pools, entries, tokenizer)
        check_lengths(spec, entries, tokenizer)
        self._names = [unit.name for unit in units]
        self._mixture = Mixture(
            [
                Stream(unit.name, len(pool), min(len(pool), spec.mixture.rate_maximum))
                for unit, pool in zip(units, read, strict=True)
            ],
            seed=spec.seed,
            window=spec.packing.window,
        )
        self._asker = Asker(units, read, self._mixture, seed=spec.seed)

    def make(self, window: int, num_shards: int = 1) -> Window:
        """Window `window` for `num_shards` trainer hosts; the same bytes from anyone at any time."""
        clock = _Clock()
        draws = self._mixture.draws(window)
        defective = self._asker.defective(draws)
        quarantined = self._asker.quarantined(draws.at(np.flatnonzero(defective)))
        sound = draws.at(np.flatnonzero(~defective))
        clock.lap("read")
        asked = self._ask_naming_the_culprit(sound)
        clock.lap("render")
        examples, shortened, cut = self._tokenize(asked)
        clock.lap("tokenize")
        kept = np.flatnonzero(examples.target_length)
        dropped = len(sound) - len(kept)
        shards = self._batches(window, examples.at(kept), num_shards, dropped, len(quarantined))
        tallies = self._tallies(draws, defective, sound, examples, shortened, cut)
        clock.lap("pack")
        num_tokens = sum(len(batch.tokens) for batches in shards for batch in batches)
        return Window(shards, quarantined, len(kept), num_tokens, tallies, clock.seconds)

    def draws(self, window: int) -> Draws:
        """The draws of a window whose rows are sound."""
        draws = self._mixture.draws(window)
        return draws.at(np.flatnonzero(~self._asker.defective(draws)))

    def texts(self, draws: Draws) -> tuple[list[str], list[str]]:
        """Inputs and targets of sound draws, before any shortening."""
        asked = self._asker.ask(draws)
        return asked.inputs, asked.targets

    def _ask_naming_the_culprit(self, draws: Draws) -> Asked:
        """The draws as texts; where that raises, one by one, so that the failure report has the row."""
        try:
            return self._asker.ask(draws)
        except Exception:
            for place in range(len(draws)):
                self.in_hand = InHand(*self._asker.name(draws, place))
                self._asker.ask(draws.at(np.array([place])))
            self.in_hand = InHand()
            raise

    def _tokenize(self, asked: Asked) -> tuple[Examples, np.ndarray, np.ndarray]:
        """Token ids; which inputs were shortened and which targets cut, bool[n]."""
        lengths = self.spec.lengths
        inputs, targets = self._encoder.encode(asked.inputs), self._encoder.encode(asked.targets)
        shortened = np.diff(inputs.offsets) >= lengths.inputs
        cut = np.diff(targets.offsets) >= lengths.targets
        places = np.flatnonzero(shortened).tolist()
        prompts = [self._asker.prompt(asked, place) for place in places]
        fitted = dict(zip(places, fit_inputs(prompts, self._encoder, lengths.inputs), strict=True))
        return Examples.of(inputs, targets, fitted, target_length=lengths.targets), shortened, cut

    def _batches(
        self, window: int, examples: Examples, num_shards: int, dropped: int, quarantined: int
    ) -> tuple[tuple[PackedBatch, ...], ...]:
        packing = self.spec.packing
        # EOS ends both sides.
        input_lengths, target_lengths = examples.input_length + 1, examples.target_length + 1
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
                lost = (dropped, quarantined) if number == 1 and shard == 0 else (0, 0)
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
                        drawn=len(order) + sum(lost),
                        dropped=lost[0],
                        quarantined=lost[1],
                    )
                )
            first_row = last_row
        return tuple(map(tuple, shards))

    def _tallies(
        self,
        draws: Draws,
        defective: np.ndarray,
        sound: Draws,
        examples: Examples,
        shortened: np.ndarray,
        cut: np.ndarray,
    ) -> dict[str, Counter[str]]:
        kept = examples.target_length > 0

        def count(streams: np.ndarray, of: np.ndarray) -> list[int]:
            return np.bincount(streams, of, len(self._names)).astype(np.int64).tolist()

        columns = {
            "examples": count(sound.stream, kept),
            "input_tokens": count(sound.stream, (examples.input_length + 1) * kept),
            "target_tokens": count(sound.stream, (examples.target_length + 1) * kept),
            "quarantined": count(draws.stream, defective),
            "dropped": count(sound.stream, ~kept),
            "shortened": count(sound.stream, kept & shortened),
            "cut": count(sound.stream, kept & cut),
        }
        drawn = np.unique(draws.stream).tolist()
        return {
            self._names[stream]: Counter({what: column[stream] for what, column in columns.items()})
            for stream in drawn
        }


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Ends a phase."""
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now


def check_lengths(spec: RunSpec, entries: Sequence[Entry], tokenizer: Tokenizer) -> None:
    """Even empty fields need the instruction: where no template of a dataset fits, no example ever would.

    Raises:
      SpecError: `lengths.inputs` is too small for a dataset; the message names both.
    """
    for entry in entries:
        for part in entry.members:
            empty = {**dict.fromkeys(part.fields, ""), "answer": "", "options": "\n".join(part.options)}
            asked = drawable_faces(entry, part, spec.templates.of(entry.cluster))
            texts = [face.template.render(empty)[0] for face in asked]
            shortest = min(len(ids) for ids in tokenizer.encode(texts)) + 1
            if shortest >= spec.lengths.inputs:
                raise SpecError(
                    f"lengths.inputs is {spec.lengths.inputs}; the instructions alone of dataset {entry.id!r} "
                    f"take {shortest} tokens: give at least {2 * shortest}"
                )
