"""Compiles the training step for cores that are not there, and says what came out."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from flan_shared import spec
from flan_trainer.engines.mesh import axis_rules, lay_out
from flan_trainer.plan import hlo
from flan_trainer.plan.candidate import Candidate
from flan_trainer.plan.topology import make_mesh

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"\b(\d+(?:\.\d+)?)([KMGT])\b")


@dataclass(frozen=True)
class Bytes:
    """Memory of one core."""

    arguments: int
    """State and batch."""
    temporaries: int
    """Activations, gradients and whatever else the program makes and drops."""
    output: int
    """Of the new state and the metrics, what does not take the place of an argument."""
    code: int
    """The program."""

    @property
    def total(self) -> int:
        return self.arguments + self.temporaries + self.output + self.code


@dataclass(frozen=True)
class Compiled:
    """What the compiler made of a candidate."""

    seconds: float
    """That compiling took, tracing included."""
    total: int
    """Bytes a core, also where they are too many."""
    bytes: Bytes | None
    """None where the program does not fit: then the compiler gives the total alone."""
    cost: hlo.Cost | None


def compile_step(run: spec.RunSpec, candidate: Candidate, devices: Sequence[Any]) -> Compiled:
    """Compiles the update of a run as `candidate` has it.

    Args:
      run: the spec, with the rows of a batch that the candidate's data axis divides.
      candidate: mesh, partitioning and remat policy.
      devices: all cores of the topology.
    """
    started = time.monotonic()
    run = candidate.applied_to(run)
    rules = axis_rules(activation_dims=candidate.activation_dims, parameter_dims=candidate.parameter_dims)
    layout = lay_out(run, make_mesh(devices, candidate.data, candidate.model), rules=rules)
    try:
        with layout.on_mesh():
            program = layout.update.lower(layout.state, layout.batch).compile()
    except jax.errors.JaxRuntimeError as err:
        # What is needed stands beside what there is, in one of several wordings; it is the greater.
        sizes = [float(number) * _UNITS[unit] for number, unit in _SIZE.findall(str(err))]
        if "RESOURCE_EXHAUSTED" not in str(err) or not sizes:
            raise
        return Compiled(time.monotonic() - started, int(max(sizes)), None, None)
    seconds = time.monotonic() - started
    memory = program.memory_analysis()
    found = Bytes(
        memory.argument_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.output_size_in_bytes - memory.alias_size_in_bytes,
        memory.generated_code_size_in_bytes,
    )
    return Compiled(seconds, found.total, found, hlo.count(program.as_text()))
