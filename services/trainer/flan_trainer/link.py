"""The trainer's hold on a run in Redis: it claims an attempt, and it alone makes keys (docs/design.md, section 5).

Of a trainer's hosts the first has the `Link`: it claims, opens windows for all shards and posts tickets. The others
follow it (`flan_trainer.follower`). Every host reads and removes its own shard.

Everything that changes keys looks at `attempt` in the same script, or is one MULTI under WATCH of it, so a trainer
that was superseded, or whose Redis came back empty or older, changes nothing. After any doubt the link is made anew
with the next number, and all windows are ordered again under new keys: that is always right, because windows are
pure functions.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis
from redis.exceptions import NoScriptError

from flan.v1 import batch_pb2
from flan_shared.errors import SupersededError
from flan_shared.line import Attempt, RunKeys
from flan_shared.line.connect import server_run_id
from flan_shared.line.keys import BATCHES_A_READ, GROUP, METRICS_LENGTH, OPENED, RUNS, ticket_id
from flan_shared.spec import RunSpec
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)


# A script is as indivisible as a MULTI under WATCH, and one round trip in place of three: this is done for every
# window. A full Redis refuses it as a whole at its first write, or not at all: what it removes comes first.
_POST = """
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] then return held end
if ARGV[3] ~= '' then
  redis.call('UNLINK', KEYS[3])
  redis.call('XACK', KEYS[2], ARGV[2], ARGV[3])
  redis.call('XDEL', KEYS[2], ARGV[3])
end
for place = 4, #KEYS do redis.call('XADD', KEYS[place], ARGV[4], 'opened', '') end
for place = 5, #ARGV, 2 do redis.call('XADD', KEYS[2], ARGV[place], 'ticket', ARGV[place + 1]) end
return 1
"""
"""KEYS: attempt, tickets, the first shard that was read, the shards to open. ARGV: the attempt expected, the group,
id of the ticket that was read or nothing, `OPENED`, and of every new ticket its id and itself."""


class LinkLostError(Exception):
    """The run in Redis is not as this trainer left it; `Link.claim` again."""


@dataclasses.dataclass(frozen=True)
class Backlog:
    """What of an attempt lies in Redis.

    Attributes:
      tickets_waiting: that no replica has taken.
      in_hand: by window, the replica that has its ticket.
      windows_made: whole, and not read to the end by the first host.
      size_bytes: memory of the windows of all shards.
      is_full: Redis has reached its maxmemory and refuses what is written.
    """

    tickets_waiting: int
    in_hand: dict[int, str]
    windows_made: int
    size_bytes: int
    is_full: bool


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a host reads on.

    Attributes:
      window: in hand.
      shard: of this host.
      after: id of the last entry that was read of it.
      failures_after: the same of the failures stream.
    """

    window: int
    shard: int
    after: str
    failures_after: str


class Hold:
    """What every host of a trainer does with a run: it reads its own shard under the live attempt."""

    def __init__(self, client: redis.Redis, spec: RunSpec, start: int) -> None:
        """Args:
        client: of the line.
        spec: of the run, pinned to its tokenizer.
        start: of the trainer, the same on all its hosts.
        """
        self.client = client
        self.keys = RunKeys(spec.run_id)
        self.attempt = Attempt(start, 0)

    def read(self, place: Place, *, block_ms: int | None) -> dict[str, list]:
        """New entries by stream name: of the window's shard and of the failures stream.

        Args:
          place: what to read on from.
          block_ms: how long to wait for an entry; None: not at all.
        """
        return self._named(self._xread(self.client, place, block_ms))

    def _xread(self, client: redis.Redis, place: Place, block_ms: int | None) -> Any:
        streams = {
            self.window_stream(place.window, place.shard): place.after,
            self.failures_stream(): place.failures_after,
        }
        # A few batches a call: a window may be large, and the reader buffers what it is given.
        return client.xread(streams, count=BATCHES_A_READ, block=block_ms)

    def _named(self, answer: Any) -> dict[str, list]:
        return {name.decode(): entries for name, entries in answer or []}

    def window_stream(self, window: int, shard: int) -> str:
        """Name under which `read` gives the window's entries."""
        return self.keys.window(self.attempt, window, shard)

    def failures_stream(self) -> str:
        """Name under which `read` gives failures."""
        return self.keys.failures(self.attempt)

    def _held(self, client: redis.Redis | redis.client.Pipeline) -> Attempt | None:
        value = client.get(self.keys.attempt)
        return Attempt.parse(value.decode()) if value else None

    def _give_way(self, held: Attempt | None) -> None:
        if held is not None and held.start > self.attempt.start:
            raise SupersededError(
                f"run {self.keys.run!r} was taken over by a trainer started later "
                f"(attempt {held}, this one is {self.attempt}); this one stops"
            )


