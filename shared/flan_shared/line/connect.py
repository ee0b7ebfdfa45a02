"""Connecting to Redis or Valkey, and the check at the door.

Clients do not retry in silence: a repeated command could be a repeated effect, and the trainer must know of
every lost connection. A block is at most `BLOCK_MS` and shorter than the socket time-out.
"""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flan_shared.errors import LineError

BLOCK_MS = 1000
"""The longest that a read waits inside Redis."""

SOCKET_TIMEOUT_S = 10.0
"""How long a client waits for any answer."""

_OLDEST = (6, 2)

connection_faults = (redis.ConnectionError, redis.TimeoutError)
"""Faults that say nothing about whether a command took effect; also raised while Redis loads its file."""


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
        )
    except ValueError as err:
        raise LineError(f"Redis URL {url!r}: {err}") from err


def check_server(client: redis.Redis, url: str) -> None:
    """Refuses a server that could lose what is written to it.

    Raises:
      LineError: not reachable, older than 6.2, or allowed to evict keys.
    """
    try:
        server = client.info("server")
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


def server_run_id(client: redis.Redis) -> str:
    """Changes with every start of the server."""
    return str(client.info("server")["run_id"])
