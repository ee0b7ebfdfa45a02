"""Which layout of a run on a topology is best: it fits, and a step takes the least time.

All ways to lay the run out are ordered by `predict`; the best are compiled, one after another, until what was
compiled is faster than what is predicted for the next, or a number of compilations is reached. The time of a compiled
step is its products at the chip's peak and then its collectives at the interconnect's: no clock has seen it, it only
compares.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flan_shared import spec
from flan_trainer.plan.candidate import Candidate
from flan_trainer.plan.compile import Compiled
from flan_trainer.plan.predict import Predicted, Workload
from flan_trainer.plan.topology import Chip, PlanError, mesh_shapes

log = logging.getLogger(__name__)

_POLICIES = ("none", "minimal", "full")

_MARGIN = 1.1
"""What compiled steps of the largest models needed over their predictions at most, about (docs/plan.md)."""


@dataclass
class Entry:
    """A candidate and what is known of it."""

    candidate: Candidate
    predicted: Predicted
    compiled: Compiled | None = None


def step_seconds(compiled: Compiled, chip: Chip) -> float:
    """Seconds of products and of collectives, at the chip's public peaks."""
    return compiled.cost.flops / chip.flops + sum(compiled.cost.sent.values()) / chip.interconnect


def list_candidates(run: spec.RunSpec, workload: Workload, chip: Chip, cores: int) -> list[Entry]:
    """Every layout that divides evenly, with its prediction.

    Raises:
      PlanError: there is none.
    """
    entries = [
        Entry(candidate, workload.predict(candidate, chip))
        for data, model in mesh_shapes(cores)
        for parameter_dims in ((1, 2) if data > 1 else (1,))
        for activation_dims in ((1, 2) if model > 1 else (1,))
        for policy in _POLICIES
        if workload.is_even(candidate := Candidate(data, model, parameter_dims, activation_dims, policy))
    ]
    if not entries:
        raise PlanError(_no_mesh(run, workload, cores))
    return entries


def _no_mesh(run: spec.RunSpec, workload: Workload, cores: int) -> str:
    shapes = mesh_shapes(cores)
    # Any mesh whose model axis divides the network will do, given enough rows.
    enough = [
        data for data, model in shapes if workload.is_even(Candidate(data, model, 1, 1, "none"), rows=data)
    ]
    length = sum(run.row_lengths.values())
    advice = f"give --batch-tokens a multiple of {min(enough) * length}, or" if enough else "take"
    return (
        f"{cores} cores have no mesh (data, model) where data divides the {run.packing.batch_rows} rows of a batch and "
        f"model divides {run.model.num_heads} heads, {run.model.mlp_dim} of the feed-forward and {run.vocab_size} "
        f"pieces; {advice} another topology"
    )


def search(
    entries: Sequence[Entry], chip: Chip, compile_one: Callable[[Candidate], Compiled], *, most: int
) -> Entry:
    """Compiles the most promising and gives the best.

    Args:
      entries: of `list_candidates`; what is compiled gets its `compiled`.
      chip: of the topology.
      compile_one: compiles a candidate.
      most: compilations, at least 1; one more where none of them fits, of the smallest layout.

    Returns:
      The fastest of those that fit; where none does, the smallest that was compiled.
    """
    scale, done = _MARGIN, []
    while entry := _next(entries, chip, scale, may_go_on=len(done) < most):
        log.info("compiling %d of about %d: %s", len(done) + 1, most, entry.candidate)
        entry.compiled = compile_one(entry.candidate)
        done.append(entry)
        found, guess = entry.compiled, entry.predicted
        log.info(
            "%.1f GiB a core, predicted %.1f, in %.0f s",
            found.total / 2**30,
            guess.bytes / 2**30,
            found.seconds,
        )
        # What was too small a guess once is too small for the others.
        scale = max(scale, found.total / guess.bytes)
    return _best(entries, chip) or min(done, key=lambda entry: entry.compiled.total)


def fits(compiled: Compiled, chip: Chip) -> bool:
    """Whether the compiler placed it all, in what the chip has."""
    return compiled.bytes is not None and compiled.total <= chip.memory


def _best(entries: Sequence[Entry], chip: Chip) -> Entry | None:
    fitting = [entry for entry in entries if entry.compiled and fits(entry.compiled, chip)]
    return min(fitting, key=lambda entry: step_seconds(entry.compiled, chip), default=None)


def _next(entries: Sequence[Entry], chip: Chip, scale: float, *, may_go_on: bool) -> Entry | None:
    """The fastest of those that should fit, if it may beat what does; while none does, at last the smallest of all."""
    best = _best(entries, chip)
    hopeful = (
        entry for entry in entries if not entry.compiled and scale * entry.predicted.bytes <= chip.memory
    )
    entry = min(hopeful, key=lambda entry: entry.predicted.seconds, default=None) if may_go_on else None
    if best and entry and entry.predicted.seconds >= step_seconds(best.compiled, chip):
        return None
    if best or entry:
        return entry
    smallest = min(entries, key=lambda entry: entry.predicted.bytes)
    return None if smallest.compiled else smallest
