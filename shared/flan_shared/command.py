"""What the command lines of all services share: options, logging, faults as one line, and SIGTERM."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from flan_shared.errors import FlanError
from flan_shared.telemetry import configure_logging

USER_FAULT = 2
"""Exit status for a fault that the user can mend."""


def listen_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --listen and --ready-file."""
    function = click.option(
        "--ready-file",
        envvar="FLAN_READY_FILE",
        type=click.Path(dir_okay=False),
        help="Written with the address once the service listens.",
    )(function)
    return click.option(
        "--listen",
        envvar="FLAN_LISTEN",
        default="127.0.0.1:0",
        show_default=True,
        help="HOST:PORT for gRPC; port 0 picks a free one.",
    )(function)


def one_line_faults(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turns a `FlanError` or an `OSError` into `name: message` on standard error and exit status 2."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except FlanError as err:
                click.echo(f"{name}: {err}", err=True)
                sys.exit(USER_FAULT)
            except OSError as err:
                # A full disk, a folder without permission: what is wrong is outside of the program.
                where = f" {err.filename}" if err.filename else ""
                click.echo(f"{name}:{where} {err.strerror or err}; mend that and start again", err=True)
                sys.exit(USER_FAULT)

        return wrapped

    return decorate


def run_group(group: click.Group | click.Command, prefix: str) -> None:
    """Runs a service's command line; the log level comes from FLAN_LOG_LEVEL."""
    configure_logging(os.environ.get("FLAN_LOG_LEVEL", "INFO").upper())
    group.main(prog_name=prefix)


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set; the second one of a kind kills as usual. For the main thread.

    A handler in Python runs only when the main thread comes to it, which a main thread that waits for this very
    event may never do (the signal may meet another thread, or the moment before the wait), and `Event.set` in a
    handler can lock up with the `wait` it interrupted. So the interpreter's signal handler in C writes to a pipe
    and a thread sets the event.
    """
    stop = threading.Event()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def request(signum: int, _frame: object) -> None:
        signal.signal(signum, signal.SIG_DFL)
        # Once more by hand: an event loop that ran in the main thread may have taken the wakeup away.
        with contextlib.suppress(BlockingIOError):
            os.write(write_end, bytes([signum]))

    def watch() -> None:
        while os.read(read_end, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, request)
    signal.signal(signal.SIGINT, request)
    return stop
