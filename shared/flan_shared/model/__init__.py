"""The models in flax.linen, the same for training and for evaluation: T5 1.1 and the prefix LM."""

from flan_shared.model.build import build_model
from flan_shared.model.prefix_lm import PrefixLM
from flan_shared.model.t5 import Transformer

__all__ = ["PrefixLM", "Transformer", "build_model"]
