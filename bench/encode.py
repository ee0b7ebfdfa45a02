"""Encoding word by word beside bare batched SentencePiece over the same strings: `python -m bench.encode`.

The texts are whole windows of rendered examples, window after window, as a replica sees them; both sides in turn, after
a warm-up, on one core and on all. Medians of the windows' ratios are what counts: machines differ.

    ratio       seconds of one batched `SentencePieceProcessor.encode` / of `Encoder.encode`
    first       the same for an encoder that has seen no text before
    remembered  the same for a window that comes again
    new_words   words of a window that were not remembered
    whole       share of the texts that are encoded whole, since nothing is proved of them

The texts of `unlike` are words put together by chance, where hardly anything is to be gained.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bench.datagen import commit, open_maker
from flan_datagen.encode import Encoder
from flan_shared.tokenizer import Tokenizer

_WARM_UP = 2
_SIZES = (1024, 4096)
_INSIDE = "FLAN_BENCH_ENCODE"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="a folder, beside the embedded datasets")
    parser.add_argument("--spec", default=str(files("flan_cli") / "specs" / "real.yaml"))
    parser.add_argument("--windows", type=int, default=9, help="measured of each size after a warm-up")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if _INSIDE in os.environ:
        print(json.dumps(_measured(arguments.data, arguments.spec, arguments.windows)))
        return
    cores = sorted(os.sched_getaffinity(0))
    result = {
        "parameters": {"data": arguments.data, "spec": arguments.spec, "windows": arguments.windows},
        "one_core": _on(cores[:1]),
        "all_cores": _on(cores),
        "cores": len(cores),
        "machine": f"{platform.machine()} {platform.system()}",
        "versions": {name: metadata.version(name) for name in ("numpy", "polars", "sentencepiece")},
        "commit": commit(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def _on(cores: list[int]) -> dict:
    """`_measured` in a process on these cores: libraries count them when they are loaded."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.encode", *sys.argv[1:]],
            env=os.environ | {_INSIDE: "1", "POLARS_MAX_THREADS": str(len(cores))},
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        os.sched_setaffinity(0, before)
    return json.loads(done.stdout)


def _measured(folder: str | None, spec_file: str, windows: int) -> dict:
    """Figures by source and kind of text."""
    count, result = _WARM_UP + windows, {}
    for name, data in (("embedded", "embedded"), *([("folder", folder)] if folder else [])):
        _, maker, tokenizer = open_maker(data, spec_file)
        rendered = (maker.texts(maker.draws(window)) for window in itertools.count())
        result[name] = {
            f"windows of {size}": _figures(tokenizer, [_window(rendered, size) for _ in range(count)])
            for size in _SIZES
        }
    result["unlike"] = _figures(tokenizer, [_unlike(tokenizer, seed) for seed in range(count)])
    return result


def _window(rendered: Iterator[tuple[list[str], list[str]]], size: int) -> list[str]:
    """Inputs and targets of about so many examples: a window, or several that are smaller."""
    inputs, targets = next(rendered)
    # Rows with a defect are missing in a window.
    while len(inputs) < size * 0.95:
        more = next(rendered)
        inputs, targets = inputs + more[0], targets + more[1]
    return inputs + targets


def _unlike(tokenizer: Tokenizer, seed: int) -> list[str]:
    """60 000 words, each of three pieces by chance, 40 in a text."""
    random = np.random.default_rng(seed)
    pieces = [tokenizer.decode([i]) or "x" for i in range(tokenizer.vocab_size // 10, tokenizer.vocab_size)]
    words = random.choice(np.array(pieces, object), (60_000, 3)).sum(axis=1)
    return [" ".join(words[start : start + 40]) for start in range(0, len(words), 40)]


def _figures(tokenizer: Tokenizer, windows: list[list[str]]) -> dict:
    encoder = Encoder(tokenizer)
    rows = []
    for texts in windows:
        known = encoder.num_words
        bare, expected = _timed(tokenizer.encode, texts)
        ours, found = _timed(encoder.encode, texts)
        new = encoder.num_words - known
        first, _ = _timed(Encoder(tokenizer).encode, texts)
        again, _ = _timed(encoder.encode, texts)
        if found.ids.tolist() != [i for ids in expected for i in ids]:
            raise SystemExit("the ids are not SentencePiece's")
        rows.append((bare / ours, bare / first, bare / again, new, sum(map(len, texts)) / bare))
    columns = dict(zip(("ratio", "first", "remembered", "new_words", "bare_characters_per_s"),
                       zip(*rows[_WARM_UP:], strict=True), strict=True))  # fmt: skip
    return {
        **{name: statistics.median(column) for name, column in columns.items()},
        "ratio_spread": [min(columns["ratio"]), max(columns["ratio"])],
        "whole": 0.0 if encoder.by_words else 1.0,
    }


def _timed(call: Callable[[list[str]], object], texts: list[str]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call(texts)
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
