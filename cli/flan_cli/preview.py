"""`flan preview`: read what the model will read, before any compute is spent on it."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import grpc

from flan.v1 import datagen_service_pb2 as pb
from flan.v1 import example_pb2
from flan.v1.datagen_service_pb2_grpc import DatagenServiceStub
from flan_cli.example_view import example_json, print_example, print_row, stdout
from flan_cli.services import datagen
from flan_cli.spec import data_option, default_spec, read_spec
from flan_cli.stack import Stack
from flan_cli.tokenizer import train_tokenizer
from flan_shared.errors import FlanError, ServiceError
from flan_shared.spec import Lengths, RunSpec

_TIMEOUT_S = 300.0
_SPLITS = {
    "train": example_pb2.SPLIT_TRAIN,
    "dev": example_pb2.SPLIT_DEV,
    "test": example_pb2.SPLIT_TEST,
}
_MENDABLE = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


@click.command(short_help="Read examples as the model will.")
@click.argument("dataset")
@click.option(
    "-n",
    "num_rows",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Rows, a seeded sample.",
)
@click.option(
    "--template",
    type=click.IntRange(0),
    metavar="N",
    help="Only this template, from 0. Absent: each row draws one.",
)
@click.option("--split", type=click.Choice(list(_SPLITS)), default="train", show_default=True)
@click.option(
    "--shots",
    default=0,
    show_default=True,
    type=click.IntRange(0, 16),
    metavar="N",
    help="Exemplars before each.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**32 - 1),
    metavar="N",
    help="Of all draws.",
)
@click.option("--packed", is_flag=True, help="Show how the examples share rows.")
@data_option
@click.option(
    "--spec",
    "spec_name",
    metavar="FILE|demo|real",
    help="Whose lengths --packed uses. Absent: `demo` for the embedded corpus, `real` for a folder.",
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What --packed counts tokens with. Absent: one is trained on the spec's training rows.",
)
@click.option(
    "--datagen",
    "address",
    envvar="FLAN_DATAGEN",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Ask this datagen. Absent: one is started.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def preview(
    dataset: str,
    num_rows: int,
    template: int | None,
    split: str,
    shots: int,
    seed: int,
    packed: bool,
    data: str,
    spec_name: str | None,
    tokenizer: Path | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Show rendered examples of DATASET: inputs, targets, options, references and the source row."""
    spec = read_spec(spec_name or default_spec(data))
    request = pb.StreamExamplesRequest(
        datasets=[dataset],
        split=_SPLITS[split],
        num_rows=num_rows,
        template=template,
        # Evaluation never asks the other way round; training may.
        turned_around=split == "train",
        seed=seed,
        num_shots=shots,
        pack=packed,
        lengths=pb.RowLengths(inputs=spec.lengths.inputs, targets=spec.lengths.targets) if packed else None,
    )
    with _datagen(address, data, spec, tokenizer, needs_tokenizer=packed) as (stack, reached):
        examples = _stream(stack, reached, request)
    if not examples:
        raise FlanError(f"dataset {dataset!r} has no rows in split {split!r} of {data}")
    if as_json:
        for example in examples:
            click.echo(json.dumps(example_json(example), ensure_ascii=False))
    elif packed:
        _print_packed(examples, spec.lengths)
    else:
        console = stdout()
        for number, example in enumerate(examples, start=1):
            print_example(console, number, example)


@contextlib.contextmanager
def _datagen(
    address: str | None, data: str, spec: RunSpec, tokenizer: Path | None, *, needs_tokenizer: bool
) -> Iterator[tuple[Stack, str]]:
    """A datagen to ask: the given one, or one that is started and stopped here."""
    with tempfile.TemporaryDirectory(prefix="flan-") as name:
        folder = Path(name)
        if address is None and needs_tokenizer and tokenizer is None:
            click.echo("training a tokenizer to count tokens with; --tokenizer FILE uses yours", err=True)
            tokenizer = folder / "tokenizer.model"
            train_tokenizer(spec, data, tokenizer)
        with Stack(folder / "logs") as stack:
            if address is None:
                service = datagen("datagen", folder, data=data, tokenizer=tokenizer)
                address = str(stack.start(service).address)
            yield stack, address


def _stream(stack: Stack, address: str, request: pb.StreamExamplesRequest) -> list[example_pb2.Example]:
    with grpc.insecure_channel(address) as channel:
        call = DatagenServiceStub(channel).StreamExamples(request, timeout=_TIMEOUT_S)
        try:
            with stack.cancelling(call.cancel):
                return [response.example for response in call]
        except grpc.RpcError as err:
            stack.check_interrupt()
            if err.code() in _MENDABLE:
                raise FlanError(err.details()) from err
            if err.code() == grpc.StatusCode.UNAVAILABLE:
                raise FlanError(f"no datagen answers at {address}: {err.details()}") from err
            raise ServiceError(f"datagen at {address} failed: {err.code().name} {err.details()}") from err


def _print_packed(examples: list[example_pb2.Example], lengths: Lengths) -> None:
    rows: dict[int, list[example_pb2.Example]] = {}
    for example in examples:
        rows.setdefault(example.placement.row, []).append(example)
    console = stdout()
    for row in sorted(rows):
        print_row(console, row, rows[row], lengths)
    console.print(
        f"{len(examples)} examples in {len(rows)} {'row' if len(rows) == 1 else 'rows'} of "
        f"{lengths.inputs} input and {lengths.targets} target tokens"
    )
