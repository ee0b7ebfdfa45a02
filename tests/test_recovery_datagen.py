"""Replicas killed, paused or given what they cannot digest: the run ends with the undisturbed run's parameters."""

import folders
import pytest
from lines import open_feed, window_maker

from flan.v1 import batch_pb2
from flan_datagen.produce import write_window
from flan_shared.line import RunKeys, memory_faults
from flan_shared.line.keys import ticket_id
from flan_shared.spec import parse_spec

pytest_plugins = ["recovery"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_replica_killed_in_mid_window_costs_nothing(run, undisturbed):
    first = run.replica(fault=("stop", "write", 2))
    trainer = run.trainer()
    run.wait_until_stopped(first)
    first.kill()
    run.replica()
    run.ends_like(undisturbed, trainer)


def test_all_replicas_killed_and_started_again_cost_nothing(run, undisturbed):
    replicas = [run.replica(fault=("stop", "make", 2), idle_s=0.2) for _ in range(2)]
    trainer = run.trainer()
    # The ticket is passed on: each finds that the one before has let it go.
    run.wait_until_stopped(*replicas)
    for replica in replicas:
        replica.kill()
    for _ in replicas:
        run.replica()
    run.ends_like(undisturbed, trainer)


def test_a_window_made_for_a_redis_that_lost_everything_leaves_nothing(
    run, undisturbed, redis_server, client, spec
):
    late = run.replica(fault=("stop", "write", 2))
    trainer = run.trainer()
    run.wait_until_stopped(late)
    run.wait_for_checkpoint(12)
    redis_server.kill()
    redis_server.start()
    run.wait_for_words(trainer, "windows ordered again")
    late.resume()
    run.ends_like(undisturbed, trainer)


def test_a_window_that_was_read_meanwhile_leaves_nothing(run, undisturbed, redis_server, client, spec):
    late = run.replica(fault=("stop", "write", 2))
    trainer = run.trainer()
    run.wait_until_stopped(late)
    run.wait_for_checkpoint(12)
    redis_server.kill()
    redis_server.start()
    # Another makes the windows, and stops at a later one so that the run is not over yet.
    other = run.replica(fault=("stop", "make", 6))
    run.wait_until_stopped(other)
    run.wait_for_checkpoint(48)
    late.resume()
    # It has told of the window, so it has written it, as it thinks.
    run.wait_for(lambda: made(client, spec, 2) == 2)
    assert list(client.scan_iter(f"flan:{spec.run_id}:*:window:2:*")) == []
    other.resume()
    run.ends_like(undisturbed, trainer)


def made(client, spec, window: int) -> int:
    """How often onlookers were told of the window."""
    entries = client.xrange(RunKeys(spec.run_id).metrics)
    return sum(
        fields.get(b"window") == b"%d" % window for _, fields in entries if fields[b"kind"] == b"window"
    )


def test_poisoned_rows_are_set_aside_and_counted(run, undisturbed, client, spec, poisoned_rows):
    run.replica()
    run.ends_like(undisturbed, run.trainer())
    assert undisturbed["accounting"]["quarantined"] > 0
    entries = client.xrange(RunKeys(spec.run_id).quarantine)
    told = [batch_pb2.QuarantinedRow.FromString(fields[b"row"]) for _, fields in entries if b"row" in fields]
    assert told
    assert {(row.dataset, row.row) for row in told} <= poisoned_rows


def test_a_poisoned_ticket_stops_the_run_with_its_cause_and_a_mended_datagen_ends_it(run, undisturbed):
    poisoned = [run.replica(fault=("raise", "make", 2)) for _ in range(2)]
    trainer = run.trainer()
    assert trainer.wait() == 2
    assert trainer.output.strip().splitlines()[-1] == (
        "flan_trainer: window 2 failed 3 times at boolq row train/17: ZeroDivisionError: cannot divide; "
        "the run stops here and its last checkpoint is kept"
    )
    run.leaves_nothing()
    for replica in poisoned:
        assert replica.running
        replica.kill()
    run.replica()
    run.ends_like(undisturbed, run.trainer())


def test_ten_kills_on_one_ticket_are_no_failure_of_the_window(run, undisturbed):
    doomed = [run.replica(idle_s=0.2, fault=("kill", "make", 2)) for _ in range(10)]
    trainer = run.trainer()
    for replica in doomed:
        assert replica.wait() == -9
    run.replica()
    run.ends_like(undisturbed, trainer)


def test_windows_of_quarantined_rows_only_are_passed_over(start_run, redis_server, spec, tokenizer, tmp_path):
    folders.write_all(tmp_path)
    sst2 = [{**row, "label": 9 if number % 3 else 0} for number, row in enumerate(folders.rows("sst2", 60))]
    folders.write(tmp_path, "sst2", "train", sst2)
    mixture = {"mixture.datasets": "{sentiment: [sst2]}", "packing.window": "4", "train.steps": "24"}
    spec = parse_spec(spec.canonical(), overrides=mixture)
    maker = window_maker(spec, tmp_path, tokenizer)
    empty = [window for window in range(20) if not maker.make(window).num_examples]
    results = []
    for fault in (None, ("stop", "write", empty[0])):
        run = start_run(redis_server.url, spec=spec, data=tmp_path)
        replica = run.replica(fault=fault)
        trainer = run.trainer()
        if fault:
            run.wait_until_stopped(replica)
            replica.kill()
            redis_server.kill()
            redis_server.start()
            run.replica()
            run.ends_like(results[0], trainer)
        else:
            results.append(run.result(trainer))
            run.leaves_nothing()
        run.stop()
    assert results[0]["windows"] > empty[0]


def test_a_replica_over_another_data_folder_stops_and_says_which_digest_differs(
    run, undisturbed, data_folder, rows, spec, tokenizer
):
    run.replica(fault=("stop", "make", 2))
    trainer = run.trainer()
    run.wait_for_checkpoint(12)
    # The run is pinned by now, and the ticket in the hands of a replica that sleeps.
    wrong = run.replica(data=data_folder)
    assert wrong.wait() == 2
    line = wrong.output.strip().splitlines()[-1]
    assert line.startswith("flan_datagen: run")
    assert f"pinned to source digest {window_maker(spec, rows, tokenizer).source_digest}" in line
    assert f"have {window_maker(spec, data_folder, tokenizer).source_digest}" in line
    run.replica()
    run.ends_like(undisturbed, trainer)


def test_a_redis_that_is_full_when_a_window_comes_delays_it(run, undisturbed, client, spec):
    replica = run.replica(fault=("stop", "write", 2))
    trainer = run.trainer()
    run.wait_until_stopped(replica)
    run.wait_for_checkpoint(12)
    client.config_set("maxmemory", 1)
    replica.resume()
    run.wait_for_words(replica, "redis is away or full")
    client.config_set("maxmemory", 0)
    run.ends_like(undisturbed, trainer)
    assert "window failed" not in replica.output + trainer.output


def test_a_redis_that_gets_full_inside_a_window_takes_none_of_it(redis_server, client, spec, rows, tokenizer):
    # Far more than a server reads at a time.
    spec = parse_spec(spec.canonical(), overrides={"packing.window": "2048"})
    window = window_maker(spec, rows, tokenizer).make(0)
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    stream, refused = link.window_stream(0, 0), set()
    limit = client.info("memory")["used_memory"]
    while client.xlen(stream) == 1:
        limit += 2**13
        client.config_set("maxmemory", limit)
        client.config_resetstat()
        try:
            write_window(link.client, link.keys, link.attempt, ticket_id(0), window)
        except memory_faults:
            assert client.xlen(stream) == 1
            refused.add(client.info("commandstats")["cmdstat_xadd"]["rejected_calls"])
    assert client.xlen(stream) == 1 + len(window.shards[0])
    # Not only windows that were refused from their first batch on.
    assert any(0 < count < len(window.shards[0]) for count in refused), refused
