"""A trainer of several hosts on a real Redis: one stream a host, together the rows of a trainer of one host."""

import itertools
import time

import pytest
import redis
from lines import Replicas, attempt_keys, pinned, take, window_maker

from flan_datagen.produce import write_window
from flan_shared.errors import SupersededError
from flan_shared.line import PackedBatch, connect, encode_batch
from flan_shared.line.keys import ticket_id
from flan_trainer.feed import Feed
from flan_trainer.follower import Follower
from flan_trainer.link import Link
from flan_trainer.prefetch import Prefetch

pytestmark = pytest.mark.timeout(60)

AHEAD = 3


@pytest.fixture
def spec(tokenizer):
    return pinned(tokenizer)


@pytest.fixture
def maker(spec, data_folder, tokenizer):
    return window_maker(spec, data_folder, tokenizer)


@pytest.fixture
def replicas(redis_server, data_folder, tokenizer):
    """Two of them, at work."""
    with Replicas(redis_server.url, lambda spec: window_maker(spec, data_folder, tokenizer), 2) as replicas:
        yield replicas


def feeds_of(url: str, spec, num_shards: int) -> tuple[Link, list[Feed]]:
    """The link and the feeds of all hosts, each with a client of its own."""
    link = Link(connect(url), spec, num_shards=num_shards)
    link.claim("test")
    holds = [link]
    for shard in range(1, num_shards):
        follower = Follower(connect(url), spec, start=link.attempt.start, shard=shard)
        follower.claim("test")
        holds.append(follower)
    return link, [
        Feed(hold, spec_digest=spec.digest, source_digest="", window=0, batch=1, ahead=AHEAD, shard=shard)
        for shard, hold in enumerate(holds)
    ]


class Hosts:
    """Hosts that step together, each reading ahead on a thread of its own as the trainer does."""

    def __init__(self, url: str, spec, num_shards: int) -> None:
        self.link, self.feeds = feeds_of(url, spec, num_shards)
        self._ahead = [Prefetch(feed, lambda batch: batch) for feed in self.feeds]
        self._batches = [iter(ahead) for ahead in self._ahead]

    def step(self) -> list[PackedBatch]:
        """The next batch of every host."""
        batches = [next(each) for each in self._batches]
        self.feeds[0].applied(batches[0].window)
        return batches

    def windows(self, count: int) -> list[list[PackedBatch]]:
        steps = []
        while count:
            steps.append(self.step())
            count -= steps[-1][0].end
        return steps

    def __enter__(self) -> "Hosts":
        return self

    def __exit__(self, *_: object) -> None:
        for feed, ahead in zip(self.feeds, self._ahead, strict=True):
            feed.stop()
            ahead.close()


def rows(batch: PackedBatch) -> list[tuple]:
    """Every row as its examples' token ids."""
    lengths = [
        length for pair in zip(batch.input_lengths, batch.target_lengths, strict=True) for length in pair
    ]
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + int(length))
    parts = [tuple(batch.tokens[a:b].tolist()) for a, b in itertools.pairwise(ends)]
    found, first = [], 0
    for count in batch.row_examples:
        found.append(tuple(parts[2 * first : 2 * (first + int(count))]))
        first += int(count)
    return found


def assert_same_as_one_host(steps: list[list[PackedBatch]], maker, windows: range) -> None:
    whole = [batch for window in windows for batch in maker.make(window).shards[0]]
    assert len(steps) == len(whole)
    for batches, one in zip(steps, whole, strict=True):
        assert {(b.window, b.batch, b.end) for b in batches} == {(one.window, one.batch, one.end)}
        assert [b.shard for b in batches] == list(range(len(batches)))
        assert sorted(row for batch in batches for row in rows(batch)) == sorted(rows(one))
        for count in ("drawn", "dropped", "quarantined", "num_examples"):
            assert sum(getattr(b, count) for b in batches) == getattr(one, count), count
        assert all(b.drawn == b.num_examples + b.dropped + b.quarantined for b in batches)


