"""The command line of the trainer: one process trains one run, and ends when the run is complete."""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import redis

from flan.v1 import trainer_service_pb2_grpc
from flan_shared.command import listen_options, one_line_faults, run_group, stop_event
from flan_shared.errors import CheckpointError, FlanError, LineError, SupersededError
from flan_shared.line import connect, connection_faults, memory_faults
from flan_shared.line.connect import check_server, shown
from flan_shared.serving import Server, write_ready_file
from flan_shared.spec import RunSpec, load_spec
from flan_shared.telemetry import event
from flan_shared.tokenizer import Tokenizer
from flan_trainer.cursor import Cursor
from flan_trainer.engines import SavedCursor, latest_cursor
from flan_trainer.link import Link, LinkLostError
from flan_trainer.lock import lock_folder
from flan_trainer.status import SERVICE, Status, TrainerServicer
from flan_trainer.threads import available_threads, fix_threads

# Not __name__: that is __main__ here, outside of the project's loggers.
_log = logging.getLogger("flan_trainer")

_TIDY_TRIES = 10

_PATIENCE_S = 15.0
"""How long Redis may take to come up, or up again."""


@click.command(help=__doc__)
@click.option("--spec", "spec_file", envvar="FLAN_SPEC", required=True, help="Run spec (YAML).")
@click.option("--redis", "redis_url", envvar="FLAN_REDIS", required=True, help="URL of the line.")
@click.option("--evaluator", envvar="FLAN_EVALUATOR", required=True, help="HOST:PORT that takes checkpoints.")
@click.option(
    "--tokenizer", "tokenizer_file", envvar="FLAN_TOKENIZER", required=True, help="SentencePiece model file."
)
@click.option(
    "--checkpoints",
    envvar="FLAN_CHECKPOINTS",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the checkpoints; a run that is found there is continued.",
)
@click.option(
    "--start",
    envvar="FLAN_START",
    help="Checkpoint to begin with where the spec says start.source: checkpoint, in any form of `flan checkpoint`.",
)
@click.option(
    "--tensorboard",
    envvar="FLAN_TENSORBOARD",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for TensorBoard's event files. Absent: tensorboard/ in the folder of the checkpoints.",
)
@click.option(
    "--threads", type=int, envvar="FLAN_THREADS", help="CPU threads; a continued run keeps its own."
)
@listen_options
@one_line_faults("flan_trainer")
def main(
    spec_file: str,
    redis_url: str,
    evaluator: str,
    tokenizer_file: str,
    checkpoints: Path,
    start: str | None,
    tensorboard: Path | None,
    threads: int | None,
    listen: str,
    ready_file: str | None,
) -> None:
    stop = stop_event()
    tokenizer = Tokenizer.load(tokenizer_file)
    spec = load_spec(spec_file).with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    places = _Places(evaluator, checkpoints, start, tensorboard or checkpoints / "tensorboard")
    client = connect(redis_url)
    check_server(client, redis_url, patience_s=_PATIENCE_S)
    status = Status(client, spec.run_id, spec.train.steps)
    server = Server(listen)
    server.add(
        trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server, TrainerServicer(status), SERVICE
    )
    address = server.start()
    server.set_serving(True)
    write_ready_file(ready_file, address)
    try:
        # The order matters: the claim makes an older trainer of this run stop and give up the lock; only then
        # is its last checkpoint read.
        link = _claim(client, spec, redis_url)
        lock_folder(checkpoints, waiting=lambda: _keep(link))
        saved = latest_cursor(checkpoints)
        cursor = _cursor(saved, spec, checkpoints)
        if saved is None and spec.start.source == "checkpoint" and start is None:
            raise CheckpointError("start.source of the spec is checkpoint; say which one with --start PATH")
        count = saved.cursor["threads"] if saved else threads or available_threads()
        fix_threads(count)
        _train(spec, tokenizer, link, status, places, saved, cursor, count, stop)
    finally:
        server.stop(grace_s=1.0)


@dataclass(frozen=True)
class _Places:
    """Where things come from and go."""

    evaluator: str
    checkpoints: Path
    start: str | None
    tensorboard: Path


def _claim(client: redis.Redis, spec: RunSpec, url: str) -> Link:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            link = Link(client, spec)
            link.claim("start")
            return link
        except (*connection_faults, *memory_faults) as err:
            if time.monotonic() > end:
                raise LineError(f"Redis at {shown(url)} does not take the claim of the run: {err}") from err
            time.sleep(0.2)


def _keep(link: Link) -> None:
    """Claims the run anew where Redis forgot the claim: the trainer before, if it slept, saw nothing of it."""
    try:
        with contextlib.suppress(*connection_faults, *memory_faults):
            link.verify(None, 0)
    except LinkLostError as err:
        with contextlib.suppress(*connection_faults, *memory_faults):
            link.claim(str(err))


def _cursor(saved: SavedCursor | None, spec: RunSpec, checkpoints: Path) -> Cursor:
    if saved is None:
        return Cursor()
    if saved.spec_digest != spec.digest:
        raise CheckpointError(
            f"{checkpoints} holds a run with spec digest {saved.spec_digest}, but this spec has {spec.digest}; "
            "give the spec of that run, or another folder"
        )
    return Cursor.from_json(saved.cursor)


def _train(
    spec: RunSpec,
    tokenizer: Tokenizer,
    link: Link,
    status: Status,
    places: _Places,
    saved: SavedCursor | None,
    cursor: Cursor,
    threads: int,
    stop: threading.Event,
) -> None:
    # Imported here, because these load jax, and the number of its threads was fixed only now.
    from flan_trainer.board import Board
    from flan_trainer.convert import load_start
    from flan_trainer.engines import open_engine
    from flan_trainer.feed import Feed
    from flan_trainer.loop import Loop, write_result
    from flan_trainer.publish import Publisher

    checkpoints = places.checkpoints
    engine = open_engine(spec)
    if saved is None:
        from_checkpoint = spec.start.source == "checkpoint"
        engine.initialise(load_start(str(places.start), spec) if from_checkpoint else None)
    else:
        engine.restore(checkpoints, saved.step)
    feed = Feed(
        link,
        spec_digest=spec.digest,
        source_digest=cursor.source_digest,
        window=cursor.window,
        batch=cursor.batch,
        stop=stop,
    )
    publisher = Publisher(
        places.evaluator, checkpoints / "outbox", spec, tokenizer.model, confirmed=status.published
    )
    try:
        with Board(places.tensorboard) as board:
            status.board = board
            loop = Loop(spec, engine, publisher, status, folder=checkpoints, cursor=cursor, threads=threads)
            outcome = loop.run(feed, stopping=stop.is_set)
    except SupersededError:
        # The newer trainer removes this one's keys.
        raise
    except FlanError:
        _tidy(link)
        raise
    finally:
        publisher.close()
    _tidy(link)
    if outcome is not None:
        write_result(checkpoints / "result.json", spec, outcome)


def _tidy(link: Link) -> None:
    """Removes this attempt's keys; a Redis that is away may come back with them, so it is given a while."""
    for _ in range(_TIDY_TRIES):
        try:
            link.close()
            return
        except redis.RedisError as err:
            event(_log, "keys could not be removed", level=logging.WARNING, cause=err)
            time.sleep(1)


if __name__ == "__main__":
    run_group(main, "flan_trainer")
