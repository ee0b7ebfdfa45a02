"""The line on a real Redis: every window whole, once, in order, with the same bytes, whatever happens."""

import contextlib
import threading
import time

import pytest
import redis
from lines import Replicas, as_bytes, attempt_keys, made, open_feed, pinned, take, timeout, window_maker

from flan.v1 import batch_pb2
from flan_datagen.produce import SourceMismatchError, write_window
from flan_shared.errors import LineError, SupersededError
from flan_shared.line import connect, connection_faults
from flan_shared.line.connect import check_server
from flan_shared.line.keys import GROUP, ticket_id
from flan_trainer.link import LinkLostError

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def spec(tokenizer):
    return pinned(tokenizer)


@pytest.fixture
def maker(spec, data_folder, tokenizer):
    return window_maker(spec, data_folder, tokenizer)


def opener(data_folder, tokenizer):
    """What a replica calls to open a run."""
    return lambda spec: window_maker(spec, data_folder, tokenizer)


@pytest.mark.parametrize("replicas", [1, 3])
def test_every_window_arrives_once_and_in_order(
    redis_server, client, spec, maker, data_folder, tokenizer, replicas
):
    link, feed = open_feed(redis_server.url, spec)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), replicas):
        batches = take(iter(feed), 8)
    assert as_bytes(batches) == made(maker, range(8))
    assert all(b.drawn == b.num_examples + b.dropped + b.quarantined for b in batches)
    link.close()
    assert attempt_keys(client, spec.run_id) == []


def test_reading_may_begin_at_any_batch(redis_server, spec, maker, data_folder, tokenizer):
    whole = [batch for window in range(4) for batch in maker.make(window).shards[0]]
    start = next(i for i, batch in enumerate(whole) if (batch.window, batch.batch) == (1, 2))
    _, feed = open_feed(redis_server.url, spec, window=1, batch=2, digest=maker.source_digest)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        assert as_bytes(take(iter(feed), 3)) == as_bytes(whole[start:])


def test_a_window_written_twice_is_there_once(redis_server, client, spec, maker):
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    window = maker.make(0)
    for _ in range(2):
        write_window(client, link.keys, link.attempt, ticket_id(0), window)
    assert client.xlen(link.window_stream(0, 0)) == 1 + len(window.shards[0])


def test_a_window_that_was_read_stays_gone(redis_server, client, spec, maker):
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    link.post([1], "", read=0)
    write_window(client, link.keys, link.attempt, ticket_id(0), maker.make(0))
    assert not client.exists(link.window_stream(0, 0))


def test_an_old_attempt_leaves_nothing_behind(redis_server, client, spec, maker):
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    old = link.attempt
    link.claim("again")
    write_window(client, link.keys, old, ticket_id(0), maker.make(0))
    assert [key for key in attempt_keys(client, spec.run_id) if f":{old}:" in key] == []


def test_only_whole_windows_are_trusted(redis_server, client, spec, maker):
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    # Someone wrote the first batch alone, which nobody who keeps the rules does.
    client.xadd(link.window_stream(0, 0), {"batch": b"x"}, id="1-0")
    with pytest.raises(LineError, match="refused and written in part"):
        write_window(client, link.keys, link.attempt, ticket_id(0), maker.make(0))


def test_redis_emptied_in_mid_run_changes_no_byte(redis_server, client, spec, maker, data_folder, tokenizer):
    _, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 2):
        first = take(batches, 2)
        client.flushall()
        second = take(batches, 3)
    assert as_bytes(first + second) == made(maker, range(5))


@pytest.mark.parametrize("downtime", ["short", "with a window half read"])
def test_redis_killed_and_back_empty_changes_no_byte(
    redis_server, spec, maker, data_folder, tokenizer, downtime
):
    _, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 2):
        first = take(batches, 2)
        if downtime != "short":
            first.append(next(batches))
        redis_server.kill()
        redis_server.start()
        rest = take(batches, 3)
    assert as_bytes(first + rest) == made(maker, range(5))


def test_redis_back_with_an_older_state_changes_no_byte(
    redis_server, client, spec, maker, data_folder, tokenizer
):
    _, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        first = take(batches, 1)
        client.save()
        first += take(batches, 2)
        redis_server.kill()
        redis_server.start("--dbfilename", "dump.rdb")
        rest = take(batches, 2)
    assert as_bytes(first + rest) == made(maker, range(5))


