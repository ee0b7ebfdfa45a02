"""The training step: parts of a batch, both families and both forms of the layers give one and the same update."""

import functools

import jax
import models
import numpy as np
import pytest
import specs
import yaml

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_shared.model.scan import unstack
from flan_trainer.engines.step import Step
from flan_trainer.loss import batch_loss

pytestmark = pytest.mark.slow

INPUTS, TARGETS, ROWS = 20, 12, 4

FAMILIES = ("t5_1_1", "prefix_lm")


def family_spec(family: str, overrides: dict[str, str] | None = None) -> spec.RunSpec:
    """A small run with stacks of one and of two layers; Adafactor factors the larger parameters."""
    depth = {"num_layers": 2} if family == "prefix_lm" else {"num_encoder_layers": 1, "num_decoder_layers": 2}
    model = {"family": family, "emb_dim": 16, "num_heads": 2, "head_dim": 8, "mlp_dim": 24} | depth
    changed = {
        "lengths": {"inputs": INPUTS, "targets": TARGETS},
        "optimizer": {"learning_rate": 0.01, "min_dim_size_to_factor": 16},
        "tokenizer": {"vocab_size": 300},
        "model": model,
    }
    return spec.parse_spec(yaml.safe_dump(specs.SMALL | changed), overrides=overrides)


def family_batch(family: str, seed: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    """Rows of one to three examples, so that rows hold unlike numbers of targets; the last row holds none."""
    draw = np.random.default_rng(seed)

    def tokens(most: int) -> list[int]:
        return [*draw.integers(2, models.VOCAB_SIZE, size=draw.integers(1, most)).tolist(), 1]

    packed = [[(tokens(5), tokens(3)) for _ in range(1 + row % 3)] for row in range(rows - 1)] + [[]]
    batch = (
        models.pack_prefix_lm(packed, INPUTS + TARGETS)
        if family == "prefix_lm"
        else models.pack(packed, INPUTS, TARGETS)
    )
    return batch | {"decoder_clusters": batch["decoder_segment_ids"] % 3}


@functools.cache
def trained(family: str, microbatches: int = 1, scan_layers: bool = False):
    """Parameters before and after two updates, every layer alone, and the metrics of both."""
    overrides = {"train.microbatches": str(microbatches), "model.scan_layers": str(scan_layers).lower()}
    run = family_spec(family, overrides)
    step = Step(run)
    state = step.begin(jax.jit(step.draw)())
    update, told, steps = jax.jit(step.update), [], [flatten(unstack(state.params, run.model))]
    for number in range(2):
        batch = {name: family_batch(family, number)[name] for name in step.batch_shapes(ROWS)}
        state, metrics = update(state, batch)
        measured = {**metrics._asdict(), **dict(enumerate(np.ravel(metrics.by_cluster)))}
        del measured["by_cluster"]
        told.append({name: float(value) for name, value in measured.items()})
    return steps[0], flatten(unstack(state.params, run.model)), told


def assert_same_training(found, expected):
    """Equal beginnings; metrics within 1e-5, and parameters within 1e-3 of the largest update of each."""
    assert found[0].keys() == expected[0].keys()
    for told, wanted in zip(found[2], expected[2], strict=True):
        assert told == pytest.approx(wanted, rel=1e-5)
    for path, start in expected[0].items():
        np.testing.assert_array_equal(found[0][path], start)
        moved = np.abs(expected[1][path] - start).max()
        assert moved > 0
        np.testing.assert_allclose(found[1][path], expected[1][path], rtol=0, atol=1e-3 * moved)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_batch_and_scanned_layers_make_the_update_of_the_whole(family):
    assert_same_training(trained(family, microbatches=2, scan_layers=True), trained(family))


def test_metrics_are_what_their_names_say():
    family = "prefix_lm"
    run = family_spec(family)
    step, batch = Step(run), family_batch(family, 0)
    params = jax.jit(step.draw)()
    _, _, (told, _) = trained(family)
    weights = batch["decoder_loss_weights"]

    def mean_loss(params):
        others = ("decoder_loss_weights", "decoder_clusters")
        features = {name: array for name, array in batch.items() if name not in others}
        logits = step.model.apply({"params": params}, **features, enable_dropout=False)
        measured = batch_loss(
            logits,
            batch["decoder_target_tokens"],
            weights,
            z_loss=run.loss.z_loss,
            label_smoothing=0.0,
        )
        return measured.loss, (logits, measured.loss * measured.weight)

    def norm(tree):
        return np.sqrt(sum(np.square(np.float64(leaf)).sum() for leaf in jax.tree.leaves(tree)))

    (loss, (logits, summed)), gradient = jax.jit(jax.value_and_grad(mean_loss, has_aux=True))(params)
    right = logits.argmax(-1) == batch["decoder_target_tokens"]
    assert told["loss"] == pytest.approx(float(loss), rel=1e-6)
    assert told["weight"] == weights.sum()
    assert told["accuracy"] == pytest.approx(float((right * weights).sum() / weights.sum()))
    sums, tokens = np.split(np.array([told[place] for place in range(2 * len(run.trained_clusters))]), 2)
    assert tokens.tolist() == [weights[batch["decoder_clusters"] == n].sum() for n in range(len(tokens))]
    assert sums.sum() == pytest.approx(float(summed), rel=1e-5)
    assert told["learning_rate"] == pytest.approx(0.01)
    assert told["grad_norm"] == pytest.approx(norm(gradient), rel=1e-5)
    assert told["param_norm"] == pytest.approx(norm(params), rel=1e-6)
