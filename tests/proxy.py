"""A network between the services and Redis that can break: a TCP proxy in front of a server's unix socket."""

import contextlib
import re
import select
import socket
import threading
from collections.abc import Callable


class Proxy:
    """Carries bytes both ways until told otherwise; `url` stays the same through a partition."""

    def __init__(self, path: str, *, parameters: str = "") -> None:
        """Args:
        path: of the server's unix socket.
        parameters: of the URL, such as `?socket_timeout=2`.
        """
        self._path = path
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._swallow: re.Pattern[bytes] | None = None
        self.swallowed = threading.Event()
        """Set when an answer was lost."""
        self._port = 0
        self.restore()
        self.url = f"redis://127.0.0.1:{self._port}{parameters}"

    def restore(self) -> None:
        """Takes connections, also after `refuse`."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._start(self._accept, listener)

    def refuse(self) -> None:
        """Cuts every connection and refuses new ones."""
        while self._threads:
            with self._lock:
                threads, self._threads = self._threads, []
                for end in self._open:
                    # Wakes the thread that has it; closing would not.
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()

    def swallow(self, request: bytes) -> None:
        """Loses every answer to the next client that sends what the pattern `request` finds; once."""
        self.swallowed.clear()
        self._swallow = re.compile(request)

    def _start(self, work: Callable[..., None], *ends: socket.socket) -> None:
        def run() -> None:
            with contextlib.ExitStack() as closing:
                for end in ends:
                    closing.enter_context(end)
                with contextlib.suppress(OSError):
                    work(*ends)
                with self._lock:
                    self._open.difference_update(ends)

        with self._lock:
            self._open.update(ends)
            thread = threading.Thread(target=run, daemon=True)
            self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._path)
            except OSError:
                client.close()
                server.close()
                continue
            self._start(self._carry, client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        deaf = False
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(2**16)
                if not data:
                    return
                if end is client:
                    if self._swallow is not None and self._swallow.search(data):
                        self._swallow, deaf = None, True
                    server.sendall(data)
                elif deaf:
                    self.swallowed.set()
                else:
                    client.sendall(data)