class Link(Hold):
    """One trainer's claim on one run."""

    def __init__(
        self,
        client: redis.Redis,
        spec: RunSpec,
        *,
        num_shards: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Draws the start: from the clock, and above what Redis holds, so that the newest process wins even where
        clocks differ.

        Args:
          client: of the line.
          spec: of the run, pinned to its tokenizer.
          num_shards: hosts of the trainer; every one reads a stream of its own.
          clock: seconds since the epoch.
        """
        if num_shards < 1:
            raise ValueError(f"num_shards is {num_shards}; expected at least 1, one for each host")
        super().__init__(client, spec, int(clock() * 1000))
        self.num_shards = num_shards
        self._spec, self._spec_digest = spec, spec.digest
        if (held := self._held(client)) and held.start >= self.attempt.start:
            self.attempt = Attempt(held.start + 1, 0)
        self._server = ""
        self._post = client.register_script(_POST)

    def claim(self, reason: str) -> None:
        """Takes the run over under the next number and removes what smaller attempts left.

        Args:
          reason: for the log and for onlookers.

        Raises:
          SupersededError: a newer start holds the run.
          redis.RedisError: Redis is away; nothing is known.
        """
        if self.attempt.link:
            # What the lost link left; first, because a full Redis takes no claim before memory is free.
            self._remove(lambda attempt: attempt.start == self.attempt.start)
        while True:
            with self.client.pipeline(transaction=True) as pipe:
                pipe.watch(self.keys.attempt)
                held = self._held(pipe)
                self._give_way(held)
                link = (
                    max(self.attempt.link, held.link if held and held.start == self.attempt.start else 0) + 1
                )
                self.attempt = Attempt(self.attempt.start, link)
                pipe.multi()
                pipe.set(self.keys.attempt, str(self.attempt))
                pipe.hset(RUNS, self.keys.run, self._spec.canonical())
                pipe.xgroup_create(self.keys.tickets(self.attempt), GROUP, id="0", mkstream=True)
                pipe.xadd(self.keys.failures(self.attempt), {"opened": ""}, id=OPENED)
                started = {"kind": "restart", "attempt": str(self.attempt), "reason": reason}
                pipe.xadd(self.keys.metrics, started, maxlen=METRICS_LENGTH, approximate=True)
                pipe.xadd(self.keys.quarantine, {"opened": ""}, maxlen=METRICS_LENGTH, approximate=True)
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
            break
        self._server = server_run_id(self.client)
        self._remove(lambda attempt: attempt < self.attempt)
        event(_log, "run claimed", run=self.keys.run, attempt=self.attempt, reason=reason)

    def post(
        self,
        windows: Iterable[int],
        source_digest: str,
        *,
        read: int | None = None,
        then: Place | None = None,
    ) -> dict[str, list]:
        """Opens the keys of `windows` and posts their tickets; first removes the first
        shard of window `read` and its ticket: the first host has read it, so it is whole for all hosts.

        Returns:
          What `read` gives for `then` without waiting, in the same round trip; empty where it is left out.

        Raises:
          LinkLostError: the attempt is not this one any more.
          SupersededError: a newer start holds the run.
        """

        keys = [self.keys.attempt, self.keys.tickets(self.attempt), self.window_stream(read or 0, 0)]
        values = [str(self.attempt), GROUP, "" if read is None else ticket_id(read), OPENED]
        for window in windows:
            keys += (self.window_stream(window, shard) for shard in range(self.num_shards))
            ticket = batch_pb2.Ticket(
                window=window,
                num_shards=self.num_shards,
                spec_digest=self._spec_digest,
                source_digest=source_digest,
            )
            values += [ticket_id(window), ticket.SerializeToString()]
        outcome, answer = self._posted(keys, values, then)
        if outcome != 1:
            held = Attempt.parse(outcome.decode()) if outcome else None
            self._give_way(held)
            raise LinkLostError(f"attempt is {held}, left as {self.attempt}")
        return self._named(answer)

    def _posted(self, keys: list[str], values: list, then: Place | None) -> tuple[bytes | int | None, Any]:
        pipe = self.client.pipeline(transaction=False)
        pipe.evalsha(self._post.sha, len(keys), *keys, *values)
        if then is not None:
            self._xread(pipe, then, None)
        outcome, *answer = pipe.execute(raise_on_error=False)
        if isinstance(outcome, NoScriptError):
            # Redis was restarted, or never saw it; what was read beside it is read again.
            outcome, answer = self._post(keys, values), []
        for each in (outcome, *answer):
            # Redis 6.2 gives a command's error inside of one of its own.
            if isinstance(each, redis.ResponseError) and "OOM command not allowed" in str(each):
                raise redis.exceptions.OutOfMemoryError(str(each)) from each
            if isinstance(each, Exception):
                raise each
        return outcome, answer[0] if answer else None

    def slowest(self, first: int, stop: int) -> int:
        """The first of the windows from `first` on that another host has not read; `stop` where all were."""
        for window in range(first, stop):
            others = [self.window_stream(window, shard) for shard in range(1, self.num_shards)]
            if others and self.client.exists(*others):
                return window
        return stop

    def backlog(self, window: int, stop: int) -> Backlog | None:
        """What lies in Redis of the windows from `window`, in hand, to `stop`, not ordered yet; None: not known.

        Raises:
          redis.ConnectionError, redis.TimeoutError: Redis is away.
        """
        tickets = self.keys.tickets(self.attempt)
        with self.client.pipeline(transaction=False) as pipe:
            pipe.info("memory")
            pipe.xlen(tickets)
            pipe.xinfo_groups(tickets)
            pipe.xpending_range(tickets, GROUP, "-", "+", max(1, stop - window))
            for each in range(window, stop):
                for shard in range(self.num_shards):
                    pipe.memory_usage(self.window_stream(each, shard), samples=0)
            memory, length, groups, pending, *sizes = pipe.execute(raise_on_error=False)
        if any(isinstance(answer, Exception) for answer in (memory, length, groups, pending)) or not groups:
            return None
        # Ticket ids count windows from 1, so the last id delivered is the first window that was not.
        delivered = int(groups[0]["last-delivered-id"].split(b"-")[0])
        waiting = min(length, max(0, stop - delivered))
        in_hand = {
            int(entry["message_id"].split(b"-")[0]) - 1: entry["consumer"].decode() for entry in pending
        }
        return Backlog(
            waiting,
            in_hand,
            max(0, length - waiting - len(in_hand)),
            sum(size for size in sizes if isinstance(size, int)),
            memory["used_memory"] >= (memory.get("maxmemory") or float("inf")),
        )

    def verify(self, window: int | None, shard: int) -> None:
        """Checks that the run is as this trainer left it; `window`, where there is one, must be open.

        Raises:
          LinkLostError: another attempt, another start of the server, or a missing window.
          SupersededError: a newer start holds the run.
        """
        held = self._held(self.client)
        self._give_way(held)
        if held != self.attempt:
            raise LinkLostError(f"attempt is {held}, left as {self.attempt}")
        if (server := server_run_id(self.client)) != self._server:
            raise LinkLostError(f"Redis was restarted: run_id {server}")
        if window is not None and not self.client.exists(self.window_stream(window, shard)):
            raise LinkLostError(f"window {window} is gone")

    def close(self) -> None:
        """Removes every key of this attempt and of smaller ones; the run's own keys stay."""
        self._remove(lambda attempt: attempt <= self.attempt)

    def _remove(self, which: Callable[[Attempt], bool]) -> None:
        for key in self.client.scan_iter(match=f"flan:{self.keys.run}:*", count=1000):
            attempt = self.keys.attempt_of(key.decode())
            if attempt is not None and which(attempt):
                self.client.unlink(key)