def test_a_lost_ticket_is_taken_over(redis_server, client, spec, maker, data_folder, tokenizer):
    link, feed = open_feed(redis_server.url, spec)
    link.post([0], "")
    # A replica that took the ticket and was killed.
    client.xreadgroup(GROUP, "killed", {link.keys.tickets(link.attempt): ">"}, count=1)
    feed._lost, feed._ordered = None, 1
    with (
        Replicas(redis_server.url, opener(data_folder, tokenizer), 1, claim_idle_s=0.3),
        timeout(20, "claiming"),
    ):
        batches = take(iter(feed), 1)
    assert as_bytes(batches) == made(maker, range(1))


def test_the_older_of_two_trainers_stops_and_says_so(
    redis_server, client, spec, maker, data_folder, tokenizer
):
    _, older = open_feed(redis_server.url, spec)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        batches = iter(older)
        take(batches, 1)
        link, newer = open_feed(redis_server.url, spec)
        with pytest.raises(SupersededError, match="taken over by a trainer started later"):
            take(batches, 20)
        assert as_bytes(take(iter(newer), 2)) == made(maker, range(2))
    link.close()
    assert attempt_keys(client, spec.run_id) == []


def test_a_ticket_that_always_fails_stops_the_run_with_its_cause(redis_server, spec, data_folder, tokenizer):
    def poisoned(spec):
        maker = window_maker(spec, data_folder, tokenizer)
        whole = maker.make

        def make(window, num_shards=1):
            if window == 1:
                maker.in_hand.dataset, maker.in_hand.row = "boolq", "train/17"
                raise ZeroDivisionError("cannot divide")
            return whole(window, num_shards)

        maker.make = make
        return maker

    _, feed = open_feed(redis_server.url, spec)
    with (
        Replicas(redis_server.url, poisoned, 2),
        timeout(30, "stopping"),
        pytest.raises(
            LineError,
            match="window 1 failed 3 times at boolq row train/17: ZeroDivisionError",
        ),
    ):
        take(iter(feed), 5)


def test_a_replica_over_other_data_stops_and_the_run_goes_on(
    redis_server, spec, maker, data_folder, tokenizer, tmp_path
):
    import folders

    other = folders.write_all(tmp_path)
    folders.write(other, "sst2", "train", folders.rows("sst2", 61))
    _, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        first = take(batches, 1)
        with Replicas(redis_server.url, opener(other, tokenizer), 1) as wrong:
            rest = take(batches, 12)
            # It may not have been given a ticket yet.
            while not wrong.faults:
                rest += take(batches, 1)
    assert isinstance(wrong.faults[0], SourceMismatchError)
    assert maker.source_digest in str(wrong.faults[0])
    assert as_bytes(first + rest) == made(maker, range(rest[-1].window + 1))


def test_a_batch_of_another_spec_is_refused(redis_server, client, spec, maker, tokenizer, data_folder):
    link, feed = open_feed(redis_server.url, spec)
    link.post([0], "")
    feed._lost, feed._ordered = None, 1
    stranger = window_maker(pinned(tokenizer, {"seed": "8"}), data_folder, tokenizer)
    write_window(client, link.keys, link.attempt, ticket_id(0), stranger.make(0))
    with pytest.raises(
        LineError, match=f"made for spec digest {stranger.spec.digest}; this run has {spec.digest}"
    ):
        next(iter(feed))


def test_damage_on_the_way_is_made_good(redis_server, client, spec, maker, data_folder, tokenizer):
    link, feed = open_feed(redis_server.url, spec)
    link.post([0], "")
    feed._lost, feed._ordered = None, 1
    client.xadd(link.window_stream(0, 0), {"batch": b"\x0a\x02ab\x15\x00\x00\x00\x00"}, id="1-0")
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        assert as_bytes(take(iter(feed), 2)) == made(maker, range(2))


def test_every_shard_gets_every_batch_and_the_counts_add_up(spec, maker):
    one = maker.make(2).shards[0]
    shards = maker.make(2, num_shards=3).shards
    assert [len(shard) for shard in shards] == [len(one)] * 3
    for batch, parts in zip(one, zip(*shards, strict=True), strict=True):
        assert sum(part.num_examples for part in parts) == batch.num_examples
        assert sum(part.drawn for part in parts) == batch.drawn
        assert {part.end for part in parts} == {batch.end}


def test_windows_do_not_depend_on_what_was_made_before(spec, maker, data_folder, tokenizer):
    again = window_maker(spec, data_folder, tokenizer)
    assert made(again, range(3, 5)) == made(maker, range(5))[-len(made(again, range(3, 5))) :]


