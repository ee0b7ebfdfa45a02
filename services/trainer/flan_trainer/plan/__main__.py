"""`python -m flan_trainer.plan`: what `flan plan` starts. Prints the report as JSON, and what it does as log lines.

Exit status: 0 it fits; 1 no layout that was compiled fits; 2 something the user can mend, in one line.
"""

import functools
import json
import sys

import click

from flan_shared import spec
from flan_shared.command import one_line_faults, run_group
from flan_shared.errors import FlanError
from flan_trainer.plan.topology import PlanError, chip_of, open_topology


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", "preset", required=True, metavar="PRESET")
@click.option("--topology", required=True, metavar="NAME")
@click.option("--batch-tokens", type=click.IntRange(1), default=8192, show_default=True, metavar="N")
@click.option("--lengths", default="768,256", show_default=True, metavar="INPUTS,TARGETS")
@click.option("--compilations", type=click.IntRange(1), default=2, show_default=True, metavar="N")
@one_line_faults("plan")
def plan(preset: str, topology: str, batch_tokens: int, lengths: str, compilations: int) -> None:
    """Compile the training step of a model for a TPU topology."""
    run, chip = make_run(preset, batch_tokens, lengths), chip_of(topology)
    devices = open_topology(topology)
    # Only now: jax reads its environment when it is imported.
    from flan_trainer.plan.compile import compile_step
    from flan_trainer.plan.predict import Workload
    from flan_trainer.plan.report import report
    from flan_trainer.plan.search import list_candidates, search

    workload = Workload(run)
    entries = list_candidates(run, workload, chip, len(devices))
    best = search(entries, chip, functools.partial(compile_step, run, devices=devices), most=compilations)
    found = {"model": preset, "topology": topology} | report(run, workload, chip, entries, best)
    click.echo(json.dumps(found, indent=1))
    sys.exit(0 if found["fits"] else 1)


def make_run(preset: str, batch_tokens: int, lengths: str) -> spec.RunSpec:
    """The run spec of a plan: a preset in bfloat16, all else as a run has it by default.

    Args:
      preset: of `spec.PRESETS`.
      batch_tokens: positions of a batch, a multiple of those of a row.
      lengths: positions of a row, INPUTS,TARGETS.

    Raises:
      PlanError: any of these is wrong.
    """
    if preset not in spec.PRESETS:
        raise PlanError(f"model is {preset!r}; known: {', '.join(spec.PRESETS)}")
    try:
        inputs, targets = (int(part) for part in lengths.split(","))
    except ValueError as err:
        raise PlanError(
            f"lengths is {lengths!r}; expected INPUTS,TARGETS in tokens, such as 768,256"
        ) from err
    if inputs + targets < 1 or batch_tokens % (inputs + targets):
        raise PlanError(
            f"batch tokens is {batch_tokens}, but a row has {inputs} + {targets}; give a multiple of "
            f"{inputs + targets}, or other lengths"
        )
    fields = {
        "name": "plan",
        "seed": 0,
        # What is trained on does not matter to the step.
        "pretraining": {"objective": "prefix_lm"},
        "heldout": {"nli": ["rte"]},
        "lengths": {"inputs": inputs, "targets": targets},
        "packing": {"batch_rows": batch_tokens // (inputs + targets)},
        "tokenizer": {},
        "model": {"preset": preset, "dtype": "bfloat16"},
        "train": {"steps": 1},
    }
    try:
        return spec.parse_spec(json.dumps(fields), where="the plan")
    except FlanError as err:
        raise PlanError(str(err)) from err


if __name__ == "__main__":
    run_group(plan, "plan")
