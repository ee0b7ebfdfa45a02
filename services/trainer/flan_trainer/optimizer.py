"""Adafactor (arXiv:1804.04235) as T5X means it (`t5x/adafactor.py`), and its schedule.

For a gradient g of a parameter p at step t, counted from 0, with decay b = 1 - (t + 1)^-decay_rate:

    v = b * v + (1 - b) * (g^2 + 1e-30)        kept as row and column means where two axes have at least
                                               min_dim_size_to_factor elements (section 3)
    u = g / sqrt(v);  u = u / max(1, rms(u) / clipping_threshold)                          (section 6)
    p = p - learning_rate(t) * max(rms(p), 1e-3) * u                                       (section 8)

without momentum and without weight decay. All of it goes by parameter: a parameter that holds a stack of layers is
updated layer by layer, so that its layers become what they would be on their own.

Prompt tuning (arXiv:2104.08691, section 3) leaves the scale out of the last line: a prompt is moved by
learning_rate(t) * u. Its weight decay of 1e-5 is left out here, as for all else.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import unflatten_dict

from flan_shared import spec
from flan_shared.checkpoint import flatten

Params = dict[str, Any]

_EPSILON = 1e-30
_LEAST_SCALE = 1e-3


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


def make_optimizer(
    run: spec.RunSpec, layer_axes: Mapping[str, int] | None = None
) -> optax.GradientTransformation:
    """The optimizer of a run; its updates are to be added to the parameters.

    Args:
      run: the spec.
      layer_axes: see `layer_by_layer`; None: no parameter holds several layers.
    """
    adafactor = _adafactor(
        make_schedule(run),
        min_dim_size_to_factor=run.optimizer.min_dim_size_to_factor,
        decay_rate=run.optimizer.decay_rate,
        clipping_threshold=run.optimizer.clipping_threshold,
        multiply_by_parameter_scale=run.prompt is None,
    )
    return layer_by_layer(adafactor, layer_axes) if layer_axes else adafactor


def _adafactor(
    learning_rate: optax.Schedule,
    *,
    min_dim_size_to_factor: int,
    decay_rate: float,
    clipping_threshold: float,
    multiply_by_parameter_scale: bool,
) -> optax.GradientTransformation:
    """See the module; parameters are vectors and matrices."""
    init = optax.scale_by_factored_rms(
        min_dim_size_to_factor=min_dim_size_to_factor, decay_rate=decay_rate, epsilon=_EPSILON
    ).init

    def update(
        gradients: Params, state: optax.FactoredState, params: Params
    ) -> tuple[Params, optax.FactoredState]:
        decay = 1 - (state.count + 1).astype(jnp.float32) ** -decay_rate
        rate = learning_rate(state.count)

        def averaged(slot: jax.Array, new: jax.Array) -> jax.Array:
            return decay * slot + (1 - decay) * new

        def step(
            gradient: jax.Array, rows: jax.Array, columns: jax.Array, squares: jax.Array, param: jax.Array
        ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
            if squares.shape == gradient.shape:
                squares = averaged(squares, jnp.square(gradient) + _EPSILON)
                scaled = gradient * jax.lax.rsqrt(squares)
            else:
                # As in optax, rows are the means over the longer axis.
                short, long = np.argsort(gradient.shape)
                rows = averaged(rows, _mean_square(gradient, long) + _EPSILON)
                columns = averaged(columns, _mean_square(gradient, short) + _EPSILON)
                row_factors = jax.lax.rsqrt(rows / jnp.mean(rows))
                scaled = gradient * jnp.expand_dims(row_factors, long)
                scaled *= jnp.expand_dims(jax.lax.rsqrt(columns), short)
            size = rate / jnp.maximum(1.0, _rms(scaled) / clipping_threshold)
            if multiply_by_parameter_scale:
                size *= jnp.maximum(_rms(param), _LEAST_SCALE)
            return -size * scaled, rows, columns, squares

        stepped = jax.tree.map(step, gradients, state.v_row, state.v_col, state.v, params)
        updates, rows, columns, squares = jax.tree.transpose(
            jax.tree.structure(gradients), jax.tree.structure((0,) * 4), stepped
        )
        return updates, optax.FactoredState(state.count + 1, rows, columns, squares)

    return optax.GradientTransformation(init, update)


def _rms(x: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(x)))


def _mean_square(matrix: jax.Array, axis: int) -> jax.Array:
    """The means of the squares over one axis of a matrix."""

    def reduced(matrix: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(matrix), axis=axis)

    def multiplied(matrix: jax.Array) -> jax.Array:
        shares = jnp.full((1, matrix.shape[0]), 1 / matrix.shape[0], matrix.dtype)
        return jnp.dot(shares, jnp.square(matrix), precision=jax.lax.Precision.HIGHEST)[0]

    if axis == 0 and matrix.shape[1] > matrix.shape[0]:
        # XLA's CPU reduction over the first axis of a wide matrix takes 8 times as long as a product; elsewhere the
        # product would need memory for the squares.
        return jax.lax.platform_dependent(matrix, cpu=multiplied, default=reduced)
    return reduced(matrix)


def layer_by_layer(
    inner: optax.GradientTransformation, layer_axes: Mapping[str, int]
) -> optax.GradientTransformation:
    """`inner` for parameters of which some are stacks of layers, each layer updated as if it stood alone.

    It is mapped over the layers, for all stacks of one depth at once, so the program does not grow with the depth.

    Args:
      inner: what it does to a parameter must not depend on another one. The dicts in its state are slots: they have
        the structure of the parameters, and leaves of rank 1 or more. Its other leaves are counters.
      layer_axes: by path, the axis of the layers in each parameter that is a stack.

    Returns:
      The state is that of `inner`, with slots stacked along the axes of their parameters.
    """

    def init(params: Params) -> optax.OptState:
        def begin(part: Params, axes: dict[str, int]) -> optax.OptState:
            if not axes:
                return inner.init(part)
            layer = {
                path: jax.ShapeDtypeStruct(_without(leaf.shape, axes[path]), leaf.dtype)
                for path, leaf in part.items()
            }
            state_axes = map_slots(lambda _: axes, jax.eval_shape(inner.init, layer), other=lambda _: None)
            return jax.vmap(inner.init, in_axes=(axes,), out_axes=state_axes)(part)

        return _joined([begin(*part) for part in _parts(params, layer_axes)])

    def update(
        gradients: Params, state: optax.OptState, params: Params | None = None
    ) -> tuple[Params, optax.OptState]:
        def step(part: Params, axes: dict[str, int]) -> tuple[Params, optax.OptState]:
            own_gradients = _only(gradients, part)
            own_state = map_slots(lambda slots: _only(slots, part), state)
            if not axes:
                return inner.update(own_gradients, own_state, part)
            state_axes = map_slots(lambda _: axes, own_state, other=lambda _: None)
            mapped = jax.vmap(inner.update, in_axes=(axes, state_axes, axes), out_axes=(axes, state_axes))
            return mapped(own_gradients, own_state, part)

        return _joined([step(*part) for part in _parts(params, layer_axes)])

    return optax.GradientTransformation(init, update)


def map_slots(
    change: Callable[[Params], Any], state: Any, *, other: Callable[[Any], Any] = lambda leaf: leaf
) -> Any:
    """`state` with every dict in it (parameters, slots) changed by `change`, and every other leaf by `other`."""
    return jax.tree.map(
        lambda node: change(node) if isinstance(node, dict) else other(node),
        state,
        is_leaf=lambda node: isinstance(node, dict),
    )


def _parts(params: Params, layer_axes: Mapping[str, int]) -> list[tuple[Params, dict[str, int]]]:
    """The parameters by path, those of one depth together, and their axes of layers; none for single layers."""
    by_depth: dict[int, Params] = {}
    for path, leaf in flatten(params).items():
        depth = leaf.shape[layer_axes[path]] if path in layer_axes else 0
        by_depth.setdefault(depth, {})[path] = leaf
    return [
        (part, {path: layer_axes[path] for path in part} if depth else {}) for depth, part in by_depth.items()
    ]


def _only(tree: Params, paths: Params) -> Params:
    leaves = flatten(tree)
    return {path: leaves[path] for path in paths}


def _joined(states: list[Any]) -> Any:
    """One state out of those of the parts, nested as the parameters are; counters are the same in all."""

    def join(*nodes: Any) -> Any:
        if not isinstance(nodes[0], dict):
            return nodes[0]
        return unflatten_dict({path: leaf for node in nodes for path, leaf in node.items()}, sep="/")

    return jax.tree.map(join, *states, is_leaf=lambda node: isinstance(node, dict))


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
