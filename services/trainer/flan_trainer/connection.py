"""What the hosts of a trainer tell each other: JSON objects over TCP, one a line."""

import contextlib
import json
import socket
import threading
from typing import Any

from flan_shared.errors import FlanError

_LONGEST_LINE = 2**20
_SILENCE_S = 30
"""A machine that does not answer for so long is gone; of a process the system says so at once."""

_PROBES = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 1000 * _SILENCE_S}


class HostError(FlanError):
    """Hosts that cannot meet, do not fit together, or have lost one of them."""


class Connection:
    """JSON objects over a connection, one a line."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _PROBES.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._connection = connection
        self._reader = connection.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """A connection that is gone is told by `read`."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def read(self, *, timeout_s: float | None = None) -> dict[str, Any] | None:
        """The next message; None at the end of the connection, or for what is no message."""
        with contextlib.suppress(OSError, ValueError):
            self._connection.settimeout(timeout_s)
            line = self._reader.readline(_LONGEST_LINE)
            self._connection.settimeout(None)
            message = json.loads(line) if line.endswith(b"\n") else None
            return message if isinstance(message, dict) else None
        return None

    def has_something(self, timeout_s: float) -> bool:
        """Whether a message or the end has come before the first message was read."""
        self._connection.settimeout(timeout_s)
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False
        except OSError:
            pass
        finally:
            self._connection.settimeout(None)
        return True

    def is_open(self) -> bool:
        """Whether the other end has not closed; for a connection on which nothing is expected."""
        return not self.has_something(0.001)

    def finish(self) -> None:
        """Ends what is sent."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()
            self._reader.close()


def listen(coordinator: tuple[str, int]) -> socket.socket:
    """Listens at the port of `coordinator`, on all of this machine's addresses unless its name is the loopback's.

    Raises:
      HostError: the port is taken.
    """
    name, port = coordinator
    try:
        if is_loopback(name):
            return socket.create_server((name, port))
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as err:
        raise HostError(
            f"host 0 cannot listen on port {port}: {err.strerror or err}; mend --coordinator"
        ) from err


def relay(target: tuple[str, int]) -> int:
    """Carries connections to `target`, and leaves them open on this side when `target` is gone.

    For jax, which aborts the process as soon as it loses its service on host 0, before anyone can say why.

    Returns:
      The port, on 127.0.0.1. It ends with the process.
    """
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_relay_all, args=(server, target), name="relay", daemon=True).start()
    return server.getsockname()[1]


def _relay_all(server: socket.socket, target: tuple[str, int]) -> None:
    while True:
        near = server.accept()[0]
        try:
            far = socket.create_connection(target)
        except OSError:
            # It does not listen yet; jax tries again.
            near.close()
            continue
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_carry, args=(near, far, True), daemon=True).start()
        threading.Thread(target=_carry, args=(far, near, False), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, closes: bool) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    if closes:
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def is_loopback(name: str) -> bool:
    """Whether only this machine knows itself by that name."""
    return name in ("localhost", "127.0.0.1")


def free_port(name: str) -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((name if is_loopback(name) else "", 0))
        return probe.getsockname()[1]
