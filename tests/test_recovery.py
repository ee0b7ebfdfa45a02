"""Whatever is killed with SIGKILL: the run ends by itself with the undisturbed run's parameters, to the bit."""

import pytest
from lines import attempt_keys, pinned
from processes import Run, free_port, intake

from flan_trainer.cursor import Cursor
from flan_trainer.engines import latest_cursor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = {"train.steps": "240", "checkpoint.every_steps": "40", "model.dropout_rate": "0.1"}


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory):
    """Takes checkpoints of all runs; refuses a step that comes back with other parameters."""
    with intake(tmp_path_factory.mktemp("store")) as (address, store):
        yield address, store


@pytest.fixture(scope="module")
def spec(tokenizer):
    return pinned(tokenizer, STEPS)


@pytest.fixture
def run(tmp_path, spec, data_folder, tokenizer, redis_server):
    run = Run(tmp_path / "run", spec, data_folder, tokenizer, redis_server.url)
    yield run
    run.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, spec, data_folder, tokenizer, evaluator):
    """The result of the run that nothing happens to."""
    from servers import RedisServer

    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start()
    run = Run(tmp_path_factory.mktemp("undisturbed"), spec, data_folder, tokenizer, server.url)
    try:
        run.replica()
        return run.result(run.trainer(evaluator[0]))
    finally:
        run.stop()
        server.stop()


def assert_same(result: dict, undisturbed: dict) -> None:
    for name in ("run", "steps", "final_digest", "loss_first", "loss_last", "accounting"):
        assert result[name] == undisturbed[name], name
    counts = result["accounting"]
    assert counts["drawn"] == counts["trained"] + counts["dropped"] + counts["quarantined"] > 0


def test_three_replicas_give_the_same_parameters(run, evaluator, undisturbed, client, spec):
    for _ in range(3):
        run.replica()
    assert_same(run.result(run.trainer(evaluator[0])), undisturbed)
    assert attempt_keys(client, spec.run_id) == []
    published = {checkpoint.step for checkpoint in evaluator[1].checkpoints(spec.run_id)}
    assert published == {0, 40, 80, 120, 160, 200, 240}


def test_a_killed_trainer_goes_on_from_its_checkpoint(run, evaluator, undisturbed, client, spec):
    run.replica()
    trainer = run.trainer(evaluator[0])
    for step in (40, 120):
        run.wait_for_checkpoint(step)
        trainer.kill()
        saved = latest_cursor(run.checkpoints)
        assert step <= saved.step < spec.train.steps
        assert Cursor.from_json(saved.cursor).balanced
        trainer = run.trainer(evaluator[0])
    assert_same(run.result(trainer), undisturbed)
    assert attempt_keys(client, spec.run_id) == []


def test_a_killed_replica_costs_nothing(run, evaluator, undisturbed):
    first, second = run.replica(), run.replica()
    trainer = run.trainer(evaluator[0])
    run.wait_for_checkpoint(40)
    first.kill()
    run.wait_for_checkpoint(120)
    second.kill()
    run.replica()
    assert_same(run.result(trainer), undisturbed)


def test_a_killed_redis_that_comes_back_empty_costs_nothing(run, evaluator, undisturbed, redis_server):
    run.replica()
    trainer = run.trainer(evaluator[0])
    for step in (40, 160):
        run.wait_for_checkpoint(step)
        redis_server.kill()
        redis_server.start()
    assert_same(run.result(trainer), undisturbed)


def test_a_second_trainer_takes_over_and_the_first_says_so(run, evaluator, undisturbed):
    run.replica()
    first = run.trainer(evaluator[0])
    run.wait_for_checkpoint(40)
    second = run.trainer(evaluator[0])
    assert first.wait() == 2
    assert first.output.strip().splitlines()[-1].startswith("flan_trainer: run")
    assert "was taken over by a trainer started later" in first.output
    assert_same(run.result(second), undisturbed)


def test_a_run_ends_only_when_its_last_checkpoint_is_taken(run, undisturbed, tmp_path):
    run.replica()
    # The evaluator is away until all steps are done.
    port = free_port()
    trainer = run.trainer(f"127.0.0.1:{port}")
    run.wait_for_checkpoint(240)
    assert trainer.running
    with intake(tmp_path / "late", f"127.0.0.1:{port}") as (_, store):
        assert_same(run.result(trainer), undisturbed)
        assert {c.step for c in store.checkpoints(run.spec.run_id)} == {0, 40, 80, 120, 160, 200, 240}


def test_sigterm_saves_where_it_is_and_loses_nothing(run, evaluator, undisturbed):
    run.replica()
    trainer = run.trainer(evaluator[0])
    run.wait_for_checkpoint(80)
    trainer.terminate()
    assert trainer.wait() == 0
    assert not (run.checkpoints / "result.json").exists()
    assert latest_cursor(run.checkpoints).step >= 80
    assert_same(run.result(run.trainer(evaluator[0])), undisturbed)


def test_a_spec_that_changed_under_a_checkpoint_is_refused(run, evaluator, tokenizer, spec):
    run.replica()
    trainer = run.trainer(evaluator[0])
    run.wait_for_checkpoint(0)
    trainer.kill()
    other = pinned(tokenizer, {**STEPS, "seed": "99"})
    (run.folder / "spec.yaml").write_text(other.canonical())
    trainer = run.trainer(evaluator[0])
    assert trainer.wait() == 2
    line = trainer.output.strip().splitlines()[-1]
    assert line.startswith("flan_trainer: ")
    assert spec.digest in line
    assert other.digest in line
