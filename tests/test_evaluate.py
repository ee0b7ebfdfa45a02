"""Evaluation end to end: a published checkpoint in, results out, over gRPC with a real datagen beside it."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
from evaluator_parts import (
    NATURAL_QUESTIONS,
    RTE,
    client_of,
    make_checkpoint,
    random_parameters,
    running_evaluator,
    serving_datagen,
    tiny_spec,
    tiny_tokenizer,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flan.v1 import example_pb2
from flan.v1.evaluator_service_pb2 import EvaluateRequest, ListCheckpointsRequest, ListResultsRequest
from flan_evaluator.score import score_options
from flan_shared.model import build_model
from flan_shared.tokenizer import EOS_ID

pytestmark = pytest.mark.slow

RUN = tiny_spec().run_id


@pytest.fixture(scope="module")
def step_0(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("step_0"), 0)


@pytest.fixture(scope="module")
def step_2(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("step_2"), 2, seed=1)


def evaluated(client, **request) -> list:
    """All events of one Evaluate call."""
    return list(client.Evaluate(EvaluateRequest(run=RUN, **request), timeout=120))


def results_of(events) -> dict[tuple[str, str], float]:
    return {
        (event.result.dataset, event.result.metric): event.result
        for event in events
        if event.WhichOneof("event") == "result"
    }


def failed(client, **request) -> tuple[grpc.StatusCode, str, list]:
    events = []
    call = client.Evaluate(EvaluateRequest(**{"run": RUN, **request}), timeout=60)
    with pytest.raises(grpc.RpcError) as raised:
        # Not list(call), which would lose what came before the error.
        events.extend(call)
    assert "\n" not in raised.value.details()
    return raised.value.code(), raised.value.details(), events


def test_published_checkpoint_is_judged_on_every_held_out_dataset(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        events = evaluated(client)
        listed = client.ListResults(ListResultsRequest(run=RUN)).results

    results = results_of(events)
    assert set(results) == {
        ("rte", "accuracy"),
        ("natural_questions", "exact_match"),
        ("natural_questions", "f1"),
    }
    accuracy = results["rte", "accuracy"]
    assert (accuracy.run, accuracy.step, accuracy.cluster, accuracy.main) == (RUN, 0, "nli", True)
    assert (accuracy.n, accuracy.num_unscored, accuracy.chance) == (3, 0, 50.0)
    assert not results["natural_questions", "f1"].main
    assert not results["natural_questions", "f1"].HasField("chance")
    assert accuracy.evaluated_at.seconds > 0
    assert sorted(listed, key=str) == sorted(results.values(), key=str)
    request = datagen.requests[0]
    assert (request.split, request.num_rows, request.seed) == (example_pb2.SPLIT_TEST, 3, 7)
    assert (request.turned_around, request.lengths.inputs) == (False, 64)


def test_progress_grows_to_all_examples(step_0, tmp_path):
    with serving_datagen() as (_, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        events = evaluated(client, step=0)

    done = [event.progress.num_done for event in events if event.WhichOneof("event") == "progress"]
    last = [event.progress for event in events if event.WhichOneof("event") == "progress"][-1]
    assert done == sorted(done)
    assert (last.step, last.num_done, last.num_total) == (0, 5, 5)
    assert events[-1].WhichOneof("event") == "result"


def test_accuracy_is_that_of_the_most_likely_options(step_0, tmp_path):
    tokenizer = tiny_tokenizer()
    inputs = [[*ids[:63], EOS_ID] for ids in tokenizer.encode([example.inputs for example in RTE])]
    options = [[[*ids, EOS_ID] for ids in tokenizer.encode(["yes", "no"])]] * len(RTE)
    scores = dict(
        score_options(
            build_model(tiny_spec().model, tokenizer.vocab_size),
            random_parameters(tokenizer.vocab_size),
            inputs,
            options,
        )
    )
    right = [("yes", "no")[np.argmax(scores[i])] == example.targets for i, example in enumerate(RTE)]

    with serving_datagen() as (_, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        results = results_of(evaluated(client))

    assert results["rte", "accuracy"].value == pytest.approx(100 * np.mean(right))


def test_finished_results_are_replayed_to_everyone_without_new_work(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        first = results_of(evaluated(client))
        num_requests = len(datagen.requests)

        again = results_of(evaluated(client, step=0))

        assert again == first
        assert len(datagen.requests) == num_requests


def test_several_watchers_see_the_same_results(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        datagen.gate.clear()
        client.PublishCheckpoint(step_0.pieces())
        assert datagen.asked.wait(30)
        seen: list[dict] = []
        watchers = [
            threading.Thread(target=lambda: seen.append(results_of(evaluated(client)))) for _ in range(5)
        ]
        for watcher in watchers:
            watcher.start()
        datagen.gate.set()
        for watcher in watchers:
            watcher.join(60)

        assert len(seen) == 5
        assert all(each == seen[0] for each in seen)
        assert len(datagen.requests) == 2


def test_all_checkpoints_of_a_run_are_judged_on_the_examples_first_fetched(step_0, step_2, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        evaluated(client)
        datagen.examples["rte"] = RTE[:1]

        client.PublishCheckpoint(step_2.pieces())
        after = results_of(evaluated(client, step=2))

    assert after["rte", "accuracy"].n == 3


def test_without_a_step_the_newest_checkpoint_is_meant(step_0, step_2, tmp_path):
    with serving_datagen() as (_, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        client.PublishCheckpoint(step_2.pieces())

        assert {result.step for result in results_of(evaluated(client)).values()} == {2}
        assert {result.step for result in results_of(evaluated(client, step=0)).values()} == {0}


def test_evaluation_waits_for_a_datagen_that_is_not_up_yet(step_0, tmp_path):
    with serving_datagen() as (_, address):
        port = int(address.rpartition(":")[2])
    with running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())
        call = client.Evaluate(EvaluateRequest(run=RUN), timeout=60)
        assert next(call).WhichOneof("event") == "progress"

        with serving_datagen(port=port):
            assert len(results_of(call)) == 3


def test_unknown_run_and_step_are_not_found(step_0, tmp_path):
    with serving_datagen() as (_, address), running_evaluator(tmp_path, address) as client:
        assert failed(client, run="nobody-1")[:2] == (
            grpc.StatusCode.NOT_FOUND,
            "run 'nobody-1' has no visible checkpoint; ListCheckpoints names the runs that have",
        )
        client.PublishCheckpoint(step_0.pieces())
        code, details, _ = failed(client, step=7)

        assert (code, details.endswith("visible: 0")) == (grpc.StatusCode.NOT_FOUND, True)
        assert failed(client, run="")[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_failure_is_told_to_the_watcher_and_the_other_datasets_are_judged(step_0, tmp_path):
    with serving_datagen({"rte": RTE}) as (datagen, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())

        code, details, events = failed(client)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert details == (
            f"run {RUN} step 0 was not evaluated on natural_questions: datagen has no examples of "
            "'natural_questions': there is no dataset 'natural_questions'"
        )
        assert set(results_of(events)) == {("rte", "accuracy")}

        datagen.examples["natural_questions"] = NATURAL_QUESTIONS
        assert len(results_of(evaluated(client))) == 3


def test_datagen_that_stays_away_is_told_after_its_time(step_0, tmp_path):
    with running_evaluator(tmp_path, "127.0.0.1:1", patience_s=0.3) as client:
        client.PublishCheckpoint(step_0.pieces())

        code, details, _ = failed(client)

    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "rte, natural_questions: datagen at 127.0.0.1:1 was not reachable for 0.3 s" in details.replace(
        "natural_questions, rte", "rte, natural_questions"
    )


def test_dataset_outside_of_the_spec_is_evaluated_on_request(step_0, tmp_path):
    cb = example_pb2.Example()
    cb.CopyFrom(RTE[0])
    cb.dataset = "cb"
    examples = {"rte": RTE, "natural_questions": NATURAL_QUESTIONS, "cb": [cb]}
    with serving_datagen(examples) as (_, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())

        assert set(results_of(evaluated(client, datasets=["cb"]))) == {("cb", "accuracy")}


def test_defective_metric_is_a_failure_not_a_hang(step_0, tmp_path):
    odd = example_pb2.Example()
    odd.CopyFrom(RTE[0])
    odd.metrics[:] = ["meteor"]
    examples = {"rte": [odd], "natural_questions": NATURAL_QUESTIONS}
    with serving_datagen(examples) as (_, address), running_evaluator(tmp_path, address) as client:
        client.PublishCheckpoint(step_0.pieces())

        code, details, _ = failed(client)

    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "rte: metric 'meteor' is not known" in details


def test_watcher_with_a_deadline_is_let_go_and_the_work_goes_on(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        datagen.gate.clear()
        client.PublishCheckpoint(step_0.pieces())
        with pytest.raises(grpc.RpcError) as raised:
            list(client.Evaluate(EvaluateRequest(run=RUN), timeout=0.3))
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        datagen.gate.set()

        assert len(results_of(evaluated(client))) == 3


def test_checkpoint_in_hand_is_finished_and_then_the_newest_comes_first(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        datagen.gate.clear()
        client.PublishCheckpoint(step_0.pieces())
        assert datagen.asked.wait(30)
        for step in (2, 4, 6):
            client.PublishCheckpoint(step_0.changed(step=step).pieces())
        datagen.gate.set()
        for step in (2, 4, 6):
            evaluated(client, step=step)

        results = client.ListResults(ListResultsRequest(run=RUN)).results
    order = sorted({(result.evaluated_at.ToNanoseconds(), result.step) for result in results})
    assert list(dict.fromkeys(step for _, step in order)) == [0, 6, 4, 2]


def test_too_many_watchers_are_refused_until_some_go(step_0, tmp_path):
    with serving_datagen() as (datagen, address), running_evaluator(tmp_path, address) as client:
        datagen.gate.clear()
        client.PublishCheckpoint(step_0.pieces())
        watchers = [client.Evaluate(EvaluateRequest(run=RUN), timeout=60) for _ in range(48)]
        for watcher in watchers:
            next(watcher)

        assert failed(client)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(client.ListCheckpoints(ListCheckpointsRequest(), timeout=10).checkpoints) == 1
        for watcher in watchers:
            watcher.cancel()

        ticking = threading.Event()
        while failed_to_join(client):
            ticking.wait(0.05)


def failed_to_join(client) -> bool:
    call = client.Evaluate(EvaluateRequest(run=RUN), timeout=60)
    try:
        next(call)
    except grpc.RpcError as err:
        if err.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return True
    call.cancel()
    return False


@dataclasses.dataclass(frozen=True)
class Running:
    """An evaluator as its own process."""

    process: subprocess.Popen
    address: str

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        return self.process.wait(30)


@contextlib.contextmanager
def evaluator_process(folder, datagen: str):
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "flan_evaluator", "--datagen", datagen]
    command += ["--store", str(folder / "store"), "--ready-file", str(ready)]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, env={**os.environ, "JAX_PLATFORMS": "cpu"}, stderr=log)
    try:
        ticking = threading.Event()
        while not ready.exists():
            assert process.poll() is None, (folder / "log").read_text()
            ticking.wait(0.05)
        yield Running(process, json.loads(ready.read_text())["address"])
    finally:
        process.kill()
        process.wait()


def test_killed_evaluator_takes_up_what_it_had_not_finished(step_0, tmp_path):
    with serving_datagen() as (datagen, datagen_address):
        datagen.gate.clear()
        with evaluator_process(tmp_path, datagen_address) as process:
            with client_of(process.address) as client:
                client.PublishCheckpoint(step_0.pieces(), timeout=30)
            assert datagen.asked.wait(30)
            process.end(signal.SIGKILL)
        datagen.asked.clear()
        datagen.gate.set()

        with evaluator_process(tmp_path, datagen_address) as process:
            # Without being asked.
            assert datagen.asked.wait(30)
            with client_of(process.address) as client:
                assert len(results_of(evaluated(client))) == 3
            assert process.end(signal.SIGTERM) == 0


def test_evaluator_is_healthy_until_it_is_told_to_stop_and_then_ends_its_watchers(step_0, tmp_path):
    with (
        serving_datagen() as (datagen, datagen_address),
        evaluator_process(tmp_path, datagen_address) as process,
    ):
        datagen.gate.clear()
        with grpc.insecure_channel(process.address) as channel, client_of(process.address) as client:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="flan.v1.EvaluatorService")
            assert health.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING
            client.PublishCheckpoint(step_0.pieces(), timeout=30)
            watcher = client.Evaluate(EvaluateRequest(run=RUN), timeout=60)
            next(watcher)

            process.process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.RpcError) as raised:
                list(watcher)

        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "going down" in raised.value.details()
        assert process.process.wait(30) == 0


def test_fault_at_the_start_is_one_line_and_status_2(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments, says in (
            (["--store", "/dev/null/store"], "store /dev/null/store cannot be used: Not a directory"),
            (
                ["--store", str(tmp_path), "--listen", address],
                f"cannot listen on {address}: the port is taken",
            ),
        ):
            check_fault(arguments, says)


def check_fault(arguments: list[str], says: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "flan_evaluator", "--datagen", "127.0.0.1:1", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "GRPC_VERBOSITY": "NONE"},
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"flan_evaluator: {says}")
    assert ended.stderr.count("\n") == 1
