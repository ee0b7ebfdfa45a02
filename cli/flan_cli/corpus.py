"""`flan corpus`: the embedded corpus as files, to look at, to change, or to train on elsewhere."""

import tempfile
from pathlib import Path

import click

from flan_cli.services import run_datagen
from flan_cli.stack import Stack


@click.command(short_help="Write the embedded corpus as Parquet files.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or an empty folder."
)
@click.option(
    "--rows",
    "num_rows",
    type=click.IntRange(1),
    metavar="N",
    help="Training rows of every part; other splits in proportion. Absent: as many as --data embedded has.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    metavar="N",
    help="Another seed makes other rows about the same world.",
)
def corpus(out: Path, num_rows: int | None, seed: int) -> None:
    """Write rows of every dataset in its own columns, and plain running text about the same world.

    The folder can be read back with --data DIR.
    """
    with tempfile.TemporaryDirectory(prefix="flan-") as folder, Stack(Path(folder)) as stack:
        run_datagen(stack, "corpus", out=out.absolute(), rows=num_rows, seed=seed)
        click.echo((Path(folder) / "corpus.log").read_text(), nl=False)
