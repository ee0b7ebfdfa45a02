"""How fast batches come through the line, beside bare Redis: `python -m bench.line`.

A producer process, a server and this process as consumer, for both sides alike; rounds in turn, medians of ratios.

    vs_bare_redis        MB/s of a replica that replays prepared windows to a feed / of a pipelined XADD / XREAD loop
                         (hiredis) with the same payloads
    tokens_per_s         non-padding tokens that a consumer receives that does nothing with them
    trainer_wait_share   of the demo's steps from the second window on, waited for data; a replica makes windows beside
    bytes_per_token      on the wire, non-padding tokens
    memory_over_formula  peak of Redis' memory / (ahead + writing replicas) windows and the batches of one read
"""

import argparse
import dataclasses
import json
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import redis

from bench.datagen import commit, open_maker
from flan_cli.redis_server import redis_service
from flan_cli.stack import Stack
from flan_datagen.produce import Replica
from flan_datagen.window import InHand, Window
from flan_shared.line import connect, encode_batch
from flan_shared.line.keys import BATCHES_A_READ
from flan_shared.spec import RunSpec, parse_spec
from flan_trainer.feed import Feed
from flan_trainer.link import Link

_ROOT = Path(__file__).parents[1]
_SPECS = files("flan_cli") / "specs"
_AHEAD = 4
_STREAM = "bench:bare"
_FLAN = {
    "lengths.inputs": "1024",
    "lengths.targets": "256",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--spec", default=str(_SPECS / "demo.yaml"))
    parser.add_argument("--rounds", type=int, default=7, help="of each side, after a warm-up")
    parser.add_argument("--windows", type=int, default=200, help="a round")
    parser.add_argument("--window", type=int, default=4096, help="draws of a window")
    parser.add_argument("--batch-rows", type=int, default=32, help="32 rows of FLAN's lengths are 73 kB")
    parser.add_argument("--steps", type=int, default=40, help="of the demo's model")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="only the JSON, or to a file as well"
    )
    parser.add_argument("--produce", nargs=2, metavar=("KIND", "URL"), help=argparse.SUPPRESS)
    parser.add_argument("--prepared", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.produce:
        _PRODUCERS[arguments.produce[0]](arguments.produce[1], arguments)
        return
    with tempfile.TemporaryDirectory(prefix="flan-") as folder, _server(Path(folder)) as url:
        arguments.prepared = Path(folder) / "prepared"
        prepared = _prepare(arguments)
        rounds = [_round(url, prepared, arguments) for _ in range(arguments.rounds + 1)][1:]
        result = {
            "parameters": {
                "data": arguments.data,
                "spec": prepared.spec.run_id,
                "windows": arguments.windows,
                "rounds": arguments.rounds,
                "payload_bytes": int(statistics.median(size for sizes in prepared.sizes for size in sizes)),
                "window_bytes": int(statistics.median(map(sum, prepared.sizes))),
            },
            "vs_bare_redis": statistics.median(each.line / each.bare for each in rounds),
            "vs_bare_redis_spread": _spread([each.line / each.bare for each in rounds]),
            "megabytes_per_s": statistics.median(each.line / 1e6 for each in rounds),
            "bare_megabytes_per_s": statistics.median(each.bare / 1e6 for each in rounds),
            "tokens_per_s": statistics.median(each.tokens for each in rounds),
            "bytes_per_token": sum(map(sum, prepared.sizes)) / sum(w.num_tokens for w in prepared.windows),
            "memory_over_formula": _memory(url, prepared, arguments),
            "trainer_wait_share": _wait_share(url, arguments) if arguments.steps else None,
            "machine": f"{platform.machine()} {platform.system()}, {len(os.sched_getaffinity(0))} cores",
            "versions": {name: metadata.version(name) for name in ("redis", "hiredis", "protobuf", "numpy")},
            "commit": commit(),
        }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json not in (None, "-"):
        Path(arguments.json).write_text(text + "\n")


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """Windows to replay, and the bytes of their batches."""

    spec: RunSpec
    source_digest: str
    windows: list[Window]
    sizes: list[list[int]]


@dataclasses.dataclass(frozen=True)
class _Round:
    """Bytes/s of the line and of bare Redis, and the line's tokens/s."""

    line: float
    bare: float
    tokens: float


def _prepare(arguments: argparse.Namespace) -> _Prepared:
    spec_file = arguments.prepared.with_suffix(".yaml")
    sizes = {"packing.window": str(arguments.window), "packing.batch_rows": str(arguments.batch_rows)}
    spec_file.write_text(parse_spec(Path(arguments.spec).read_text(), overrides=_FLAN | sizes).canonical())
    spec, maker, _ = open_maker(arguments.data, str(spec_file))
    windows = [maker.make(window) for window in range(8)]
    sizes = [[len(encode_batch(batch)) for batch in window.shards[0]] for window in windows]
    prepared = _Prepared(spec, maker.source_digest, windows, sizes)
    arguments.prepared.write_bytes(pickle.dumps(prepared))
    return prepared


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with redis_service(folder) as (service, url), Stack(folder / "logs") as stack:
        stack.start(service)
        yield url


@contextmanager
def _producer(kind: str, url: str, arguments: argparse.Namespace) -> Iterator[subprocess.Popen]:
    command = [
        sys.executable,
        "-m",
        "bench.line",
        "--produce",
        kind,
        url,
        "--prepared",
        str(arguments.prepared),
    ]
    command += ["--windows", str(arguments.windows), "--data", arguments.data, "--spec", arguments.spec]
    with subprocess.Popen(command, cwd=_ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def _round(url: str, prepared: _Prepared, arguments: argparse.Namespace) -> _Round:
    num_windows = arguments.windows
    num_bytes = sum(sum(prepared.sizes[window % len(prepared.sizes)]) for window in range(1, num_windows))
    num_tokens = sum(prepared.windows[w % len(prepared.windows)].num_tokens for w in range(1, num_windows))
    line_s, bare_s = _time_line(url, prepared, arguments), _time_bare(url, prepared, arguments)
    return _Round(num_bytes / line_s, num_bytes / bare_s, num_tokens / line_s)


def _time_line(url: str, prepared: _Prepared, arguments: argparse.Namespace) -> float:
    """Seconds from the end of the first window to that of the last one."""
    client = connect(url)
    client.flushall()
    link, feed = _open_feed(client, prepared.spec, "")
    with _producer("line", url, arguments):
        for batch in feed:
            if batch.end and batch.window == 0:
                began = time.perf_counter()
            if batch.end and batch.window == arguments.windows - 1:
                break
        seconds = time.perf_counter() - began
    link.close()
    return seconds


def _open_feed(client: redis.Redis, spec: RunSpec, source_digest: str) -> tuple[Link, Feed]:
    link = Link(client, spec)
    link.claim("bench")
    feed = Feed(link, spec_digest=spec.digest, source_digest=source_digest, window=0, batch=1, ahead=_AHEAD)
    return link, feed


def _time_bare(url: str, prepared: _Prepared, arguments: argparse.Namespace) -> float:
    """The same for a stream that is written in pipelines of a window, read and trimmed."""
    client = connect(url)
    client.flushall()
    counts = [len(prepared.sizes[w % len(prepared.sizes)]) for w in range(arguments.windows)]
    first, total, taken, last = counts[0], sum(counts), 0, b"0-0"
    with _producer("bare", url, arguments):
        while taken < total:
            pipe = client.pipeline(transaction=False)
            pipe.xread({_STREAM: last}, count=BATCHES_A_READ)
            pipe.xtrim(_STREAM, minid=last, approximate=False)
            answer = pipe.execute()[0]
            while not answer:
                answer = client.xread({_STREAM: last}, count=BATCHES_A_READ, block=1000)
            entries = answer[0][1]
            if taken < first <= taken + len(entries):
                began = time.perf_counter()
            taken, last = taken + len(entries), entries[-1][0]
        return time.perf_counter() - began


class _Replay:
    """In a maker's place: windows made before, under the number that is asked for."""

    def __init__(self, prepared: _Prepared) -> None:
        self.spec, self.source_digest, self.in_hand = prepared.spec, prepared.source_digest, InHand()
        self._windows = prepared.windows

    def make(self, window: int, num_shards: int = 1) -> Window:
        whole = self._windows[window % len(self._windows)]
        batches = tuple(dataclasses.replace(batch, window=window) for batch in whole.shards[0])
        return dataclasses.replace(whole, shards=(batches,))


def _produce_line(url: str, arguments: argparse.Namespace) -> None:
    prepared = pickle.loads(arguments.prepared.read_bytes())
    replica = Replica(connect(url), lambda _: _Replay(prepared), name="replay", run=prepared.spec.run_id)
    replica.serve(threading.Event())


def _produce_bare(url: str, arguments: argparse.Namespace) -> None:
    prepared = pickle.loads(arguments.prepared.read_bytes())
    client = connect(url)
    payloads = [[os.urandom(size) for size in sizes] for sizes in prepared.sizes]
    limit = _AHEAD * max(map(len, payloads))
    for window in range(arguments.windows):
        pipe = client.pipeline(transaction=False)
        for payload in payloads[window % len(payloads)]:
            pipe.xadd(_STREAM, {"batch": payload})
        pipe.xlen(_STREAM)
        waiting = pipe.execute()[-1]
        while waiting > limit:
            waiting = client.xlen(_STREAM)


def _produce_windows(url: str, arguments: argparse.Namespace) -> None:
    """A replica as it is; the spec and its tokenizer as of `_wait_share`."""
    spec, maker, _ = open_maker(arguments.data, arguments.spec)
    Replica(connect(url), lambda _: maker, name="bench", run=spec.run_id).serve(threading.Event())


_PRODUCERS = {"line": _produce_line, "bare": _produce_bare, "windows": _produce_windows}


def _memory(url: str, prepared: _Prepared, arguments: argparse.Namespace) -> float:
    """Peak of the server's memory over what docs/design.md, section 5, says, while windows go through."""
    client = connect(url)
    client.flushall()
    before = client.info("memory")["used_memory"]
    client.config_resetstat()
    link, feed = _open_feed(client, prepared.spec, prepared.source_digest)
    with _producer("line", url, arguments):
        for batch in feed:
            if batch.window == arguments.windows // 2:
                break
        peak = client.info("memory")["used_memory_peak"] - before
    link.close()
    window = max(map(sum, prepared.sizes))
    return peak / ((_AHEAD + 1) * window + BATCHES_A_READ * max(map(max, prepared.sizes)))


def _wait_share(url: str, arguments: argparse.Namespace) -> float:
    """Waited / elapsed of real steps, from the first batch of the second window on."""
    from flan_trainer.engines import open_engine
    from flan_trainer.expand import features_of
    from flan_trainer.prefetch import Prefetch

    client = connect(url)
    client.flushall()
    spec, _, _ = open_maker(arguments.data, arguments.spec)
    engine = open_engine(spec)
    engine.initialise()
    link, feed = _open_feed(client, spec, "")
    with _producer("windows", url, arguments):
        ahead = Prefetch(feed, lambda batch: (batch, features_of(batch, spec)))
        began, waited, steps = 0.0, 0.0, 0
        for batch, features in ahead:
            if not began and batch.window == 1:
                began, waited = time.perf_counter(), ahead.wait_s
            float(engine.train_step(features).loss)
            steps += bool(began)
            if steps == arguments.steps:
                break
        share = (ahead.wait_s - waited) / (time.perf_counter() - began)
        feed.stop()
        ahead.close()
    link.close()
    return share


def _spread(values: list[float]) -> list[float]:
    return [min(values), max(values)]


if __name__ == "__main__":
    main()
