"""`flan tokenizer`: make the SentencePiece model that a run is pinned to."""

import tempfile
from pathlib import Path

import click

from flan_cli.rows import Rows, rows_options
from flan_cli.services import run_datagen
from flan_cli.spec import default_spec, read_spec
from flan_cli.stack import Stack
from flan_shared.errors import FlanError
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


@click.group("tokenizer", short_help="Make tokenizers.")
def tokenizer_group() -> None:
    """Make tokenizers: SentencePiece BPE with byte fallback; pad 0, eos 1, unk 2, newline a piece."""


@tokenizer_group.command()
@rows_options
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Model file to write."
)
@click.option("--vocab-size", type=click.IntRange(300), metavar="N", help="Pieces. Absent: as the spec says.")
@click.option(
    "--spec",
    "spec_name",
    metavar="FILE|demo|real",
    help="Whose training rows to train on. Absent: `demo` for the embedded corpus, `real` for a folder.",
)
def train(rows: Rows, out: Path, vocab_size: int | None, spec_name: str | None) -> None:
    """Train a tokenizer on the training rows of a run spec, never on its held-out clusters."""
    if out.is_dir() or not out.parent.is_dir():
        raise FlanError(f"--out {out}: expected the name of a file in a folder that exists")
    pieces = train_tokenizer(read_spec(spec_name or default_spec(rows)), rows, out, vocab_size)
    click.echo(f"{out}: {pieces.vocab_size:,} pieces, digest {pieces.digest}")


def train_tokenizer(spec: RunSpec, rows: Rows, out: Path, vocab_size: int | None = None) -> Tokenizer:
    """Trains on the training rows of `spec` and writes `out`.

    Raises:
      ServiceFailedError: it failed.
      Interrupted: the user asked to stop.
    """
    with tempfile.TemporaryDirectory(prefix="flan-") as folder, Stack(Path(folder)) as stack:
        spec_file = Path(folder) / "spec.json"
        spec_file.write_text(spec.canonical())
        run_datagen(stack, "tokenizer", rows, spec=spec_file, out=out, vocab_size=vocab_size)
    return Tokenizer.load(out)
