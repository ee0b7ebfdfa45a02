"""The names of everything that the line keeps in Redis.

Only the trainer makes keys; all others write with NOMKSTREAM.
"""

import dataclasses

RUNS = "flan:runs"
"""Hash: run id -> canonical spec; written again with every claim."""

GROUP = "datagen"
"""The consumer group on a tickets stream."""

OPENED = "0-1"
"""Id of the entry with which the trainer opens a stream that others write from `1-0` on."""

METRICS_LENGTH = 4096
"""About so many entries are kept of a stream for onlookers."""

BATCHES_A_READ = 4
"""A host takes so many batches from Redis at a time; the answer is one more copy of them there."""


@dataclasses.dataclass(frozen=True, order=True)
class Attempt:
    """Which start of the trainer is live, and its n-th link to Redis; a greater one supersedes."""

    start: int
    """Drawn once a process: milliseconds since the epoch, and above what Redis holds."""
    link: int
    """Counts from 1."""

    def __str__(self) -> str:
        return f"{self.start}.{self.link}"

    @classmethod
    def parse(cls, text: str) -> "Attempt":
        """The inverse of `str`.

        Raises:
          ValueError: not `{start}.{link}`.
        """
        start, link = text.split(".")
        return cls(int(start), int(link))


@dataclasses.dataclass(frozen=True)
class RunKeys:
    """The keys of one run."""

    run: str

    @property
    def attempt(self) -> str:
        """String: the live `Attempt`."""
        return f"flan:{self.run}:attempt"

    @property
    def metrics(self) -> str:
        """Stream for onlookers; bounded; may be lost or repeated."""
        return f"flan:{self.run}:metrics"

    @property
    def quarantine(self) -> str:
        """Stream of QuarantinedRow for onlookers; bounded; may be lost or repeated."""
        return f"flan:{self.run}:quarantine"

    def tickets(self, attempt: Attempt) -> str:
        """Stream of Ticket, group `datagen`; entry id `{window+1}-0`."""
        return f"flan:{self.run}:{attempt}:tickets"

    def window(self, attempt: Attempt, window: int, shard: int) -> str:
        """Stream of batches `1-0`, `2-0`, …; opened by the trainer with `OPENED`."""
        return f"flan:{self.run}:{attempt}:window:{window}:{shard}"

    def failures(self, attempt: Attempt) -> str:
        """Stream of Failure."""
        return f"flan:{self.run}:{attempt}:failures"

    def attempt_of(self, key: str) -> Attempt | None:
        """The attempt that `key` belongs to; None for the keys of the run itself."""
        parts = key.removeprefix(f"flan:{self.run}:").split(":")
        try:
            return Attempt.parse(parts[0]) if len(parts) > 1 else None
        except ValueError:
            return None


def ticket_id(window: int) -> str:
    """Entry id of a window's ticket: a second post of the same window is refused by Redis itself."""
    return f"{window + 1}-0"


def batch_id(batch: int) -> str:
    """Entry id of batch `batch`, from 1."""
    return f"{batch}-0"


def window_of(key: str) -> int:
    """The window that the key of a window's stream names."""
    return int(key.rsplit(":", 2)[1])
