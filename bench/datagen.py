"""How fast replicas make windows, beside bare SentencePiece over the same strings: `python -m bench.datagen`.

A window goes all the way: draws, texts, ids, rows, bytes, and XADD to a Redis of its own. All ratios are of one run,
medians of several windows, both sides in turn: machines differ.

    vs_sentencepiece   seconds of one batched `SentencePieceProcessor.encode` of the window's strings / of the window
    vs_seqio           examples/s of a replica on every core / of a seqio pipeline, which uses all of them, too
                       (bench/seqio_peer.py); null without `EXTRAS=peers`
    one_vs_seqio       the same for one replica alone, which uses little more than one core
    rows_over_bound    packed rows / max(inputs / budget, targets / budget)
    rows_over_least    packed rows / a closer bound: examples with no room beside them have a row to themselves
    bytes_per_token    on the wire, non-padding tokens
    replicas_2_over_1  examples/s of two replicas / of one, every replica on a core of its own
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np
import redis

from bench.peer_job import write_job
from flan_cli.redis_server import redis_service
from flan_cli.stack import Stack
from flan_datagen.packing import least_rows, lower_bound
from flan_datagen.pool import Pools
from flan_datagen.room import row_budget
from flan_datagen.sources import open_source
from flan_datagen.units import mixture_entries
from flan_datagen.window import Window, WindowMaker
from flan_shared.line import connect, encode_batch
from flan_shared.spec import RunSpec, load_spec
from flan_shared.tokenizer import Tokenizer, train

_ROOT = Path(__file__).parents[1]
_WARM_UP = 3
_START = "bench:start"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--spec", default=str(files("flan_cli") / "specs" / "real.yaml"))
    parser.add_argument("--windows", type=int, default=12, help="measured after a warm-up")
    parser.add_argument("--peer-s", type=float, default=20, help="seconds measured of seqio; 0: without it")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="only the JSON, or to a file as well"
    )
    parser.add_argument("--replica", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    spec, maker, tokenizer = open_maker(arguments.data, arguments.spec)
    if arguments.replica:
        _replicate(arguments.replica, maker, arguments.windows)
        return
    with _redis() as url:
        client = connect(url)
        measured = [
            _measure(maker, tokenizer, client, window) for window in range(_WARM_UP + arguments.windows)
        ]
        measured = measured[_WARM_UP:]
        cores = sorted(os.sched_getaffinity(0))
        by_replicas = {
            count: _replicas(url, cores[:count], arguments) for count in {1, min(2, len(cores)), len(cores)}
        }
    seconds, bare, windows = ([each[i] for each in measured] for i in range(3))
    examples_per_s = statistics.median(w.num_examples / s for w, s in zip(windows, seconds, strict=True))
    seqio = _seqio(spec, tokenizer, arguments)
    result = {
        "parameters": {"data": arguments.data, "spec": spec.run_id, "windows": arguments.windows},
        "vs_sentencepiece": statistics.median(b / s for s, b in zip(seconds, bare, strict=True)),
        "vs_sentencepiece_spread": _spread(b / s for s, b in zip(seconds, bare, strict=True)),
        "vs_seqio": seqio and by_replicas[len(cores)] / seqio["examples_per_s"],
        "one_vs_seqio": seqio and examples_per_s / seqio["examples_per_s"],
        "seqio": seqio,
        "rows_over_bound": statistics.median(_rows_over(lower_bound, w, spec) for w in windows),
        "rows_over_least": statistics.median(_rows_over(least_rows, w, spec) for w in windows),
        "non_padding_fraction": statistics.median(_fill(w, spec) for w in windows),
        "bytes_per_token": statistics.median(_num_bytes(w) / w.num_tokens for w in windows),
        "replicas_2_over_1": by_replicas[min(2, len(cores))] / by_replicas[1],
        "tokens_per_s": statistics.median(w.num_tokens / s for w, s in zip(windows, seconds, strict=True)),
        "examples_per_s": examples_per_s,
        "examples_per_s_by_replicas": by_replicas,
        "phase_seconds": {
            phase: statistics.median(w.seconds_by_phase[phase] for w in windows)
            for phase in windows[0].seconds_by_phase
        },
        "machine": f"{platform.machine()} {platform.system()}, {len(os.sched_getaffinity(0))} cores",
        "versions": {name: metadata.version(name) for name in ("numpy", "polars", "sentencepiece")},
        "commit": commit(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json not in (None, "-"):
        Path(arguments.json).write_text(text + "\n")


def open_maker(data: str, spec_file: str) -> tuple[RunSpec, WindowMaker, Tokenizer]:
    """A maker of a spec's windows, with a tokenizer trained on a part of its rows."""
    spec, pools = load_spec(spec_file), Pools(open_source(data))
    texts: list[str] = []
    for entry in mixture_entries(spec, pools.catalog):
        pool = pools.train(entry, seed=spec.seed, cap=spec.mixture.cap)
        for row in pool.frame.head(200).to_dicts():
            texts += [row[name] for name in entry.fields if row.get(name)]
    tokenizer = train(texts, spec.tokenizer.vocab_size)
    spec = spec.with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    return spec, WindowMaker(spec, pools, tokenizer), tokenizer


