"""Templating beside tokenizing the same text, on one core: `python -m bench.render`.

The draws of whole windows are made, then put into text (template chosen and filled, inputs and targets, as Python
strings), then encoded by SentencePiece: in turn, after a warm-up. The median ratios are what counts: machines differ.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np

from bench.datagen import commit, open_maker

_ONE_CORE = {"POLARS_MAX_THREADS": "1"}


def main() -> None:
    if len(os.sched_getaffinity(0)) > 1:
        # Libraries count the cores when they are loaded, so one core means to begin again.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os.execve(
            sys.executable, [sys.executable, "-m", "bench.render", *sys.argv[1:]], os.environ | _ONE_CORE
        )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--spec", default=str(files("flan_cli") / "specs" / "real.yaml"))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    spec, maker, tokenizer = open_maker(arguments.data, arguments.spec)
    measured = [_measure(maker, tokenizer, window) for window in range(arguments.repeats + 2)][2:]
    drawing, rendering, tokenizing, sizes = ([each[i] for each in measured] for i in range(4))
    ratios = sorted(t / r for r, t in zip(rendering, tokenizing, strict=True))
    with_draws = [t / (d + r) for d, r, t in zip(drawing, rendering, tokenizing, strict=True)]
    result = {
        "parameters": {"data": arguments.data, "spec": spec.run_id, "repeats": arguments.repeats},
        "tokenizing_over_rendering": statistics.median(ratios),
        "tokenizing_over_rendering_spread": [ratios[0], ratios[-1]],
        "tokenizing_over_drawing_and_rendering": statistics.median(with_draws),
        "rendered_bytes_per_s": statistics.median(s / r for s, r in zip(sizes, rendering, strict=True)),
        "tokenized_bytes_per_s": statistics.median(s / t for s, t in zip(sizes, tokenizing, strict=True)),
        "machine": f"{platform.machine()} {platform.system()}",
        "versions": {name: metadata.version(name) for name in ("numpy", "polars", "sentencepiece")},
        "commit": commit(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


def _measure(maker, tokenizer, window: int) -> tuple[float, float, float, int]:
    """Seconds to make the draws of a window, to render them and to encode the texts; bytes of the texts."""
    began = time.perf_counter()
    draws = maker.draws(window)
    drawn = time.perf_counter()
    inputs, targets = maker.texts(draws)
    rendered = time.perf_counter()
    tokenizer.encode(inputs + targets)
    tokenized = time.perf_counter()
    size = int(np.sum([len(text.encode()) for text in inputs + targets]))
    return drawn - began, rendered - drawn, tokenized - rendered, size


if __name__ == "__main__":
    main()
