"""Connecting to Redis or Valkey, and the check at the door.

Clients do not retry in silence: a repeated command could be a repeated effect, and the trainer must know of
every lost connection. A block is at most `BLOCK_MS` and shorter than the socket time-out.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flan_shared.errors import LineError

BLOCK_MS = 1000
"""The longest that a read waits inside Redis."""

SOCKET_TIMEOUT_S = 10.0
"""How long a client waits for any answer."""

_READ_BYTES = 2**18
"""About what a socket's buffer holds: fewer calls for a read of several batches."""

_OLDEST = (6, 2)

connection_faults = (redis.ConnectionError, redis.TimeoutError, redis.WatchError)
"""Faults that say nothing about whether a command took effect; also raised while Redis loads its file.

redis-py turns a connection that breaks after WATCH into a WatchError, also on a GET before any MULTI.
"""


memory_faults = (redis.exceptions.OutOfMemoryError, redis.exceptions.ExecAbortError)
"""Redis is full: the command, or the whole transaction, changed nothing. Memory comes free as windows are read."""


def connect(url: str) -> redis.Redis:
    """A client for `url`, not yet connected; answers are bytes.

    Raises:
      LineError: the URL is not one of redis://, rediss:// or unix://.
    """
    try:
        return redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            socket_read_size=_READ_BYTES,
        )
    except ValueError as err:
        raise LineError(f"Redis URL {shown(url)!r}: {err}") from err


def shown(url: str) -> str:
    """`url` without its password, for messages and logs."""
    return re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", url)


def check_server(client: redis.Redis, url: str, *, patience_s: float = 0.0) -> None:
    """Refuses a server that could lose what is written to it.

    Args:
      client: not used before.
      url: what it was made from, for messages.
      patience_s: a server that does not answer is given so long: it may be starting, or starting again.

    Raises:
      LineError: not reachable, older than 6.2, or allowed to evict keys.
    """
    url = shown(url)
    try:
        server = _patiently(lambda: client.info("server"), patience_s)
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except redis.RedisError as err:
        raise LineError(
            f"Redis at {url} cannot be used: {err}; start one, or give the address with --redis URL"
        ) from err
    version = str(server["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise LineError(f"Redis at {url} is {version}; expected 6.2 or later (or Valkey)")
    if policy != "noeviction":
        raise LineError(
            f"Redis at {url} has maxmemory-policy {policy}; expected noeviction: "
            "what is unread may not be dropped"
        )


def _patiently(ask: Callable[[], Any], patience_s: float) -> Any:
    end = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except connection_faults:
            if time.monotonic() >= end:
                raise
            time.sleep(0.2)


def server_run_id(client: redis.Redis) -> str:
    """Changes with every start of the server."""
    return str(client.info("server")["run_id"])
