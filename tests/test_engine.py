"""The native engine: the same bits again, after a restart, in another process, and on several devices."""

import importlib.util
import logging
import os
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import models
import numpy as np
import pytest
import specs
from test_step import family_batch, family_spec

from flan_shared.checkpoint import flatten, load_parameters, parameters_digest
from flan_shared.errors import CheckpointError, ServiceError
from flan_trainer.engines import BatchError, EngineError, folder, latest_cursor, open_engine
from flan_trainer.engines.folder import write_checkpoint
from flan_trainer.engines.memory import OutOfMemoryError, memory_faults
from flan_trainer.threads import fix_threads

pytestmark = pytest.mark.slow

INPUTS, TARGETS = 32, 16

LOSS_BOUND = 2e-6
"""Of losses on several devices: relative."""
PARAMETER_BOUND = 1e-4
"""Of parameters on several devices: relative to the largest change that training made to any of their elements."""


def engine_spec(overrides: dict[str, str] | None = None):
    fixed = {"lengths.inputs": str(INPUTS), "lengths.targets": str(TARGETS), "model.dropout_rate": "0.1"}
    return specs.small_spec(fixed | (overrides or {}))


def new_engine(overrides: dict[str, str] | None = None):
    engine = open_engine(engine_spec(overrides))
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
    return open_engine(engine_spec())


def test_a_restored_run_goes_on_as_if_it_had_not_stopped(tmp_path, engine):
    engine.initialise()
    train(engine, range(3))
    path = engine.save(tmp_path, {"window": 3}, keep=2).result()
    saved = digest(engine)
    train(engine, range(3, 6))
    undisturbed = digest(engine)

    resumed = open_engine(engine_spec())
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
            lambda b: b["decoder_target_tokens"].__setitem__((1, 2), 600),
            "decoder_target_tokens of the batch holds tokens from 0 to 600; expected 0 to 599",
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
    engine.save(tmp_path, {}, keep=1).result()
    other = open_engine(engine_spec({"optimizer.learning_rate": "0.02"}))
    with pytest.raises(CheckpointError, match=engine_spec().digest):
        other.restore(tmp_path, 0)


def test_a_checkpoint_of_the_other_engine_is_refused(tmp_path, engine):
    engine.initialise()
    run = engine_spec()
    write_checkpoint(
        tmp_path,
        step=3,
        spec_digest=run.digest,
        cursor={},
        keep=1,
        write_items=lambda path: (path / "t5x").mkdir(),
    )
    with pytest.raises(CheckpointError, match="was written by the t5x engine, but this one is native"):
        engine.restore(tmp_path, 3)


def test_a_run_starts_from_given_parameters_with_empty_slots(engine):
    engine.initialise()
    first = engine.parameters()
    train(engine, range(2))
    once = digest(engine)
    engine.initialise(first)
    assert (engine.step, digest(engine)) == (0, parameters_digest(first))
    train(engine, range(2))
    assert digest(engine) == once
    # The type that public checkpoints often have; the state is float32 all the same.
    engine.initialise(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), first))
    assert {leaf.dtype for leaf in flatten(engine.parameters()).values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tree: tree["token_embedder"].update(embedding=np.zeros((601, 16), np.float32)),
            r"embedding in them is \[601, 16\], but a model of family t5_1_1 as in the spec has \[600, 16\]; give the",
        ),
        (lambda tree: tree["encoder"].pop("encoder_norm"), "encoder/encoder_norm/scale in them is missing"),
        (
            lambda tree: tree["decoder"].update(layers_1=tree["decoder"]["layers_0"]),
            r"decoder/layers_1/\S+ in them is \[16, 16\], but a model .* has no such parameter",
        ),
        (
            lambda tree: tree["encoder"]["encoder_norm"].update(scale=np.ones(16, np.int8)),
            "encoder/encoder_norm/scale in them is of type int8; expected a floating-point type",
        ),
    ],
    ids=["vocabulary", "missing", "depth", "type"],
)
def test_parameters_that_do_not_fit_are_refused_with_both_sides(engine, change, message):
    engine.initialise()
    # Containers anew, leaves as they are.
    start = jax.tree.map(lambda leaf: leaf, engine.parameters())
    change(start)
    with pytest.raises(CheckpointError, match=message):
        engine.initialise(start)


