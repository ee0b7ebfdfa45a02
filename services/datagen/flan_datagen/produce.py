"""A replica's share of the line: take a ticket, make its window, write it whole (docs/design.md, section 5).

A replica keeps no state that matters. Whatever it loses, a process or a reply, the ticket stays pending and is
claimed again, by itself or by another; whoever writes second is refused by Redis, because entry ids are explicit.
Everything is written with NOMKSTREAM: to a window that was read, to an old attempt or to a Redis come back empty
the answer is nil, and nothing is left behind.
"""

import contextlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable

import redis

from flan.v1 import batch_pb2
from flan_datagen.tickets import Held, Tickets
from flan_datagen.window import Window, WindowMaker
from flan_shared.errors import DataError, FlanError, LineError
from flan_shared.line import Attempt, RunKeys, connection_faults, encode_batch, memory_faults
from flan_shared.line.connect import BLOCK_MS
from flan_shared.line.keys import GROUP, METRICS_LENGTH, RUNS, batch_id
from flan_shared.spec import RunSpec, parse_spec
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

_DELIVERIES_A_FAILURE = 10
"""More deliveries than this without a report count as one failure: something kills who takes the ticket."""

_IDLE_WAIT_S = 0.2
_LONGEST_BACKOFF_S = 2.0


class SourceMismatchError(DataError):
    """This replica reads other data, another tokenizer or another version than the run is pinned to."""


