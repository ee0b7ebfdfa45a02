"""The native engine: the same bits again, after a restart, in another process, and on several devices."""

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import models
import numpy as np
import pytest
import specs

from flan_shared.checkpoint import load_parameters, parameters_digest
from flan_shared.errors import CheckpointError, FlanError, ServiceError
from flan_trainer.engines import BatchError, EngineError, latest_cursor, open_engine
from flan_trainer.threads import fix_threads

pytestmark = pytest.mark.slow

INPUTS, TARGETS = 32, 16


def engine_spec(overrides: dict[str, str] | None = None):
    fixed = {"lengths.inputs": str(INPUTS), "lengths.targets": str(TARGETS), "model.dropout_rate": "0.1"}
    return specs.small_spec(fixed | (overrides or {}))


def new_engine(overrides: dict[str, str] | None = None):
    engine = open_engine(engine_spec(overrides), models.VOCAB_SIZE)
    engine.initialise()
    return engine


def batch(seed: int, rows: int = 4) -> dict[str, np.ndarray]:
    return models.random_batch(seed, rows=rows, inputs=INPUTS, targets=TARGETS)


def digest(engine) -> str:
    return parameters_digest(engine.parameters())


def train(engine, steps: range) -> None:
    for step in steps:
        engine.train_step(batch(step))


@pytest.fixture(scope="module")
def engine():
    """An engine that tests may leave at any step, to save compiling."""
    return open_engine(engine_spec(), models.VOCAB_SIZE)


def test_a_restored_run_goes_on_as_if_it_had_not_stopped(tmp_path, engine):
    engine.initialise()
    train(engine, range(3))
    path = engine.save(tmp_path, {"window": 3}, keep=2)
    saved = digest(engine)
    train(engine, range(3, 6))
    undisturbed = digest(engine)

    resumed = open_engine(engine_spec(), models.VOCAB_SIZE)
    resumed.restore(tmp_path, latest_cursor(tmp_path).step)
    assert (resumed.step, digest(resumed)) == (3, saved)
    train(resumed, range(3, 6))
    assert (resumed.step, digest(resumed)) == (6, undisturbed)
    assert parameters_digest(load_parameters(path / "params")) == saved


def test_updates_lower_the_loss_of_what_they_train_on(engine):
    engine.initialise()
    before = engine.evaluate_loss(batch(0)).fetch()
    for _ in range(15):
        engine.train_step(batch(0))
    after = engine.evaluate_loss(batch(0)).fetch()
    assert after["loss"] < before["loss"] - 0.5


def test_metrics_tell_tokens_and_learning_rate(engine):
    engine.initialise()
    given = batch(0)
    metrics = engine.train_step(given).fetch()
    assert metrics["weight"] == given["decoder_loss_weights"].sum()
    assert metrics["learning_rate"] == pytest.approx(0.01)
    assert 0 < metrics["z_loss"] < metrics["loss"]


def test_evaluation_changes_nothing_and_draws_no_dropout(engine):
    engine.initialise()
    before = digest(engine)
    first, again = engine.evaluate_loss(batch(0)).fetch(), engine.evaluate_loss(batch(0)).fetch()
    assert first == again
    assert (engine.step, digest(engine)) == (0, before)


def test_dropout_differs_from_step_to_step(engine):
    engine.initialise()
    first = engine.train_step(batch(0)).fetch()["loss"]
    engine.initialise()
    assert engine.train_step(batch(0)).fetch()["loss"] == first
    # The state of step 1 with the batch of step 0 once more: what differs beside the update is the draw.
    still = new_engine({"schedule.warmup_steps": "1000", "schedule.name": "constant"})
    losses = [still.train_step(batch(0)).fetch()["loss"] for _ in range(2)]
    assert losses[0] == first
    assert losses[1] != first


def test_a_short_batch_is_the_same_with_rows_of_padding(engine):
    short = batch(0, rows=3)
    filled = {name: np.pad(array, ((0, 1), (0, 0))) for name, array in short.items()}
    digests = set()
    for given in (short, filled):
        engine.initialise()
        engine.train_step(given)
        digests.add(digest(engine))
    assert len(digests) == 1


def test_parameters_are_a_copy(engine):
    engine.initialise()
    before = engine.parameters()
    kept = parameters_digest(before)
    train(engine, range(2))
    assert parameters_digest(before) == kept != digest(engine)


