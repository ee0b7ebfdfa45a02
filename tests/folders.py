"""Folders of small datasets in the datasets' own columns, made up here."""

from pathlib import Path

import polars as pl

DATASETS = ("sst2", "copa", "boolq", "e2e_nlg", "rte", "cb")

_THINGS = ("lamp", "boat", "clock", "drum", "kite", "spoon", "wagon", "piano")
_PLACES = ("kitchen", "harbour", "tower", "garden", "market", "school")
_MOODS = (("dull", "sad", "slow"), ("bright", "warm", "fine"))


def rows(dataset: str, count: int, offset: int = 0) -> list[dict]:
    """`count` rows of `dataset`; other offsets give other rows."""
    return [_ROWS[dataset](number) for number in range(offset, offset + count)]


def write(folder: Path, dataset: str, split: str, content: list[dict]) -> Path:
    """Writes rows as DIR/dataset/split.parquet."""
    path = folder / dataset / f"{split}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(content).write_parquet(path)
    return path


def write_all(folder: Path) -> Path:
    """All of `DATASETS`: 60 train rows and 30 validation rows each."""
    for dataset in DATASETS:
        write(folder, dataset, "train", rows(dataset, 60))
        write(folder, dataset, "validation", rows(dataset, 30, offset=1000))
    return folder


def _thing(number: int) -> str:
    return _THINGS[number % len(_THINGS)]


def _place(number: int) -> str:
    return _PLACES[number // 3 % len(_PLACES)]


def _sst2(n: int) -> dict:
    return {
        "sentence": f"a {_MOODS[n % 2][n // 2 % 3]} film about a {_thing(n // 2)} no {n}",
        "label": n % 2,
        "idx": n,
    }


def _copa(n: int) -> dict:
    choices = [f"The {_thing(n)} fell down.", f"The {_thing(n)} was painted."]
    return {
        "premise": f"The {_thing(n)} number {n} broke.",
        "choice1": choices[n % 2],
        "choice2": choices[1 - n % 2],
        "question": "cause",
        "idx": n,
        "label": n % 2,
    }


def _boolq(n: int) -> dict:
    asked = _place(n) if n % 2 else _place(n + 3)
    passage = f"The {_thing(n)} number {n} is in the {_place(n)}. It stays there."
    return {"question": f"is {_thing(n)} {n} in the {asked}", "answer": bool(n % 2), "passage": passage}


def _e2e(n: int) -> dict:
    text = f"The {_thing(n)} {n} serves food near the {_place(n)}."
    return {
        "gem_id": f"e2e-{n}",
        "gem_parent_id": f"e2e-{n}",
        "meaning_representation": f"name[The {_thing(n)} {n}], near[the {_place(n)}]",
        "target": text,
        "references": [text],
    }


def _rte(n: int) -> dict:
    stated = _place(n) if n % 2 == 0 else _place(n + 3)
    return {
        "premise": f"The {_thing(n)} {n} is in the {_place(n)}.",
        "hypothesis": f"The {_thing(n)} {n} is in the {stated}.",
        "idx": n,
        "label": n % 2,
    }


def _cb(n: int) -> dict:
    return {**_rte(n), "label": n % 3}


_ROWS = {"sst2": _sst2, "copa": _copa, "boolq": _boolq, "e2e_nlg": _e2e, "rte": _rte, "cb": _cb}