def test_verify_sees_each_way_of_losing_the_link(redis_server, client, spec):
    link, _ = open_feed(redis_server.url, spec)
    link.post([0], "")
    link.verify(0, 0)
    client.unlink(link.window_stream(0, 0))
    with pytest.raises(LinkLostError, match="window 0 is gone"):
        link.verify(0, 0)
    client.delete(link.keys.attempt)
    with pytest.raises(LinkLostError, match="attempt is None"):
        link.verify(0, 0)
    client.set(link.keys.attempt, "1.1")
    with pytest.raises(LinkLostError, match=r"attempt is 1\.1"):
        link.verify(0, 0)


def test_a_server_that_evicts_is_refused(redis_server, client):
    check_server(client, redis_server.url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(LineError, match="maxmemory-policy allkeys-lru; expected noeviction"):
        check_server(client, redis_server.url)


def test_an_unreachable_server_is_named():
    url = "redis://127.0.0.1:1"
    with pytest.raises(LineError, match=r"Redis at redis://127\.0\.0\.1:1 cannot be used"):
        check_server(connect(url), url)
    with pytest.raises(LineError, match="Redis URL 'nonsense'"):
        connect("nonsense")


def wait_until(what):
    """Polls; the test's own time limit ends it."""
    while not what():
        time.sleep(0.02)


def test_a_redis_too_full_for_new_windows_delays_and_loses_nothing(
    redis_server, client, spec, maker, data_folder, tokenizer
):
    link, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        first = take(batches, 1)
        # Windows 1 to 3 are there; from now on the feed can only read them and free what it read.
        wait_until(lambda: all(client.xlen(link.window_stream(window, 0)) > 1 for window in (1, 2, 3)))
        client.config_set("maxmemory", 1)
        first += take(batches, 3)
        assert [client.exists(link.window_stream(window, 0)) for window in (1, 2, 3)] == [0, 0, 0]
        timer = threading.Timer(1.0, lambda: client.config_set("maxmemory", 0))
        timer.start()
        rest = take(batches, 3)
        timer.join()
    assert as_bytes(first + rest) == made(maker, range(7))


def test_a_redis_too_full_for_a_window_is_no_failure_of_the_window(
    redis_server, client, spec, maker, data_folder, tokenizer
):
    link, feed = open_feed(redis_server.url, spec)
    link.post([0], "")
    feed._lost, feed._ordered = None, 1
    client.config_set("maxmemory", 1)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 2):
        tickets = link.keys.tickets(link.attempt)
        # Taken, refused and handed back several times.
        wait_until(
            lambda: any(
                entry["times_delivered"] > 4 for entry in client.xpending_range(tickets, GROUP, "-", "+", 1)
            )
        )
        client.config_set("maxmemory", 0)
        assert as_bytes(take(iter(feed), 3)) == made(maker, range(3))
    assert client.xlen(link.failures_stream()) == 1


def test_a_batch_that_is_always_unreadable_stops_the_run(redis_server, client, spec, maker):
    link, feed = open_feed(redis_server.url, spec)
    stop = threading.Event()

    def write_nonsense():
        while not stop.is_set():
            stream = link.window_stream(0, 0)
            with contextlib.suppress(redis.ResponseError):
                client.xadd(stream, {"batch": b"nonsense"}, id="1-0", nomkstream=True)
            stop.wait(0.02)

    writer = threading.Thread(target=write_nonsense)
    writer.start()
    with pytest.raises(LineError, match="is datagen of another version"):
        next(iter(feed))
    stop.set()
    writer.join()


def test_a_password_is_never_shown():
    url = "redis://:secret@127.0.0.1:1/0"
    with pytest.raises(LineError) as caught:
        check_server(connect(url), url)
    assert "secret" not in str(caught.value)
    assert "redis://:***@127.0.0.1:1/0" in str(caught.value)


def test_tickets_name_the_source_once_it_is_known(redis_server, client, spec, maker, data_folder, tokenizer):
    link, feed = open_feed(redis_server.url, spec)
    batches = iter(feed)
    with Replicas(redis_server.url, opener(data_folder, tokenizer), 1):
        next(batches)
    entries = client.xrange(link.keys.tickets(link.attempt))
    digests = [batch_pb2.Ticket.FromString(fields[b"ticket"]).source_digest for _, fields in entries]
    assert digests[0] == ""
    assert set(digests[1:]) == {maker.source_digest}


def test_a_connection_that_breaks_after_watch_is_a_connection_fault(redis_server, client):
    with client.pipeline() as pipe:
        pipe.watch("key")
        redis_server.kill()
        with pytest.raises(connection_faults):
            pipe.get("key")
