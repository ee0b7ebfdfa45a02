"""The loss: what it is worth, and that packing does not change it."""

import math

import jax
import jax.numpy as jnp
import models
import numpy as np
import pytest

from flan_trainer.loss import batch_loss, token_losses

pytestmark = pytest.mark.slow


def test_equal_logits_cost_the_logarithm_of_the_vocabulary():
    loss, z_loss, _ = token_losses(jnp.zeros((1, 1, 8)), jnp.array([[3]]), z_loss=0.0, label_smoothing=0.0)
    assert loss[0, 0] == pytest.approx(math.log(8))
    assert z_loss[0, 0] == 0


def test_z_loss_is_the_square_of_log_z():
    # Z = e + e = 2e for both tokens.
    logits = jnp.ones((1, 1, 2))
    loss, z_loss, _ = token_losses(logits, jnp.array([[0]]), z_loss=0.1, label_smoothing=0.0)
    assert z_loss[0, 0] == pytest.approx(0.1 * (1 + math.log(2)) ** 2)
    assert loss[0, 0] == pytest.approx(math.log(2) + 0.1 * (1 + math.log(2)) ** 2)


def test_smoothed_loss_is_zero_at_the_smoothed_distribution():
    smoothed = jnp.log(jnp.array([[[0.9, 0.05, 0.05]]]))
    loss, *_ = token_losses(smoothed, jnp.array([[0]]), z_loss=0.0, label_smoothing=0.1)
    other, *_ = token_losses(
        jnp.array([[[20.0, 0.0, 0.0]]]), jnp.array([[0]]), z_loss=0.0, label_smoothing=0.1
    )
    assert loss[0, 0] == pytest.approx(0, abs=1e-6)
    assert other[0, 0] > 0.5


def test_gradient_of_the_logits_is_probability_minus_target_per_token():
    logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]]))
    targets, weights = jnp.array([[0, 2, 1]]), jnp.array([[1.0, 1.0, 0.0]])
    gradient = jax.grad(
        lambda logits: batch_loss(logits, targets, weights, z_loss=0.0, label_smoothing=0.0).loss
    )(logits)
    expected = [[[-0.25, 0.125, 0.125], [0.05, 0.4, -0.45], [0, 0, 0]]]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_accuracy_counts_weighted_tokens_whose_target_no_piece_beats():
    logits = jnp.array([[[1.0, 3.0, 2.0], [0.0, 1.0, 5.0], [4.0, 0.0, 0.0], [0.0, 9.0, 0.0]]])
    targets, weights = jnp.array([[1, 1, 0, 1]]), jnp.array([[1.0, 1.0, 2.0, 0.0]])
    measured = batch_loss(logits, targets, weights, z_loss=0.0, label_smoothing=0.0)
    assert measured.accuracy == 3 / 4
    assert measured.weight == 4


def test_parts_of_a_batch_add_up_to_the_whole():
    draw = np.random.default_rng(0)
    logits = jnp.asarray(draw.normal(size=(4, 5, 7)), jnp.float32)
    targets, weights = draw.integers(0, 7, size=(4, 5)), (draw.random((4, 5)) < 0.6).astype(np.float32)
    weights[2] = 0
    settings = {"z_loss": 1e-2, "label_smoothing": 0.1}
    whole = batch_loss(logits, targets, weights, **settings)
    parts = [
        batch_loss(logits[rows], targets[rows], weights[rows], whole_weight=weights.sum(), **settings)
        for rows in (slice(0, 2), slice(2, 3), slice(3, 4))
    ]
    for found, expected in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_allclose(sum(found), expected, rtol=1e-6)


def test_the_loss_by_cluster_is_that_of_its_tokens_alone():
    draw = np.random.default_rng(0)
    logits = jnp.asarray(draw.normal(size=(4, 5, 7)), jnp.float32)
    targets, weights = draw.integers(0, 7, size=(4, 5)), (draw.random((4, 5)) < 0.6).astype(np.float32)
    clusters = draw.integers(0, 3, size=(4, 5))
    settings = {"z_loss": 1e-2, "label_smoothing": 0.1}
    sums, counts = batch_loss(
        logits, targets, weights, clusters=clusters, num_clusters=4, **settings
    ).by_cluster
    for cluster in range(3):
        alone = batch_loss(logits, targets, weights * (clusters == cluster), **settings)
        assert sums[cluster] / counts[cluster] == pytest.approx(float(alone.loss), rel=1e-5)
    assert (float(sums[3]), float(counts[3])) == (0.0, 0.0)


@pytest.fixture(scope="module")
def model():
    return models.tiny_model()


@pytest.fixture(scope="module")
def loss_and_gradient(model):
    """(params, batch) -> loss, weight and gradient of the mean."""

    def loss(params, batch):
        measured = batch_loss(
            models.logits(model, params, batch),
            batch["decoder_target_tokens"],
            batch["decoder_loss_weights"],
            z_loss=1e-2,
            label_smoothing=0.1,
        )
        return measured.loss, measured.weight

    differentiated = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def evaluate(params, batch):
        (value, weight), gradient = differentiated(params, batch)
        return float(value), float(weight), gradient

    return evaluate


def test_packed_loss_and_gradient_are_the_weighted_means_of_the_examples(model, loss_and_gradient):
    params = models.init(model)["params"]
    packed = models.pack([models.EXAMPLES[:3], models.EXAMPLES[3:]], inputs=20, targets=14)
    loss, weight, gradient = loss_and_gradient(params, packed)
    alone = [
        loss_and_gradient(params, models.pack([[example], []], inputs=20, targets=14))
        for example in models.EXAMPLES
    ]
    assert weight == sum(one[1] for one in alone) == 12
    assert loss == pytest.approx(sum(one[0] * one[1] for one in alone) / weight, rel=1e-5)
    expected = jax.tree.map(
        lambda *leaves: sum(leaf * one[1] for leaf, one in zip(leaves, alone, strict=True)) / weight,
        *(one[2] for one in alone),
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), gradient, expected)


def test_padding_has_no_part_in_loss_and_gradient(model, loss_and_gradient):
    params = models.init(model)["params"]
    batch = models.pack([models.EXAMPLES], inputs=20, targets=14)
    roomier = models.pack([models.EXAMPLES, [], []], inputs=32, targets=18)
    loss, weight, gradient = loss_and_gradient(params, batch)
    same_loss, same_weight, same_gradient = loss_and_gradient(params, roomier)
    assert (loss, weight) == (pytest.approx(same_loss, rel=1e-6), same_weight)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), gradient, same_gradient)
