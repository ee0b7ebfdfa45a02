"""The prefix LM as a reader: inputs fill the cache, and every continuation goes on from it.

Inputs 5 7 1 stand in a row of length 4 as training has them (`flan_trainer.expand`), and all of them see each other:

    decoder_input_tokens      0 5 7 1 0     `length` is 3
    decoder_causal_attention  1 1 1 1 0
    cached                    ^ ^ ^

The last token is not cached, because the logits of the first target are its own. So the target tokens 9 1 are asked
as 1 9, and a row of the cache needs no more room than inputs and targets have together.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from flan_shared.model import PrefixLM
from flan_shared.tokenizer import PAD_ID


class Prefix(NamedTuple):
    """Inputs that were read.

    Attributes:
      cache: the model's own, of `inputs_length` positions and the room behind them.
      tokens: int32[batch, inputs_length].
      last: int32[batch], the last of the inputs, mostly EOS.
    """

    cache: Any
    tokens: jax.Array
    last: jax.Array


@dataclass(frozen=True)
class PrefixLMReader:
    """See `flan_evaluator.reader.Reader`.

    A row of options is one option: within a cache a token sees all before it, so that a second option would see the
    first. Options are scored one after another from the same cache, which is read and never repeated: it is
    far larger than the options.
    """

    module: PrefixLM
    options_share_rows: ClassVar[bool] = False

    def shapes(self) -> Mapping[str, Any]:
        """See `Reader`."""
        token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
        init = functools.partial(self.module.init, enable_dropout=False)
        return jax.eval_shape(init, jax.random.key(0), token, token)["params"]

    def read(self, parameters: Mapping[str, Any], input_tokens: jax.Array, *, room: int) -> Prefix:
        """See `Reader`."""
        inputs_length = input_tokens.shape[1]
        lengths = jnp.sum(input_tokens != PAD_ID, axis=1, dtype=jnp.int32)
        seen = (jnp.arange(inputs_length + 1) <= lengths[:, None]).astype(jnp.int32)
        _, made = self.module.apply(
            {"params": parameters},
            jnp.pad(input_tokens, ((0, 0), (1, 0)), constant_values=PAD_ID),
            seen,
            decoder_causal_attention=seen,
            enable_dropout=False,
            prefill=True,
            prefill_lengths=lengths,
            max_decode_length=inputs_length + room,
            mutable=["cache"],
        )
        last = jnp.take_along_axis(input_tokens, jnp.maximum(lengths - 1, 0)[:, None], axis=1)[:, 0]
        return Prefix(made["cache"], input_tokens, last)

    def follow(
        self,
        parameters: Mapping[str, Any],
        read: Prefix,
        target_tokens: jax.Array,
        segment_ids: jax.Array,
    ) -> jax.Array:
        """See `Reader`."""
        del segment_ids  # One option a row; what stands behind it is seen by nothing that counts.
        shifted = jnp.concatenate([read.last[:, None], target_tokens[:, :-1]], axis=1)
        return self._extend(parameters, read, shifted, read.cache, room=target_tokens.shape[1])[0]

    def begin(self, parameters: Mapping[str, Any], read: Prefix, *, room: int) -> tuple[jax.Array, Any]:
        """See `Reader`."""
        del parameters, room
        return read.last, read.cache

    def step(
        self, parameters: Mapping[str, Any], read: Prefix, token: jax.Array, cache: Any, *, room: int
    ) -> tuple[jax.Array, Any]:
        """See `Reader`."""
        logits, cache = self._extend(parameters, read, token[:, None], cache, room=room)
        return logits[:, 0], cache

    def _extend(
        self, parameters: Mapping[str, Any], read: Prefix, tokens: jax.Array, cache: Any, *, room: int
    ) -> tuple[jax.Array, Any]:
        logits, updated = self.module.apply(
            {"params": parameters, "cache": cache},
            tokens,
            tokens,
            enable_dropout=False,
            decode=True,
            max_decode_length=read.tokens.shape[1] + room,
            mutable=["cache"],
        )
        return logits.astype(jnp.float32), updated["cache"]