class Replica:
    """Serves the tickets of one run, or of all runs it finds, until told to stop."""

    def __init__(
        self,
        client: redis.Redis,
        make_maker: Callable[[RunSpec], WindowMaker],
        *,
        name: str,
        run: str | None = None,
        claim_idle_s: float = 10.0,
    ) -> None:
        """Args:
        client: of the line.
        make_maker: opens the data of a run; called once a run.
        name: of this process among all replicas; never used twice.
        run: the only run to serve; None for every run in `flan:runs`.
        claim_idle_s: a ticket without a heartbeat for so long is taken over.
        """
        self._client = client
        self._make_maker = make_maker
        self._name = name
        self._run = run
        self._tickets = Tickets(client, name, int(claim_idle_s * 1000))
        self._makers: dict[str, WindowMaker] = {}
        self._spec_digest = ""
        """Of the run in `_makers`: to hash a spec takes as long as to read a ticket."""

    def serve(self, stop: threading.Event) -> None:
        """Works until `stop` is set; the window in hand is finished first.

        Raises:
          SourceMismatchError: the run is pinned to another source; its ticket was handed back.
        """
        with self._tickets.heart():
            self._serve(stop)
        self._tickets.flush()

    def _serve(self, stop: threading.Event) -> None:
        backoff_s = 0.0
        while not stop.is_set():
            try:
                busy = [self._turn(run, len(runs)) for runs in [self._runs()] for run in runs]
                backoff_s = 0.0
                if not any(busy):
                    stop.wait(_IDLE_WAIT_S)
            except (*connection_faults, *memory_faults) as err:
                backoff_s = min(_LONGEST_BACKOFF_S, max(0.1, backoff_s * 2))
                event(_log, "redis is away or full", level=logging.WARNING, cause=err, retry_s=backoff_s)
                # Jitter, so that many replicas do not come back in one moment.
                stop.wait(backoff_s * random.uniform(0.5, 1.0))

    def _runs(self) -> list[str]:
        return [self._run] if self._run else sorted(key.decode() for key in self._client.hkeys(RUNS))

    def _turn(self, run: str, num_runs: int) -> bool:
        """One look at one run; whether it waited or worked, so that the caller need not pause."""
        try:
            held = self._tickets.take(run, BLOCK_MS // num_runs)
        except redis.ResponseError as err:
            # The stream goes with its attempt, also while a replica waits in it (Redis 7.0 says UNBLOCKED then,
            # later versions and Valkey NOGROUP). Look again.
            if not any(word in str(err) for word in ("NOGROUP", "UNBLOCKED")):
                raise LineError(f"tickets of run {run!r}: {err}") from err
            return False
        if held is not None:
            if held.is_claimed:
                self._report_deliveries(held)
            self._work(held)
        return self._tickets.is_live(run)

    def _work(self, held: Held) -> None:
        began = time.monotonic()
        maker: WindowMaker | None = None
        try:
            # The heartbeat ends before a ticket is handed back: a late beat would take it again.
            with self._tickets.holding(held):
                maker = self._maker(held.keys.run)
                self._check(held, maker)
                window = maker.make(held.ticket.window, held.ticket.num_shards)
                made = time.monotonic()
                size = write_window(self._client, held.keys, held.attempt, held.entry_id, window)
        except (SourceMismatchError, *connection_faults, *memory_faults):
            # Nobody's fault who makes windows: no failure of this one.
            self._tickets.hand_back(held)
            raise
        except Exception as err:
            event(_log, "window failed", level=logging.ERROR, window=held.ticket.window, cause=repr(err))
            self._report(held, _cause(err), maker)
            self._tickets.hand_back(held)
            # Another replica is given the first chance.
            time.sleep(_IDLE_WAIT_S)
            return
        now = time.monotonic()
        self._announce(held, window, size, now - began, now - made)

    def _maker(self, run: str) -> WindowMaker:
        if run not in self._makers:
            text = self._client.hget(RUNS, run)
            if text is None:
                raise LineError(f"run {run!r} has tickets but no spec in {RUNS}; restart its trainer")
            spec = parse_spec(text.decode(), where=f"spec of run {run!r}")
            if spec.run_id != run:
                raise LineError(f"run {run!r} has the spec of {spec.run_id!r} in {RUNS}")
            # One run at a time is kept: pools are large, and runs are served for long.
            self._makers, self._spec_digest = {run: self._make_maker(spec)}, spec.digest
        return self._makers[run]

    def _check(self, held: Held, maker: WindowMaker) -> None:
        ticket, run = held.ticket, held.keys.run
        if ticket.spec_digest != self._spec_digest:
            raise LineError(
                f"run {run!r}: the ticket has spec digest {ticket.spec_digest}, flan:runs {self._spec_digest}"
            )
        if ticket.source_digest not in ("", maker.source_digest):
            raise SourceMismatchError(
                f"run {run!r} is pinned to source digest {ticket.source_digest}, but this replica's data, "
                f"tokenizer and version have {maker.source_digest}; start it over the data that the run began with"
            )

    def _report(self, held: Held, cause: str, maker: WindowMaker | None = None) -> None:
        failure = batch_pb2.Failure(
            window=held.ticket.window,
            replica=self._name,
            dataset=maker.in_hand.dataset if maker else "",
            row=maker.in_hand.row if maker else "",
            cause=cause,
        )
        with contextlib.suppress(redis.RedisError):
            self._client.xadd(
                held.keys.failures(held.attempt), {"failure": failure.SerializeToString()}, nomkstream=True
            )

    def _report_deliveries(self, held: Held) -> None:
        deliveries = self._tickets.deliveries(held)
        if deliveries > _DELIVERIES_A_FAILURE and deliveries % _DELIVERIES_A_FAILURE == 1:
            self._report(held, f"delivered {deliveries} times: the replicas that took it were killed or hung")

    def _announce(
        self, held: Held, window: Window, size_bytes: int, seconds: float, write_seconds: float
    ) -> None:
        """For onlookers only: may be lost or repeated."""
        for row in window.quarantined:
            message = batch_pb2.QuarantinedRow(
                dataset=row.dataset, row=row.row, cause=row.cause, window=held.ticket.window
            )
            self._tickets.tell(held.keys.quarantine, {"row": message.SerializeToString()}, METRICS_LENGTH)
        self._tickets.tell(
            held.keys.metrics,
            {
                "kind": "window",
                "window": held.ticket.window,
                "replica": self._name,
                "examples": window.num_examples,
                "tokens": window.num_tokens,
                "size_bytes": size_bytes,
                "seconds": f"{seconds:.4f}",
                # Read, render, tokenize, pack, write; what is not listed is waiting for the ticket's data to open.
                "phases": json.dumps(
                    {
                        name: round(value, 4)
                        for name, value in {**window.seconds_by_phase, "write": write_seconds}.items()
                    }
                ),
                # By dataset, what did not go through whole; nothing where all did.
                "losses": json.dumps(_losses(window)),
            },
            METRICS_LENGTH,
        )


def write_window(
    client: redis.Redis, keys: RunKeys, attempt: Attempt, entry_id: bytes | str, window: Window
) -> int:
    """Writes every batch of every shard and acknowledges the ticket, in one MULTI; returns the bytes of the batches.

    Redis refuses any id not above the last, not only a repeated one, so a refusal proves that the window is there
    only because windows are whole: all refused, or all nil, is success.

    Raises:
      LineError: Redis took a part of the window; the line is broken.
      redis.RedisError: nothing was written, or a connection fault.
    """
    pipe, size_bytes = client.pipeline(transaction=True), 0
    for shard, batches in enumerate(window.shards):
        for batch in batches:
            stream = keys.window(attempt, batch.window, shard)
            data = encode_batch(batch)
            size_bytes += len(data)
            pipe.xadd(stream, {"batch": data}, id=batch_id(batch.batch), nomkstream=True)
    pipe.xack(keys.tickets(attempt), GROUP, entry_id)
    answers = pipe.execute(raise_on_error=False)[:-1]
    for answer in answers:
        if isinstance(answer, Exception) and "equal or smaller" not in str(answer):
            raise answer
    position = 0
    for shard, batches in enumerate(window.shards):
        mine = answers[position : position + len(batches)]
        position += len(batches)
        outcomes = {
            "nil" if a is None else "refused" if isinstance(a, Exception) else "written" for a in mine
        }
        if len(outcomes) > 1:
            raise LineError(
                f"window {window.shards[shard][0].window} of {keys.run!r} was {' and '.join(sorted(outcomes))} in part"
            )
    return size_bytes


def _losses(window: Window) -> dict[str, dict[str, int]]:
    counts = {
        name: {what: tally[what] for what in ("shortened", "cut", "dropped", "quarantined") if tally[what]}
        for name, tally in window.tallies.items()
    }
    return {name: losses for name, losses in counts.items() if losses}


def _cause(err: Exception) -> str:
    text = " ".join(str(err).split())
    return text if isinstance(err, FlanError) else f"{type(err).__name__}: {text}"
