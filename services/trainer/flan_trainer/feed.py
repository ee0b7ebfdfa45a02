"""Reads the windows of a run in order, batch by batch, and keeps `ahead` of them ordered.

The feed keeps its own position; the cursor of the run is that of the last applied step. Batch n is taken only
after n - 1, from a window that was written whole; whatever looks otherwise is not trusted: the link is claimed
anew and the windows from the feed's position on are ordered again. They come out the same.

With several hosts every one has a feed of its own shard, and only the first orders: after a loss from the window of
the last applied step, which no feed is behind. What a feed has taken already it then leaves out.
"""

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import Literal

import redis

from flan.v1 import batch_pb2
from flan_shared.errors import LineError
from flan_shared.line import PackedBatch, connection_faults, decode_batch, memory_faults
from flan_shared.line.connect import BLOCK_MS
from flan_shared.line.keys import OPENED, batch_id
from flan_shared.telemetry import event
from flan_trainer.follower import Follower
from flan_trainer.link import Backlog, Link, LinkLostError, Place

_log = logging.getLogger(__name__)

Wait = Literal["", "datagen", "redis", "memory", "host"]
"""What a feed waits for: nothing, a window, an answer, room in Redis, another host of the trainer."""

_FAILURES_STOP = 3
"""Reported exceptions for one window that stop the run."""

_SLOW_ANSWER_S = 2.0
"""A look at Redis that takes longer, a block included, is a Redis that does not answer."""

_LAG_WAIT_S = 0.05

_LONGEST_BACKOFF_S = 2.0


