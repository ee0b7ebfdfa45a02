"""How far a run has come: the position on the line and the sums, as of the last applied step.

The cursor is saved inside every checkpoint, so counts roll back with the parameters; a trainer that starts again
goes on from it, and drawn = trained + dropped + quarantined holds at every batch.
"""

import dataclasses
from typing import Any

from flan_shared.line import PackedBatch

LOSS_STEPS = 10
"""Steps that the first and the last loss of a run are a mean of: one batch says little."""


@dataclasses.dataclass(frozen=True)
class Cursor:
    """Where training goes on, and what it has taken so far.

    Attributes:
      window: the window in hand, from 0.
      batch: the next batch of it, from 1.
      drawn: draws that the batches taken account for.
      trained: examples in the steps made, counted from segment ids.
      dropped: draws without a target token.
      quarantined: draws with a defective row.
      source_digest: what the run is pinned to; empty before the first batch.
      seconds: wall time of the run in all its processes.
      first_losses: nats a target token, of the first `LOSS_STEPS` steps.
      last_losses: of the last `LOSS_STEPS` steps.
    """

    window: int = 0
    batch: int = 1
    drawn: int = 0
    trained: int = 0
    dropped: int = 0
    quarantined: int = 0
    source_digest: str = ""
    seconds: float = 0.0
    first_losses: tuple[float, ...] = ()
    last_losses: tuple[float, ...] = ()

    def after(self, batch: PackedBatch, *, trained: int) -> "Cursor":
        """The cursor once `batch` is applied; `trained` examples were counted in it."""
        return dataclasses.replace(
            self,
            window=batch.window + 1 if batch.end else batch.window,
            batch=1 if batch.end else batch.batch + 1,
            drawn=self.drawn + batch.drawn,
            trained=self.trained + trained,
            dropped=self.dropped + batch.dropped,
            quarantined=self.quarantined + batch.quarantined,
            source_digest=batch.source_digest,
        )

    def with_loss(self, loss: float) -> "Cursor":
        """The cursor with the loss of one more step."""
        return dataclasses.replace(
            self,
            first_losses=(*self.first_losses, loss)[:LOSS_STEPS],
            last_losses=(*self.last_losses, loss)[-LOSS_STEPS:],
        )

    @property
    def windows_begun(self) -> int:
        """Windows of which a batch was taken; what later windows set aside is not counted here."""
        return self.window + (self.batch > 1)

    @property
    def balanced(self) -> bool:
        """Whether every draw is accounted for."""
        return self.drawn == self.trained + self.dropped + self.quarantined

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` is the inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Cursor":
        """Reads what `to_json` gave; other keys are left alone, because a checkpoint adds its own."""
        known = {field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values}
        for name in ("first_losses", "last_losses"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)
