"""The command line of the trainer: one process trains one run, and ends when the run is complete."""

import contextlib
import logging
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

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
from flan_trainer.follower import Follower
from flan_trainer.hosts import Hosts, Unpublished, open_hosts
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
    help="Folder of the checkpoints, the same one on all hosts; a run that is found there is continued.",
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
    "--threads",
    type=int,
    envvar="FLAN_THREADS",
    help="CPU threads, on all hosts those of host 0; a continued run keeps its own.",
)
@click.option(
    "--model-parallel",
    type=int,
    envvar="FLAN_MODEL_PARALLEL",
    default=1,
    show_default=True,
    help="Devices over which each copy of the parameters is spread; the rows of a batch go over the rest.",
)
@click.option(
    "--hosts", type=int, envvar="FLAN_HOSTS", default=1, show_default=True, help="Hosts that train together."
)
@click.option(
    "--host", type=int, envvar="FLAN_HOST", default=0, show_default=True, help="Which one this is, from 0."
)
@click.option(
    "--coordinator",
    envvar="FLAN_COORDINATOR",
    help="HOST:PORT at which host 0 waits for the others; free there.",
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
    model_parallel: int,
    hosts: int,
    host: int,
    coordinator: str | None,
    listen: str,
    ready_file: str | None,
) -> None:
    stop = stop_event()
    group = open_hosts(hosts, host, coordinator, stop)
    tokenizer = Tokenizer.load(tokenizer_file)
    spec = load_spec(spec_file).with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    places = _Places(
        evaluator, checkpoints, start, tensorboard or checkpoints / "tensorboard", model_parallel
    )
    client = connect(redis_url)
    check_server(client, redis_url, patience_s=_PATIENCE_S)
    status = Status(None if group.index else client, spec)
    server = Server(listen)
    server.add(
        trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server, TrainerServicer(status), SERVICE
    )
    address = server.start()
    server.set_serving(True)
    write_ready_file(ready_file, address)
    try:
        with group:
            begin = _begin if group.index == 0 else _follow
            link, beginning = begin(client, spec, redis_url, checkpoints, threads, group)
            if beginning.step is None and spec.start.source == "checkpoint" and start is None:
                raise CheckpointError(
                    "start.source of the spec is checkpoint; say which one with --start PATH"
                )
            _train(spec, tokenizer, link, status, places, beginning, stop, group)
    finally:
        server.stop(grace_s=1.0)


@dataclass(frozen=True)
class _Places:
    """Where things come from, lie and go."""

    evaluator: str
    checkpoints: Path
    start: str | None
    tensorboard: Path
    model_parallel: int


@dataclass(frozen=True)
class _Beginning:
    """Where a trainer begins, the same on all its hosts."""

    start: int
    """Of its link."""
    threads: int
    step: int | None
    """Of the checkpoint that it goes on from."""
    cursor: dict[str, Any]


def _begin(
    client: redis.Redis, spec: RunSpec, url: str, checkpoints: Path, threads: int | None, group: Hosts
) -> tuple[Link, _Beginning]:
    """The way of host 0, and of the only one."""
    # The order matters: the claim makes an older trainer of this run stop and give up the lock; only then is its
    # last checkpoint read.
    link = _claim(client, spec, url, group.count)
    lock_folder(checkpoints, waiting=lambda: _keep(link))
    saved = latest_cursor(checkpoints)
    cursor = _cursor(saved, spec, checkpoints)
    count = saved.cursor["threads"] if saved else threads or available_threads()
    beginning = _Beginning(link.attempt.start, count, saved.step if saved else None, cursor.to_json())
    told = group.meet(spec.digest, asdict(beginning), waiting=lambda: _keep(link))
    fix_threads(count)
    group.join(told)
    return link, beginning


def _follow(
    client: redis.Redis, spec: RunSpec, url: str, checkpoints: Path, threads: int | None, group: Hosts
) -> tuple[Follower, _Beginning]:
    """The way of all others, which do as host 0 tells."""
    told = group.meet(spec.digest)
    beginning = _Beginning(**{field.name: told[field.name] for field in fields(_Beginning)})
    link = Follower(client, spec, start=beginning.start, shard=group.index)
    # Else its feed finds the attempt, once Redis answers.
    with contextlib.suppress(*connection_faults, *memory_faults):
        link.claim("start")
    fix_threads(beginning.threads)
    group.join(told)
    return link, beginning


def _claim(client: redis.Redis, spec: RunSpec, url: str, num_shards: int) -> Link:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            link = Link(client, spec, num_shards=num_shards)
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
    link: Link | Follower,
    status: Status,
    places: _Places,
    beginning: _Beginning,
    stop: threading.Event,
    hosts: Hosts,
) -> None:
    # Imported here, because these load jax, and the number of its threads was fixed only now.
    from flan_trainer.board import Board
    from flan_trainer.convert import load_start
    from flan_trainer.engines import open_engine
    from flan_trainer.feed import Feed
    from flan_trainer.loop import Loop, write_result
    from flan_trainer.measures import Measures, peak_flops
    from flan_trainer.plan.predict import Workload
    from flan_trainer.publish import Publisher

    checkpoints, cursor = places.checkpoints, Cursor.from_json(beginning.cursor)
    is_first = hosts.index == 0
    engine = open_engine(spec, model_parallel=places.model_parallel)
    if peak := peak_flops(spec):
        status.measures = Measures(spec, step_flops=Workload(spec).model_flops, peak_flops=peak)
    if beginning.step is None:
        from_checkpoint = spec.start.source == "checkpoint"
        engine.initialise(load_start(str(places.start), spec) if from_checkpoint else None)
    else:
        engine.restore(checkpoints, beginning.step)
    feed = Feed(
        link,
        spec_digest=spec.digest,
        source_digest=cursor.source_digest,
        window=cursor.window,
        batch=cursor.batch,
        shard=hosts.index,
        stop=stop,
    )
    publisher = Unpublished()
    if is_first:
        publisher = Publisher(
            places.evaluator, checkpoints / "outbox", spec, tokenizer.model, confirmed=status.published
        )
    try:
        with Board(places.tensorboard) if is_first else contextlib.nullcontext() as status.board:
            loop = Loop(
                spec,
                engine,
                publisher,
                status,
                folder=checkpoints,
                cursor=cursor,
                threads=beginning.threads,
                hosts=hosts,
            )
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
    if outcome is not None and is_first:
        write_result(checkpoints / "result.json", spec, outcome)


def _tidy(link: Link | Follower) -> None:
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
