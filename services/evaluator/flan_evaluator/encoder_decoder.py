"""T5 as a reader: the encoder reads, and every continuation attends to the one encoded input."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from flan_shared.model import Transformer
from flan_shared.tokenizer import PAD_ID


class Encoded(NamedTuple):
    """Inputs that were read.

    Attributes:
      encoded: dtype[batch, inputs_length, emb_dim].
      tokens: int32[batch, inputs_length]; they mask the padding.
    """

    encoded: jax.Array
    tokens: jax.Array


@dataclass(frozen=True)
class EncoderDecoderReader:
    """See `flan_evaluator.reader.Reader`."""

    module: Transformer
    options_share_rows: ClassVar[bool] = True

    def shapes(self) -> Mapping[str, Any]:
        """See `Reader`."""
        token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
        init = functools.partial(self.module.init, enable_dropout=False)
        return jax.eval_shape(init, jax.random.key(0), token, token, token)["params"]

    def read(self, parameters: Mapping[str, Any], input_tokens: jax.Array, *, room: int) -> Encoded:
        """See `Reader`."""
        del room  # What follows is in arrays of its own.
        encoded = self.module.apply(
            {"params": parameters}, input_tokens, enable_dropout=False, method="encode"
        )
        return Encoded(encoded, input_tokens)

    def follow(
        self,
        parameters: Mapping[str, Any],
        read: Encoded,
        target_tokens: jax.Array,
        segment_ids: jax.Array,
    ) -> jax.Array:
        """See `Reader`."""
        shifted = jnp.pad(target_tokens, ((0, 0), (1, 0)))[:, :-1]
        is_first = segment_ids != jnp.pad(segment_ids, ((0, 0), (1, 0)))[:, :-1]
        return self.module.apply(
            {"params": parameters},
            read.encoded,
            read.tokens,
            jnp.where(is_first, PAD_ID, shifted),
            target_tokens,
            # No encoder_segment_ids: every segment of a row attends to the row's one input.
            decoder_segment_ids=segment_ids,
            enable_dropout=False,
            method="decode",
        ).astype(jnp.float32)

    def begin(self, parameters: Mapping[str, Any], read: Encoded, *, room: int) -> tuple[jax.Array, Any]:
        """See `Reader`."""
        num_rows = read.tokens.shape[0]
        longest = jnp.zeros((num_rows, room), jnp.int32)
        _, made = jax.eval_shape(
            functools.partial(self.module.apply, enable_dropout=False, decode=True, mutable=["cache"]),
            {"params": parameters},
            read.tokens,
            longest,
            longest,
        )
        cache = jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), made["cache"])
        return jnp.full(num_rows, PAD_ID, jnp.int32), cache

    def step(
        self, parameters: Mapping[str, Any], read: Encoded, token: jax.Array, cache: Any, *, room: int
    ) -> tuple[jax.Array, Any]:
        """See `Reader`."""
        logits, updated = self.module.apply(
            {"params": parameters, "cache": cache},
            read.encoded,
            read.tokens,
            token[:, None],
            token[:, None],
            enable_dropout=False,
            decode=True,
            max_decode_length=room,
            mutable=["cache"],
            method="decode",
        )
        return logits[:, 0], updated["cache"]
