"""Which spec a command means, and `flan spec`: look at run specs without running them."""

import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click
import yaml

from flan_cli.rows import EMBEDDED, Rows
from flan_cli.services import run_datagen
from flan_cli.stack import Stack
from flan_shared.errors import SpecError
from flan_shared.spec import RunSpec, load_spec, parse_spec

PACKAGED = ("demo", "real", "pretrain")

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the spec, such as --set train.steps=40; may be repeated.",
)


def default_spec(rows: Rows) -> str:
    """The packaged spec that fits `--data`."""
    return "demo" if rows.data == EMBEDDED else "real"


def read_spec(name: str, settings: Sequence[str] = ()) -> RunSpec:
    """A packaged spec by name, or one from a file.

    Args:
      name: `demo`, `real` or a path.
      settings: FIELD=VALUE each.

    Raises:
      SpecError: it cannot be read, or is wrong; or a setting is not of that form.
    """
    overrides = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or not field:
            raise SpecError(f"--set {setting!r}: expected FIELD=VALUE, such as --set train.steps=40")
        overrides[field.strip()] = value
    if name in PACKAGED:
        text = (files("flan_cli") / "specs" / f"{name}.yaml").read_text(encoding="utf-8")
        return parse_spec(text, where=f"the packaged spec {name!r}", overrides=overrides)
    if not Path(name).exists():
        raise SpecError(f"there is no spec {name!r}; expected a file, or one of {', '.join(PACKAGED)}")
    return load_spec(name, overrides)


def summary(spec: RunSpec) -> str:
    """What a run does, in a line."""
    heldout = "; ".join(f"{name} ({', '.join(names)})" for name, names in spec.heldout.items())
    what = f"{len(spec.trained_datasets)} datasets of {len(spec.mixture.datasets)} clusters"
    if spec.pretraining:
        what = f"running text by {spec.pretraining.objective.replace('_', ' ')}"
    return f"trains on {what} for {spec.train.steps:,} steps, holds out {heldout}"


@click.group("spec")
def spec_group() -> None:
    """Look at run specs, the documents that determine runs."""


@spec_group.command()
@click.argument("spec", metavar="FILE|demo|real")
@set_option
@click.option(
    "--data",
    envvar="FLAN_DATA",
    show_envvar=True,
    metavar="embedded|hub|DIR[,…]",
    help="Also look every dataset up in the catalog and in this data.",
)
@click.option(
    "--catalog",
    envvar="FLAN_CATALOG",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of *.yaml files with datasets of your own, for --data.",
)
def validate(spec: str, settings: tuple[str, ...], data: str | None, catalog: Path | None) -> None:
    """Check a run spec; faults are named with their fields.

    Without --data only the document itself is checked.
    """
    checked = read_spec(spec, settings)
    if data is not None:
        with tempfile.TemporaryDirectory(prefix="flan-") as folder, Stack(Path(folder)) as stack:
            path = Path(folder) / "spec.json"
            path.write_text(checked.canonical())
            run_datagen(stack, "check", Rows(data, catalog), spec=path)
    click.echo(f"{spec} is valid: run {checked.run_id} {summary(checked)}")


@spec_group.command(short_help="Print a run spec with every field.")
@click.argument("spec", metavar="[FILE|demo|real]", default="demo")
@set_option
def show(spec: str, settings: tuple[str, ...]) -> None:
    """Print a run spec with every field, defaults included, as YAML that can be used as a spec."""
    shown = read_spec(spec, settings)
    text = yaml.safe_dump(
        shown.model_dump(mode="json"), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    click.echo(f"# run {shown.run_id}\n{text}", nl=False)