def wait_until(what) -> None:
    """Polls; the test's own time limit ends it."""
    while not what():
        time.sleep(0.02)


# batch_rows is 4: of five hosts one gets no row of any batch, but every batch.
@pytest.mark.parametrize("num_shards", [2, 5])
def test_the_hosts_together_get_the_rows_of_one_host(redis_server, client, spec, maker, replicas, num_shards):
    with Hosts(redis_server.url, spec, num_shards) as hosts:
        steps = hosts.windows(6)
    assert_same_as_one_host(steps, maker, range(6))
    hosts.link.close()
    assert attempt_keys(client, spec.run_id) == []


@pytest.mark.parametrize("loss", ["killed and back empty", "emptied", "back with an older state"])
def test_a_lost_redis_changes_no_row(redis_server, client, spec, maker, replicas, loss):
    with Hosts(redis_server.url, spec, 2) as hosts:
        steps = hosts.windows(2)
        steps.append(hosts.step())
        if loss == "emptied":
            client.flushall()
        else:
            client.save()
            steps.append(hosts.step())
            redis_server.kill()
            redis_server.start(*(["--dbfilename", "none.rdb"] if "empty" in loss else []))
        while not (steps[-1][0].end and steps[-1][0].window >= 5):
            steps.append(hosts.step())
        last = steps[-1][0].window
    assert_same_as_one_host(steps, maker, range(last + 1))
    hosts.link.close()
    assert attempt_keys(client, spec.run_id) == []


def shard_windows(client: redis.Redis, spec, shard: int) -> list[int]:
    """The windows of a shard that lie in Redis."""
    keys = client.keys(f"flan:{spec.run_id}:*:window:*:{shard}")
    return sorted(int(key.split(b":")[-2]) for key in keys)


def test_after_a_loss_windows_are_made_for_the_host_that_is_furthest_behind(
    redis_server, client, spec, maker, replicas
):
    _, feeds = feeds_of(redis_server.url, spec, 2)
    first, second = (iter(feed) for feed in feeds)
    one, two = take(first, 4), take(second, 1)
    # The step after window 0 is not applied yet: the second host still needs window 1.
    feeds[0].applied(1)
    client.flushall()
    # The first host claims and orders when it looks again, which it does on a thread here.
    ahead = Prefetch(feeds[0], lambda batch: batch, depth=100)
    two += take(second, 5)
    batches = iter(ahead)
    one += take(batches, 2)
    feeds[0].stop()
    ahead.close()
    assert_same_as_one_host([list(step) for step in zip(one, two, strict=True)], maker, range(6))


def test_after_a_loss_a_host_ahead_leaves_no_window_behind(redis_server, client, spec, maker, replicas):
    _, feeds = feeds_of(redis_server.url, spec, 2)
    first, second = (iter(feed) for feed in feeds)
    one, two = take(first, 1), []
    # The first window pins the source; with the next batch the first host orders more.
    one.append(next(first))
    two += take(second, 3)
    client.flushall()
    ahead = Prefetch(feeds[0], lambda batch: batch, depth=100)
    two += take(second, 2)
    wait_until(lambda: min(shard_windows(client, spec, 1), default=0) >= 5)
    feeds[0].stop()
    ahead.close()
    whole = [batch for window in range(5) for batch in maker.make(window, 2).shards[1]]
    assert [rows(batch) for batch in two] == [rows(batch) for batch in whole]


def test_a_host_that_lags_bounds_what_lies_in_redis(redis_server, client, spec, maker, replicas):
    _, feeds = feeds_of(redis_server.url, spec, 2)
    ahead = Prefetch(feeds[0], lambda batch: batch, depth=1000)
    wait_until(lambda: feeds[0].waits()[0] == "host")
    assert shard_windows(client, spec, 1) == list(range(2 * AHEAD))
    assert shard_windows(client, spec, 0) == []
    # Not a loss, however long it takes.
    feeds[0].verify()
    # As the second host goes on, so does the first.
    late = take(iter(feeds[1]), 3)
    wait_until(lambda: max(shard_windows(client, spec, 1)) == 2 * AHEAD + 2)
    feeds[0].stop()
    ahead.close()
    whole = [batch for window in range(3) for batch in maker.make(window, 2).shards[1]]
    assert [rows(batch) for batch in late] == [rows(batch) for batch in whole]


