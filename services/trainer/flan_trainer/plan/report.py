"""A plan as JSON says it."""

from collections.abc import Sequence
from typing import Any

from flan_shared import spec
from flan_trainer.plan.candidate import Candidate
from flan_trainer.plan.predict import Workload
from flan_trainer.plan.search import Entry, fits, step_seconds
from flan_trainer.plan.topology import Chip

SCHEMA = {
    "parameters": "elements of all parameters",
    "cores": "of the topology, each a device",
    "core_bytes": "memory of a core",
    "batch_tokens": "positions of a batch, inputs and targets",
    "fits": "whether the compiler placed all of it on each core",
    "mesh": "cores along data and model",
    "partitioning": "mesh axes over which parameters and activations are spread, as T5X counts them",
    "remat": "model.remat_policy",
    "scan_layers": "always true: the program does not grow with the depth",
    "bytes_per_core": "arguments, temporaries, output, code and their total; the total alone where it does not fit",
    "compile_seconds": "of the layout that was chosen, tracing included",
    "flops": "of one step on all cores, from the compiled program; null where it does not fit",
    "model_flops": "of them, six for each position and each weight that it is multiplied with",
    "collective_bytes": "that one core sends in one step, by kind, and their total; null where it does not fit",
    "step_seconds": "of products and then of collectives, at the chip's public peaks; null where it does not fit",
    "candidates": "what was considered, fastest prediction first, and what the compiler said",
}
"""The keys of a report."""


def report(
    run: spec.RunSpec, workload: Workload, chip: Chip, entries: Sequence[Entry], best: Entry
) -> dict[str, Any]:
    """`SCHEMA`, filled."""
    candidate, compiled, cost = best.candidate, best.compiled, best.compiled.cost
    sent = cost and {**_whole(cost.sent), "total": round(sum(cost.sent.values()))}
    cores = candidate.data * candidate.model
    return {
        "parameters": workload.parameters,
        "cores": cores,
        "core_bytes": chip.memory,
        "batch_tokens": run.packing.batch_rows * sum(run.row_lengths.values()),
        "fits": fits(compiled, chip),
        **_layout(candidate),
        "scan_layers": True,
        "bytes_per_core": (vars(compiled.bytes) if compiled.bytes else {}) | {"total": compiled.total},
        "compile_seconds": round(compiled.seconds, 1),
        "flops": cost and cost.flops * cores,
        "model_flops": workload.model_flops,
        "collective_bytes": sent,
        "step_seconds": cost and step_seconds(compiled, chip),
        "candidates": [
            _entry(each, chip) for each in sorted(entries, key=lambda each: each.predicted.seconds)
        ],
    }


def _layout(candidate: Candidate) -> dict[str, Any]:
    return {
        "mesh": {"data": candidate.data, "model": candidate.model},
        "partitioning": {"parameters": candidate.parameter_dims, "activations": candidate.activation_dims},
        "remat": candidate.remat_policy,
    }


def _entry(entry: Entry, chip: Chip) -> dict[str, Any]:
    compiled = entry.compiled
    return {
        **_layout(entry.candidate),
        "predicted": {"bytes": round(entry.predicted.bytes), "seconds": entry.predicted.seconds},
        "compiled": compiled
        and {
            "bytes": compiled.total,
            "seconds": compiled.cost and step_seconds(compiled, chip),
            "fits": fits(compiled, chip),
            "compile_seconds": round(compiled.seconds, 1),
        },
    }


def _whole(numbers: dict[str, float]) -> dict[str, int]:
    return {name: round(number) for name, number in numbers.items()}
