"""The engines and the networks held against each other: native against T5X, scanned layers against unscanned.

Of T5X what is compared runs where it can be imported, and is skipped with the reason elsewhere.
"""

import functools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
import specs
import yaml
from test_batch import packed

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_shared.model import build_model
from flan_trainer.engines import t5x as t5x_engine
from flan_trainer.engines.native import NativeEngine
from flan_trainer.expand import features_of

pytestmark = [
    pytest.mark.slow,
    # T5X enters meshes in the old way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

FAMILIES = ("t5_1_1", "prefix_lm")
STEPS = 50
ROWS = 16

LOSS_BOUND = 1e-5
"""Relative."""
PARAMETER_BOUND = 1e-2
"""Of a parameter's elements, over the largest change that training made to any of them."""


def parity_spec(family: str, *, scan_layers: bool = False, **model) -> spec.RunSpec:
    """Two layers a stack, two microbatches; some parameters are factored by Adafactor and some are not."""
    sizes = {"emb_dim": 16, "num_heads": 2, "head_dim": 8, "mlp_dim": 24}
    depth = {"num_layers": 2} if family == "prefix_lm" else {"num_encoder_layers": 2, "num_decoder_layers": 2}
    changed = {
        "lengths": {"inputs": 20, "targets": 14},
        "packing": {"window": 64, "batch_rows": ROWS},
        "tokenizer": {"vocab_size": 300},
        "model": {"family": family, "scan_layers": scan_layers} | sizes | depth | model,
        "optimizer": {"learning_rate": 0.01, "min_dim_size_to_factor": 16},
        "schedule": {"name": "rsqrt", "warmup_steps": 5},
        "train": {"steps": STEPS, "microbatches": 2},
    }
    return spec.parse_spec(yaml.safe_dump(specs.SMALL | changed))


def parity_batch(run: spec.RunSpec, seed: int) -> dict[str, np.ndarray]:
    """Packed rows, of which the later ones hold fewer target tokens, and the last ones none."""
    draw = np.random.default_rng(seed)

    def tokens(low: int, high: int) -> list[int]:
        return [*draw.integers(3, run.vocab_size, size=draw.integers(low, high)).tolist(), 1]

    rows = [
        [(tokens(1, 9), tokens(0, max(2, 6 - row // 2))) for _ in range(draw.integers(1, 3))]
        for row in range(ROWS - draw.integers(1, 5))
    ]
    return features_of(packed(rows), run)


def trained(engine, run: spec.RunSpec) -> tuple[list[float], list[dict[str, np.ndarray]]]:
    """The loss of each step, and the parameters before the first and after the last."""
    engine.initialise()
    before = flatten(engine.parameters())
    metrics = [engine.train_step(parity_batch(run, step)) for step in range(STEPS)]
    return [float(step.loss) for step in metrics], [before, flatten(engine.parameters())]


def difference(family: str, other: str) -> dict[str, float]:
    """How far another engine is from the native one: at the start, of the losses, and of the parameters.

    Args:
      family: of the model.
      other: t5x, or scanned for the native engine with scanned layers.
    """
    from flan_trainer.engines.mesh import make_mesh

    # Of eight devices, four share the rows of a batch and two the parameters.
    mesh = make_mesh(2 if jax.device_count() > 1 else 1)
    run = parity_spec(family)
    if other == "t5x":
        from flan_trainer.engines.t5x.engine import T5XEngine

        compared = T5XEngine(run, mesh)
    else:
        compared = NativeEngine(parity_spec(family, scan_layers=True), mesh)
    losses, (before, after) = _native(family, mesh)
    other_losses, (other_before, other_after) = trained(compared, run)
    assert before.keys() == other_before.keys() == other_after.keys()
    return {
        "initial": max(float(np.abs(other_before[path] - leaf).max()) for path, leaf in before.items()),
        "loss": float(np.max(np.abs(np.divide(other_losses, losses) - 1))),
        "parameters": max(
            float(np.abs(other_after[path] - leaf).max() / np.abs(leaf - before[path]).max())
            for path, leaf in after.items()
        ),
        "fall": losses[0] - losses[-1],
    }


@functools.cache
def _native(family: str, mesh: jax.sharding.Mesh):
    run = parity_spec(family)
    return trained(NativeEngine(run, mesh), run)


@functools.cache
def differences(devices: int, others: tuple[str, ...]) -> dict[str, dict[str, dict[str, float]]]:
    """`difference` by other engine and family, on so many simulated devices, in a process of its own."""
    script = f"""
        import json
        from test_parity import FAMILIES, difference
        print(json.dumps({{o: {{f: difference(f, o) for f in FAMILIES}} for o in {others!r}}}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        # Programs this small compile much longer than they run.
        env={
            **os.environ,
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
        },
        timeout=850,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def skip_without_t5x() -> None:
    if reason := t5x_engine.available():
        pytest.skip(reason)


def test_the_batches_are_uneven_and_some_rows_hold_several_examples():
    for family in FAMILIES:
        run = parity_spec(family)
        batches = [parity_batch(run, step) for step in range(STEPS)]
        counts = [batch["decoder_loss_weights"].sum(axis=1) for batch in batches]
        # However a batch is cut in two.
        assert all(rows[: ROWS // 2].sum() != rows[ROWS // 2 :].sum() for rows in counts)
        assert any(rows[::2].sum() != rows[1::2].sum() for rows in counts)
        assert len({rows.sum() for rows in counts}) > 10
        assert max(batch["decoder_segment_ids"].max() for batch in batches) == 2


@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("devices", [1, 8])
@pytest.mark.parametrize("other", ["scanned", "t5x"])
def test_engines_agree(other, devices, family, record_property):
    if other == "t5x":
        skip_without_t5x()
    # All that can be compared in one process: each starts with seconds of imports.
    others = ("scanned",) if t5x_engine.available() else ("scanned", "t5x")
    found = differences(devices, others)[other][family]
    for name, value in found.items():
        record_property(name, value)
    print(f"{other} against native, {family}, {devices} devices: {found}")
    assert found["initial"] == 0
    assert found["loss"] <= LOSS_BOUND
    assert found["parameters"] <= PARAMETER_BOUND
    # That something was learnt: two engines that do nothing agree as well.
    assert found["fall"] > 0.3


def t5x_network(config: spec.Model, vocab_size: int):
    """T5X's own network of the same sizes."""
    names = ["emb_dim", "num_heads", "head_dim", "mlp_dim", "mlp_activations", "dropout_rate"]
    names += ["logits_via_embedding"]
    if config.family == "prefix_lm":
        # Not in T5X's wheel, only in its repository.
        network = pytest.importorskip(
            "t5x.examples.decoder_only.network", reason="this T5X holds no examples.decoder_only"
        )
        names.append("num_layers")
        sizes = {name: getattr(config, name) for name in names}
        return network.DecoderWrapper(network.TransformerConfig(vocab_size=vocab_size, **sizes))
    from t5x.examples.t5 import network

    names += ["num_encoder_layers", "num_decoder_layers"]
    sizes = {name: getattr(config, name) for name in names}
    return network.Transformer(network.T5Config(vocab_size=vocab_size, **sizes))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_t5x(family, tied):
    skip_without_t5x()
    run = parity_spec(family, logits_via_embedding=tied)
    batch = parity_batch(run, 0)
    weights = batch.pop("decoder_loss_weights")
    batch.pop("decoder_clusters", None)
    ours, theirs = build_model(run.model, run.vocab_size), t5x_network(run.model, run.vocab_size)
    tokens = {name: array for name, array in batch.items() if name.endswith("_tokens")}
    params = theirs.init(jax.random.key(0), **tokens, enable_dropout=False)["params"]

    @functools.partial(jax.jit, static_argnums=0)
    def compute(model, params):
        def weighted_sum(params):
            logits = model.apply({"params": params}, **batch, enable_dropout=False)
            return jax.numpy.sum(jax.nn.log_softmax(logits)[..., 5] * weights), logits

        return jax.grad(weighted_sum, has_aux=True)(params)

    (our_gradient, our_logits), (their_gradient, their_logits) = (
        compute(ours, params),
        compute(theirs, params),
    )
    scale = float(np.abs(their_logits).max())
    np.testing.assert_allclose(our_logits, their_logits, rtol=0, atol=1e-5 * scale)
    assert our_logits.shape == (*weights.shape, run.vocab_size)
    our_gradient, their_gradient = flatten(our_gradient), flatten(their_gradient)
    assert our_gradient.keys() == their_gradient.keys()
    for path, leaf in their_gradient.items():
        largest = float(np.abs(leaf).max())
        assert largest > 0
        np.testing.assert_allclose(our_gradient[path], leaf, rtol=0, atol=1e-4 * largest, err_msg=path)
