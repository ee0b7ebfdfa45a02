"""How full packed rows are, and how long packing takes: `python -m bench.pack [--data DIR]`.

    rows_over_bound   rows / max(inputs / 1024, targets / 256), or / (inputs + targets) / 1280 with one budget
    rows_over_least   rows / the least that examples allow which leave no room for any other (cut ones, mostly)
    filled            share of the arrays' tokens that is no padding
    us_per_example    packing and dealing, median, after a warm-up that compiles

Windows of 4 096 examples, lengths made up: NLI; three in ten articles with summaries; half translations. With --data,
lengths of real rows: NLI, NLI with summarization, and the mixture of specs/real.yaml. `spread` is how unlike the
batches of best fit are: the share of examples above 256 input tokens, least, mean and most of a batch; and most in
batches cut in the order of packing, for comparison.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bench.datagen import commit, open_maker
from flan_datagen.packing import Algorithm, Budget, Dealt, deal, least_rows, lower_bound, pack
from flan_datagen.pool import Pools
from flan_datagen.sources import open_source
from flan_datagen.window import WindowMaker
from flan_shared.spec import Lengths

_WINDOW, _INPUTS, _TARGETS, _BATCH_ROWS, _LONG = 4096, 1024, 256, 32, 256
_BUDGETS = {"1024/256": Budget(_INPUTS, _TARGETS), "1280": Budget.together(_INPUTS + _TARGETS)}

Pair = tuple[np.ndarray, np.ndarray]
"""Input and target lengths, int64[num_examples] each."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="a folder of real rows")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    lengths = made_up() | (dict(_real(arguments.data)) if arguments.data else {})
    table = [
        _measure(name, pair, kind, algorithm, arguments.repeats)
        for name, pair in lengths.items()
        for kind in _BUDGETS
        for algorithm in get_args(Algorithm)
    ]
    spread = {name: _spread(pair) for name, pair in lengths.items()}
    _print(table, spread)
    if arguments.json:
        result = {
            "parameters": {"window": _WINDOW, "batch_rows": _BATCH_ROWS, "repeats": arguments.repeats},
            "packing": table,
            "spread": spread,
            "machine": f"{platform.machine()} {platform.system()}",
            "versions": {name: metadata.version(name) for name in ("numpy", "numba")},
            "commit": commit(),
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


def made_up(num: int = _WINDOW, seed: int = 0) -> dict[str, Pair]:
    """Lengths by the name of a mixture."""
    random = np.random.default_rng(seed)

    def sizes(size: int, median: float, sigma: float, most: int) -> np.ndarray:
        # At least the answer's token and EOS.
        return np.clip(random.lognormal(np.log(median), sigma, size), 2, most).astype(np.int64)

    nli = sizes(num, 60, 0.45, 1000) + 12, random.integers(2, 5, num)
    long = random.random(num) < 0.3
    summaries = (
        np.where(long, sizes(num, 600, 0.5, _INPUTS), nli[0]),
        np.where(long, sizes(num, 55, 0.5, _TARGETS), nli[1]),
    )
    told = random.random(num) < 0.5
    translated = sizes(num, 30, 0.6, 200)
    translations = (
        np.where(told, translated + 15, summaries[0]),
        np.where(
            told, np.maximum(translated * random.uniform(0.8, 1.2, num), 2).astype(np.int64), summaries[1]
        ),
    )
    return {"nli": nli, "with summaries": summaries, "with translations": translations}


def _real(data: str) -> Iterator[tuple[str, Pair]]:
    spec, _, tokenizer = open_maker(data, str(files("flan_cli") / "specs" / "real.yaml"))
    nli, summaries = spec.heldout["nli"], spec.mixture.datasets["summarization"]
    mixtures = {
        "real nli": {"nli": nli},
        "real with summaries": {"nli": nli, "summarization": summaries},
        "real mixture": spec.mixture.datasets,
    }
    for name, datasets in mixtures.items():
        changed = spec.model_copy(
            update={
                "mixture": spec.mixture.model_copy(update={"datasets": datasets}),
                "lengths": Lengths(inputs=_INPUTS, targets=_TARGETS),
                "packing": spec.packing.model_copy(update={"window": _WINDOW}),
            }
        )
        batches = WindowMaker(changed, Pools(open_source(data)), tokenizer).make(0).shards[0]
        # A window draws its order by a key and packs afterwards: any other shuffle stands for it.
        order = np.random.default_rng(0).permutation(sum(batch.num_examples for batch in batches))
        yield (
            name,
            (
                np.concatenate([batch.input_lengths for batch in batches])[order],
                np.concatenate([batch.target_lengths for batch in batches])[order],
            ),
        )


def _measure(name: str, pair: Pair, kind: str, algorithm: Algorithm, repeats: int) -> dict[str, Any]:
    budget = _BUDGETS[kind]
    rows, seconds = 0, []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        packed = pack(*pair, budget=budget, algorithm=algorithm)
        deal(packed, batch_rows=_BATCH_ROWS, order_key=0)
        seconds.append(time.perf_counter() - began)
        rows = len(packed.row_examples)
    return {
        "lengths": name,
        "budget": kind,
        "algorithm": algorithm,
        "rows": rows,
        "rows_over_bound": rows / lower_bound(*pair, budget),
        "rows_over_least": rows / least_rows(*pair, budget),
        "filled": int(pair[0].sum() + pair[1].sum()) / (rows * (_INPUTS + _TARGETS)),
        "us_per_example": statistics.median(seconds[1:]) / len(pair[0]) * 1e6,
    }


def _spread(pair: Pair) -> dict[str, float]:
    packed = pack(*pair, budget=_BUDGETS["1024/256"])
    num_rows = len(packed.row_examples)
    cut = np.full(-(-num_rows // _BATCH_ROWS), _BATCH_ROWS)
    cut[-1] -= cut.sum() - num_rows
    dealt = deal(packed, batch_rows=_BATCH_ROWS, order_key=0)
    long = _long_fractions(dealt, pair[0])
    return {
        "num_batches": len(dealt.batch_rows),
        "least": long.min(),
        "mean": long.mean(),
        "most": long.max(),
        "most_undealt": _long_fractions(Dealt(packed.order, packed.row_examples, cut), pair[0]).max(),
    }


def _long_fractions(dealt: Dealt, input_lengths: np.ndarray) -> np.ndarray:
    """Share of long examples in each batch."""
    batch = np.repeat(np.repeat(np.arange(len(dealt.batch_rows)), dealt.batch_rows), dealt.row_examples)
    return np.bincount(batch, input_lengths[dealt.order] > _LONG) / np.bincount(batch)


def _print(table: list[dict[str, Any]], spread: dict[str, dict[str, float]]) -> None:
    print(f"{'lengths':20} {'budget':9} {'algorithm':10}  rows  /bound  /least  filled  us/example")
    for line in table:
        print(
            "{lengths:20} {budget:9} {algorithm:10} {rows:5d} {rows_over_bound:7.4f} {rows_over_least:7.4f} "
            "{filled:7.1%} {us_per_example:11.2f}".format(**line)
        )
    print(f"\nshare of examples above {_LONG} input tokens, by batch, 1024/256")
    print(f"{'lengths':20} batches   least    mean    most   most, cut in packing order")
    for name, line in spread.items():
        print(
            "{:20} {num_batches:7d} {least:7.1%} {mean:7.1%} {most:7.1%} {most_undealt:7.1%}".format(
                name, **line
            )
        )


if __name__ == "__main__":
    main()
