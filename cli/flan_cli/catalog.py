"""`flan catalog`: which datasets there are, and what a run spec mixes of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from flan.v1 import datagen_service_pb2 as pb
from flan.v1 import example_pb2
from flan_cli.datagen import address_option, reached
from flan_cli.rows import Rows, rows_options
from flan_cli.spec import read_spec, set_option
from flan_shared.errors import FlanError

_NO_HUB = "files only"
_COMMERCIAL = {
    pb.COMMERCIAL_USE_ALLOWED: "allowed",
    pb.COMMERCIAL_USE_FORBIDDEN: "forbidden",
    pb.COMMERCIAL_USE_UNKNOWN: "unknown",
}


@click.command(short_help="List datasets, or what a spec mixes.")
@click.option(
    "--mixture", metavar="FILE|demo|real", help="Show what this spec mixes: rows, rates, shares, tokens."
)
@set_option
@click.option("--rows", "count_rows", is_flag=True, help="Read every dataset of the data and count its rows.")
@rows_options
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What --mixture counts tokens with. Absent: one is trained on the spec's training rows.",
)
@address_option
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def catalog(
    mixture: str | None,
    settings: tuple[str, ...],
    count_rows: bool,
    rows: Rows,
    tokenizer: Path | None,
    address: str | None,
    as_json: bool,
) -> None:
    """List the datasets with their clusters, templates, metrics and licences; or show what a run spec mixes."""
    if mixture is None:
        if settings:
            raise FlanError("--set changes a spec; name one with --mixture")
        with reached(address, rows) as datagen:
            request = pb.ListDatasetsRequest(count_rows=count_rows)
            datasets = datagen.call("ListDatasets", request).datasets
        if as_json:
            click.echo(json.dumps([_dataset_json(info) for info in datasets], indent=2, ensure_ascii=False))
        elif count_rows:
            _print_rows(datasets)
        else:
            _print_datasets(datasets)
        return
    spec = read_spec(mixture, settings)
    with reached(address, rows, tokenizer=tokenizer, train_for=spec) as datagen:
        answer = datagen.call("DescribeMixture", pb.DescribeMixtureRequest(spec=spec.canonical()))
    if as_json:
        units = [_unit_json(unit) for unit in answer.units]
        click.echo(json.dumps({"units": units, "unlicensed": list(answer.unlicensed)}, indent=2))
    else:
        _print_mixture(answer)


def _dataset_json(info: pb.DatasetInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "name": info.name,
        "cluster": info.cluster,
        "parts": [part.name for part in info.parts if part.name],
        "answer_kind": _kind(info.answer_kind),
        "metrics": list(info.metrics),
        "licence": info.licence,
        "commercial_use": _COMMERCIAL[info.commercial_use],
        "source": _source(info),
        "available": info.available,
        "sources": [_part_json(part) for part in info.parts],
        "templates": [
            {
                "id": template.id,
                "inputs": template.inputs,
                "targets": template.targets,
                "turned_around": template.turned_around,
                "parts": [name for name in template.parts if name],
            }
            for template in info.templates
        ],
        **({"rows": [_rows_json(rows) for rows in info.rows]} if info.rows else {}),
    }


def _part_json(part: pb.PartInfo) -> dict[str, Any]:
    return {
        "part": part.name,
        "answer_kind": _kind(part.answer_kind),
        "hub": part.hub or None,
        "columns": dict(part.columns),
        "labels": {column: list(labels.names) for column, labels in part.labels.items()},
        "options": list(part.options),
        "splits": {
            "train": list(part.train_splits),
            "dev": list(part.dev_splits),
            "dev_rows": part.dev_rows,
            "test": list(part.test_splits),
            "test_rows": part.test_rows,
        },
    }


def _rows_json(rows: pb.SplitRows) -> dict[str, Any]:
    return {
        "part": rows.part,
        "split": rows.split,
        "source_rows": rows.source_rows,
        "examples": rows.examples,
        "left_out": rows.left_out,
        "defective": rows.defective,
    }


def _unit_json(unit: pb.MixtureUnit) -> dict[str, Any]:
    return {field.name: getattr(unit, field.name) for field in unit.DESCRIPTOR.fields}


def _kind(kind: int) -> str:
    return example_pb2.AnswerKind.Name(kind).removeprefix("ANSWER_KIND_").lower()


def _source(info: pb.DatasetInfo) -> str:
    return "; ".join(dict.fromkeys(part.hub for part in info.parts if part.hub)) or _NO_HUB


def _print_datasets(datasets: Sequence[pb.DatasetInfo]) -> None:
    table = _table("dataset", "cluster", "answer", "metrics")
    table.add_column("templates", justify="right", no_wrap=True)
    for name in ("here", "commercial use"):
        table.add_column(name, no_wrap=True)
    for name in ("parts", "licence"):
        table.add_column(name, overflow="fold")
    for info in datasets:
        turned = sum(template.turned_around for template in info.templates)
        table.add_row(
            info.id,
            info.cluster,
            _kind(info.answer_kind).replace("_", " "),
            ", ".join(info.metrics),
            f"{info.num_templates - turned} + {turned}",
            "yes" if info.available else "no",
            _COMMERCIAL[info.commercial_use],
            ", ".join(part.name for part in info.parts if part.name) or "-",
            info.licence,
        )
    console = _console()
    console.print(table)
    num_templates = sum(info.num_templates for info in datasets)
    console.print(
        f"{len(datasets)} datasets in {len({info.cluster for info in datasets})} clusters, {num_templates} templates "
        "(ordinary + turned around); here: the data has rows of it"
    )


def _print_rows(datasets: Sequence[pb.DatasetInfo]) -> None:
    table = _table("dataset", "part", "split")
    for name in ("source rows", "examples", "left out", "defective"):
        table.add_column(name, justify="right", no_wrap=True)
    for info in datasets:
        for rows in info.rows:
            counts = (rows.source_rows, rows.examples, rows.left_out, rows.defective)
            table.add_row(info.id, rows.part or "-", rows.split, *(f"{count:,}" for count in counts))
    console = _console()
    console.print(table)
    console.print("left out: rows without a label, or that the dataset's protocol excludes")


def _print_mixture(answer: pb.DescribeMixtureResponse) -> None:
    table = _table("dataset", "cluster")
    for name in ("rows", "pool", "rate", "share", "tokens in", "out", "of all", "shortened", "cut"):
        table.add_column(name, justify="right", no_wrap=True)
    for unit in answer.units:
        table.add_row(
            f"{unit.dataset}/{unit.part}" if unit.part else unit.dataset,
            unit.cluster,
            f"{unit.rows:,}",
            f"{unit.pool_rows:,}",
            f"{unit.rate:,}",
            f"{unit.share:.2%}",
            f"{unit.input_tokens:.1f}",
            f"{unit.target_tokens:.1f}",
            f"{unit.token_share:.2%}",
            f"{unit.shortened:.1%}",
            f"{unit.cut:.1%}",
        )
    console = _console()
    console.print(table)
    num_rows, num_pool, rates = (
        sum(getattr(unit, name) for unit in answer.units) for name in ("rows", "pool_rows", "rate")
    )
    examples = sum(unit.examples for unit in answer.units)
    console.print(
        f"{len(answer.units)} units, {num_rows:,} rows, {num_pool:,} after the caps, rates {rates:,} together; "
        f"tokens are means over {examples:,} examples"
    )
    if answer.unlicensed:
        console.print(f"left out for their licence: {', '.join(answer.unlicensed)}")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    # Nothing is cut where the output goes to a file.
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, width=240, color_system=None)
    )