def test_damage_on_the_way_to_a_further_host_is_made_good(
    redis_server, client, spec, maker, data_folder, tokenizer
):
    with Hosts(redis_server.url, spec, 2) as hosts:
        stream = hosts.link.window_stream(0, 1)
        wait_until(lambda: client.exists(stream))
        client.xadd(stream, {"batch": b"\x0a\x02ab\x15\x00\x00\x00\x00"}, id="1-0", nomkstream=True)
        wait_until(lambda: hosts.link.attempt.link > 1)
        with Replicas(redis_server.url, lambda spec: window_maker(spec, data_folder, tokenizer), 1):
            assert_same_as_one_host(hosts.windows(2), maker, range(2))


def test_every_host_of_an_older_trainer_stops_and_says_so(redis_server, spec, replicas):
    with Hosts(redis_server.url, spec, 2) as older:
        older.windows(1)
        feeds_of(redis_server.url, spec, 2)
        for feed in older.feeds:
            with pytest.raises(SupersededError, match="taken over by a trainer started later"):
                wait_until(lambda feed=feed: feed.verify())


def test_a_further_host_waits_for_the_first_one_to_claim(redis_server, spec, maker, replicas):
    start = int(time.time() * 1000)
    follower = Follower(connect(redis_server.url), spec, start=start, shard=1)
    follower.claim("start")
    feed = Feed(follower, spec_digest=spec.digest, source_digest="", window=0, batch=1, shard=1)
    batches = iter(Prefetch(feed, lambda batch: batch))
    link = Link(connect(redis_server.url), spec, num_shards=2, clock=lambda: start / 1000)
    link.claim("start")
    link.post([0], "")
    assert rows(next(batches)) == rows(maker.make(0, 2).shards[1][0])
    feed.stop()


def test_a_shard_that_nobody_could_read_is_refused(redis_server, spec):
    client = connect(redis_server.url)
    with pytest.raises(ValueError, match="num_shards is 0; expected at least 1"):
        Link(client, spec, num_shards=0)
    with pytest.raises(ValueError, match="shard is 0; expected at least 1"):
        Follower(client, spec, start=1, shard=0)


def test_memory_is_the_windows_ahead_and_what_a_lagging_host_keeps(
    redis_server, client, spec, data_folder, tokenizer
):
    """docs/design.md, section 5: windows on each shard x bytes a window, a quarter for the allocator, and 64 kB."""
    link = Link(connect(redis_server.url), spec, num_shards=2)
    link.claim("test")
    # Windows of a size at which bytes are what counts.
    large = window_maker(
        pinned(tokenizer, {"packing.window": "4096", "packing.batch_rows": "64"}), data_folder, tokenizer
    )
    windows = [large.make(window, 2) for window in range(4)]
    before = client.info("memory")["used_memory"]
    link.post(range(4), "")
    for number, window in enumerate(windows):
        write_window(client, link.keys, link.attempt, ticket_id(number), window)
    sizes = [[sum(len(encode_batch(b)) for b in shard) for shard in window.shards] for window in windows]

    def used() -> int:
        return client.info("memory")["used_memory"] - before

    expected = sum(map(sum, sizes))
    assert expected < used() < 1.25 * expected + 2**16
    # The first host has read three windows, the other lags and keeps its own.
    for window in range(3):
        link.post((), "", read=window)
    expected = sum(size[1] for size in sizes) + sizes[3][0]
    # UNLINK frees on a thread of the server's.
    wait_until(lambda: used() < 1.25 * expected + 2**16)
    assert used() > expected
    assert link.backlog(0, 4).size_bytes == pytest.approx(expected, rel=0.25)
