"""Adafactor (arXiv:1804.04235) as T5X means it (`t5x/adafactor.py`), out of optax's parts, and its schedule.

For a gradient g of a parameter p at step t, counted from 0, with decay b = 1 - (t + 1)^-decay_rate:

    v = b * v + (1 - b) * (g^2 + 1e-30)        kept as row and column means where two axes have at least
                                               min_dim_size_to_factor elements (section 3)
    u = g / sqrt(v);  u = u / max(1, rms(u) / clipping_threshold)                          (section 6)
    p = p - learning_rate(t) * max(rms(p), 1e-3) * u                                       (section 8)

without momentum and without weight decay.
"""

import jax
import jax.numpy as jnp
import optax

from flan_shared import spec


def make_schedule(run: spec.RunSpec) -> optax.Schedule:
    """The learning rate by step (completed updates before this one): int32[] -> float32[].

    The warm-up begins at 0, as T5X's does: with warm-up the very first update changes nothing.
    """
    schedule, base, steps = run.schedule, run.optimizer.learning_rate, run.train.steps
    warmup = max(schedule.warmup_steps, 1)

    def learning_rate(step: jax.Array) -> jax.Array:
        step = jnp.asarray(step, jnp.float32)
        factor = jnp.minimum(1.0, step / warmup) if schedule.warmup_steps else jnp.ones_like(step)
        if schedule.name == "linear":
            remaining = steps - jnp.maximum(step, schedule.warmup_steps)
            factor *= jnp.maximum(0.0, remaining / max(steps - schedule.warmup_steps, 1))
        elif schedule.name == "rsqrt":
            factor *= jnp.sqrt(warmup / jnp.maximum(step, warmup))
        return base * factor

    return learning_rate


def make_optimizer(run: spec.RunSpec) -> optax.GradientTransformation:
    """The optimizer of a run; its updates are to be added to the parameters."""
    return optax.adafactor(
        learning_rate=make_schedule(run),
        min_dim_size_to_factor=run.optimizer.min_dim_size_to_factor,
        decay_rate=run.optimizer.decay_rate,
        clipping_threshold=run.optimizer.clipping_threshold,
        multiply_by_parameter_scale=True,
        momentum=None,
        weight_decay_rate=None,
        eps=1e-30,
    )
