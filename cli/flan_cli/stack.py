"""Supervises the processes of a local stack.

Promises: every process runs in a session of its own, so that Ctrl-C reaches only the command, which then stops
them in order; none outlives the command, not even when it is killed (`flan_cli.tether`); one that is killed comes
back at the same address; one that fails ends the run with its last lines.

All methods belong to one thread, the main one: the kernel ties the processes to the thread that starts them.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from flan_cli.errors import Interrupted, ServiceFailedError
from flan_cli.log_tail import fault_in, last_lines
from flan_shared.command import USER_FAULT

MOST_RESTARTS = 5
"""Of one process in one run."""

ANY_PORT = "127.0.0.1:0"
_PERIOD_S = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Service:
    """How one process of the stack is run."""

    name: str
    """Also names its log."""
    command: Callable[[str], Sequence[str]]
    """The command line, given HOST:PORT to listen on: a free port at first, its own when it comes back."""
    ready: Callable[[int], str | None]
    """The address it serves at, given its process id; None while it does not yet."""
    is_complete: Callable[[], bool] = lambda: False
    """Whether exit status 0 is the end of its work; otherwise it left early and is started again."""
    ready_limit_s: float = 180.0
    stop_limit_s: float = 10.0


def ready_file(path: Path) -> Callable[[int], str | None]:
    """`Service.ready` by the file that the services write; one of an earlier process does not count."""

    def ready(pid: int) -> str | None:
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        return content["address"] if content["pid"] == pid else None

    return ready


class Process:
    """A supervised process; `address` once it is ready, `is_done` once its work is complete."""

    def __init__(self, service: Service, log: Path) -> None:
        """Starts it, without waiting."""
        self.service = service
        self.log = log
        self.address: str | None = None
        self.is_done = False
        self._restarts = 0
        self._launch()

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._popen.pid

    def _launch(self) -> None:
        self.is_ready = False
        self._started = time.monotonic()
        self._popen = spawn(self.service.command(self.address or ANY_PORT), self.log)

    def look(self) -> str | None:
        """Takes in what happened; returns a line about it where a person should know.

        Raises:
          ServiceFailedError: it failed, did not get ready in time, or was killed too often.
        """
        if self.is_done:
            return None
        status = self._popen.poll()
        if status is None:
            self._look_for_address()
            return None
        end_group(self._popen)
        if status == 0 and self.service.is_complete():
            self.is_done = True
            return None
        name = self.service.name
        if status > 0:
            raise failure(f"{name} failed with exit status {status}", self.log, status)
        what = f"was killed by {signal.Signals(-status).name}" if status else "ended early"
        if self._restarts == MOST_RESTARTS:
            raise failure(
                f"{name} {what} after {MOST_RESTARTS} new starts; it is not started again", self.log, status
            )
        self._restarts += 1
        self._launch()
        return f"{name} {what}; started again ({self._restarts} of {MOST_RESTARTS})"

    def stop(self, *, now: Callable[[], bool]) -> None:
        """Ends it and whatever it started: SIGTERM, then SIGKILL at the limit or as soon as `now`."""
        limit = time.monotonic() + self.service.stop_limit_s
        if self._popen.poll() is None:
            self._popen.terminate()
        while self._popen.poll() is None and time.monotonic() < limit and not now():
            time.sleep(_PERIOD_S)
        end_group(self._popen)

    def _look_for_address(self) -> None:
        if self.is_ready:
            return
        address = self.service.ready(self._popen.pid)
        if address is not None:
            self.address, self.is_ready = address, True
        elif time.monotonic() - self._started > self.service.ready_limit_s:
            raise failure(
                f"{self.service.name} was not ready after {self.service.ready_limit_s:g} s", self.log, 1
            )


class Stack:
    """Use as a context: leaving it stops every process, last started first to stop."""

    def __init__(self, logs: Path, *, say: Callable[[str], None] = lambda line: None) -> None:
        """Args:
        logs: folder for `<service>.log`; made if need be, logs are continued.
        say: is told, in a line each, of restarts and stops.
        """
        self._logs = logs
        self._say = say
        self._processes: list[Process] = []
        self._signum: int | None = None
        self._num_signals = 0
        self._on_interrupt: list[Callable[[], object]] = []
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        for signum in _SIGNALS:
            # Under nohup a run goes on. A shell lets its background jobs ignore SIGINT too, but there it is a wish.
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            for signum, handler in self._previous.items():
                signal.signal(signum, handler)

    def start(self, service: Service) -> Process:
        """Starts a process and waits until it is ready.

        Raises:
          ServiceFailedError: this or another process failed.
          Interrupted: the user asked to stop.
        """
        process = Process(service, self._logs / f"{service.name}.log")
        self._processes.append(process)
        while not (process.is_ready or process.is_done):
            self.poll()
            time.sleep(_PERIOD_S)
        return process

    def run(self, name: str, command: Sequence[str]) -> None:
        """Runs a command to its end.

        Raises:
          ServiceFailedError: it failed.
          Interrupted: the user asked to stop; the command is ended.
        """
        log = self._logs / f"{name}.log"
        popen = spawn(command, log)
        try:
            while (status := popen.poll()) is None:
                self.check_interrupt()
                time.sleep(_PERIOD_S)
        finally:
            end_group(popen)
        if status:
            how = f"was killed by {signal.Signals(-status).name}" if status < 0 else "failed"
            raise failure(f"{name} {how}", log, status)

    def poll(self) -> None:
        """Looks after all processes once.

        Raises:
          ServiceFailedError: one failed.
          Interrupted: the user asked to stop.
        """
        self.check_interrupt()
        for process in self._processes:
            line = process.look()
            if line:
                self._say(line)

    def check_interrupt(self) -> None:
        """Raises:
        Interrupted: the user asked to stop.
        """
        if self._signum is not None:
            raise Interrupted(self._signum)

    @contextlib.contextmanager
    def cancelling(self, cancel: Callable[[], object]) -> Iterator[None]:
        """While inside, a signal also calls `cancel`: for calls that block."""
        self._on_interrupt.append(cancel)
        try:
            yield
        finally:
            self._on_interrupt.remove(cancel)

    def stop(self) -> None:
        """Stops the processes, last started first; a further signal meanwhile kills what is left at once."""
        signals_before = self._num_signals
        while self._processes:
            process = self._processes[-1]
            process.stop(now=lambda: self._num_signals > signals_before)
            self._processes.pop()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        # Only takes note: an exception from here could strike between a start and its being remembered.
        self._signum = self._signum or signum
        self._num_signals += 1
        for cancel in self._on_interrupt:
            cancel()


def spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a tethered process in a session of its own, its output appended to `log`."""
    # -P: a file in the working directory must not pass for one of our modules.
    tether = [sys.executable, "-P", "-m", "flan_cli.tether", str(os.getpid())]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*tether, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_group(popen: subprocess.Popen[bytes]) -> None:
    """Kills what is left of a process and of those it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()


def failure(what: str, log: Path, status: int) -> ServiceFailedError:
    """The error for a process that ended; a fault that the user can mend is the message itself."""
    lines = last_lines(log)
    fault = fault_in(lines) if status == USER_FAULT else None
    if fault is not None:
        return ServiceFailedError(fault, status=USER_FAULT)
    return ServiceFailedError(f"{what}; the end of its log:" if lines else what, lines=lines)
