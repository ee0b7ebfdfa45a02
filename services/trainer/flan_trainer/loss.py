"""Token cross entropy with z-loss and label smoothing, as in T5X (`t5x/losses.py`).

The loss of a batch is the weighted sum over its tokens, divided by the sum of the weights of the whole batch:
packed or not, in however many parts it is computed, and however the rows are spread over devices, each token counts
the same.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class TokenLosses(NamedTuple):
    """Of each token; all have the shape [batch, length]."""

    loss: jax.Array
    """float32, z-loss included."""
    z_loss: jax.Array
    """float32: of it, the part that is z-loss."""
    is_right: jax.Array
    """bool: no piece has a higher logit than the target."""


class Loss(NamedTuple):
    """What a batch, or a part of one, measures; float32[] but for the last. Parts add up to the whole batch's."""

    loss: jax.Array
    """Mean over the weighted tokens, z-loss included."""
    z_loss: jax.Array
    """Of it, the part that is z-loss."""
    weight: jax.Array
    """Sum of the weights."""
    accuracy: jax.Array
    """Share of the weighted tokens that are predicted right."""
    by_cluster: jax.Array
    """float32[2, num_clusters]: of each cluster's tokens the sum of the weighted losses, and of the weights."""


def token_losses(
    logits: jax.Array, targets: jax.Array, *, z_loss: float, label_smoothing: float
) -> TokenLosses:
    """The loss of each token.

    With smoothing s and V pieces the right piece has the probability 1 - s and each other s / (V - 1); the
    entropy of that distribution is subtracted, so that a perfect prediction costs 0. The z-loss is
    `z_loss` * log(Z)^2, Z the sum of the exponentials: it keeps the logits from drifting.

    Args:
      logits: float32[batch, length, vocab_size].
      targets: int32[batch, length].
      z_loss: its coefficient.
      label_smoothing: in [0, 1).
    """
    log_z = jax.nn.logsumexp(logits, axis=-1)
    target_logits = _logits_of(logits, targets)
    log_likelihood = target_logits - log_z
    loss = -log_likelihood
    if label_smoothing:
        others = logits.shape[-1] - 1
        confidence, low = 1 - label_smoothing, label_smoothing / others
        entropy = -(confidence * math.log(confidence) + others * low * math.log(low))
        log_likelihoods = jnp.sum(logits, axis=-1) - logits.shape[-1] * log_z
        loss = -(confidence - low) * log_likelihood - low * log_likelihoods - entropy
    penalty = z_loss * jnp.square(log_z)
    # Not argmax, which is a pass of its own over all logits: logsumexp has taken this maximum already.
    highest = jax.lax.stop_gradient(jnp.max(logits, axis=-1))
    return TokenLosses(loss + penalty, penalty, jax.lax.stop_gradient(target_logits) >= highest)


@jax.custom_vjp
def _logits_of(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """The logit of each target: float32[..., vocab_size] and int32[...] -> float32[...]."""

    def gathered(logits: jax.Array, targets: jax.Array) -> jax.Array:
        # An id of a prompt stands, without weight, among the targets of a prefix LM, and has no logit.
        return jnp.take_along_axis(logits, targets[..., None], axis=-1, mode="clip")[..., 0]

    def compared(logits: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(_is_target(targets, logits.shape[-1]), logits, 0.0), axis=-1)

    # Where the pieces are spread over devices, a gather would bring them together; on CPU the comparison is a pass
    # over all logits that takes three times as long as logsumexp.
    return jax.lax.platform_dependent(logits, targets, cpu=gathered, default=compared)


def _is_target(targets: jax.Array, vocab_size: int) -> jax.Array:
    return targets[..., None] == jnp.arange(vocab_size)


def _logits_of_forward(
    logits: jax.Array, targets: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    # Of the logits the gradient needs only how many there are.
    return _logits_of(logits, targets), (targets, jnp.zeros((0, logits.shape[-1])))


def _logits_of_backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, None]:
    targets, like = saved
    # Elementwise, so that it is fused into softmax's; the derived gradient of a gather is a scatter.
    return jnp.where(_is_target(targets, like.shape[1]), gradient[..., None], 0.0), None


_logits_of.defvjp(_logits_of_forward, _logits_of_backward)


def batch_loss(
    logits: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    *,
    z_loss: float,
    label_smoothing: float,
    clusters: jax.Array | None = None,
    num_clusters: int = 1,
    whole_weight: jax.Array | None = None,
) -> Loss:
    """The loss of a batch, or of a part of one.

    Args:
      logits: float32[batch, length, vocab_size].
      targets: int32[batch, length], `decoder_target_tokens`.
      weights: float32[batch, length], `decoder_loss_weights`; 0 for padding, not all 0.
      z_loss: its coefficient.
      label_smoothing: in [0, 1).
      clusters: int32[batch, length], what each token's example is of; None: all of the first.
      num_clusters: above every number in `clusters`.
      whole_weight: float32[], sum of the weights of the batch that this is a part of; None: it is whole.
    """
    tokens = token_losses(logits, targets, z_loss=z_loss, label_smoothing=label_smoothing)
    weight = jnp.sum(weights)
    whole = weight if whole_weight is None else whole_weight
    weighted = tokens.loss * weights
    return Loss(
        jnp.sum(weighted) / whole,
        jnp.sum(tokens.z_loss * weights) / whole,
        weight,
        jnp.sum(tokens.is_right * weights) / whole,
        _by_cluster(jax.lax.stop_gradient(weighted), weights, clusters, num_clusters),
    )


def _by_cluster(
    losses: jax.Array, weights: jax.Array, clusters: jax.Array | None, num_clusters: int
) -> jax.Array:
    if clusters is None:
        clusters = jnp.zeros(weights.shape, jnp.int32)
    # Compared, not scattered: there are at most twelve.
    is_of = clusters == jnp.arange(num_clusters)[:, None, None]
    return jnp.stack([jnp.sum(jnp.where(is_of, each, 0.0), axis=(1, 2)) for each in (losses, weights)])
