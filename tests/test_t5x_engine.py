"""The T5X engine: what it says where T5X cannot be imported, and where it can, what it saves, takes and refuses."""

import ast
import functools
import importlib
import importlib.util
import os
from pathlib import Path

import models
import numpy as np
import pytest
import specs

from flan_shared.checkpoint import flatten, load_parameters, parameters_digest
from flan_shared.errors import CheckpointError
from flan_shared.spec import Prompt, RunSpec
from flan_trainer import engines
from flan_trainer.engines import BatchError, EngineError, latest_cursor
from flan_trainer.engines.t5x import available

pytestmark = [
    pytest.mark.slow,
    # T5X enters meshes in the old way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

INPUTS, TARGETS, ROWS = 32, 16, 4


def engine_spec(overrides: dict[str, str] | None = None) -> RunSpec:
    fixed = {
        "lengths.inputs": str(INPUTS),
        "lengths.targets": str(TARGETS),
        "model.dropout_rate": "0.1",
        "tokenizer.vocab_size": "300",
        "optimizer.min_dim_size_to_factor": "16",
    }
    return specs.small_spec(fixed | (overrides or {}))


def batch(seed: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    return models.random_batch(seed, rows=rows, inputs=INPUTS, targets=TARGETS)


def digest(engine) -> str:
    return parameters_digest(engine.parameters())


def train(engine, steps: range) -> None:
    for step in steps:
        engine.train_step(batch(step))


@functools.cache
def reason() -> str | None:
    return available()


@pytest.fixture(scope="module")
def new_engine():
    """Makes an engine for a spec; skips where there is none."""
    if reason():
        pytest.skip(reason())
    from flan_trainer.engines.t5x.engine import T5XEngine

    return T5XEngine


@pytest.fixture(scope="module")
def engine(new_engine):
    """One that tests may leave at any step, to save compiling."""
    return new_engine(engine_spec())


def test_t5x_that_is_not_installed_is_the_reason(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert available() == "t5x is not installed"


def test_t5x_that_does_not_fit_is_the_reason_in_one_line(monkeypatch):
    def import_module(name):
        raise AttributeError("module 'jax' has no attribute 'xla'\nsecond line")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib, "import_module", import_module)
    found = available()
    assert "AttributeError: module 'jax' has no attribute 'xla'" in found
    assert "\n" not in found


def test_only_the_t5x_engine_imports_t5x():
    folders = [Path(engines.__file__).parents[1], Path(specs.__file__).parents[1] / "shared"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    importing = {f"{path.parent.name}/{path.name}" for path in files if "t5x" in imported_packages(path)}
    assert importing == {"t5x/engine.py", "t5x/stepper.py"}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_a_restored_run_goes_on_as_if_it_had_not_stopped(tmp_path, engine, new_engine):
    engine.initialise()
    train(engine, range(3))
    saved = digest(engine)
    saving = engine.save(tmp_path, {"window": 3}, keep=1)
    # While the files are being written.
    train(engine, range(3, 6))
    undisturbed = digest(engine)
    path = saving.result()

    assert latest_cursor(tmp_path).cursor == {"window": 3}
    assert parameters_digest(load_parameters(path / "params")) == saved != undisturbed
    resumed = new_engine(engine_spec())
    resumed.restore(tmp_path, 3)
    assert (resumed.step, digest(resumed)) == (3, saved)
    train(resumed, range(3, 6))
    assert (resumed.step, digest(resumed)) == (6, undisturbed)


def test_t5x_itself_reads_its_part_of_a_checkpoint(tmp_path, engine):
    engine.initialise()
    train(engine, range(1))
    path = engine.save(tmp_path, {}, keep=1).result()
    from t5x import checkpoints

    found = checkpoints.load_t5x_checkpoint(str(path / "t5x" / "checkpoint_1"))
    assert parameters_digest(found["target"]) == digest(engine)
    assert found["state"]["step"] == 1


def test_the_first_update_is_the_native_one_with_its_dropout(engine):
    from flan_trainer.engines.native import NativeEngine

    native = NativeEngine(engine_spec())
    after = {}
    for each in (engine, native):
        each.initialise()
        before = flatten(each.parameters())
        metrics = each.train_step(batch(0)).fetch()
        after[each] = flatten(each.parameters()), metrics
    assert after[engine][1] == pytest.approx(after[native][1], rel=1e-5)
    for path, leaf in after[native][0].items():
        largest = np.abs(leaf - before[path]).max()
        assert np.abs(after[engine][0][path] - leaf).max() <= 1e-3 * largest, path


def test_an_update_is_the_same_in_however_many_microbatches(new_engine):
    given = batch(1)
    # A row of one target token, and one of none: a mean over each microbatch would weigh them otherwise.
    given["decoder_loss_weights"][2, 1:] = 0
    given["decoder_loss_weights"][3] = 0
    found = []
    for microbatches in ("1", "4"):
        engine = new_engine(
            engine_spec({"train.microbatches": microbatches, "model.dropout_rate": "0", "seed": "5"})
        )
        engine.initialise()
        before = flatten(engine.parameters())
        metrics = engine.train_step(given).fetch()
        found.append((flatten(engine.parameters()), metrics))
    (whole, measured), (cut, also_measured) = found
    assert also_measured == pytest.approx(measured, rel=1e-5)
    for path, leaf in whole.items():
        assert np.abs(cut[path] - leaf).max() <= 1e-3 * np.abs(leaf - before[path]).max(), path


def test_evaluation_changes_nothing_and_draws_no_dropout(engine):
    engine.initialise()
    before = digest(engine)
    first, again = engine.evaluate_loss(batch(0)).fetch(), engine.evaluate_loss(batch(0)).fetch()
    assert first == again
    assert (engine.step, digest(engine)) == (0, before)


def test_parameters_to_start_from_are_taken_and_others_refused(engine):
    engine.initialise()
    train(engine, range(1))
    start = engine.parameters()
    kept = parameters_digest(start)
    engine.initialise(start)
    assert (engine.step, digest(engine)) == (0, kept)
    train(engine, range(1))
    assert parameters_digest(start) == kept != digest(engine)

    del start["decoder"]["decoder_norm"]
    with pytest.raises(CheckpointError, match="decoder/decoder_norm/scale in them is missing, but a model"):
        engine.initialise(start)


def test_a_wrong_batch_is_refused_and_the_state_is_as_before(engine):
    engine.initialise()
    before, wrong = digest(engine), batch(0)
    wrong["decoder_loss_weights"][:] = 0
    with pytest.raises(BatchError, match="no token of the batch has weight"):
        engine.train_step(wrong)
    assert (engine.step, digest(engine)) == (0, before)


def test_a_damaged_file_of_t5x_is_named(tmp_path, engine):
    engine.initialise()
    path = engine.save(tmp_path, {}, keep=1).result()
    damaged = path / "t5x" / "checkpoint_0" / "checkpoint"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="t5x/checkpoint_0/checkpoint has"):
        engine.restore(tmp_path, 0)


def test_a_checkpoint_of_the_native_engine_is_refused(tmp_path, engine):
    from flan_trainer.engines.native import NativeEngine

    native = NativeEngine(engine_spec())
    native.initialise()
    native.save(tmp_path, {}, keep=1).result()
    with pytest.raises(CheckpointError, match="was written by the native engine, but this one is t5x"):
        engine.restore(tmp_path, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the size of files is limited as Unix does it")
def test_a_file_that_may_not_grow_is_one_line_and_leaves_the_checkpoint_before(tmp_path, engine, monkeypatch):
    import resource

    from flan_trainer.engines.t5x import engine as module

    engine.initialise()
    engine.save(tmp_path, {}, keep=2).result()
    train(engine, range(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        # So that T5X is the first to meet the limit.
        patch.setattr(module, "save_parameters", lambda folder, params: None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**9, hard))
        try:
            saving = engine.save(tmp_path, {}, keep=2)
            with pytest.raises(CheckpointError, match=r"step 1 cannot be written to .*: File too large"):
                saving.result()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert engines.saved_steps(tmp_path) == [0]
    engine.save(tmp_path, {}, keep=2).result()
    assert engines.saved_steps(tmp_path) == [0, 1]


def test_a_prompt_is_left_to_the_native_engine(new_engine):
    run = engine_spec().model_copy(update={"prompt": Prompt()})
    with pytest.raises(EngineError, match="does not tune prompts; give 'native' or 'auto'"):
        new_engine(run)


def test_saving_and_training_leave_no_event_loop_and_no_metric_threads(tmp_path, engine):
    import asyncio
    import threading

    engine.initialise()
    train(engine, range(1))
    engine.save(tmp_path, {}, keep=1).result()
    engine.restore(tmp_path, 1)
    with pytest.raises(RuntimeError, match="no current event loop"):
        asyncio.get_event_loop()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("MetricsManager", "AsyncTimer"))]
