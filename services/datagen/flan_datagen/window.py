"""One window of a run, from draws to the bytes on the line: a pure function of (spec, source, window)."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from flan_datagen import keyed
from flan_datagen.catalog import Entry
from flan_datagen.digest import source_digest
from flan_datagen.face import Faces, drawable_faces, together
from flan_datagen.fit import Prompt, fit_inputs, with_eos
from flan_datagen.mixture import Draws, Mixture, Stream, draw_exemplars
from flan_datagen.pack import deal, pack
from flan_datagen.pool import Pool, Pools, row_name
from flan_datagen.render import Renderer, Shelf, few_shot, shots
from flan_datagen.units import Unit, mixture_units
from flan_shared.errors import SpecError
from flan_shared.line import PackedBatch
from flan_shared.line.batch import token_dtype
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer

_SHOTS = 2**5
"""More than there are exemplars before any query."""


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """A drawn row that a pure check found defective."""

    dataset: str
    row: str
    cause: str


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
    """

    shards: tuple[tuple[PackedBatch, ...], ...]
    quarantined: tuple[Quarantined, ...]
    num_examples: int
    num_tokens: int
    tallies: dict[str, Counter[str]]


@dataclasses.dataclass
class InHand:
    """What was being worked on when an exception struck, for the failure report."""

    dataset: str = ""
    row: str = ""


@dataclasses.dataclass(frozen=True)
class _Shelved:
    """A unit with its pool and the faces of its rows."""

    unit: Unit
    pool: Pool
    faces: Faces


@dataclasses.dataclass(frozen=True)
class _Asked:
    """Draws without a defect, as texts.

    Attributes:
      draws: them.
      face: on the shelf of each, int64[n].
      inputs: texts before any shortening.
      targets: texts.
      shots: exemplars of all, in order.
      first_shot: where those of each begin, and the end, int64[n + 1].
    """

    draws: Draws
    face: np.ndarray
    inputs: list[str]
    targets: list[str]
    shots: list[str]
    first_shot: np.ndarray


