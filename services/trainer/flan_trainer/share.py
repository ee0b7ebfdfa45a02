"""What a host has of the batch that is due."""

import dataclasses
from typing import Any

from flan_shared.line import PackedBatch


@dataclasses.dataclass(frozen=True)
class Share:
    """What one host has of a batch; or the sum over all hosts.

    Attributes:
      window, batch, end, num_rows, source_digest: as in `flan_shared.line.PackedBatch`, the same on all hosts.
      drawn, dropped, quarantined: of this host's shard.
      trained: examples counted from segment ids.
      num_tokens: of them, without padding.
    """

    window: int
    batch: int
    end: bool
    num_rows: int
    source_digest: str
    drawn: int
    dropped: int
    quarantined: int
    trained: int
    num_tokens: int

    @classmethod
    def of(cls, batch: PackedBatch, *, trained: int) -> "Share":
        """What this host has in `batch`."""
        return cls(
            batch.window,
            batch.batch,
            batch.end,
            batch.num_rows,
            batch.source_digest,
            batch.drawn,
            batch.dropped,
            batch.quarantined,
            trained,
            len(batch.tokens),
        )

    @property
    def place(self) -> tuple[Any, ...]:
        """What must be the same on all hosts."""
        return self.window, self.batch, self.end, self.num_rows, self.source_digest

    def __add__(self, other: "Share") -> "Share":
        counts = ("drawn", "dropped", "quarantined", "trained", "num_tokens")
        return dataclasses.replace(
            self, **{name: getattr(self, name) + getattr(other, name) for name in counts}
        )
