"""What the run spec says of the room in a row: budgets, the pieces of a prompt, the ids that tokens may have."""

import numpy as np

from flan_datagen.packing import Budget
from flan_shared.errors import SpecError
from flan_shared.line.batch import token_dtype
from flan_shared.spec import PrefixLM, RunSpec


def row_budget(spec: RunSpec) -> Budget:
    """Two budgets for an encoder and a decoder; one of the same size together for a prefix LM, which reads both."""
    lengths = spec.lengths
    if isinstance(spec.model, PrefixLM):
        return Budget.together(lengths.inputs + lengths.targets)
    return Budget(lengths.inputs, lengths.targets)


def text_inputs(spec: RunSpec) -> int:
    """Tokens of an input, EOS included, that the prompt leaves for text.

    Raises:
      SpecError: it leaves none.
    """
    length = spec.prompt_length
    if length + 2 > spec.lengths.inputs:
        raise SpecError(
            f"prompt.length is {length}, but lengths.inputs, which counts the prompt, is {spec.lengths.inputs}: "
            "no text would fit; give a shorter prompt or longer inputs"
        )
    return spec.lengths.inputs - length


def text_budget(spec: RunSpec) -> Budget:
    """What the prompt leaves of a row for the text of one example, EOS included.

    Raises:
      SpecError: nothing.
    """
    inputs, targets = text_inputs(spec), spec.lengths.targets
    return Budget.together(inputs + targets) if row_budget(spec).targets is None else Budget(inputs, targets)


def prompt_ids(spec: RunSpec) -> np.ndarray:
    """Ids of the prompt's pieces, after all rows of the embedding: int64[prompt.length], empty without a prompt.

    They are looked up in a table of their own, which is trained (arXiv:2104.08691).
    """
    return np.arange(spec.vocab_size, spec.num_ids)


def id_dtype(spec: RunSpec) -> np.dtype:
    """The type on the wire of a pinned run's tokens: pieces, extra ids, rows that no piece has, the prompt."""
    return token_dtype(spec.num_ids)
