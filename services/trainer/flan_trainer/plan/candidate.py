"""One way to lay a run out on a topology."""

from dataclasses import dataclass

from flan_shared import spec


@dataclass(frozen=True)
class Candidate:
    """A mesh, how it is used, and what the backward pass makes anew."""

    data: int
    """Cores over which the rows of a batch are spread."""
    model: int
    """Cores over which heads, the feed-forward's width and the vocabulary are spread."""
    parameter_dims: int
    """2: parameters are also spread over the data axis, and gathered where they are used."""
    activation_dims: int
    """2: what goes from layer to layer is also spread over the model axis."""
    remat_policy: str
    """none, minimal or full."""

    def applied_to(self, run: spec.RunSpec) -> spec.RunSpec:
        """The run with this policy and its layers scanned: else a program, and its compiling, grow with the depth."""
        model = run.model.model_copy(update={"remat_policy": self.remat_policy, "scan_layers": True})
        return run.model_copy(update={"model": model})
