"""A replica's hold on tickets: one at a time, taken, kept with a heartbeat, handed back (docs/design.md, section 5)."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator

import redis
from redis.exceptions import NoScriptError

from flan.v1 import batch_pb2
from flan_shared.line import Attempt, RunKeys
from flan_shared.line.keys import GROUP

_HEARTBEAT_LIMIT_S = 600.0
"""A window that takes longer is given up to others: the heartbeat of a hung replica must end."""

# What someone lost comes first, this replica's own lost tickets included. In one script, because it is done for every
# window, and because a claim and a read in one pipeline could both give a ticket. Redis 6.2 gives a deleted entry as
# nil; later versions forget it by themselves.
_TAKE = """
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] then return {held} end
local claimed = redis.pcall('XAUTOCLAIM', KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5], 'COUNT', 1)
if claimed.err then return claimed end
for _, entry in ipairs(claimed[2]) do
  if entry and entry[2] then return {held, claimed[1], entry, 1} end
end
local read = redis.pcall('XREADGROUP', 'GROUP', ARGV[2], ARGV[3], 'COUNT', 1, 'STREAMS', KEYS[2], '>')
if read and read.err then return read end
return {held, claimed[1], read and read[1][2][1], 0}
"""
"""KEYS: attempt, tickets. ARGV: the attempt expected, group, consumer, milliseconds without a heartbeat after which a
ticket is lost, where to look on for such."""


@dataclasses.dataclass(frozen=True)
class Held:
    """A ticket in hand.

    Attributes:
      keys: of the run.
      attempt: under which it was posted.
      entry_id: in the tickets stream.
      ticket: the order.
      is_claimed: someone had it before.
    """

    keys: RunKeys
    attempt: Attempt
    entry_id: bytes
    ticket: batch_pb2.Ticket
    is_claimed: bool

    @property
    def stream(self) -> str:
        """The tickets stream."""
        return self.keys.tickets(self.attempt)


@dataclasses.dataclass
class _Known:
    """What the last look at a run told."""

    attempt: Attempt
    cursor: bytes = b"0-0"


class Tickets:
    """The tickets of all runs, for one replica; not for use from several threads."""

    def __init__(self, client: redis.Redis, name: str, claim_idle_ms: int) -> None:
        """Args:
        client: of the line.
        name: of the replica, never used twice.
        claim_idle_ms: a ticket without a heartbeat for so long is taken over.
        """
        self._client = client
        self._name = name
        self._claim_idle_ms = claim_idle_ms
        self._take = client.register_script(_TAKE)
        self._known: dict[str, _Known] = {}
        self._news: list[tuple[str, dict, int]] = []
        self._beating = threading.Lock()
        self._in_hand: tuple[Held, float] | None = None
        """And when its heartbeat ends."""

    @contextlib.contextmanager
    def heart(self) -> Iterator[None]:
        """While it lasts, the ticket in hand is renewed."""
        stopped = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stopped,), name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def take(self, run: str, block_ms: int) -> Held | None:
        """A ticket of the live attempt, waiting for one if there is none; None: there was none, or no attempt.

        Raises:
          redis.ResponseError: NOGROUP or UNBLOCKED where the attempt ended meanwhile, look again; or a real fault.
        """
        keys, known = RunKeys(run), self._known.get(run)
        answer = self._ask(keys, known)
        if answer[0] is None:
            self._known.pop(run, None)
            return None
        attempt = Attempt.parse(answer[0].decode())
        if known is None or known.attempt != attempt:
            known = self._known[run] = _Known(attempt)
            answer = self._ask(keys, known)
            if len(answer) == 1:
                return None
        _, known.cursor, entry, is_claimed = answer
        if not entry:
            return self._wait(keys, attempt, block_ms)
        fields = dict(zip(entry[1][::2], entry[1][1::2], strict=True))
        return Held(keys, attempt, entry[0], batch_pb2.Ticket.FromString(fields[b"ticket"]), bool(is_claimed))

    def is_live(self, run: str) -> bool:
        """Whether the run had an attempt at the last look."""
        return run in self._known

    def tell(self, stream: str, fields: dict, max_length: int) -> None:
        """Something for onlookers; it goes with the next look at Redis, and may be lost or repeated."""
        self._news.append((stream, fields, max_length))

    def flush(self) -> None:
        """Sends what is to be told now."""
        with contextlib.suppress(redis.RedisError):
            self._with_news(None)

    @contextlib.contextmanager
    def holding(self, held: Held) -> Iterator[None]:
        """Renews `held` until the end of the block; after it no beat comes, which would take it again."""
        self._in_hand = (held, time.monotonic() + _HEARTBEAT_LIMIT_S)
        try:
            yield
        finally:
            with self._beating:
                self._in_hand = None

    def hand_back(self, held: Held) -> None:
        """Makes the ticket claimable at once."""
        with contextlib.suppress(redis.RedisError):
            self._renew(held, idle_ms=self._claim_idle_ms)

    def deliveries(self, held: Held) -> int:
        """How often the ticket was taken."""
        pending = self._client.xpending_range(held.stream, GROUP, held.entry_id, held.entry_id, 1)
        return pending[0]["times_delivered"] if pending else 0

    def _ask(self, keys: RunKeys, known: _Known | None) -> list:
        attempt, cursor = (known.attempt, known.cursor) if known else (None, b"0-0")
        names = [keys.attempt, keys.tickets(attempt) if attempt else keys.attempt]
        values = [str(attempt or ""), GROUP, self._name, self._claim_idle_ms, cursor]
        try:
            return self._with_news((names, values))
        except NoScriptError:
            return self._take(names, values)

    def _with_news(self, question: tuple[list, list] | None) -> list:
        pipe, news, answers = self._client.pipeline(transaction=False), self._news, []
        self._news = []
        for stream, fields, max_length in news:
            pipe.xadd(stream, fields, maxlen=max_length, approximate=True, nomkstream=True)
        if question:
            names, values = question
            pipe.evalsha(self._take.sha, len(names), *names, *values)
        # An onlooker's stream that cannot be written is nobody's fault.
        answers = pipe.execute(raise_on_error=False)[-1:]
        if question and isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0] if question else []

    def _wait(self, keys: RunKeys, attempt: Attempt, block_ms: int) -> Held | None:
        answer = self._client.xreadgroup(
            GROUP, self._name, {keys.tickets(attempt): ">"}, count=1, block=max(1, block_ms)
        )
        for _stream, entries in answer or []:
            for entry_id, fields in entries:
                return Held(keys, attempt, entry_id, batch_pb2.Ticket.FromString(fields[b"ticket"]), False)
        return None

    def _beat(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._claim_idle_ms / 3000):
            with self._beating, contextlib.suppress(redis.RedisError):
                if self._in_hand and time.monotonic() < self._in_hand[1]:
                    self._renew(self._in_hand[0], idle_ms=0)

    def _renew(self, held: Held, *, idle_ms: int) -> None:
        # JUSTID: a renewal is not a delivery.
        self._client.xclaim(held.stream, GROUP, self._name, 0, [held.entry_id], idle=idle_ms, justid=True)
