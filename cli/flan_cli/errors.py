"""How a command ends when it does not end well; `flan_cli.main` turns these into lines and an exit status."""

import signal
from collections.abc import Sequence

from flan_shared.errors import ServiceError


class ServiceFailedError(ServiceError):
    """A part of the stack ended in a way that no new start will mend.

    Attributes:
      lines: the last of its log; empty where the message says it all.
      status: what the command exits with.
    """

    def __init__(self, message: str, *, lines: Sequence[str] = (), status: int = 1) -> None:
        super().__init__(message)
        self.lines = tuple(lines)
        self.status = status


class Interrupted(Exception):
    """The user asked to stop, with signal `signum`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
