"""How far a download is: a bar on a terminal, elsewhere an event every few seconds."""

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

_WIDTH = 28
_REDRAW_S = 0.1
_EVENT_S = 5.0


class Progress:
    """Of one file; a context, so that the bar is gone afterwards."""

    def __init__(
        self,
        what: str,
        size: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        what: named in front.
        size: bytes expected.
        stream: standard error where it is None.
        clock: seconds.
        """
        self._what = what
        self._size = size
        self._stream = stream or sys.stderr
        self._bar = self._stream.isatty()
        self._clock = clock
        self._start = clock()
        self._next = self._start + (0 if self._bar else _EVENT_S)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *fault: object) -> None:
        if self._bar:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, done: int) -> None:
        """Says that `done` bytes are there."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (_REDRAW_S if self._bar else _EVENT_S)
        share = min(done / self._size, 1.0) if self._size else 1.0
        rate = done / max(now - self._start, 1e-3)
        if not self._bar:
            event(_log, "fetching", file=self._what, percent=int(100 * share), mb=round(done / 1e6, 1))
            return
        bar = "█" * round(share * _WIDTH)
        self._stream.write(
            f"\r{self._what} {bar:░<{_WIDTH}} {share:4.0%} {done / 1e6:.1f} of {self._size / 1e6:.1f} MB, "
            f"{rate / 1e6:.1f} MB/s\x1b[K"
        )
        self._stream.flush()