def test_another_seed_gives_other_parameters(engine):
    engine.initialise()
    other = new_engine({"seed": str(7 + 2**40)})
    assert digest(other) != digest(engine)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.pop("decoder_segment_ids"), "the batch has no decoder_segment_ids"),
        (
            lambda b: b.update(decoder_loss_weights=np.zeros((4, TARGETS), np.float32)),
            r"no token of the batch has weight \(4 rows\)",
        ),
        (
            lambda b: b.update(encoder_input_tokens=np.zeros((4, 31), np.int32)),
            r"encoder_input_tokens of the batch is int32\[4, 31\]; expected int32\[4, 32\]",
        ),
        (
            lambda b: b.update(encoder_segment_ids=np.zeros((4, INPUTS), np.int64)),
            r"encoder_segment_ids of the batch is int64\[4, 32\]; expected int32",
        ),
        (
            lambda b: b["decoder_target_tokens"].__setitem__((1, 2), models.VOCAB_SIZE),
            "decoder_target_tokens of the batch holds tokens from 0 to 40; expected 0 to 39",
        ),
        (
            lambda b: b.update({name: np.tile(array, (2, 1)) for name, array in b.items()}),
            r"int32\[8, 32\]; expected .* at most 4 rows",
        ),
    ],
    ids=["missing", "no weight", "length", "type", "token", "rows"],
)
def test_a_wrong_batch_is_refused_and_the_state_is_as_before(engine, change, message):
    engine.initialise()
    before, wrong = digest(engine), batch(0)
    change(wrong)
    with pytest.raises(BatchError, match=message):
        engine.train_step(wrong)
    assert (engine.step, digest(engine)) == (0, before)


def test_a_checkpoint_of_another_spec_is_refused(tmp_path, engine):
    engine.initialise()
    engine.save(tmp_path, {}, keep=1)
    other = open_engine(engine_spec({"optimizer.learning_rate": "0.02"}), models.VOCAB_SIZE)
    with pytest.raises(CheckpointError, match=engine_spec().digest):
        other.restore(tmp_path, 0)


def test_a_checkpoint_of_another_vocabulary_is_refused(tmp_path, engine):
    engine.initialise()
    engine.save(tmp_path, {}, keep=1)
    other = open_engine(engine_spec(), models.VOCAB_SIZE + 1)
    found = r"decoder/logits_dense/kernel in it is float32\[16, 40\], but the model has float32\[16, 41\]$"
    with pytest.raises(CheckpointError, match=found):
        other.restore(tmp_path, 0)


def test_auto_takes_the_native_engine_and_says_so(caplog):
    with caplog.at_level(logging.INFO):
        open_engine(engine_spec({"train.engine": "auto"}), models.VOCAB_SIZE)
    assert "taking native" in caplog.text


def test_t5x_is_refused():
    with pytest.raises(EngineError, match="not part of this version; expected 'native' or 'auto'"):
        open_engine(engine_spec({"train.engine": "t5x"}), models.VOCAB_SIZE)
    assert issubclass(EngineError, FlanError)


def in_new_process(script: str, **environment: str) -> str:
    """What `script` prints; threads are fixed before it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, **environment},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


THREE_STEPS = """
    from flan_trainer.threads import fix_threads
    fix_threads(2)
    from test_engine import *
    # Long enough that XLA divides its work among the threads.
    engine = new_engine({"lengths.inputs": "128", "packing.batch_rows": "8", "model.emb_dim": "64"})
    for step in range(3):
        engine.train_step(models.random_batch(step, rows=8, inputs=128, targets=TARGETS))
    print(digest(engine))
"""


def test_two_processes_give_the_same_bits():
    assert len({in_new_process(THREE_STEPS) for _ in range(2)}) == 1


def test_several_devices_give_what_one_gives():
    script = """
        import sys
        from jax.sharding import AxisType
        from test_engine import *
        from flan_trainer.engines.native import NativeEngine

        def losses(data, model):
            mesh = jax.make_mesh((data, model), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
            engine = NativeEngine(engine_spec(), models.VOCAB_SIZE, mesh)
            engine.initialise()
            fetched = [engine.train_step(batch(step)).fetch()["loss"] for step in range(3)]
            return fetched, engine.parameters()

        one, expected = losses(1, 1)
        several, found = losses(2, 2)
        np.testing.assert_allclose(several, one, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), found, expected)
        print(jax.device_count())
    """
    assert in_new_process(script, XLA_FLAGS="--xla_force_host_platform_device_count=4") == "4\n"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted under /proc (Linux)")
@pytest.mark.parametrize("count", [1, 3])
def test_xla_computes_with_as_many_threads_as_were_fixed(count):
    script = f"""
        from pathlib import Path
        from flan_trainer.threads import fix_threads
        fix_threads({count})
        import jax.numpy as jnp
        jnp.ones(3).block_until_ready()
        names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
        print(sum("XLAEigen" in name for name in names))
    """
    assert in_new_process(script) == f"{count}\n"


def test_threads_cannot_be_fixed_once_jax_is_loaded():
    assert jax.device_count() >= 1
    with pytest.raises(RuntimeError, match="before jax is imported"):
        fix_threads(2)
    with pytest.raises(ServiceError, match="number of threads is 0"):
        fix_threads(0)
