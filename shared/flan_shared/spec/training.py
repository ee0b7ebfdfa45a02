"""The parts of a run spec that say how is trained."""

from typing import Literal

from pydantic import Field

from flan_shared.spec.part import Part


class Optimizer(Part):
    """Adafactor with T5X's defaults (arXiv:1804.04235; t5x/adafactor.py)."""

    name: Literal["adafactor"] = "adafactor"
    learning_rate: float = Field(1e-3, gt=0)
    """Relative to the parameter's root mean square; of a prompt absolute (arXiv:2104.08691 has 0.3)."""
    decay_rate: float = Field(0.8, gt=0, lt=1)
    clipping_threshold: float = Field(1.0, gt=0)
    min_dim_size_to_factor: int = Field(128, ge=1)


class Schedule(Part):
    """Factor on the learning rate by step."""

    name: Literal["constant", "linear", "rsqrt"] = "constant"
    """constant; linear decay to 0 at the last step; rsqrt: sqrt(warmup_steps / step)."""
    warmup_steps: int = Field(0, ge=0)
    """Linear from 0."""


class Loss(Part):
    """Token cross entropy over the sum of decoder_loss_weights of the whole batch."""

    z_loss: float = Field(1e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)


class Train(Part):
    """The loop."""

    steps: int = Field(ge=1)
    """Optimizer updates."""
    engine: Literal["auto", "t5x", "native"] = "auto"
    """auto takes t5x where it is importable."""
    microbatches: int = Field(1, ge=1)
    """Parts of a batch that go through the model one after another; their gradients are added."""


class Start(Part):
    """What the parameters begin as; optimizer and step begin anew."""

    source: Literal["scratch", "checkpoint"] = "scratch"
    """scratch: drawn from the seed; checkpoint: read from the one that the run is started with."""
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Of the checkpoint's parameters (`flan_shared.checkpoint.parameters_digest`); None: not pinned."""


class Checkpoint(Part):
    """When the state is saved and published; step 0 and the last step always are."""

    every_steps: int = Field(1000, ge=1)
    keep: int = Field(3, ge=1)
    """Newest checkpoints kept on the trainer's disk."""
