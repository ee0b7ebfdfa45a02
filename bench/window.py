"""How fast one replica makes windows, beside bare SentencePiece over the same strings: `python -m bench.window`.

Both are measured in turn in one run, after a warm-up, and the median ratio is what counts: machines differ.
"""

import argparse
import json
import platform
import statistics
import subprocess
import time
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np

from flan_datagen.pool import Pools
from flan_datagen.sources import open_source
from flan_datagen.units import mixture_entries
from flan_datagen.window import WindowMaker
from flan_shared.line import encode_batch
from flan_shared.spec import RunSpec, load_spec
from flan_shared.tokenizer import Tokenizer, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--spec", default=str(files("flan_cli") / "specs" / "demo.yaml"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    spec, maker, tokenizer = open_maker(arguments.data, arguments.spec)
    pairs = [_measure(maker, tokenizer, window) for window in range(arguments.repeats + 1)][1:]
    seconds, bare = ([pair[i] for pair in pairs] for i in (0, 1))
    window = maker.make(0)
    size = sum(len(encode_batch(batch)) for batch in window.shards[0])
    result = {
        "parameters": {"data": arguments.data, "spec": spec.run_id, "repeats": arguments.repeats},
        "vs_sentencepiece": statistics.median(b / s for s, b in zip(seconds, bare, strict=True)),
        "tokens_per_s": window.num_tokens / statistics.median(seconds),
        "tokens_per_s_spread": [window.num_tokens / max(seconds), window.num_tokens / min(seconds)],
        "examples_per_s": window.num_examples / statistics.median(seconds),
        "bytes_per_token": size / window.num_tokens,
        "machine": f"{platform.machine()} {platform.system()}",
        "versions": {name: metadata.version(name) for name in ("numpy", "polars", "sentencepiece")},
        "commit": commit(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text)


def open_maker(data: str, spec_file: str) -> tuple[RunSpec, WindowMaker, Tokenizer]:
    """A maker of a spec's windows, with a tokenizer trained on a part of its rows."""
    spec, pools = load_spec(spec_file), Pools(open_source(data))
    texts = []
    for entry in mixture_entries(spec, pools.catalog):
        for row in pools.train(entry, seed=spec.seed, cap=spec.mixture.cap).frame.head(200).to_dicts():
            texts += [row[name] for name in entry.fields if row.get(name)]
    tokenizer = train(texts, spec.tokenizer.vocab_size)
    spec = spec.with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    return spec, WindowMaker(spec, pools, tokenizer), tokenizer


def _measure(maker: WindowMaker, tokenizer: Tokenizer, window: int) -> tuple[float, float]:
    """Seconds for one window to its bytes, and for encoding the strings of the same window."""
    began = time.perf_counter()
    made = maker.make(window)
    for batch in made.shards[0]:
        encode_batch(batch)
    seconds = time.perf_counter() - began
    strings = [text for batch in made.shards[0] for text in _strings(batch, tokenizer)]
    began = time.perf_counter()
    tokenizer.encode(strings)
    return seconds, time.perf_counter() - began


def _strings(batch, tokenizer: Tokenizer):
    ends = np.cumsum(np.stack([batch.input_lengths, batch.target_lengths], axis=1).ravel())
    return [tokenizer.decode(part.tolist()[:-1]) for part in np.split(batch.tokens, ends[:-1])]


def commit() -> str:
    """Of this repository."""
    folder = Path(__file__).parent
    found = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
