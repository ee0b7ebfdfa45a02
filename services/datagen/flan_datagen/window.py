"""One window of a run, from draws to the bytes on the line: a pure function of (spec, source, window)."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from flan_datagen import keyed
from flan_datagen.catalog import Entry, load_catalog
from flan_datagen.digest import source_digest
from flan_datagen.fit import fit_inputs, with_eos
from flan_datagen.mixture import Draws, Mixture, Stream
from flan_datagen.pack import deal, pack
from flan_datagen.pool import Pools, row_name
from flan_datagen.render import Prompt, drawable_templates, prompt
from flan_shared.errors import SpecError
from flan_shared.line import PackedBatch
from flan_shared.line.batch import token_dtype
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


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
    """

    shards: tuple[tuple[PackedBatch, ...], ...]
    quarantined: tuple[Quarantined, ...]
    num_examples: int
    num_tokens: int


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
        entries = mixture_entries(spec)
        self.in_hand = InHand()
        self._spec_digest = spec.digest
        self._tokenizer = tokenizer
        self._pools = [pools.train(entry, seed=spec.seed, cap=spec.mixture.cap) for entry in entries]
        self.source_digest = source_digest(pools, entries, tokenizer)
        self._templates = [_templates(spec, pool.entry) for pool in self._pools]
        check_lengths(spec, entries, tokenizer)
        self._mixture = Mixture(
            [
                Stream(pool.entry.id, len(pool), len(templates), min(len(pool), spec.mixture.rate_maximum))
                for pool, templates in zip(self._pools, self._templates, strict=True)
            ],
            seed=spec.seed,
            window=spec.packing.window,
        )

    def make(self, window: int, num_shards: int = 1) -> Window:
        """Window `window` for `num_shards` trainer hosts; the same bytes from anyone at any time."""
        draws = self._mixture.draws(window)
        prompts, quarantined = self._prompts(draws)
        examples = [(i, t) for i, t in self._tokenize(prompts) if len(t) > 1]
        dropped = len(prompts) - len(examples)
        shards = self._batches(window, examples, num_shards, dropped, len(quarantined))
        num_tokens = sum(len(inputs) + len(targets) for inputs, targets in examples)
        return Window(shards, tuple(quarantined), len(examples), num_tokens)

    def _prompts(self, draws: Draws) -> tuple[list[Prompt], list[Quarantined]]:
        prompts: list[Prompt | None] = [None] * len(draws)
        causes: list[Quarantined | None] = [None] * len(draws)
        for stream, pool in enumerate(self._pools):
            places = np.flatnonzero(draws.stream == stream)
            for place, row in zip(places, pool.take(draws.row[places]), strict=True):
                self.in_hand = InHand(pool.entry.id, row_name(row))
                if row["defect"] is not None:
                    causes[place] = Quarantined(pool.entry.id, row_name(row), row["defect"])
                    continue
                template = pool.entry.templates[self._templates[stream][draws.template[place]]]
                exemplars = self._exemplars(stream, int(draws.number[place]), int(draws.row[place]))
                prompts[place] = prompt(pool.entry, row, template, exemplars)
        self.in_hand = InHand()
        return [p for p in prompts if p is not None], [c for c in causes if c is not None]

    def _exemplars(self, stream: int, number: int, row: int) -> list[dict]:
        num_shots = self.spec.templates.num_shots
        if not num_shots:
            return []
        rows = self._mixture.exemplars(stream, number, row, num_shots)
        # A defective exemplar is left out: it counts only where it is the query of a draw.
        return [shot for shot in self._pools[stream].take(np.array(rows, np.int64)) if shot["defect"] is None]

    def _tokenize(self, prompts: list[Prompt]) -> Iterator[tuple[list[int], list[int]]]:
        lengths = self.spec.lengths
        inputs = self._tokenizer.encode([p.inputs() for p in prompts])
        targets = self._tokenizer.encode([p.targets for p in prompts])
        for p, input_ids, target_ids in zip(prompts, inputs, targets, strict=True):
            if len(input_ids) >= lengths.inputs:
                input_ids = fit_inputs(p, self._tokenizer, lengths.inputs)
            yield with_eos(input_ids, lengths.inputs), with_eos(target_ids, lengths.targets)

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


def mixture_entries(spec: RunSpec) -> list[Entry]:
    """Catalog entries of the spec's mixture.

    Raises:
      SpecError: a dataset that the catalog does not have, or has in another cluster.
    """
    return [_entry(cluster, name, "mixture.datasets") for cluster, name in _named(spec.mixture.datasets)]


def heldout_entries(spec: RunSpec) -> list[Entry]:
    """Catalog entries of the spec's held-out datasets.

    Raises:
      SpecError: as `mixture_entries`.
    """
    return [_entry(cluster, name, "heldout") for cluster, name in _named(spec.heldout)]


def check_lengths(spec: RunSpec, entries: Sequence[Entry], tokenizer: Tokenizer) -> None:
    """Even empty fields need the instruction: where no template of a dataset fits, no example ever would.

    Raises:
      SpecError: `lengths.inputs` is too small for a dataset; the message names both.
    """
    for entry in entries:
        empty = {**dict.fromkeys(entry.fields, ""), "answer": "", "options": "\n".join(entry.options)}
        texts = [entry.templates[index].render(empty)[0] for index in _templates(spec, entry)]
        shortest = min(len(ids) for ids in tokenizer.encode(texts)) + 1
        if shortest >= spec.lengths.inputs:
            raise SpecError(
                f"lengths.inputs is {spec.lengths.inputs}; the instructions alone of dataset {entry.id!r} "
                f"take {shortest} tokens: give at least {2 * shortest}"
            )


def _templates(spec: RunSpec, entry: Entry) -> list[int]:
    policy = spec.templates
    return drawable_templates(entry, per_dataset=policy.per_dataset, turned_around=policy.turned_around)


def _named(datasets: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    # By name, not in the spec's order: what the draws are must not hang on how a list was written.
    return sorted((cluster, name) for cluster, names in datasets.items() for name in names)


def _entry(cluster: str, name: str, field: str) -> Entry:
    catalog = load_catalog()
    if name not in catalog:
        here = [entry.id for entry in catalog.values() if entry.cluster == cluster]
        raise SpecError(f"{field}.{cluster} names {name!r}; the catalog has {', '.join(here)} there")
    if catalog[name].cluster != cluster:
        raise SpecError(
            f"{field}.{cluster} names {name!r}, which belongs to {catalog[name].cluster!r}; move it there"
        )
    return catalog[name]
