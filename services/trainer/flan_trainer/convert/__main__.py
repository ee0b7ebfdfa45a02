"""Converts checkpoints; the `flan checkpoint` command runs it: `python -m flan_trainer.convert`."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flan_shared.command import one_line_faults, run_group
from flan_shared.spec import load_spec
from flan_shared.tokenizer import Tokenizer
from flan_trainer.convert.source import Source
from flan_trainer.convert.start import described_by, read_checkpoint, with_tokenizer
from flan_trainer.convert.write import write_checkpoint


@click.group(help=__doc__)
def main() -> None:
    pass


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What all commands take; see `flan_cli.checkpoint` for what they mean."""
    for option in (
        click.option(
            "--report", type=click.Path(path_type=Path), help="Written with what was read, as JSON."
        ),
        click.option("--tokenizer", "tokenizer_file", type=click.Path(path_type=Path)),
        click.option("--spec", "spec_file", type=click.Path(path_type=Path)),
        click.argument("folder"),
    ):
        function = option(function)
    return function


@main.command("import")
@_options
@click.option("--out", required=True, type=click.Path(path_type=Path))
@one_line_faults("flan_trainer")
def import_command(out: Path, **options: Any) -> None:
    """Reads any form and writes the project's own."""
    source = _read(**options)
    write_checkpoint(source, "flan", out)
    _report(source, options["report"])


@main.command("export")
@_options
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Choice(["hf", "t5x"]))
@click.option("--step", type=click.IntRange(0))
@one_line_faults("flan_trainer")
def export_command(out: Path, to: str, step: int | None, **options: Any) -> None:
    """Reads any form and writes one for elsewhere."""
    source = _read(**options)
    if to == "hf" and not source.activations_known:
        names = ", ".join(source.model.mlp_activations)
        note = (
            f"mlp_activations are taken to be {names}, as in T5: the folder does not tell; --spec FILE does"
        )
        source = dataclasses.replace(source, notes=(*source.notes, note))
    write_checkpoint(source, to, out, step=step)
    _report(source, options["report"])


@main.command("show")
@_options
@click.option("--tokenizer-out", type=click.Path(path_type=Path), help="Gets the tokenizer, if there is one.")
@one_line_faults("flan_trainer")
def show_command(tokenizer_out: Path | None, **options: Any) -> None:
    """Reads any form."""
    source = _read(**options)
    if tokenizer_out is not None and source.tokenizer is not None:
        tokenizer_out.write_bytes(source.tokenizer)
    _report(source, options["report"])


def _read(folder: str, spec_file: Path | None, tokenizer_file: Path | None, report: Path | None) -> Source:
    source = read_checkpoint(folder)
    if spec_file is not None:
        source = described_by(source, load_spec(spec_file))
    if tokenizer_file is not None:
        source = with_tokenizer(source, Tokenizer.load(tokenizer_file))
    return source


def _report(source: Source, report: Path | None) -> None:
    content = {
        "form": source.form,
        "model": source.model.model_dump(mode="json"),
        "activations_known": source.activations_known,
        "num_parameters": source.num_parameters,
        "prompt_length": source.prompt_length,
        "parameters_digest": source.digest,
        "tokenizer_digest": source.tokenizer and hashlib.sha256(source.tokenizer).hexdigest(),
        "extra_ids": source.extra_ids,
        "step": source.step,
        "notes": list(source.notes),
    }
    text = json.dumps(content)
    if report is None:
        click.echo(text)
    else:
        report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_group(main, "flan_trainer")
