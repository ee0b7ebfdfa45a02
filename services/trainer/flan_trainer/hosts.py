"""The hosts of a trainer as its other parts see them: one alone, or one of a group."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from flan_trainer.connection import HostError
from flan_trainer.group import Group
from flan_trainer.share import Share


class Unpublished:
    """The place of `flan_trainer.publish.Publisher` on every host but the first, which publishes for all."""

    def put(self, step: int, checkpoint: Path, params: dict[str, Any]) -> str:
        """Places nothing, and takes no digest."""
        return ""

    def check(self) -> None:
        """Nothing was met."""

    def finish(self, timeout_s: float, *, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Nothing is waited for."""
        return True

    def close(self) -> None:
        """Nothing is under way."""


class Alone:
    """The only host of a trainer: it agrees with itself."""

    count, index = 1, 0

    def meet(
        self,
        spec_digest: str,
        told: dict[str, Any] | None = None,
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """See `Group.meet`."""
        return told or {}

    def join(self, told: dict[str, Any]) -> None:
        """See `Group.join`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def agree(self, share: Share | None) -> Share | None:
        """See `Group.agree`."""
        return share

    def waits(self) -> tuple[str, float]:
        """See `Group.waits`."""
        return "", 0.0

    def leave(self) -> None:
        """See `Group.leave`."""


Hosts = Alone | Group


def open_hosts(count: int, index: int, coordinator: str | None, stop: threading.Event) -> Hosts:
    """The hosts that a command line asks for.

    Args:
      count: --hosts.
      index: --host.
      coordinator: --coordinator, HOST:PORT.
      stop: see `Group`.

    Raises:
      HostError: they do not fit together, or host 0 cannot listen.
    """
    if count < 1:
        raise HostError(f"--hosts is {count}; expected at least 1")
    if not 0 <= index < count:
        raise HostError(
            f"--host is {index}, but --hosts is {count}; expected 0 to {count - 1}, each on one host"
        )
    if count == 1:
        if coordinator:
            raise HostError(
                f"--coordinator is {coordinator}, but --hosts is 1; say with --hosts how many there are"
            )
        return Alone()
    if not coordinator:
        raise HostError(f"--hosts is {count}; say with --coordinator HOST:PORT where host 0 listens")
    name, _, port = coordinator.rpartition(":")
    if not name or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise HostError(
            f"--coordinator is {coordinator!r}; expected HOST:PORT of host 0, as all hosts know it"
        )
    return Group(count, index, (name.strip("[]"), int(port)), stop)
