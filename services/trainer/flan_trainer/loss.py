"""Token cross entropy with z-loss and label smoothing, as in T5X (`t5x/losses.py`).

The loss of a batch is the weighted sum over its tokens, divided by the sum of the weights of the whole batch:
packed or not, and however the rows are spread over devices, each token counts the same.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Loss(NamedTuple):
    """A batch's loss; all are float32[]."""

    loss: jax.Array
    """Mean over the weighted tokens, z-loss included."""
    z_loss: jax.Array
    """Of it, the part that is z-loss."""
    weight: jax.Array
    """Sum of the weights."""


def token_losses(
    logits: jax.Array, targets: jax.Array, *, z_loss: float, label_smoothing: float
) -> tuple[jax.Array, jax.Array]:
    """The loss of each token.

    With smoothing s and V pieces the right piece has the probability 1 - s and each other s / (V - 1); the
    entropy of that distribution is subtracted, so that a perfect prediction costs 0. The z-loss is
    `z_loss` * log(Z)^2, Z the sum of the exponentials: it keeps the logits from drifting.

    Args:
      logits: float32[batch, length, vocab_size].
      targets: int32[batch, length].
      z_loss: its coefficient.
      label_smoothing: in [0, 1).

    Returns:
      float32[batch, length] with the z-loss, and float32[batch, length], the z-loss alone.
    """
    log_z = jax.nn.logsumexp(logits, axis=-1)
    # A comparison instead of a gather: its gradient is elementwise, that of a gather a scatter.
    right = targets[..., None] == jnp.arange(logits.shape[-1])
    log_likelihood = jnp.sum(jnp.where(right, logits, 0.0), axis=-1) - log_z
    loss = -log_likelihood
    if label_smoothing:
        others = logits.shape[-1] - 1
        confidence, low = 1 - label_smoothing, label_smoothing / others
        entropy = -(confidence * math.log(confidence) + others * low * math.log(low))
        log_likelihoods = jnp.sum(logits, axis=-1) - logits.shape[-1] * log_z
        loss = -(confidence - low) * log_likelihood - low * log_likelihoods - entropy
    penalty = z_loss * jnp.square(log_z)
    return loss + penalty, penalty


def batch_loss(
    logits: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    *,
    z_loss: float,
    label_smoothing: float,
) -> Loss:
    """The loss of a batch.

    Args:
      logits: float32[batch, length, vocab_size].
      targets: int32[batch, length], `decoder_target_tokens`.
      weights: float32[batch, length], `decoder_loss_weights`; 0 for padding, not all 0.
      z_loss: its coefficient.
      label_smoothing: in [0, 1).
    """
    losses, penalties = token_losses(logits, targets, z_loss=z_loss, label_smoothing=label_smoothing)
    weight = jnp.sum(weights)
    return Loss(jnp.sum(losses * weights) / weight, jnp.sum(penalties * weights) / weight, weight)
