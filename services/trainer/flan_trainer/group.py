"""The hosts of one trainer: they meet, they take every batch together, and they end together.

Each further host has one connection to host 0, beside those of jax, with a JSON object a line:

    {"hello": {…}}             who is there, once
    {"told": {…}}              host 0's answer: where the run begins, and where jax's own service will be
    {"share": {…} or null}     what a host has of the batch that is due, null where it was told to stop; host 0 answers
                               with the sum over all hosts, or at once with null as soon as one host says so
    {"fault": "…"}             why a host ends before the run does; an end of the connection without a word is one too
    {"bye": null}              a good end

So no host begins a step that another does not make: jax would wait in it for ever. That a process is gone is seen at
once, because the system closes its connection; a machine that is gone, after half a minute.
"""

import contextlib
import dataclasses
import functools
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from types import TracebackType
from typing import Any, Self

from flan_shared.command import USER_FAULT
from flan_shared.errors import FlanError
from flan_trainer.connection import Connection, HostError, free_port, is_loopback, listen, relay
from flan_trainer.share import Share

_PATIENCE_S = 300.0
"""How long the hosts wait for each other at the start; as long as for the folder of the checkpoints."""

_GRACE_S = 60.0
"""Host 0 has so long to finish what it is writing once another host is gone."""

_PARTING_S = 2.0
_POLL_S = 0.2
_HELLO_S = 10.0
_AGAIN = "start all hosts again, they go on from the last checkpoint"