class Feed:
    """An iterator of batches without end; `stop` ends it, also from another thread."""

    def __init__(
        self,
        link: Link | Follower,
        *,
        spec_digest: str,
        source_digest: str,
        window: int,
        batch: int,
        ahead: int = 4,
        shard: int = 0,
        stop: threading.Event | None = None,
    ) -> None:
        """Args:
        link: claimed before.
        spec_digest: that every batch must carry.
        source_digest: that every batch must carry; empty: the first batch pins it.
        window: of the next batch.
        batch: the next batch, from 1.
        ahead: windows ordered at a time; Redis holds as many, and up to twice as many of a host that lags.
        shard: of this host.
        stop: ends the iteration at its next wait when it is set.
        """
        self._link = link
        self._spec_digest = spec_digest
        self._source_digest = source_digest
        self._window = window
        self._batch = batch
        self._ahead = ahead
        self._shard = shard
        self._ordered = window
        """The first window that is not ordered yet."""
        self._taken = (window, batch)
        """The first batch that was not handed out yet; after a loss reading may begin before it."""
        self._applied = window
        self._slowest = window
        """The first window that some host has not read, as far as was looked."""
        self._wait: tuple[Wait, float] = ("", 0.0)
        self._asked: float | None = None
        """When the look at Redis began that is not answered yet."""
        self._failures_after = OPENED
        self._failures: dict[int, list[batch_pb2.Failure]] = {}
        self._damaged: Counter[tuple[int, int]] = Counter()
        self._entries: deque[tuple[bytes, dict]] = deque()
        self._lost: str | None = ""
        """Why the link must be claimed again; empty at first, None while it holds."""
        # Two events: the end of this iteration must not look like a request to the whole process.
        self._stop = threading.Event()
        self._told_to_stop = stop or threading.Event()

    def stop(self) -> None:
        """Ends the iteration at its next wait."""
        self._stop.set()

    def doubt(self, reason: str) -> None:
        """Tells the feed that its link was found lost by another thread."""
        self._lost = reason

    def applied(self, window: int) -> None:
        """Tells the feed that the next step to apply is of `window`: the step before it is done on all hosts."""
        self._applied = window

    @property
    def window(self) -> int:
        """The window in hand."""
        return self._window

    def waits(self) -> tuple[Wait, float]:
        """What the feed waits for, and for how many seconds; may be asked from any thread."""
        now, asked, (wait, since) = time.monotonic(), self._asked, self._wait
        if asked is not None and now - asked > _SLOW_ANSWER_S:
            return "redis", now - asked
        return wait, now - since if wait else 0.0

    def backlog(self) -> Backlog | None:
        """What lies in Redis; None where it is not known, as on a host that only follows."""
        try:
            return self._link.backlog(self._window, self._ordered) if isinstance(self._link, Link) else None
        except redis.RedisError:
            return None

    def verify(self) -> None:
        """See `Link.verify`; called before each save.

        Raises:
          LinkLostError: the link is lost.
          SupersededError: a newer start holds the run.
        """
        while True:
            window = self._window
            try:
                # A window that is not ordered yet, because a host lags or Redis is full, cannot be missed.
                return self._link.verify(window if window < self._ordered else None, self._shard)
            except LinkLostError:
                if window == self._window:
                    raise
                # It was read and removed while this thread looked for it.

    def __iter__(self) -> Iterator[PackedBatch]:
        """Batches in order.

        Raises:
          SupersededError: a newer start holds the run.
          LineError: three failures for one window, or a batch of another spec or source.
        """
        backoff_s = 0.0
        while not (self._stop.is_set() or self._told_to_stop.is_set()):
            try:
                self._asked = time.monotonic()
                if self._lost is not None:
                    self._relink()
                if self._ordered <= self._window and not self._order_late():
                    continue
                if not self._entries and not self._read():
                    self.verify()
                    self._waits_for("datagen")
                    continue
                backoff_s = 0.0
                if self._entries:
                    batch = self._take()
                    self._asked = None
                    if (batch.window, batch.batch) >= self._taken:
                        self._taken = (self._window, self._batch)
                        self._waits_for("")
                        yield batch
            except LinkLostError as err:
                self._lost = str(err)
            except connection_faults as err:
                backoff_s = self._back_off(backoff_s, err, "redis")
                # The attempt, the server and the window are looked at before anything else is read.
                self._lost = self._lost if self._lost is not None else self._look_again()
            except memory_faults as err:
                # Another run's windows, or this one's, are read in time; the transaction changed nothing.
                backoff_s = self._back_off(backoff_s, err, "memory")
            except redis.ResponseError as err:
                raise LineError(f"Redis refuses what the line needs: {err}") from err

    def _waits_for(self, wait: Wait) -> None:
        if wait != self._wait[0]:
            self._wait = (wait, time.monotonic())

    def _look_again(self) -> str | None:
        try:
            self.verify()
        except (LinkLostError, *connection_faults) as err:
            return str(err)
        return None

    def _back_off(self, last_s: float, err: Exception, wait: Wait) -> float:
        self._asked = None
        self._waits_for(wait)
        backoff_s = min(_LONGEST_BACKOFF_S, max(0.1, last_s * 2))
        event(_log, "redis is away or full", level=logging.WARNING, cause=err, retry_s=backoff_s)
        self._stop.wait(backoff_s * random.uniform(0.5, 1.0))
        return backoff_s

    def _relink(self) -> None:
        """Orders everything that is still to be read under a new attempt."""
        if self._lost:
            self._link.claim(self._lost)
            if self._link.num_shards > 1 and self._applied < self._window:
                # A host may be behind this feed, by what either has prefetched.
                self._window, self._batch = self._applied, 1
        self._entries.clear()
        self._failures.clear()
        self._failures_after = OPENED
        self._ordered = self._slowest = self._window
        reason, self._lost = self._lost, "orders could not be posted"
        self._order()
        # Only now: a fault above leaves a reason to claim again. An empty one would not.
        self._lost = None
        if reason:
            event(_log, "windows ordered again", window=self._window, reason=reason)

    def _order(self, read: int | None = None) -> None:
        # Until the first batch pins the source, one window: two replicas over different data must not both write.
        ahead = self._ahead if self._source_digest else 1
        stop = self._window + ahead
        if self._link.num_shards > 1:
            self._slowest = self._link.slowest(self._slowest, self._ordered)
            stop = min(stop, self._slowest + 2 * self._ahead)
        windows = range(self._ordered, stop)
        if windows or read is not None:
            then = self._place() if read is not None else None
            answer = self._link.post(windows, self._source_digest, read=read, then=then)
            self._ordered = max(self._ordered, windows.stop if windows else self._ordered)
            self._receive(answer)

    def _order_late(self) -> bool:
        """Orders the window that is due: Redis was full, or another host lagged, when its turn came."""
        self._order()
        if self._ordered > self._window:
            return True
        self._waits_for("host")
        self._stop.wait(_LAG_WAIT_S)
        return False

    def _read(self) -> bool:
        """Fills the buffer; whether anything came."""
        answer = self._link.read(self._place(), block_ms=BLOCK_MS)
        self._receive(answer)
        return bool(answer)

    def _place(self) -> Place:
        # Batches before the position were taken under an earlier attempt.
        after = batch_id(self._batch - 1) if self._batch > 1 else OPENED
        return Place(self._window, self._shard, after, self._failures_after)

    def _receive(self, answer: dict[str, list]) -> None:
        for entry_id, fields in answer.get(self._link.failures_stream(), ()):
            self._failures_after = entry_id.decode()
            self._note(batch_pb2.Failure.FromString(fields[b"failure"]))
        self._entries.extend(answer.get(self._link.window_stream(self._window, self._shard), ()))

    def _note(self, failure: batch_pb2.Failure) -> None:
        failures = self._failures.setdefault(failure.window, [])
        failures.append(failure)
        event(_log, "window failed", level=logging.WARNING, window=failure.window, cause=failure.cause)
        if len(failures) >= _FAILURES_STOP:
            where = f" at {failure.dataset} row {failure.row}" if failure.dataset else ""
            raise LineError(
                f"window {failure.window} failed {len(failures)} times{where}: {failure.cause}; "
                "the run stops here and its last checkpoint is kept"
            )

    def _take(self) -> PackedBatch:
        entry_id, fields = self._entries.popleft()
        if entry_id.decode() != batch_id(self._batch):
            self._entries.clear()
            raise LinkLostError(
                f"batch {entry_id.decode()} of window {self._window} came for {self._batch}-0"
            )
        try:
            batch = decode_batch(fields[b"batch"])
        except LineError as err:
            self._entries.clear()
            self._damaged[self._window, self._batch] += 1
            if self._damaged[self._window, self._batch] >= _FAILURES_STOP:
                raise LineError(
                    f"{err}, and so it was when it was made again; is datagen of another version?"
                ) from err
            raise LinkLostError(str(err)) from err
        self._check(batch)
        read = None
        if batch.end:
            read, self._window, self._batch = self._window, self._window + 1, 1
            self._entries.clear()
        else:
            self._batch += 1
        # The batch is taken whatever happens now: a fault in ordering is mended at the next look.
        try:
            self._order(read)
        except memory_faults:
            # Nothing was changed; the window is ordered when it is due.
            pass
        except (LinkLostError, *connection_faults, redis.ResponseError) as err:
            self._lost = f"orders could not be posted: {err}"
        return batch

    def _check(self, batch: PackedBatch) -> None:
        place = (batch.window, batch.batch, batch.shard)
        if place != (self._window, self._batch, self._shard):
            raise LineError(
                f"an entry of window {self._window} holds window, batch, shard {place}; "
                f"expected {(self._window, self._batch, self._shard)}"
            )
        if batch.spec_digest != self._spec_digest:
            raise LineError(
                f"window {batch.window} was made for spec digest {batch.spec_digest}; this run has {self._spec_digest}"
            )
        if self._source_digest not in ("", batch.source_digest):
            raise LineError(
                f"window {batch.window} was made from source digest {batch.source_digest}; "
                f"this run is pinned to {self._source_digest}: start datagen over the data the run began with"
            )
        self._source_digest = batch.source_digest
