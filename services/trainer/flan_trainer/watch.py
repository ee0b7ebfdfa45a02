"""Says which part a run waits for: to the log, and to onlookers by the metrics stream, also while nothing moves."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from flan.v1 import trainer_service_pb2 as pb
from flan_shared.telemetry import event
from flan_trainer.feed import Feed
from flan_trainer.hosts import Alone, Hosts
from flan_trainer.link import Backlog
from flan_trainer.status import Status

_log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_STALLED_S = 5.0
"""Without a step or a checkpoint for so long, the run waits for something."""
_LOG_PERIOD_S = 10.0


class Watch:
    """Use as a context around the training loop."""

    def __init__(
        self, status: Status, feed: Feed, hosts: Hosts | None = None, *, stalled_s: float = _STALLED_S
    ) -> None:
        """Args:
        status: knows when the run moved on last; is told.
        feed: knows what it waits for.
        hosts: know whom this one waits for; None: there is only one.
        stalled_s: a run that moved within so many seconds waits for nothing.
        """
        self._status = status
        self._feed = feed
        self._hosts = hosts or Alone()
        self._stalled_s = stalled_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._seen: tuple[object, float] = (None, time.monotonic())
        """What of the tickets is told apart, and since when it is so."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=5)
        self._status.line(waits="", backlog=None)

    def look(self) -> tuple[str, Backlog | None]:
        """What the run waits for, as `datagen: 3 tickets, none taken for 12 s`, empty where it moves; the backlog."""
        # A Redis that does not answer the feed would hold this thread up as well.
        backlog = None if self._feed.waits()[0] == "redis" else self._feed.backlog()
        wait, wait_s = self._feed.waits()
        if wait == "datagen" and backlog is not None and backlog.is_full:
            # Windows are made and refused.
            wait = "memory"
        same_s = self._same_for(backlog)
        idle_s = self._status.idle_s
        if idle_s < self._stalled_s:
            return "", backlog
        state = self._status.snapshot()
        if state.phase == pb.TRAINER_PHASE_PUBLISHING:
            return (
                f"the evaluator: the outbox holds {_number(self._status.unpublished, 'checkpoint')}",
                backlog,
            )
        if state.phase != pb.TRAINER_PHASE_TRAINING:
            return "", backlog
        missing, missing_s = self._hosts.waits()
        if missing:
            return f"{missing} of the trainer: its part of the batch for {missing_s:.0f} s", backlog
        match wait:
            case "datagen":
                return f"datagen: {_tickets(backlog, self._feed.window, same_s)}", backlog
            case "redis":
                return f"Redis: no answer for {wait_s:.0f} s", backlog
            case "memory":
                return f"Redis: its memory is full, for {wait_s:.0f} s", backlog
            case "host":
                return f"another host of the trainer: behind for {wait_s:.0f} s", backlog
        return f"the trainer: step {state.step + 1} in hand for {idle_s:.0f} s", backlog

    def _same_for(self, backlog: Backlog | None) -> float:
        now = time.monotonic()
        marks = backlog and (backlog.tickets_waiting, backlog.in_hand, backlog.windows_made)
        if marks != self._seen[0]:
            self._seen = (marks, now)
        return now - self._seen[1]

    def _run(self) -> None:
        logged = time.monotonic()
        while not self._done.wait(_PERIOD_S):
            waits, backlog = self.look()
            self._status.line(waits=waits, backlog=backlog)
            if waits and time.monotonic() - logged >= _LOG_PERIOD_S:
                logged = time.monotonic()
                event(_log, "the run waits", level=logging.WARNING, waits_for=waits)


def _tickets(backlog: Backlog | None, window: int, same_s: float) -> str:
    if backlog is None:
        return f"window {window}"
    if replica := backlog.in_hand.get(window):
        return f"window {window} in the hands of {replica}, for {same_s:.0f} s"
    if backlog.tickets_waiting:
        return f"{_number(backlog.tickets_waiting, 'ticket')}, none taken for {same_s:.0f} s"
    return f"window {window}, not written for {same_s:.0f} s"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
