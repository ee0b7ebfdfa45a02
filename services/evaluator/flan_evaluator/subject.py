"""The model under evaluation, loaded from a visible checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from flan_evaluator.errors import EvaluationError
from flan_evaluator.generate import generate
from flan_evaluator.manifest import PARAMETERS, TOKENIZER
from flan_evaluator.reader import reader_of
from flan_evaluator.score import score_options
from flan_shared.checkpoint import flatten, load_parameters
from flan_shared.model import PrefixLM, Transformer, build_model
from flan_shared.model.scan import stack, unscanned
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import EOS_ID, Tokenizer


@dataclass(frozen=True)
class Subject:
    """A checkpoint that is asked in text and answers in text, whichever family it is of."""

    module: Transformer | PrefixLM
    parameters: Mapping[str, Any]
    """Nested dict of device arrays, in the form in which the module computes."""
    tokenizer: Tokenizer
    spec: RunSpec

    def score(
        self, inputs: Sequence[str], options: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Scores all options of all inputs.

        Yields:
          Index of an input, and float64[num_options]: natural log-likelihoods, summed over tokens, EOS included.
        """
        targets = [self.target_tokens(texts) for texts in options]
        yield from score_options(self.module, self.parameters, self.input_tokens(inputs), targets)

    def generate(self, inputs: Sequence[str]) -> Iterator[tuple[int, str | None]]:
        """Continues every input.

        Yields:
          Index of an input, and the text; None where a logit was not finite.
        """
        tokens, length = self.input_tokens(inputs), self.spec.evaluation.max_decode_length
        for i, ids in generate(self.module, self.parameters, tokens, max_decode_length=length):
            yield i, None if ids is None else self._text(ids)

    def input_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of inputs: those of the prompt where one was trained, what fits of the text, and EOS.

        With 300 rows in the embedding, `prompt.length` 2 and `lengths.inputs` 5 the text 40 41 42 43 becomes
        300 301 40 41 1.
        """
        prompt = range(self.spec.vocab_size, self.spec.num_ids)
        return [[*prompt, *ids] for ids in self._cut(texts, self.spec.lengths.inputs - len(prompt))]

    def target_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of options: what fits of each, and EOS."""
        return self._cut(texts, self.spec.lengths.targets)

    def _cut(self, texts: Sequence[str], length: int) -> list[list[int]]:
        # Datagen has made the inputs fit; the cut is for what it could not shorten. EOS comes after it.
        return [[*ids[: max(0, length - 1)], EOS_ID] for ids in self.tokenizer.encode(list(texts))]

    def _text(self, ids: Sequence[int]) -> str:
        # The embedding may have rows beyond the pieces, for spans that were taken out or to round it: no text.
        return self.tokenizer.decode([i for i in ids if i < self.tokenizer.vocab_size])


def load_subject(folder: Path, spec: RunSpec) -> Subject:
    """Reads the checkpoint in `folder`.

    Raises:
      EvaluationError: its parameters are not those of the spec's model.
      FlanError: a file is missing or damaged.
    """
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    parameters = load_parameters(folder / PARAMETERS)
    _check_parameters(parameters, spec)
    # Nothing is differentiated here, so nothing need be made anew.
    config = spec.model.model_copy(update={"remat_policy": "none"})
    module = build_model(config, spec.vocab_size, spec.prompt_length)
    # On the device once: handed over as NumPy arrays they would be copied at every call.
    return Subject(module, jax.device_put(stack(parameters, spec.model)), tokenizer, spec)


def _check_parameters(parameters: Mapping[str, Any], spec: RunSpec) -> None:
    # A checkpoint of another family or size would otherwise fail far inside the model, or run with what fits.
    found = _shapes(parameters)
    module = build_model(unscanned(spec.model), spec.vocab_size, spec.prompt_length)
    expected = _shapes(reader_of(module).shapes())
    wrong = [path for path in sorted(found | expected) if found.get(path) != expected.get(path)]
    if wrong:
        more = f", and {len(wrong) - 1} more parameters differ" if len(wrong) > 1 else ""
        raise EvaluationError(
            f"the checkpoint does not fit the spec's model, family {spec.model.family}: {wrong[0]} is "
            f"{found.get(wrong[0], 'missing')} in the checkpoint and {expected.get(wrong[0], 'missing')} in the model"
            f"{more}; publish it with the spec that it was trained with"
        )


def _shapes(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {path: f"{leaf.dtype.name}{list(leaf.shape)}" for path, leaf in flatten(parameters).items()}
