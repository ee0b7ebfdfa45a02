"""What a trainer asks of an engine, whichever computes.

An engine holds the state of one run: parameters, optimizer slots and `step`. It knows nothing of the line:
batches come in as numpy arrays, and the cursor is a plain dict that it keeps beside the state.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
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
    accuracy: Any
    """float32[]: share of the weighted tokens that are predicted right."""
    learning_rate: Any
    """float32[]: of this update, relative to the parameters' scale; 0 in evaluation."""
    grad_norm: Any
    """float32[]: L2 norm of the gradient of all that is trained, before the optimizer scales it; 0 in evaluation."""
    param_norm: Any
    """float32[]: L2 norm of all that is trained, before the update; 0 in evaluation."""
    by_cluster: Any = None
    """float32[2, num_clusters]: of each of `RunSpec.trained_clusters` the sum of losses and the number of target
    tokens; None where the engine does not tell."""

    def fetch(self) -> dict[str, float]:
        """Waits for the device and gives all single numbers as Python floats; to be called now and then, not every
        step."""
        return {name: float(value) for name, value in vars(self).items() if name != "by_cluster"}

    def fetch_clusters(self, names: Sequence[str]) -> dict[str, float]:
        """Waits for the device and gives the mean loss of every cluster that the batch has tokens of.

        Args:
          names: `RunSpec.trained_clusters`.
        """
        if self.by_cluster is None:
            return {}
        sums, weights = np.asarray(self.by_cluster)
        return {name: float(sums[n] / weights[n]) for n, name in enumerate(names) if weights[n]}


@dataclass(frozen=True)
class Placed:
    """A batch that was checked and lies on the devices, or is on its way."""

    features: Mapping[str, Any]


class Engine(Protocol):
    """One run's state and the ways to change it. Not for use from several threads at once, but for `place`."""

    step: int
    """Completed optimizer updates."""

    def initialise(self, start: Mapping[str, Any] | None = None) -> None:
        """Makes the state of step 0: empty slots, and the parameters of `start` or those of the spec's seed.

        Args:
          start: nested dicts of numpy arrays in the published form, in floating-point types; left as it is.

        Raises:
          CheckpointError: `start` does not fit the spec's model.
        """

    def restore(self, folder: Path, step: int) -> None:
        """Takes the state of the checkpoint of `step` in `folder`.

        Raises:
          CheckpointError: it is missing, damaged, or of another spec.
        """

    def place(self, batch: Batch) -> Placed:
        """Checks a batch and begins its copy to the devices; for a thread that prepares the next step.

        Args:
          batch: the features of `flan_trainer.engines.batch`, at most `packing.batch_rows` rows. With several
            processes each gives its part of the rows, and a part may be empty.

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

    def save(self, folder: Path, cursor: Mapping[str, Any], *, keep: int) -> "Future[Path]":
        """Begins to write the state as the checkpoint of `step`; then all but the `keep` newest are removed.

        Takes a copy of the state, so that training may go on at once, and waits for the save before. The folder
        appears whole or not at all. Its `params` is in the published form (`flan_shared.checkpoint`).

        Args:
          folder: holds all checkpoints of the run; made where it is missing.
          cursor: what the caller must know to go on from here, as JSON can say it.
          keep: at least 1.

        Returns:
          The checkpoint's folder, once it is on the disk under its name. Or CheckpointError: the disk is full or
          cannot be written; earlier checkpoints are as before. Wait for it before the process ends.
        """

    def parameters(self) -> dict[str, Any]:
        """A copy of the parameters in the published form, nested dicts of `np.ndarray`; not to be changed."""