class Group:
    """One of several hosts. Use as a context: a fault within it ends this process, and then all others."""

    def __init__(self, count: int, index: int, coordinator: tuple[str, int], stop: threading.Event) -> None:
        """Host 0 listens from now on.

        Args:
          count: of hosts, at least 2.
          index: of this one, from 0.
          coordinator: name and port of host 0, as all others know it.
          stop: set when this process is told to stop; set here when another one is.

        Raises:
          HostError: host 0 cannot listen there.
        """
        self.count, self.index = count, index
        self._coordinator, self._stop = coordinator, stop
        self._changed = threading.Condition()
        self._peers: dict[int, Connection] = {}
        self._readers: list[threading.Thread] = []
        self._shares: dict[int, Share] = {}
        self._sum: Share | None = None
        self._since: float | None = None
        self._told_to_stop = False
        self._lost = ""
        """Why the run cannot go on; empty while all are there."""
        self._ending = False
        self._server = listen(coordinator) if index == 0 else None

    def meet(
        self,
        spec_digest: str,
        told: dict[str, Any] | None = None,
        *,
        waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Waits until all hosts are there.

        Args:
          spec_digest: of the run.
          told: by host 0, to all others, as JSON can say it.
          waiting: called again and again meanwhile.

        Returns:
          What host 0 tells.

        Raises:
          HostError: a host does not come, or is of another run.
        """
        hello = {"hosts": self.count, "spec_digest": spec_digest, "jax": metadata.version("jax")}
        if self.index:
            return self._find_first(hello, waiting)
        told = {**(told or {}), "jax_port": free_port(self._coordinator[0])}
        self._gather(hello, waiting)
        for host, line in self._peers.items():
            line.send({"told": told})
            self._listen_to(host, line)
        return told

    def join(self, told: dict[str, Any]) -> None:
        """Makes the devices of all hosts those of one jax; the number of CPU threads is fixed before.

        Raises:
          HostError: jax cannot connect them, or hosts have unequally many devices.
        """
        import jax

        # Its handler would take SIGTERM from ours.
        jax.config.update("jax_enable_preemption_service", False)
        name, port = self._coordinator[0], told["jax_port"]
        try:
            jax.distributed.initialize(
                f"127.0.0.1:{relay((name, port))}" if self.index else f"{name}:{port}",
                num_processes=self.count,
                process_id=self.index,
                coordinator_bind_address=f"{name}:{port}" if is_loopback(name) else None,
                # Until host 0 has written the last checkpoint; that hosts live is seen here.
                shutdown_timeout_seconds=3600,
            )
        except RuntimeError as err:
            raise HostError(f"jax cannot connect the hosts: {str(err).splitlines()[0]}") from err
        if jax.device_count() != self.count * jax.local_device_count():
            raise HostError(
                f"host {self.index} has {jax.local_device_count()} of {jax.device_count()} devices; "
                f"expected equally many on each of {self.count} hosts"
            )

    def agree(self, share: Share | None) -> Share | None:
        """Waits until all hosts have the batch that is due.

        Args:
          share: of this host; None where it is told to stop.

        Returns:
          The sum over all hosts; None where one of them is told to stop: then no host takes this batch.

        Raises:
          HostError: a host is gone, or is at another batch.
        """
        with self._changed:
            if share is None:
                self._stop_all()
            elif self.index:
                self._peers[0].send({"share": dataclasses.asdict(share)})
            else:
                self._take(0, share)
            self._since = time.monotonic()
            self._changed.wait_for(lambda: self._lost or self._told_to_stop or self._sum is not None)
            self._since = None
            if self._lost:
                raise HostError(self._lost)
            whole, self._sum = self._sum, None
            return whole

    def waits(self) -> tuple[str, float]:
        """The hosts that `agree` waits for, and for how many seconds; may be asked from any thread."""
        since = self._since
        if since is None:
            return "", 0.0
        missing = sorted(self._peers.keys() - self._shares.keys())
        return "host " + ", ".join(map(str, missing)), time.monotonic() - since

    def leave(self) -> None:
        """Parts from the others once all have come to a good end; nothing is computed together after it."""
        import jax

        jax.distributed.shutdown()
        self._ending = True
        self._close({"bye": None})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._ending:
            self._close({"bye": None})
            return
        with self._changed:
            if not isinstance(error, FlanError):
                # What jax says of a host that is gone comes before or after what is known here.
                self._changed.wait_for(lambda: self._lost, timeout=_PARTING_S)
            line, self._ending = self._lost, True
        if not line:
            if isinstance(error, FlanError | OSError):
                line = str(error)
            else:
                traceback.print_exception(error)
                line = f"{type(error).__name__}, see above"
            self._close({"fault": f"host {self.index} ended: {line}"})
        # At once: jax would wait for the others, or abort.
        _end(line)

    # The first host.

    def _gather(self, hello: dict[str, Any], waiting: Callable[[], None]) -> None:
        end = time.monotonic() + _PATIENCE_S
        with contextlib.closing(self._server) as server:
            server.settimeout(_POLL_S)
            while len(self._peers) < self.count - 1:
                missing = ", ".join(str(host) for host in range(1, self.count) if host not in self._peers)
                if time.monotonic() > end:
                    raise HostError(f"host {missing} did not come in {_PATIENCE_S:.0f} s; {_AGAIN}")
                self._check_stop(f"host {missing}")
                waiting()
                with contextlib.suppress(TimeoutError):
                    self._welcome(Connection(server.accept()[0]), hello)

    def _welcome(self, line: Connection, hello: dict[str, Any]) -> None:
        found = line.read(timeout_s=_HELLO_S)
        given = found.get("hello") if found else None
        if not isinstance(given, dict):
            line.close()
            return
        host = given.get("host")
        fault = ""
        if not isinstance(host, int):
            line.close()
            return
        if host in self._peers and not self._peers[host].is_open():
            # It was ended and started again while others were waited for.
            self._peers.pop(host).close()
        if host in self._peers or host not in range(1, self.count):
            fault = f"a host came with number {host}; expected each of 1 to {self.count - 1} once: see --host"
        for name, value in hello.items():
            if given.get(name) != value:
                fault = f"host {host} has {name} {given.get(name)}, host 0 has {value}; start them alike"
        if fault:
            line.send({"fault": fault})
            line.close()
            raise HostError(fault)
        self._peers[host] = line

    def _take(self, host: int, share: Share) -> None:
        self._shares[host] = share
        if len(self._shares) < self.count:
            return
        mine = self._shares[0]
        for other, theirs in self._shares.items():
            if theirs.place != mine.place:
                self._lose(
                    f"host {other} is at {_named(theirs)}, host 0 at {_named(mine)}: they would train on two "
                    f"batches; {_AGAIN}"
                )
                return
        whole = functools.reduce(lambda one, other: one + other, self._shares.values())
        self._shares = {}
        self._send_all({"share": dataclasses.asdict(whole)})
        self._sum = whole
        self._changed.notify_all()

    # The others.

    def _find_first(self, hello: dict[str, Any], waiting: Callable[[], None]) -> dict[str, Any]:
        name, port = self._coordinator
        end = time.monotonic() + _PATIENCE_S
        while True:
            self._check_stop("host 0")
            waiting()
            try:
                line = Connection(socket.create_connection((name, port), timeout=_HELLO_S))
            except OSError as err:
                if time.monotonic() > end:
                    raise HostError(
                        f"host 0 does not answer at {name}:{port} ({err.strerror or err}); start it too, or mend "
                        "--coordinator"
                    ) from err
                time.sleep(_POLL_S)
                continue
            self._peers[0] = line
            line.send({"hello": {"host": self.index, **hello}})
            while not line.has_something(_POLL_S):
                self._check_stop("host 0")
            answer = line.read()
            if answer is None:
                raise HostError(f"host 0 ended before it began; {_AGAIN}")
            if "fault" in answer:
                raise HostError(answer["fault"])
            self._listen_to(0, line)
            return answer["told"]

    # All.

    def _check_stop(self, missing: str) -> None:
        if self._stop.is_set():
            raise HostError(f"told to stop while {missing} was waited for")

    def _listen_to(self, host: int, line: Connection) -> None:
        thread = threading.Thread(target=self._hear, args=(host, line), name=f"host-{host}", daemon=True)
        self._readers.append(thread)
        thread.start()

    def _hear(self, host: int, line: Connection) -> None:
        while (message := line.read()) is None or "bye" not in message:
            with self._changed:
                if message is None:
                    self._lose(f"host {host} ended without a word; {_AGAIN}")
                elif "fault" in message:
                    self._lose(str(message["fault"]))
                else:
                    self._take_in(host, message)
                if message is None or self._lost:
                    return

    def _take_in(self, host: int, message: dict[str, Any]) -> None:
        try:
            share = None if message["share"] is None else Share(**message["share"])
        except (KeyError, TypeError):
            self._lose(
                f"host {host} says what this one does not know: {message}; start the same version on all"
            )
            return
        if share is None:
            self._stop_all()
        elif self.index == 0:
            self._take(host, share)
        else:
            self._sum = share
            self._changed.notify_all()

    def _stop_all(self) -> None:
        """No step is under way: none begins before this host has said that it has its batch."""
        if not self._told_to_stop:
            self._told_to_stop = True
            self._send_all({"share": None})
            # Also ends the wait for a batch.
            self._stop.set()
            self._changed.notify_all()

    def _lose(self, why: str) -> None:
        if self._lost or self._ending:
            return
        self._lost = why
        if self.index:
            # There is nothing to finish here; and jax would abort the process once it misses host 0.
            _end(why)
        self._send_all({"fault": why})
        self._stop.set()
        self._changed.notify_all()
        # Whoever waits for the host that is gone may wait for ever.
        timer = threading.Timer(_GRACE_S, _end, args=(why,))
        timer.daemon = True
        timer.start()

    def _send_all(self, message: dict[str, Any]) -> None:
        for line in self._peers.values():
            line.send(message)

    def _close(self, last: dict[str, Any]) -> None:
        """Says the last word and waits a little until it was heard."""
        self._ending = True
        for line in self._peers.values():
            line.send(last)
            line.finish()
        end = time.monotonic() + _PARTING_S
        for reader in self._readers:
            reader.join(max(0.0, end - time.monotonic()))
        for line in self._peers.values():
            line.close()
        if self._server is not None:
            self._server.close()


def _named(share: Share) -> str:
    return f"batch {share.batch} of window {share.window} (rows {share.num_rows}, source {share.source_digest[:12]})"


def _end(line: str) -> None:
    """Ends the process without a word to jax."""
    sys.stdout.flush()
    os.write(2, f"flan_trainer: {line}\n".encode())
    os._exit(USER_FAULT)
