"""The command line of datagen: serve, check a spec against the data, train a tokenizer, write the corpus."""

import json
import logging
import os
import secrets
import socket
from pathlib import Path

import click
import numpy as np

from flan.v1 import datagen_service_pb2_grpc
from flan_datagen.catalog import load_catalog
from flan_datagen.embedded.corpus import write_corpus
from flan_datagen.page import catalog_page
from flan_datagen.pool import Pools
from flan_datagen.pool_cache import cache_folder
from flan_datagen.pretraining import documents_of, segment_length
from flan_datagen.produce import Replica, SourceMismatchError
from flan_datagen.running_text import sample
from flan_datagen.serve import SERVICE, DatagenServicer
from flan_datagen.sources import open_source
from flan_datagen.units import heldout_entries, mixture_entries, unlicensed_entries
from flan_datagen.window import WindowMaker, check_lengths
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
_TEXT_CHARACTERS = 20_000_000
"""The same of running text."""

_data = click.option(
    "--data",
    envvar="FLAN_DATA",
    default="embedded",
    show_default=True,
    help="`embedded`, `hub`, or a folder with one subfolder a dataset; several, comma between, in order.",
)
_catalog = click.option(
    "--catalog",
    "catalog_folder",
    envvar="FLAN_CATALOG",
    type=click.Path(path_type=Path),
    help="Folder of catalog files with datasets of your own.",
)
_cache = click.option(
    "--cache",
    "cache",
    metavar="DIR|none",
    help="Where chosen rows are kept for the next start. Absent: FLAN_CACHE, else the user's cache folder.",
)
_spec = click.option("--spec", "spec_file", envvar="FLAN_SPEC", required=True, help="Run spec (YAML).")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@_data
@_catalog
@_cache
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
    catalog_folder: Path | None,
    cache: str | None,
    redis_url: str | None,
    tokenizer_file: str | None,
    run: str | None,
    claim_idle_s: float,
    listen: str,
    ready_file: str | None,
) -> None:
    """Makes windows for the runs on the line, and serves examples over gRPC."""
    stop = stop_event()
    pools = _pools(data, catalog_folder, cache)
    pieces = Tokenizer.load(tokenizer_file) if tokenizer_file else None
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
        event(_log, "serving", replica=name, address=address, data=pools.source.name)
        replica.serve(stop)
    finally:
        server.stop()


@main.command()
@_data
@_catalog
@_cache
@_spec
@click.option(
    "--tokenizer", "tokenizer_file", help="SentencePiece model file; with it the lengths are checked."
)
@click.option("--report", type=click.Path(path_type=Path), help="Write what was left out here (JSON).")
@one_line_faults("flan_datagen")
def check(
    data: str,
    catalog_folder: Path | None,
    cache: str | None,
    spec_file: str,
    tokenizer_file: str | None,
    report: Path | None,
) -> None:
    """Checks a run spec against the catalog, and that the data can be read."""
    spec = load_spec(spec_file)
    pools = _pools(data, catalog_folder, cache)
    if spec.pretraining:
        segment_length(spec)
        documents_of(spec, pools)
    entries = [] if spec.pretraining else mixture_entries(spec, pools.catalog)
    if tokenizer_file is not None:
        check_lengths(spec, entries, Tokenizer.load(tokenizer_file))
    for entry in entries:
        pools.train(entry, seed=spec.seed, cap=spec.mixture.cap)
    for entry in heldout_entries(spec, pools.catalog):
        pools.test(entry)
    if report is not None:
        left_out = [entry.id for entry in unlicensed_entries(spec, pools.catalog)]
        report.write_text(json.dumps({"unlicensed": left_out}))


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--rows", "num_rows", type=click.IntRange(1), help="Training rows of each part.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the corpus.")
@one_line_faults("flan_datagen")
def corpus(out: Path, num_rows: int | None, seed: int) -> None:
    """Writes the embedded corpus as Parquet files, and its running text."""
    summary = write_corpus(out, num_rows, seed, load_catalog())
    click.echo(
        f"{out}: {len(summary.datasets)} datasets, {summary.rows:,} rows in {len(summary.files)} files, "
        f"{summary.passages:,} passages of text; {summary.num_bytes / 1e6:.1f} MB"
    )
    for file in summary.files:
        if file.rows < file.asked:
            click.echo(
                f"{file.path} has {file.rows:,} rows, not {file.asked:,}: there are no more different ones"
            )


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Markdown file to write.")
@one_line_faults("flan_datagen")
def page(out: Path) -> None:
    """Writes the page with one rendered example of every template (docs/catalog.md)."""
    out.write_text(catalog_page(Pools(open_source("embedded"))), encoding="utf-8")


@main.command("tokenizer")
@_data
@_catalog
@_cache
@_spec
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Model file to write."
)
@click.option("--vocab-size", type=int, help="Pieces; absent: the spec's tokenizer.vocab_size.")
@one_line_faults("flan_datagen")
def train_tokenizer(
    data: str,
    catalog_folder: Path | None,
    cache: str | None,
    spec_file: str,
    out: Path,
    vocab_size: int | None,
) -> None:
    """Trains a tokenizer on the mixture's training pools, never on a held-out cluster; or on the running text."""
    spec = load_spec(spec_file)
    pools = _pools(data, catalog_folder, cache)
    texts: list[str] = []
    if spec.pretraining:
        texts = sample(documents_of(spec, pools).read(), _TEXT_CHARACTERS)
    entries = [] if spec.pretraining else mixture_entries(spec, pools.catalog)
    for entry in entries:
        pool = pools.train(entry, seed=spec.seed, cap=spec.mixture.cap)
        for row in pool.take(np.arange(min(len(pool), _TEXT_ROWS))):
            texts += [row[name] for name in (*entry.fields, "answer") if row[name]]
            texts += row["options"] or []
        texts += [part for template in entry.templates for part in (template.inputs, template.targets)]
    model = tokenizer.train(texts, vocab_size or spec.tokenizer.vocab_size)
    check_lengths(spec, entries, model)
    temporary = out.with_name(f"{out.name}.{os.getpid()}")
    try:
        temporary.write_bytes(model.model)
        temporary.replace(out)
    except OSError as err:
        raise FlanError(f"--out {out} cannot be written: {err.strerror}") from err


def _pools(data: str, catalog_folder: Path | None, cache: str | None) -> Pools:
    folder = cache_folder(cache)
    return Pools(open_source(data, folder), load_catalog(catalog_folder), cache=folder)


if __name__ == "__main__":
    run_group(main, "flan_datagen")
