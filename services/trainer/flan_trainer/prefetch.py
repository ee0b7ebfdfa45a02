"""Runs an iterator a few items ahead on a thread, so that reading, expanding and the copy to the device stay off the
step's critical path.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

_POLL_S = 0.2

T = TypeVar("T")
U = TypeVar("U")


class Prefetch(Generic[T, U]):
    """Iterates `work(item)` for the items of `source`; a fault on the thread is raised where the item was due."""

    def __init__(self, source: Iterable[T], work: Callable[[T], U], *, depth: int = 2) -> None:
        """Args:
        source: consumed on the thread.
        work: applied on the thread.
        depth: results made ahead at most, one in the making included: each of them is memory of the device.
        """
        self.wait_s = 0.0
        """Seconds that the consumer has waited so far."""
        self._queue: queue.SimpleQueue[tuple[U | None, BaseException | None]] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source, work), name="prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[U]:
        while True:
            began = time.monotonic()
            value, fault = self._queue.get()
            self.wait_s += time.monotonic() - began
            if fault is not None:
                if isinstance(fault, StopIteration):
                    return
                raise fault
            self._room.release()
            yield value

    def close(self) -> None:
        """Ends the thread at its next item."""
        self._stopped.set()
        self._thread.join(timeout=30)

    def _run(self, source: Iterable[T], work: Callable[[T], U]) -> None:
        fault: BaseException = StopIteration()
        try:
            items = iter(source)
            while self._has_room():
                try:
                    item = next(items)
                except StopIteration:
                    break
                self._queue.put((work(item), None))
        except BaseException as err:
            fault = err
        self._queue.put((None, fault))

    def _has_room(self) -> bool:
        while not self._stopped.is_set():
            if self._room.acquire(timeout=_POLL_S):
                return not self._stopped.is_set()
        return False