@pytest.mark.skipif(importlib.util.find_spec("t5x") is not None, reason="t5x is importable")
def test_without_t5x_auto_takes_the_native_engine_and_t5x_is_refused(caplog):
    with caplog.at_level(logging.INFO):
        open_engine(engine_spec({"train.engine": "auto"}))
    assert "taking native, because t5x is not installed" in caplog.text
    with pytest.raises(EngineError, match=r"engine is 't5x', but t5x is not installed; give 'native'"):
        open_engine(engine_spec({"train.engine": "t5x"}))


@pytest.mark.parametrize("form", ["t5_1_1", "scanned prefix_lm"])
def test_from_every_save_a_run_goes_on_with_the_same_bits(tmp_path, form):
    family, steps = form.split()[-1], 5
    scan = {"model.scan_layers": "true", "train.microbatches": "2"} if "scanned" in form else {}
    engine = open_engine(family_spec(family, {"model.dropout_rate": "0.1"} | scan))
    engine.initialise()
    digests = [digest(engine)]
    for step in range(steps):
        engine.save(tmp_path, {"window": step}, keep=steps)
        engine.train_step(family_batch(family, step))
        digests.append(digest(engine))
    engine.save(tmp_path, {}, keep=steps).result()
    assert len(set(digests)) == steps + 1
    for saved in range(1, steps):
        engine.restore(tmp_path, saved)
        assert (engine.step, digest(engine)) == (saved, digests[saved])
        assert parameters_digest(load_parameters(tmp_path / f"checkpoint_{saved}/params")) == digests[saved]
        for step in range(saved, steps):
            engine.train_step(family_batch(family, step))
        assert digest(engine) == digests[-1]


def test_a_save_holds_the_state_it_was_called_with_while_training_goes_on(tmp_path, engine, monkeypatch):
    engine.initialise()
    held, write = threading.Event(), folder.write_checkpoint

    def write_checkpoint(*args, **kwargs):
        held.wait(30)
        return write(*args, **kwargs)

    monkeypatch.setattr(folder, "write_checkpoint", write_checkpoint)
    begun = digest(engine)
    saving = engine.save(tmp_path, {}, keep=2)
    train(engine, range(2))
    assert not saving.done()
    assert latest_cursor(tmp_path) is None
    held.set()
    assert parameters_digest(load_parameters(saving.result() / "params")) == begun != digest(engine)


def test_a_save_that_fails_says_so_and_the_one_before_stays(tmp_path, engine):
    engine.initialise()
    engine.save(tmp_path, {}, keep=1).result()
    train(engine, range(1))
    (tmp_path / "checkpoint_1.partial").write_text("a file where a folder is due")
    with pytest.raises(CheckpointError, match="step 1 cannot be written"):
        engine.save(tmp_path, {}, keep=1).result()
    assert latest_cursor(tmp_path).step == 0


def test_too_little_memory_is_said_with_what_was_asked_and_what_there_is():
    run = engine_spec({"model.remat_policy": "minimal"})
    # The whole address space of a process: no machine grants it.
    with pytest.raises(OutOfMemoryError) as caught, memory_faults(run):
        jax.jit(lambda: jnp.zeros(2**47, jnp.uint8))()
    assert re.fullmatch(
        r"out of memory: the run asked for 140737488355328 bytes \(131072.0 GiB\) more, and .+ has \d+ bytes "
        r"\(\d+\.\d GiB\).*; lower packing.batch_rows \(4\), raise train.microbatches \(1\), "
        r"set model.remat_policy \(minimal\) to minimal or full, or take a smaller model",
        str(caught.value),
    )
    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID_ARGUMENT"), memory_faults(run):
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: something else")


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
        from test_engine import *
        from flan_trainer.engines.mesh import make_mesh
        from flan_trainer.engines.native import NativeEngine

        def trained(devices):
            run = family_spec("t5_1_1", {"packing.batch_rows": "8", "model.num_decoder_layers": "1"})
            engine = NativeEngine(run, make_mesh(1, jax.devices()[:devices]))
            engine.initialise()
            before = flatten(engine.parameters())
            losses = [engine.train_step(family_batch("t5_1_1", step, 8)).fetch()["loss"] for step in range(5)]
            return losses, before, flatten(engine.parameters())

        one, before, expected = trained(1)
        for devices in (2, 4):
            several, begun, found = trained(devices)
            np.testing.assert_allclose(several, one, rtol=LOSS_BOUND)
            for path, start in before.items():
                np.testing.assert_array_equal(begun[path], start)
                bound = PARAMETER_BOUND * np.abs(expected[path] - start).max()
                np.testing.assert_allclose(found[path], expected[path], rtol=0, atol=bound)
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
