"""The module of a run spec's network, whichever family it is of."""

from flan_shared import spec
from flan_shared.model.prefix_lm import PrefixLM
from flan_shared.model.t5 import Transformer


def build_model(model: spec.Model, vocab_size: int) -> Transformer | PrefixLM:
    """The module for a run spec's `model`.

    Args:
      model: the network.
      vocab_size: rows of the embedding, `RunSpec.vocab_size`.
    """
    if isinstance(model, spec.PrefixLM):
        return PrefixLM(model, vocab_size)
    return Transformer(model, vocab_size)
