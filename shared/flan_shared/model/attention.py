"""Attention with a learned bias and a mask, and its gradient.

softmax(query key^T + bias) value, without a factor 1/sqrt(head_dim). Written out instead of taken from
`jax.nn.dot_product_attention`, which has no dropout and whose derived gradient is slow on CPU: forward and
backward at 16 x 256 tokens and 4 heads of 32, in float32 on two cores, this takes 0.45 of its time, and half that of
the same products with the derived gradient. The gradient differs from the derived one in two places:

* The sum over keys that softmax's gradient needs is taken over head_dim instead, from the output
  (arXiv:2205.14135, appendix B.2): sum_k p_k dp_k = sum_d out_d dout_d.
* The gradient of the bias, which all rows of the batch share, is a product with ones: XLA's CPU reduction over
  the first axis takes 20 times as long.

It is one for all platforms. The fused kernels within reach could compute it (dropout here is one factor for each key,
so it can go into `value`), but they take a bias that differs between rows only with the mask in it, as an array of
[batch, heads, query_length, key_length] in the type of the activations: cuDNN's through
`jax.nn.dot_product_attention`, which refuses float32, and Pallas' for TPU. That array, and its gradient as large, is
what a fused kernel is there to avoid, and a bias rounded to bfloat16 is another model. Neither was measured.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from flan_shared.model.product import contract_first

# Large enough that no logit outweighs it, and finite, so that a row of padding, where all keys are masked,
# gives no NaN.
_MASKED = -1e10


@jax.custom_vjp
def attend(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    keep: jax.Array | None,
) -> jax.Array:
    """Attention of every query to the keys that `mask` allows; the logits are float32.

    Args:
      query: dtype[batch, heads, query_length, head_dim].
      key: dtype[batch, heads, key_length, head_dim].
      value: dtype[batch, heads, key_length, head_dim].
      bias: float32[1 or batch, heads, query_length, key_length], added to the logits.
      mask: bool[1 or batch, 1, query_length, key_length].
      keep: dtype[batch, heads, 1, key_length], what dropout multiplies the probabilities with.

    Returns:
      dtype[batch, heads, query_length, head_dim].
    """
    return _forward(query, key, value, bias, mask, keep)[0]


def _forward(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    bias: jax.Array | None,
    mask: jax.Array | None,
    keep: jax.Array | None,
) -> tuple[jax.Array, tuple[Any, ...]]:
    logits = jnp.einsum("bhqd,bhkd->bhqk", query, key, preferred_element_type=jnp.float32)
    if bias is not None:
        logits = logits + bias
    if mask is not None:
        logits = jnp.where(mask, logits, _MASKED)
    probabilities = jax.nn.softmax(logits).astype(query.dtype)
    kept = probabilities if keep is None else probabilities * keep
    out = jnp.einsum("bhqk,bhkd->bhqd", kept, value)
    # Of the bias the gradient needs only whether rows share it; the array would be kept once a layer.
    bias_rows = None if bias is None else jnp.zeros((bias.shape[0], 0))
    return out, (query, key, value, bias_rows, keep, probabilities, out)


def _backward(saved: tuple[Any, ...], d_out: jax.Array) -> tuple[jax.Array | None, ...]:
    query, key, value, bias_rows, keep, probabilities, out = saved
    kept = probabilities if keep is None else probabilities * keep
    d_value = contract_first(kept, d_out)
    d_kept = jnp.einsum("bhqd,bhkd->bhqk", d_out, value, preferred_element_type=jnp.float32)
    if keep is not None:
        d_kept = d_kept * keep
    shared = jnp.sum(d_out.astype(jnp.float32) * out.astype(jnp.float32), axis=-1, keepdims=True)
    d_logits = probabilities.astype(jnp.float32) * (d_kept - shared)
    d_bias = None
    if bias_rows is not None:
        d_bias = _sum_batch(d_logits) if len(bias_rows) == 1 else d_logits
    d_logits = d_logits.astype(query.dtype)
    d_query = jnp.einsum("bhqk,bhkd->bhqd", d_logits, key)
    d_key = contract_first(d_logits, query)
    return d_query, d_key, d_value, d_bias, None, None


def _sum_batch(x: jax.Array) -> jax.Array:
    """float32[batch, ...] -> float32[1, ...]."""
    ones = jnp.ones((1, x.shape[0]), x.dtype)
    rows = x.reshape(x.shape[0], -1)
    return jnp.dot(ones, rows, precision=lax.Precision.HIGHEST).reshape(1, *x.shape[1:])


attend.defvjp(_forward, _backward)
