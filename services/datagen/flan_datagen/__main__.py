"""The command line of datagen: serve, check a spec against the data, train a tokenizer."""

import logging
import os
import secrets
import socket
from pathlib import Path

import click
import numpy as np

from flan.v1 import datagen_service_pb2_grpc
from flan_datagen.pool import Pools
from flan_datagen.produce import Replica, SourceMismatchError
from flan_datagen.serve import SERVICE, DatagenServicer
from flan_datagen.sources import open_source
from flan_datagen.window import WindowMaker, check_lengths, heldout_entries, mixture_entries
from flan_shared import tokenizer
from flan_shared.command import listen_options, one_line_faults, run_group, stop_event
from flan_shared.errors import FlanError
from flan_shared.line import connect
from flan_shared.line.connect import check_server
from flan_shared.serving import Server, write_ready_file
from flan_shared.spec import RunSpec, load_spec
from flan_shared.telemetry import event
from flan_shared.tokenizer import Tokenizer

# Not __name__: that is __main__ here, outside of the project's loggers.
_log = logging.getLogger("flan_datagen")

_PATIENCE_S = 15.0
"""How long Redis may take to come up, or up again."""

_TEXT_ROWS = 2000
"""Rows of each dataset that a tokenizer is trained on: enough for its words, and quick."""

_data = click.option(
    "--data",
    envvar="FLAN_DATA",
    default="embedded",
    show_default=True,
    help="`embedded`, or a folder with one subfolder a dataset.",
)
_spec = click.option("--spec", "spec_file", envvar="FLAN_SPEC", required=True, help="Run spec (YAML).")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@_data
@click.option("--redis", "redis_url", envvar="FLAN_REDIS", help="URL of the line; absent: previews only.")
@click.option("--tokenizer", "tokenizer_file", envvar="FLAN_TOKENIZER", help="SentencePiece model file.")
@click.option("--run", envvar="FLAN_RUN", help="Serve this run only; absent: every run found.")
@click.option(
    "--claim-idle-s", default=10.0, show_default=True, help="Take over a ticket without a heartbeat."
)
@listen_options
@one_line_faults("flan_datagen")
def serve(
    data: str,
    redis_url: str | None,
    tokenizer_file: str | None,
    run: str | None,
    claim_idle_s: float,
    listen: str,
    ready_file: str | None,
) -> None:
    """Makes windows for the runs on the line, and serves examples over gRPC."""
    stop = stop_event()
    source = open_source(data)
    pieces = Tokenizer.load(tokenizer_file) if tokenizer_file else None
    pools = Pools(source)
    server = Server(listen)
    server.add(
        datagen_service_pb2_grpc.add_DatagenServiceServicer_to_server, DatagenServicer(pools, pieces), SERVICE
    )
    address = server.start()
    try:
        if redis_url is None:
            server.set_serving(True)
            write_ready_file(ready_file, address)
            stop.wait()
            return
        if pieces is None:
            raise FlanError("--redis needs --tokenizer FILE: windows hold token ids")
        client = connect(redis_url)
        check_server(client, redis_url, patience_s=_PATIENCE_S)

        def make_maker(spec: RunSpec) -> WindowMaker:
            if spec.tokenizer.digest != pieces.digest:
                raise SourceMismatchError(
                    f"run {spec.run_id!r} is pinned to tokenizer {spec.tokenizer.digest}, but {tokenizer_file} has "
                    f"{pieces.digest}; start this replica with the run's tokenizer"
                )
            return WindowMaker(spec, pools, pieces)

        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        replica = Replica(client, make_maker, name=name, run=run, claim_idle_s=claim_idle_s)
        server.set_serving(True)
        write_ready_file(ready_file, address)
        event(_log, "serving", replica=name, address=address, data=source.name)
        replica.serve(stop)
    finally:
        server.stop()


@main.command()
@_data
@_spec
@click.option(
    "--tokenizer", "tokenizer_file", help="SentencePiece model file; with it the lengths are checked."
)
@one_line_faults("flan_datagen")
def check(data: str, spec_file: str, tokenizer_file: str | None) -> None:
    """Checks a run spec against the catalog, and that the data can be read."""
    spec = load_spec(spec_file)
    if tokenizer_file is not None:
        check_lengths(spec, mixture_entries(spec), Tokenizer.load(tokenizer_file))
    pools = Pools(open_source(data))
    for entry in mixture_entries(spec):
        pools.train(entry, seed=spec.seed, cap=spec.mixture.cap)
    for entry in heldout_entries(spec):
        pools.test(entry)


@main.command("tokenizer")
@_data
@_spec
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Model file to write."
)
@click.option("--vocab-size", type=int, help="Pieces; absent: the spec's tokenizer.vocab_size.")
@one_line_faults("flan_datagen")
def train_tokenizer(data: str, spec_file: str, out: Path, vocab_size: int | None) -> None:
    """Trains a tokenizer on the mixture's training pools: never on a held-out cluster."""
    spec = load_spec(spec_file)
    pools = Pools(open_source(data))
    texts: list[str] = []
    for entry in mixture_entries(spec):
        pool = pools.train(entry, seed=spec.seed, cap=spec.mixture.cap)
        for row in pool.take(np.arange(min(len(pool), _TEXT_ROWS))):
            texts += [row[name] for name in (*entry.fields, "answer") if row[name]]
            texts += row["options"] or []
        texts += [part for template in entry.templates for part in (template.inputs, template.targets)]
    model = tokenizer.train(texts, vocab_size or spec.tokenizer.vocab_size)
    check_lengths(spec, mixture_entries(spec), model)
    temporary = out.with_name(f"{out.name}.{os.getpid()}")
    try:
        temporary.write_bytes(model.model)
        temporary.replace(out)
    except OSError as err:
        raise FlanError(f"--out {out} cannot be written: {err.strerror}") from err


if __name__ == "__main__":
    run_group(main, "flan_datagen")
