"""How soon a replica has its first window, and what it holds: `python -m bench.start --data DIR`.

Processes are started in turn, without a cache of pools, over an empty one and over a filled one; seconds count from the
start of the process, imports included. Then a pool is chosen from a large Parquet file of SST-2's columns, made here:
peak memory beside that of a process that reads the whole file and keeps a pool of it.
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
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import polars as pl

from bench.datagen import commit
from flan_datagen.catalog import load_catalog
from flan_datagen.pool import Pools
from flan_datagen.sources import FolderSource, open_source
from flan_datagen.sources.file_digests import FileDigests
from flan_datagen.units import mixture_entries
from flan_datagen.window import WindowMaker
from flan_shared.spec import load_spec
from flan_shared.tokenizer import Tokenizer, train

_SAMPLE = 200
"""Rows of a dataset that the tokenizer is trained on."""


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        return _child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a folder of data files")
    parser.add_argument("--spec", default=str(files("flan_cli") / "specs" / "real.yaml"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the large file; 0: none")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = _train(arguments.data, arguments.spec, Path(scratch) / "tokenizer.model")
        starts = {"uncached": [], "cold": [], "warm": []}
        for repeat in range(arguments.repeats):
            cache = f"{scratch}/{repeat}"
            for kind, folder in (("uncached", "none"), ("cold", cache), ("warm", cache)):
                starts[kind].append(_run("window", arguments.data, folder, arguments.spec, model))
        result = {
            "parameters": {"data": arguments.data, "spec": arguments.spec, "repeats": arguments.repeats},
            "first_window_s": _medians(starts, "seconds"),
            "first_window_s_spread": {
                kind: [min(run["seconds"] for run in runs), max(run["seconds"] for run in runs)]
                for kind, runs in starts.items()
            },
            "pools_s": _medians(starts, "pools_seconds"),
            "own_mb": _medians(starts, "own_mb"),
            "mapped_mb": _medians(starts, "mapped_mb"),
            "peak_mb": _medians(starts, "peak_mb"),
            "cache_mb": round(sum(f.stat().st_size for f in Path(cache).glob("*.arrow")) / 1e6, 1),
            "large_file": _large(arguments.rows, Path(scratch) / "large") if arguments.rows else None,
            "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores",
            "versions": {name: metadata.version(name) for name in ("numpy", "polars", "pyarrow")},
            "commit": commit(),
        }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def _large(num_rows: int, folder: Path) -> dict:
    (folder / "sst2").mkdir(parents=True)
    path = folder / "sst2" / "train.parquet"
    idx = pl.col("idx")
    (
        pl.LazyFrame({"idx": pl.int_range(num_rows, eager=True)})
        .with_columns(
            sentence=pl.format(
                "a film no {} about {} lamps and {} boats", idx, idx.hash(1) % 99, idx.hash(2)
            ),
            label=(idx.hash(3) % 2).cast(pl.Int64),
        )
        .sink_parquet(path)
    )
    cache = f"{folder}/cache"
    kinds = ("idle", "whole", "pool", "pool")
    idle, whole, cold, warm = (_run(kind, str(folder), cache) for kind in kinds)
    return {
        "rows": num_rows,
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "chosen_s": cold["pools_seconds"],
        "chosen_again_s": warm["pools_seconds"],
        "peak_mb": cold["peak_mb"],
        "peak_again_mb": warm["peak_mb"],
        "peak_whole_file_mb": whole["peak_mb"],
        "peak_idle_mb": idle["peak_mb"],
    }


def _train(data: str, spec_file: str, out: Path) -> str:
    spec, pools = load_spec(spec_file), Pools(open_source(data))
    texts = []
    for entry in mixture_entries(spec, pools.catalog):
        for row in pools.train(entry, seed=spec.seed, cap=_SAMPLE).frame.to_dicts():
            texts += [row[name] for name in entry.fields if row[name]]
    out.write_bytes(train(texts, spec.tokenizer.vocab_size).model)
    return str(out)


def _run(*arguments: str) -> dict:
    began = time.time()
    command = [sys.executable, "-m", "bench.start", "--child", str(began), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _child(began: str, kind: str, data: str, folder: str, spec_file: str = "", model: str = "") -> None:
    cache = None if folder == "none" else Path(folder)
    pools = Pools(FolderSource(data, FileDigests.beside(cache)), cache=cache)
    start = time.perf_counter()
    if kind == "window":
        tokenizer = Tokenizer.load(model)
        spec = load_spec(spec_file).with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
        maker = WindowMaker(spec, pools, tokenizer)
        pools_seconds = time.perf_counter() - start
        maker.make(0)
    else:
        entry = load_catalog()["sst2"]
        if kind == "whole":
            rows = entry.adapt(pools.source.read(entry, "", "train"), "")[:30_000]
            assert rows.height
        elif kind == "pool":
            pool = pools.train(entry, seed=7, cap=30_000)
            assert len(pool) == 30_000
        pools_seconds = time.perf_counter() - start
    seconds = time.time() - float(began)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    memory = {
        name: int(status[field].split()[0]) / 1000
        for name, field in (("own_mb", "RssAnon"), ("mapped_mb", "RssFile"), ("peak_mb", "VmHWM"))
    }
    print(json.dumps({"seconds": seconds, "pools_seconds": pools_seconds, **memory}))


def _medians(starts: dict[str, list[dict]], name: str) -> dict[str, float]:
    return {kind: round(statistics.median(run[name] for run in runs), 3) for kind, runs in starts.items()}


if __name__ == "__main__":
    main()