def commit() -> str:
    """Of this repository."""
    found = subprocess.run(["git", "-C", _ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


@contextmanager
def _redis() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="flan-") as folder,
        redis_service(Path(folder)) as (service, url),
        Stack(Path(folder) / "logs") as stack,
    ):
        stack.start(service)
        yield url


def _write(client: redis.Redis, window: Window) -> None:
    pipe = client.pipeline(transaction=True)
    for batch in window.shards[0]:
        pipe.xadd("bench:window", {"batch": encode_batch(batch)})
    pipe.unlink("bench:window")
    pipe.execute()


def _measure(
    maker: WindowMaker, tokenizer: Tokenizer, client: redis.Redis, window: int
) -> tuple[float, float, Window]:
    """Seconds for one window to Redis, and for encoding the strings of the same window."""
    began = time.perf_counter()
    made = maker.make(window)
    _write(client, made)
    seconds = time.perf_counter() - began
    inputs, targets = maker.texts(maker.draws(window))
    strings = inputs + targets
    began = time.perf_counter()
    tokenizer.encode(strings)
    return seconds, time.perf_counter() - began, made


def _replicate(url: str, maker: WindowMaker, windows: int) -> None:
    """One replica of the scaling measurement: makes windows from the moment that it is told."""
    client = connect(url)
    for window in range(_WARM_UP):
        _write(client, maker.make(window))
    client.incr(f"{_START}:ready")
    while not client.exists(_START):
        time.sleep(0.001)
    began, num_examples = time.perf_counter(), 0
    for window in range(windows):
        made = maker.make(window)
        _write(client, made)
        num_examples += made.num_examples
    client.rpush(f"{_START}:ends", f"{num_examples} {time.perf_counter() - began}")


def _replicas(url: str, cores: list[int], arguments: argparse.Namespace) -> float:
    """Examples/s of as many replicas as cores, each on one of them, until the last has made all its windows."""
    client = connect(url)
    client.delete(_START, f"{_START}:ready", f"{_START}:ends")
    command = [
        sys.executable,
        "-m",
        "bench.datagen",
        "--replica",
        url,
        "--windows",
        str(2 * arguments.windows),
    ]
    command += ["--data", arguments.data, "--spec", arguments.spec]
    started = [
        subprocess.Popen(
            ["taskset", "-c", str(core), *command], cwd=_ROOT, env=os.environ | {"POLARS_MAX_THREADS": "1"}
        )
        for core in cores
    ]
    while int(client.get(f"{_START}:ready") or 0) < len(cores):
        if any(process.poll() for process in started):
            raise SystemExit("a replica of the scaling measurement failed")
        time.sleep(0.01)
    client.set(_START, 1)
    for process in started:
        process.wait()
    ends = [end.split() for end in client.lrange(f"{_START}:ends", 0, -1)]
    return sum(int(examples) for examples, _ in ends) / max(float(seconds) for _, seconds in ends)


def _seqio(spec: RunSpec, tokenizer: Tokenizer, arguments: argparse.Namespace) -> dict | None:
    """What bench/seqio_peer.py measures over the same rows and templates; None without `EXTRAS=peers`."""
    environment = _ROOT / ".venv-peers"
    if not arguments.peer_s or not (environment / "ready").is_file():
        return None
    with tempfile.TemporaryDirectory() as folder:
        write_job(Path(folder), spec, Pools(open_source(arguments.data)), tokenizer)
        command = [environment / "bin" / "python", _ROOT / "bench" / "seqio_peer.py", folder]
        command += ["--seconds", str(arguments.peer_s), "--warm-up-s", str(arguments.peer_s / 2)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def _rows_over(bound: Callable[..., float], window: Window, spec: RunSpec) -> float:
    inputs, targets = (
        np.concatenate([getattr(batch, name) for batch in window.shards[0]])
        for name in ("input_lengths", "target_lengths")
    )
    rows = sum(len(batch.row_examples) for batch in window.shards[0])
    return rows / bound(inputs, targets, row_budget(spec))


def _fill(window: Window, spec: RunSpec) -> float:
    rows = sum(len(batch.row_examples) for batch in window.shards[0])
    return window.num_tokens / (rows * (spec.lengths.inputs + spec.lengths.targets))


def _num_bytes(window: Window) -> int:
    return sum(len(encode_batch(batch)) for batch in window.shards[0])


def _spread(values: Iterator[float]) -> list[float]:
    ordered = np.sort(list(values))
    return [float(ordered[0]), float(ordered[-1])]


if __name__ == "__main__":
    main()
