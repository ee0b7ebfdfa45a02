"""The module of a run spec's network, whichever family it is of."""

from flan_shared import spec
from flan_shared.model.prefix_lm import PrefixLM
from flan_shared.model.t5 import Transformer


def build_model(model: spec.Model, vocab_size: int, prompt_length: int = 0) -> Transformer | PrefixLM:
    """The module for a run spec's `model`.

    Args:
      model: the network.
      vocab_size: rows of the embedding, `RunSpec.vocab_size`.
      prompt_length: rows of the prompt, `RunSpec.prompt_length`; `vocab_size`, `vocab_size` + 1, … are their ids.
    """
    if isinstance(model, spec.PrefixLM):
        return PrefixLM(model, vocab_size, prompt_length)
    return Transformer(model, vocab_size, prompt_length)
