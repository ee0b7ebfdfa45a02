"""A further host's hold on a run: it reads its shard under the attempt that the trainer's first host claimed.

It makes no keys but may remove its own. Where it cannot go on under an attempt it moves `attempt` on by one, which
the first host takes for what it is, a link that was lost, and answers with a claim of its own.
"""

import logging
from collections.abc import Iterable

import redis

from flan_shared.line import Attempt
from flan_shared.line.keys import window_of
from flan_shared.spec import RunSpec
from flan_shared.telemetry import event
from flan_trainer.link import Hold, LinkLostError, Place

_log = logging.getLogger(__name__)


class Follower(Hold):
    """The place of `flan_trainer.link.Link` on every host but the first."""

    num_shards = 1
    """Of which this host has to know."""

    def __init__(self, client: redis.Redis, spec: RunSpec, *, start: int, shard: int) -> None:
        """Args:
        client: of the line.
        spec: of the run, pinned to its tokenizer.
        start: of the first host's link, told when the hosts find each other.
        shard: of this host, from 1.
        """
        if shard < 1:
            raise ValueError(
                f"shard is {shard}; expected at least 1: shard 0 belongs to the host with the link"
            )
        super().__init__(client, spec, start)
        self._shard = shard
        self._is_swept = False
        """Whether the windows below the position are gone under this attempt."""

    def claim(self, reason: str) -> None:
        """Takes up the attempt that is live; where this is the one it had, asks the first host for another.

        Raises:
          SupersededError: a newer start holds the run.
          redis.RedisError: Redis is away; nothing is known.
        """
        with self.client.pipeline(transaction=True) as pipe:
            pipe.watch(self.keys.attempt)
            held = self._held(pipe)
            self._give_way(held)
            if held is None or held.start < self.attempt.start:
                # The first host has not claimed yet, or Redis forgot it; `verify` sees when it does.
                return
            if held == self.attempt and held.link:
                held = Attempt(held.start, held.link + 1)
                pipe.multi()
                pipe.set(self.keys.attempt, str(held))
                try:
                    pipe.execute()
                except redis.WatchError:
                    return
                event(_log, "another link asked for", run=self.keys.run, attempt=held, reason=reason)
        self.attempt, self._is_swept = held, False

    def post(
        self,
        windows: Iterable[int],
        source_digest: str,
        *,
        read: int | None = None,
        then: Place | None = None,
    ) -> dict[str, list]:
        """Removes its shard of window `read`, and reads on; the first host opens windows."""
        if read is not None:
            self.client.unlink(self.window_stream(read, self._shard))
            self._sweep(read)
        return self.read(then, block_ms=None) if then is not None else {}

    def verify(self, window: int | None, shard: int) -> None:
        """Checks that the attempt is the live one. Its window may not be open yet.

        Raises:
          LinkLostError: the first host has claimed anew.
          SupersededError: a newer start holds the run.
        """
        held = self._held(self.client)
        self._give_way(held)
        if held is not None and held > self.attempt:
            raise LinkLostError(f"attempt is {held}, followed {self.attempt}")
        if window is not None:
            self._sweep(window)

    def close(self) -> None:
        """The first host removes the keys of all."""

    def _sweep(self, position: int) -> None:
        """Removes what was opened for a host further behind: under a new link the windows of the last applied step on.

        Only once a window from `position` on is there: those before it are opened no later.
        """
        if self._is_swept:
            return
        mine = {}
        prefix = f"flan:{self.keys.run}:{self.attempt}:window:"
        for key in self.client.scan_iter(match=f"{prefix}*:{self._shard}", count=1000):
            mine[window_of(key.decode())] = key
        if behind := [key for window, key in mine.items() if window < position]:
            self.client.unlink(*behind)
        self._is_swept = any(window >= position for window in mine)
