"""The model: T5 1.1 in flax.linen, the same for training and for evaluation."""

from flan_shared.model.t5 import Transformer, build_model

__all__ = ["Transformer", "build_model"]
