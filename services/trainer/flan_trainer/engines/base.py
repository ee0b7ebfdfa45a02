"""What a trainer asks of an engine, whichever computes.

An engine holds the state of one run: parameters, optimizer slots and `step`. It knows nothing of the line:
batches come in as numpy arrays, and the cursor is a plain dict that it keeps beside the state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flan_shared.errors import FlanError

Batch = Mapping[str, np.ndarray]


class EngineError(FlanError):
    """An engine that cannot be had, or that cannot do what the spec asks."""


@dataclass(frozen=True)
class StepMetrics:
    """Measures of one batch, still on the device: to read a field waits until the batch was computed."""

    loss: Any
    """float32[]: mean over the weighted tokens, z-loss included."""
    z_loss: Any
    """float32[]: of it, the part that is z-loss."""
    weight: Any
    """float32[]: sum of `decoder_loss_weights`, the number of target tokens."""
    learning_rate: Any
    """float32[]: of this update, relative to the parameters' scale; 0 in evaluation."""

    def fetch(self) -> dict[str, float]:
        """Waits for the device and gives all as Python floats; to be called now and then, not every step."""
        return {name: float(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Placed:
    """A batch that was checked and lies on the devices, or is on its way."""

    features: Mapping[str, Any]


class Engine(Protocol):
    """One run's state and the ways to change it. Not for use from several threads at once, but for `place`."""

    step: int
    """Completed optimizer updates."""

    def initialise(self) -> None:
        """Makes the state of step 0 from the spec's seed."""

    def restore(self, folder: Path, step: int) -> None:
        """Takes the state of the checkpoint of `step` in `folder`.

        Raises:
          CheckpointError: it is missing, damaged, or of another spec.
        """

    def place(self, batch: Batch) -> Placed:
        """Checks a batch and begins its copy to the devices; for a thread that prepares the next step.

        Args:
          batch: the features of `flan_trainer.engines.batch`, at most `packing.batch_rows` rows.

        Raises:
          BatchError: a feature is missing or misshapen, or no token has weight.
        """

    def train_step(self, batch: Batch | Placed) -> StepMetrics:
        """One update; returns before the device is done.

        Args:
          batch: from `place`, or what that takes.

        Raises:
          BatchError: see `place`. The state is as before.
        """

    def evaluate_loss(self, batch: Batch | Placed) -> StepMetrics:
        """The loss of a batch without dropout and without an update; otherwise like `train_step`."""

    def save(self, folder: Path, cursor: Mapping[str, Any], *, keep: int) -> Path:
        """Writes the state as the checkpoint of `step`, and removes all but the `keep` newest.

        The folder that is returned appears whole or not at all. Its `params` is in the published form
        (`flan_shared.checkpoint`).

        Args:
          folder: holds all checkpoints of the run; made where it is missing.
          cursor: what the caller must know to go on from here, as JSON can say it.
          keep: at least 1.

        Raises:
          CheckpointError: the disk is full or cannot be written; earlier checkpoints are as before.
        """

    def parameters(self) -> dict[str, Any]:
        """A copy of the parameters as nested dicts of `np.ndarray`."""
