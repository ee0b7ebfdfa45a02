"""Adafactor against a plain reimplementation of the paper's algorithm, and the schedules."""

import jax
import numpy as np
import optax
import pytest
import specs

from flan_shared import spec
from flan_shared.model.scan import stack, unstack
from flan_trainer.optimizer import make_optimizer, make_schedule, map_slots


class Adafactor:
    """arXiv:1804.04235, algorithms 4 and 5, in numpy and float64, one parameter at a time."""

    def __init__(self, shape, *, decay_rate, clipping_threshold, factor_from):
        self.factored = len(shape) == 2 and min(shape) >= factor_from
        self.rows, self.columns = np.zeros(shape[0]), np.zeros(shape[-1])
        self.squares = np.zeros(shape)
        self.step, self.decay_rate, self.clipping_threshold = 0, decay_rate, clipping_threshold

    def update(self, parameter, gradient, learning_rate):
        self.step += 1
        decay = 1 - self.step**-self.decay_rate
        square = gradient**2 + 1e-30
        if self.factored:
            self.rows = decay * self.rows + (1 - decay) * square.mean(axis=1)
            self.columns = decay * self.columns + (1 - decay) * square.mean(axis=0)
            second_moment = np.outer(self.rows, self.columns) / self.rows.mean()
        else:
            second_moment = self.squares = decay * self.squares + (1 - decay) * square
        update = gradient / np.sqrt(second_moment)
        update /= max(1, np.sqrt(np.mean(update**2)) / self.clipping_threshold)
        scale = max(1e-3, np.sqrt(np.mean(parameter**2)))
        return parameter - learning_rate * scale * update


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(130, 140), (140, 130), (130, 16), (7,)])
def test_updates_are_those_of_the_paper(shape):
    run = specs.small_spec({"optimizer.decay_rate": "0.7", "optimizer.clipping_threshold": "0.5"})
    optimizer = make_optimizer(run)
    draw = np.random.default_rng(0)
    start = draw.normal(size=shape) * 0.3
    plain = Adafactor(shape, decay_rate=0.7, clipping_threshold=0.5, factor_from=128)
    params = {"kernel": start.astype(np.float32)}
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for step in range(5):
        gradient = draw.normal(size=shape) * 10.0 ** (step - 2)
        updates, state = update({"kernel": gradient.astype(np.float32)}, state, params)
        params = optax.apply_updates(params, updates)
        start = plain.update(start, gradient, learning_rate=0.01)
    np.testing.assert_allclose(params["kernel"], start, rtol=2e-5, atol=1e-6)


def test_slots_are_small_where_both_axes_are_long():
    optimizer = make_optimizer(specs.small_spec())
    state = optimizer.init(
        {"long": np.zeros((128, 200), np.float32), "short": np.zeros((127, 200), np.float32)}
    )
    sizes = {
        name: sum(leaf.size for path, leaf in jax.tree_util.tree_leaves_with_path(state) if name in str(path))
        for name in ("long", "short")
    }
    assert sizes["long"] < 128 + 200 + 3
    assert sizes["short"] > 127 * 200


def test_a_parameter_near_zero_moves_as_if_its_scale_were_a_thousandth():
    run = specs.small_spec({"optimizer.learning_rate": "0.5"})
    optimizer = make_optimizer(run)
    params = {"scale": np.zeros(4, np.float32)}
    updates, _ = optimizer.update({"scale": np.ones(4, np.float32)}, optimizer.init(params), params)
    np.testing.assert_allclose(updates["scale"], -0.5e-3, rtol=1e-6)


@pytest.mark.slow
def test_scanned_parameters_are_updated_as_the_same_layers_alone():
    # Stacks of two depths, a parameter beside the stack, and shapes that are factored and that are not.
    config = spec.EncoderDecoder(num_encoder_layers=2, num_decoder_layers=3, scan_layers=True)
    draw = np.random.default_rng(0)

    def tree(scale):
        def layer(size):
            # Layers of unlike sizes, so that a mean over the stack would be another number.
            kernel, norm = draw.normal(size=(130, 140)) * size * scale, draw.normal(size=7) * size
            return {"kernel": kernel.astype(np.float32), "scale": norm.astype(np.float32)}

        return {
            "encoder": {f"layers_{n}": layer(10.0**-n) for n in range(2)},
            "decoder": {f"layers_{n}": layer(10.0**-n) for n in range(3)}
            | {"relpos_bias": {"rel_embedding": draw.normal(size=(2, 32)).astype(np.float32)}},
        }

    run = specs.small_spec()
    axes = {f"{name}/layers/{leaf}": 0 for name in ("encoder", "decoder") for leaf in ("kernel", "scale")}
    alone, scanned = make_optimizer(run), make_optimizer(run, axes)
    params = tree(0.3)
    stacked = stack(params, config)
    state, stacked_state = alone.init(params), scanned.init(stacked)
    update, update_scanned = jax.jit(alone.update), jax.jit(scanned.update)
    for step in range(10):
        gradients = tree(10.0 ** (step % 3))
        updates, state = update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        updates, stacked_state = update_scanned(stack(gradients, config), stacked_state, stacked)
        stacked = optax.apply_updates(stacked, updates)

    def compare(found, expected):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), found, expected)

    compare(unstack(stacked, config), params)
    slots = map_slots(lambda slots: unstack(slots, config), stacked_state)
    assert jax.tree.structure(slots) == jax.tree.structure(state)
    compare(slots, state)


@pytest.mark.parametrize(
    ("name", "warmup_steps", "expected"),
    [
        ("constant", 0, [1, 1, 1, 1, 1]),
        ("constant", 4, [0, 0.5, 1, 1, 1]),
        ("linear", 0, [1, 0.8, 0.6, 0.2, 0]),
        ("linear", 5, [0, 0.4, 0.8, 0.4, 0]),
        ("rsqrt", 0, [1, 0.5**0.5, 0.5, 8**-0.5, 0.1**0.5]),
        ("rsqrt", 4, [0, 0.5, 1, 0.5**0.5, 0.4**0.5]),
    ],
)
def test_learning_rate_follows_the_schedule(name, warmup_steps, expected):
    run = specs.small_spec(
        {
            "optimizer.learning_rate": "3.0",
            "train.steps": "10",
            "schedule.name": name,
            "schedule.warmup_steps": str(warmup_steps),
        }
    )
    schedule = make_schedule(run)
    found = [float(schedule(step)) / 3 for step in (0, 2, 4, 8, 10)]
    assert found == pytest.approx(expected)
