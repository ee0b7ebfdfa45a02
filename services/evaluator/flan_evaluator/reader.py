"""What scoring and generation ask of a model, whichever family it is of.

A reader reads a batch of inputs once. What it keeps of them, `read`, then serves any number of continuations: options
that are scored all at once, or text that is written token by token. `read` and `cache` are the family's own trees
of arrays; nobody else looks into them.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax

from flan_evaluator.encoder_decoder import EncoderDecoderReader
from flan_evaluator.prefix_lm import PrefixLMReader
from flan_shared.model import PrefixLM, Transformer

Parameters = Mapping[str, Any]


class Reader(Protocol):
    """A model of one family. It is hashable, a static argument of jit; its methods are pure and meant to be jitted."""

    options_share_rows: bool
    """Whether a row may hold several options, told apart by segment ids; otherwise it holds one."""

    def shapes(self) -> Parameters:
        """The tree of the model's parameters, with `jax.ShapeDtypeStruct` as leaves."""

    def read(self, parameters: Parameters, input_tokens: jax.Array, *, room: int) -> Any:
        """Reads the inputs.

        Args:
          parameters: of the model.
          input_tokens: int32[batch, inputs_length], each row with EOS and then padding; or padding alone.
          room: tokens that may follow in a row.
        """

    def follow(
        self, parameters: Parameters, read: Any, target_tokens: jax.Array, segment_ids: jax.Array
    ) -> jax.Array:
        """Logits of what follows the inputs.

        Args:
          parameters: of the model.
          read: what `read` gave, with room for `length` tokens.
          target_tokens: int32[batch, length], the options of each row.
          segment_ids: int32[batch, length], 1, 2, … for the options of a row, 0 for padding.

        Returns:
          float32[batch, length, vocab_size], anything where the target is padding.
        """

    def begin(self, parameters: Parameters, read: Any, *, room: int) -> tuple[jax.Array, Any]:
        """The token before the first one that is written, int32[batch], and a cache for `room` tokens."""

    def step(
        self, parameters: Parameters, read: Any, token: jax.Array, cache: Any, *, room: int
    ) -> tuple[jax.Array, Any]:
        """The logits after `token`, float32[batch, vocab_size], and the cache with it; the cache keeps its shapes."""


def reader_of(module: Transformer | PrefixLM) -> Reader:
    """The reader of a module that `build_model` gave."""
    return PrefixLMReader(module) if isinstance(module, PrefixLM) else EncoderDecoderReader(module)
