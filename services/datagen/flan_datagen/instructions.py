"""Draws of a mixture as token ids: rows under their templates, shortened where they do not fit.

    draws -> texts -> token ids

Every step takes the whole window as arrays; only examples that do not fit are looked at one by one.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from flan_datagen.asking import Asked, Asker
from flan_datagen.assemble import Drawn, Examples
from flan_datagen.catalog import Entry
from flan_datagen.clock import Clock
from flan_datagen.digest import source_digest
from flan_datagen.encode import Encoder
from flan_datagen.face import drawable_faces
from flan_datagen.fit import fit_inputs
from flan_datagen.mixture import Draws, Mixture, Stream
from flan_datagen.pool import Pools
from flan_datagen.room import id_dtype, prompt_ids, text_inputs
from flan_datagen.units import mixture_units
from flan_shared.errors import SpecError
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


@dataclasses.dataclass
class InHand:
    """What was being worked on when an exception struck, for the failure report."""

    dataset: str = ""
    row: str = ""


class Instructions:
    """The examples of a run's mixture.

    Attributes:
      names: of what is drawn from, datasets or parts of them; `Drawn.stream` counts in it.
      clusters: of each of these an index into `RunSpec.trained_clusters`, uint8[len(names)].
      source_digest: of all that the examples hang on besides the spec.
      num_rows: of all pools together.
    """

    def __init__(self, spec: RunSpec, pools: Pools, tokenizer: Tokenizer, in_hand: InHand) -> None:
        """Reads the training pools.

        Args:
          spec: pinned to `tokenizer`.
          pools: the data.
          tokenizer: the run's.
          in_hand: names the row where rendering raises.

        Raises:
          DataError: a dataset of the mixture has no rows in the source.
          SpecError: the spec names an unknown dataset, or lengths that fit no example.
        """
        self._lengths = spec.lengths
        self._input_length = text_inputs(spec)
        self._prompt = prompt_ids(spec)
        self._in_hand = in_hand
        units = mixture_units(spec, pools)
        self._encoder = Encoder(tokenizer, dtype=id_dtype(spec))
        read = [
            pools.train(unit.entry, seed=spec.seed, cap=spec.mixture.cap, part=unit.part) for unit in units
        ]
        entries = list({unit.entry.id: unit.entry for unit in units}.values())
        self.source_digest = source_digest(pools, entries, tokenizer)
        check_lengths(spec, entries, tokenizer)
        self.names = tuple(unit.name for unit in units)
        self.clusters = np.array(
            [spec.trained_clusters.index(unit.entry.cluster) for unit in units], np.uint8
        )
        self.num_rows = sum(map(len, read))
        self._mixture = Mixture(
            [
                Stream(unit.name, len(pool), min(len(pool), spec.mixture.rate_maximum))
                for unit, pool in zip(units, read, strict=True)
            ],
            seed=spec.seed,
            window=spec.packing.window,
        )
        self._asker = Asker(units, read, self._mixture, seed=spec.seed)

    def drawn(self, window: int, clock: Clock) -> Drawn:
        """The examples of a window; laps `read`, `render` and `tokenize`."""
        draws = self._mixture.draws(window)
        defective = self._asker.defective(draws)
        wrong = draws.at(np.flatnonzero(defective))
        quarantined = self._asker.quarantined(wrong)
        sound = draws.at(np.flatnonzero(~defective))
        clock.lap("read")
        asked = self._ask_naming_the_culprit(sound)
        clock.lap("render")
        examples, shortened, cut = self._tokenize(asked)
        clock.lap("tokenize")
        return Drawn(examples, sound.stream, shortened, cut, quarantined, wrong.stream)

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
                self._in_hand.dataset, self._in_hand.row = self._asker.name(draws, place)
                self._asker.ask(draws.at(np.array([place])))
            self._in_hand.dataset = self._in_hand.row = ""
            raise

    def _tokenize(self, asked: Asked) -> tuple[Examples, np.ndarray, np.ndarray]:
        """Token ids; which inputs were shortened and which targets cut, bool[n]."""
        inputs, targets = self._encoder.encode(asked.inputs), self._encoder.encode(asked.targets)
        shortened = np.diff(inputs.offsets) >= self._input_length
        cut = np.diff(targets.offsets) >= self._lengths.targets
        places = np.flatnonzero(shortened).tolist()
        prompts = [self._asker.prompt(asked, place) for place in places]
        fitted = dict(zip(places, fit_inputs(prompts, self._encoder, self._input_length), strict=True))
        examples = Examples.of(
            inputs, targets, fitted, target_length=self._lengths.targets, prompt=self._prompt
        )
        return examples, shortened, cut


def check_lengths(spec: RunSpec, entries: Sequence[Entry], tokenizer: Tokenizer) -> None:
    """Even empty fields need the instruction: where no template of a dataset fits, no example ever would.

    Raises:
      SpecError: `lengths.inputs` is too small for a dataset; the message names both.
    """
    room = text_inputs(spec)
    for entry in entries:
        for part in entry.members:
            empty = {**dict.fromkeys(part.fields, ""), "answer": "", "options": "\n".join(part.options)}
            asked = drawable_faces(entry, part, spec.templates.of(entry.cluster))
            texts = [face.template.render(empty)[0] for face in asked]
            shortest = min(len(ids) for ids in tokenizer.encode(texts)) + 1
            if shortest >= room:
                prompt = spec.lengths.inputs - room
                taken = f" beside the {prompt} of the prompt" if prompt else ""
                raise SpecError(
                    f"lengths.inputs is {spec.lengths.inputs}; the instructions alone of dataset {entry.id!r} "
                    f"take {shortest} tokens{taken}: give at least {2 * shortest + prompt}"
                )
