"""A run that stands still says which part it waits for."""

import json
import time

import numpy as np
import pytest
import redis
from lines import Replicas, open_feed, pinned, take, window_maker

from flan.v1 import trainer_service_pb2 as pb
from flan_cli.metrics import Metrics
from flan_cli.progress import plain_line
from flan_cli.standing import Standing
from flan_shared.line import RunKeys, connect
from flan_shared.line.keys import GROUP
from flan_trainer.cursor import Cursor
from flan_trainer.engines.base import StepMetrics
from flan_trainer.prefetch import Prefetch
from flan_trainer.status import Status
from flan_trainer.watch import Watch

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def spec(tokenizer):
    return pinned(tokenizer)


@pytest.fixture
def make_maker(data_folder, tokenizer):
    return lambda spec: window_maker(spec, data_folder, tokenizer)


@pytest.fixture
def training(redis_server, spec):
    """A status in training, the feed that is read on a thread, a watch that is not started."""
    _, feed = open_feed(redis_server.url, spec)
    status = Status(connect(redis_server.url), spec)
    status.phase(pb.TRAINER_PHASE_TRAINING)
    ahead = Prefetch(feed, lambda batch: batch)
    yield status, feed, Watch(status, feed, stalled_s=0.0), iter(ahead)
    feed.stop()
    ahead.close()


def eventually(watch: Watch, part: str) -> str:
    """Polls; the test's own time limit ends it."""
    while part not in (said := watch.look()[0]):
        time.sleep(0.02)
    return said


def test_tickets_that_nobody_takes_are_datagen(training):
    _, _, watch, _ = training
    assert eventually(watch, "datagen").startswith("datagen: 1 ticket, none taken for ")


def test_a_window_that_is_not_made_names_its_replica(training, client, spec):
    _, feed, watch, _ = training
    eventually(watch, "datagen")
    attempt = client.get(RunKeys(spec.run_id).attempt).decode()
    client.xreadgroup(GROUP, "datagen-2", {f"flan:{spec.run_id}:{attempt}:tickets": ">"}, count=1)
    assert eventually(watch, "hands").startswith("datagen: window 0 in the hands of datagen-2, for ")
    assert feed.backlog().in_hand == {0: "datagen-2"}


def test_a_redis_that_is_away_or_does_not_answer_is_redis(training, redis_server):
    _, _, watch, _ = training
    eventually(watch, "datagen")
    redis_server.pause()
    assert eventually(watch, "Redis").startswith("Redis: no answer for ")
    redis_server.kill()
    assert eventually(watch, "Redis").startswith("Redis: no answer for ")
    redis_server.start()
    eventually(watch, "datagen")


def test_a_full_redis_is_its_memory(training, client, spec, redis_server, make_maker):
    _, _, watch, batches = training
    eventually(watch, "datagen")
    client.config_set("maxmemory", 1)
    with Replicas(redis_server.url, make_maker, 1):
        assert eventually(watch, "memory").startswith("Redis: its memory is full, for ")
        client.config_set("maxmemory", 0)
        take(batches, 1)


def test_with_data_at_hand_the_step_is_what_takes_its_time(training, redis_server, make_maker):
    _, _, watch, _ = training
    with Replicas(redis_server.url, make_maker, 1):
        assert eventually(watch, "trainer").startswith("the trainer: step 1 in hand for ")


def test_a_run_that_moves_waits_for_nothing(training):
    status, feed, _, _ = training
    assert Watch(status, feed).look()[0] == ""


def test_checkpoints_in_the_outbox_are_the_evaluator(training):
    status, _, watch, _ = training
    status.saved(4, "digest")
    status.saved(8, "digest")
    status.published(4)
    status.phase(pb.TRAINER_PHASE_PUBLISHING)
    assert watch.look()[0] == "the evaluator: the outbox holds 1 checkpoint"


def test_onlookers_are_told_every_second_and_the_progress_line_says_it(training, redis_server, spec):
    status, feed, _, _ = training
    metrics, standing = Metrics(redis_server.url, spec.run_id), Standing(num_steps=12, num_checkpoints=4)
    with Watch(status, feed, stalled_s=0.0):
        while "datagen" not in standing.waits:
            for entry in metrics.read():
                standing.metric(entry)
            time.sleep(0.02)
        assert " · waits for datagen: 1 ticket, none taken for " in plain_line(standing)
        assert (standing.tickets, standing.size_bytes > 0) == (1, True)
        redis_server.kill()
        for entry in metrics.read(now=True):
            standing.metric(entry)
        assert " · waits for Redis: no answer for " in plain_line(standing)
    metrics.close()


def test_a_step_ends_the_wait(redis_server, client, spec):
    status = Status(client, spec)
    client.xadd(RunKeys(spec.run_id).metrics, {"opened": ""})
    metrics, standing = Metrics(redis_server.url, spec.run_id), Standing(num_steps=12, num_checkpoints=4)
    status.phase(pb.TRAINER_PHASE_TRAINING)
    status.line(waits="datagen: window 3", backlog=None)
    by_cluster = np.zeros((2, len(spec.trained_clusters)))
    by_cluster[:, 1] = 6.0, 4.0
    measured = StepMetrics(2.5, 0.1, 4.0, 0.5, 0.01, 3.0, 7.0, by_cluster)
    status.stepped(5, 2.5, Cursor(), measured, num_tokens=10, wait_s=0.25)
    entries = metrics.read(now=True)
    assert [entry["kind"] for entry in entries] == ["line", "step"]
    assert (entries[1]["wait_ms"], entries[1]["accuracy"], entries[1]["grad_norm"]) == ("250", "0.5", "3")
    assert json.loads(entries[1]["loss_by_cluster"]) == {spec.trained_clusters[1]: 1.5}
    assert float(entries[1]["non_padding_fraction"]) == pytest.approx(10 / (4 * 160))
    for entry in entries:
        standing.metric(entry)
    assert standing.waits == ""
    metrics.close()


def test_windows_are_told_with_the_time_of_each_phase_and_their_bytes(redis_server, client, spec, make_maker):
    _, feed = open_feed(redis_server.url, spec)
    with Replicas(redis_server.url, make_maker, 1):
        batches = take(iter(feed), 1)
        entries: list[dict] = []
        while not entries:
            found = client.xrange(RunKeys(spec.run_id).metrics)
            entries = [fields for _, fields in found if fields.get(b"kind") == b"window"]
    assert list(json.loads(entries[0][b"phases"])) == ["read", "render", "tokenize", "pack", "write"]
    assert int(entries[0][b"size_bytes"]) > sum(batch.tokens.nbytes for batch in batches)


def test_the_backlog_adds_up(redis_server, spec, make_maker):
    link, _ = open_feed(redis_server.url, spec)
    link.post(range(3), "")
    backlog = link.backlog(0, 3)
    assert (backlog.tickets_waiting, backlog.in_hand, backlog.windows_made) == (3, {}, 0)
    with Replicas(redis_server.url, make_maker, 1):
        while link.backlog(0, 3).windows_made < 3:
            time.sleep(0.02)
    made = link.backlog(0, 3)
    assert (made.tickets_waiting, made.in_hand) == (0, {})
    assert made.size_bytes > backlog.size_bytes


def test_a_backlog_that_cannot_be_told_is_none(redis_server, spec):
    link, feed = open_feed(redis_server.url, spec)
    link.close()
    assert link.backlog(0, 1) is None
    redis_server.kill()
    assert feed.backlog() is None
    with pytest.raises(redis.ConnectionError):
        link.backlog(0, 1)