class WindowMaker:
    """Makes windows of one run; holds the pools, keeps no position."""

    def __init__(self, spec: RunSpec, pools: Pools, tokenizer: Tokenizer) -> None:
        """Reads the training pools.

        Raises:
          DataError: a dataset of the mixture has no rows in the source.
          SpecError: the spec names an unknown dataset, or lengths that fit no example.
        """
        self.spec = spec
        units = mixture_units(spec, pools)
        self.in_hand = InHand()
        self._spec_digest = spec.digest
        self._tokenizer = tokenizer
        self._shelved = [_shelve(unit, spec, pools) for unit in units]
        entries = list({unit.entry.id: unit.entry for unit in units}.values())
        self.source_digest = source_digest(pools, entries, tokenizer)
        check_lengths(spec, entries, tokenizer)
        # What hangs on a draw's row, for the rows of all pools end to end.
        self._first_row = np.cumsum([0, *(len(s.pool) for s in self._shelved)])[:-1]
        self._defects = np.concatenate([s.pool.defective for s in self._shelved])
        self._faces = together([s.faces for s in self._shelved])
        self._renderer = Renderer(
            [Shelf(s.pool, s.faces.all, s.unit.policy.options == "shuffled") for s in self._shelved],
            seed=spec.seed,
        )
        self._mixture = Mixture(
            [
                Stream(s.unit.name, len(s.pool), min(len(s.pool), spec.mixture.rate_maximum))
                for s in self._shelved
            ],
            seed=spec.seed,
            window=spec.packing.window,
        )

    def make(self, window: int, num_shards: int = 1) -> Window:
        """Window `window` for `num_shards` trainer hosts; the same bytes from anyone at any time."""
        draws = self._mixture.draws(window)
        defective = self._defective(draws)
        quarantined = self._quarantined(draws, np.flatnonzero(defective))
        sound = draws.at(np.flatnonzero(~defective))
        asked = self._ask_naming_the_culprit(sound)
        tokenized, shortened, cut = self._tokenize(asked)
        tallies = self._tallies(draws, defective, sound, tokenized, shortened, cut)
        examples = [example for example in tokenized if len(example[1]) > 1]
        dropped = len(tokenized) - len(examples)
        shards = self._batches(window, examples, num_shards, dropped, len(quarantined))
        num_tokens = sum(len(inputs) + len(targets) for inputs, targets in examples)
        return Window(shards, quarantined, len(examples), num_tokens, tallies)

    def draws(self, window: int) -> Draws:
        """The draws of a window whose rows are sound."""
        draws = self._mixture.draws(window)
        return draws.at(np.flatnonzero(~self._defective(draws)))

    def texts(self, draws: Draws) -> tuple[list[str], list[str]]:
        """Inputs and targets of sound draws, before any shortening."""
        asked = self._ask(draws)
        return asked.inputs, asked.targets

    def _tallies(
        self,
        draws: Draws,
        defective: np.ndarray,
        sound: Draws,
        tokenized: list[tuple[list[int], list[int]]],
        shortened: np.ndarray,
        cut: np.ndarray,
    ) -> dict[str, Counter[str]]:
        num_inputs, num_targets = (
            np.array([len(example[side]) for example in tokenized], np.int64) for side in (0, 1)
        )
        kept = num_targets > 1
        tallies = {}
        for stream in np.unique(draws.stream):
            mine = sound.stream == stream
            tallies[self._shelved[stream].unit.name] = Counter(
                examples=int((mine & kept).sum()),
                input_tokens=int(num_inputs[mine & kept].sum()),
                target_tokens=int(num_targets[mine & kept].sum()),
                quarantined=int(defective[draws.stream == stream].sum()),
                dropped=int((mine & ~kept).sum()),
                shortened=int((mine & kept & shortened).sum()),
                cut=int((mine & kept & cut).sum()),
            )
        return tallies

    def _defective(self, draws: Draws) -> np.ndarray:
        return self._defects[self._first_row[draws.stream] + draws.row]

    def _quarantined(self, draws: Draws, places: np.ndarray) -> tuple[Quarantined, ...]:
        found = []
        for place in places:
            pool = self._shelved[draws.stream[place]].pool
            (row,) = pool.take(draws.row[[place]])
            found.append(Quarantined(pool.entry.id, row_name(row), row["defect"]))
        return tuple(found)

    def _ask_naming_the_culprit(self, draws: Draws) -> _Asked:
        """`_ask`; where it raises, draw by draw, so that the failure report has the row."""
        try:
            return self._ask(draws)
        except Exception:
            for place in range(len(draws)):
                self._take_in_hand(draws, place)
                self._ask(draws.at(np.array([place])))
            self.in_hand = InHand()
            raise

    def _ask(self, draws: Draws) -> _Asked:
        face = self._faces.draw(self._first_row[draws.stream] + draws.row, draws.choice)
        exemplars: list[np.ndarray] = []
        if any(shelved.unit.policy.num_shots for shelved in self._shelved):
            exemplars = self._all_exemplars(draws)
        texts = self._renderer.render(draws.stream, face, draws.row, draws.number)
        inputs, shown = texts.inputs, pl.Series("texts", [], pl.String)
        counts = np.array([len(rows) for rows in exemplars], np.int64)
        if counts.any():
            rendered = self._renderer.render(
                np.repeat(draws.stream, counts),
                np.repeat(face, counts),
                np.concatenate(exemplars),
                # Each exemplar orders its OPTIONS for itself, where they are shuffled.
                np.repeat(draws.number, counts) * _SHOTS + _within(counts),
            )
            shown = shots(rendered)
            inputs = few_shot(inputs, shown, counts)
        first_shot = np.cumsum([0, *counts]) if exemplars else np.zeros(len(draws) + 1, np.int64)
        return _Asked(draws, face, inputs.to_list(), texts.targets.to_list(), shown.to_list(), first_shot)

    def _all_exemplars(self, draws: Draws) -> list[np.ndarray]:
        exemplars = [np.zeros(0, np.int64)] * len(draws)
        for stream in np.unique(draws.stream):
            if self._shelved[stream].unit.policy.num_shots:
                mine = np.flatnonzero(draws.stream == stream)
                for place, rows in zip(mine, self._exemplars(stream, draws.at(mine)), strict=True):
                    exemplars[place] = rows
        return exemplars

    def _exemplars(self, stream: int, draws: Draws) -> list[np.ndarray]:
        """Pool rows of the exemplars of a stream's draws: of the query's own part, which shares its templates."""
        shelved = self._shelved[stream]
        keys = self._mixture.exemplar_keys(stream, draws.number)
        parts = shelved.pool.part_numbers[draws.row]
        found = np.full((len(draws), shelved.unit.policy.num_shots), -1, np.int64)
        for part in np.unique(parts):
            mine = parts == part
            found[mine] = draw_exemplars(
                keys[mine],
                shelved.pool.rows_by_part[part],
                found.shape[1],
                queries=draws.row[mine],
            )
        # A defective exemplar is left out: it counts only where it is the query of a draw.
        usable = (found >= 0) & ~shelved.pool.defective[found]
        return [rows[keep] for rows, keep in zip(found, usable, strict=True)]

    def _tokenize(self, asked: _Asked) -> tuple[list[tuple[list[int], list[int]]], np.ndarray, np.ndarray]:
        """Token ids of inputs and targets with EOS; which inputs were shortened and which targets cut, bool[n]."""
        lengths = self.spec.lengths
        inputs = self._tokenizer.encode(asked.inputs)
        targets = self._tokenizer.encode(asked.targets)
        shortened = np.array([len(ids) for ids in inputs], np.int64) >= lengths.inputs
        cut = np.array([len(ids) for ids in targets], np.int64) >= lengths.targets
        for place in np.flatnonzero(shortened):
            inputs[place] = self._fitted(asked, int(place))
        examples = [
            (with_eos(input_ids, lengths.inputs), with_eos(target_ids, lengths.targets))
            for input_ids, target_ids in zip(inputs, targets, strict=True)
        ]
        return examples, shortened, cut

    def _fitted(self, asked: _Asked, place: int) -> list[int]:
        self._take_in_hand(asked.draws, place)
        stream, row, number = (
            int(column[place]) for column in (asked.draws.stream, asked.draws.row, asked.draws.number)
        )
        prompt = Prompt(
            self._shelved[stream].faces.all[asked.face[place]].template,
            self._renderer.values(stream, row, number),
            tuple(asked.shots[asked.first_shot[place] : asked.first_shot[place + 1]]),
        )
        ids = fit_inputs(prompt, self._tokenizer, self.spec.lengths.inputs)
        self.in_hand = InHand()
        return ids

    def _take_in_hand(self, draws: Draws, place: int) -> None:
        pool = self._shelved[draws.stream[place]].pool
        (row,) = pool.take(draws.row[[place]])
        self.in_hand = InHand(pool.entry.id, row_name(row))

    def _batches(
        self,
        window: int,
        examples: list[tuple[list[int], list[int]]],
        num_shards: int,
        dropped: int,
        quarantined: int,
    ) -> tuple[tuple[PackedBatch, ...], ...]:
        lengths, packing = self.spec.lengths, self.spec.packing
        rows = pack(
            np.array([len(inputs) for inputs, _ in examples], np.int64),
            np.array([len(targets) for _, targets in examples], np.int64),
            inputs=lengths.inputs,
            targets=lengths.targets,
        )
        order_key = keyed.key(self.spec.seed, "batches", window)
        # A window without rows is one batch without rows: it still carries the counts and the end.
        batches = deal(rows, batch_rows=packing.batch_rows, order_key=order_key) or [[]]
        return tuple(
            tuple(
                self._batch(
                    examples,
                    batch[shard::num_shards],
                    window=window,
                    number=number,
                    shard=shard,
                    end=number == len(batches),
                    # The window's losses ride on the first batch of the first shard, so that they count once.
                    lost=(dropped, quarantined) if number == 1 and shard == 0 else (0, 0),
                )
                for number, batch in enumerate(batches, start=1)
            )
            for shard in range(num_shards)
        )

    def _batch(
        self,
        examples: list[tuple[list[int], list[int]]],
        rows: list[list[int]],
        *,
        window: int,
        number: int,
        shard: int,
        end: bool,
        lost: tuple[int, int],
    ) -> PackedBatch:
        order = [example for row in rows for example in row]
        tokens = [token for example in order for part in examples[example] for token in part]
        return PackedBatch(
            window=window,
            batch=number,
            shard=shard,
            end=end,
            spec_digest=self._spec_digest,
            source_digest=self.source_digest,
            tokens=np.array(tokens, token_dtype(self.spec.tokenizer.vocab_size)),
            input_lengths=np.array([len(examples[example][0]) for example in order], np.int64),
            target_lengths=np.array([len(examples[example][1]) for example in order], np.int64),
            row_examples=np.array([len(row) for row in rows], np.int64),
            drawn=len(order) + sum(lost),
            dropped=lost[0],
            quarantined=lost[1],
        )


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


def _shelve(unit: Unit, spec: RunSpec, pools: Pools) -> _Shelved:
    pool = pools.train(unit.entry, seed=spec.seed, cap=spec.mixture.cap, part=unit.part)
    return _Shelved(unit, pool, Faces.of(pool, unit.policy))


def _within(counts: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... in every run of the given lengths, int64[sum(counts)]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
