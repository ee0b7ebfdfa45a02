"""A run's rows and templates in a folder, for a pipeline that has none of the project's packages.

    job.json          lengths, rows a batch, and the tasks: name, mixing rate, templates
    NAME.jsonl        a task's rows: a text for every field that its templates use
    tokenizer.model   SentencePiece

A task is a dataset of the mixture, or those of its rows that have the same templates to choose from.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from flan_datagen.catalog import Template
from flan_datagen.catalog.template import ANSWER, OPTIONS
from flan_datagen.face import Faces
from flan_datagen.pool import Pool, Pools
from flan_datagen.units import Unit, mixture_units
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


def write_job(folder: Path, spec: RunSpec, pools: Pools, tokenizer: Tokenizer) -> None:
    """Writes the job of a run without exemplars and with OPTIONS in the dataset's order.

    Raises:
      SystemExit: another policy of templates, which no peer knows.
    """
    tasks = []
    for unit in mixture_units(spec, pools):
        if unit.policy.num_shots or unit.policy.options == "shuffled":
            raise SystemExit(
                f"templates of {unit.name} has num_shots {unit.policy.num_shots} and options "
                f"{unit.policy.options!r}; a peer can be held against 0 and any but 'shuffled'"
            )
        pool = pools.train(unit.entry, seed=spec.seed, cap=spec.mixture.cap, part=unit.part)
        rate = min(len(pool), spec.mixture.rate_maximum) / len(pool)
        for rows, templates in _by_templates(unit, pool):
            name = f"task{len(tasks)}"
            _columns(pool, rows, templates).write_ndjson(folder / f"{name}.jsonl")
            sides = [{"inputs": t.input_parts, "targets": t.target_parts} for t in templates]
            tasks.append({"name": name, "rate": rate * len(rows), "templates": sides})
    lengths = {"inputs": spec.lengths.inputs, "targets": spec.lengths.targets}
    job = {"lengths": lengths, "batch_rows": spec.packing.batch_rows, "tasks": tasks}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "tokenizer.model").write_bytes(tokenizer.model)


def _by_templates(unit: Unit, pool: Pool) -> Iterator[tuple[np.ndarray, list[Template]]]:
    """Sound rows that have the same templates to choose from, int64[n], and these."""
    faces = Faces.of(pool, unit.policy)
    sound = np.flatnonzero(~pool.defective)
    kinds = np.stack([faces.first, faces.count], axis=1)[sound]
    found, kind = np.unique(kinds, axis=0, return_inverse=True)
    for number, (first, count) in enumerate(found):
        yield (
            sound[kind.reshape(-1) == number],
            [faces.all[face].template for face in faces.numbers[first : first + count]],
        )


def _columns(pool: Pool, rows: np.ndarray, templates: list[Template]) -> pl.DataFrame:
    used = {name for t in templates for name in (*t.input_fields, *t.target_fields)}
    return pool.frame[rows].select(
        *(pl.col(name).fill_null("") for name in (*pool.entry.fields, ANSWER) if name in used),
        # As `options_block` writes it.
        *(
            [(pl.lit("OPTIONS:\n- ") + pl.col("options").list.join("\n- ")).alias(OPTIONS)]
            * (OPTIONS in used)
        ),
    )
