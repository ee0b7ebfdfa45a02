"""The embedded corpus as a source of rows, beside folders of files."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polars as pl

from flan_datagen import keyed
from flan_datagen.catalog.entry import Entry
from flan_datagen.embedded import (
    closed_book_qa,
    commonsense,
    coreference,
    misc,
    nli,
    paraphrase,
    reading_comprehension,
    reading_comprehension_commonsense,
    sentiment,
    struct_to_text,
    summarization,
    translation,
)
from flan_datagen.embedded.rows import OTHER_ROWS, ROUND, TRAIN_ROWS, Dataset
from flan_shared.errors import DataError

CLUSTERS: dict[str, dict[str, Dataset]] = {
    "nli": nli.DATASETS,
    "commonsense": commonsense.DATASETS,
    "sentiment": sentiment.DATASETS,
    "paraphrase": paraphrase.DATASETS,
    "closed_book_qa": closed_book_qa.DATASETS,
    "struct_to_text": struct_to_text.DATASETS,
    "reading_comprehension": reading_comprehension.DATASETS,
    "reading_comprehension_commonsense": reading_comprehension_commonsense.DATASETS,
    "coreference": coreference.DATASETS,
    "misc": misc.DATASETS,
    "summarization": summarization.DATASETS,
    "translation": translation.DATASETS,
}
"""The datasets by cluster, in the order of `flan_shared.holdout.CLUSTERS`."""
DATASETS: dict[str, Dataset] = {
    name: dataset for datasets in CLUSTERS.values() for name, dataset in datasets.items()
}


class EmbeddedSource:
    """Generated rows in the datasets' own columns; the same for the same seed on every machine.

    Of the names that the catalog gives a split, the corpus has the first alone: another one would hold the
    same rows again. Parts that read one file of a data folder are given one table here, too.
    """

    name = "embedded"

    def __init__(self, seed: int = 0, num_rows: int | None = None) -> None:
        """Args:
        seed: of the corpus; another seed gives other rows about the same world.
        num_rows: training rows of each part, `TRAIN_ROWS` unless told. The other splits have their share of
          it, rounded up to a multiple of twelve. A dataset that has fewer different rows gives what it has.
        """
        self._seed = seed
        self._num_rows = num_rows

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether the corpus makes this dataset, part and split."""
        return entry.id in DATASETS and part in entry.parts and split in splits(entry, part)

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """The rows, in the source columns.

        Raises:
          DataError: the corpus does not have them.
        """
        self._check(entry, part, split)
        return DATASETS[entry.id].frame(
            seed=self._seed,
            name=entry.id,
            part=sharing(entry, part, split)[0],
            split=_kind(entry, part, split),
            num_rows=self.asked(entry, part, split),
            exhaust=self._num_rows is not None,
        )

    def pieces(self, entry: Entry, part: str, split: str) -> Iterator[pl.DataFrame]:
        """The rows of `read`, in one piece: they are made all at once.

        Raises:
          DataError: as `read`.
        """
        yield self.read(entry, part, split)

    def asked(self, entry: Entry, part: str, split: str) -> int:
        """How many rows `read` gives where there are that many.

        Raises:
          DataError: the corpus does not have them.
        """
        self._check(entry, part, split)
        train = TRAIN_ROWS if self._num_rows is None else self._num_rows
        other = OTHER_ROWS if self._num_rows is None else _share(self._num_rows)
        if _kind(entry, part, split) != "train":
            return other
        named = entry.part(part).splits
        if split not in named.test[:1]:
            return train
        # The only split: development and test rows are set aside from it, and parts divide it.
        aside = named.dev_rows + named.test_rows if self._num_rows is None else 2 * other
        return (train + aside) * len(sharing(entry, part, split))

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 of all that decides what `read` gives: the generator's own files, the seed and the names.

        Raises:
          DataError: as `read`.
        """
        self._check(entry, part, split)
        names = (
            *(str(self._seed), str(self._num_rows), entry.id, sharing(entry, part, split)[0]),
            *(_kind(entry, part, split), str(self.asked(entry, part, split))),
        )
        return hashlib.sha256("\n".join((_generator_digest(), *names)).encode()).hexdigest()

    def labels(self, entry: Entry, part: str, split: str) -> dict[str, list[str]]:
        """None: codes are in the catalog's order, and no file says so."""
        return {}

    def _check(self, entry: Entry, part: str, split: str) -> None:
        if not self.has(entry, part, split):
            where = "/".join(name for name in (entry.id, part, split) if name)
            raise DataError(f"the embedded corpus has no {where}; read it from a folder of files")


def splits(entry: Entry, part: str) -> tuple[str, ...]:
    """The splits of a part that the corpus has, each once."""
    named = entry.part(part).splits
    return tuple(dict.fromkeys((*named.train[:1], *named.dev[:1], *named.test[:1])))


def _kind(entry: Entry, part: str, split: str) -> str:
    """Which of the three kinds of rows a split of the source holds, whatever its name there."""
    if split in entry.part(part).splits.train:
        return "train"
    return "test" if split.startswith("test") else "validation"


def sharing(entry: Entry, part: str, split: str) -> list[str]:
    """The parts that read this split from the same file as `part`, itself included, in the entry's order."""
    parts = [other for other in entry.parts if split in splits(entry, other)]
    common = set(entry.part(part).folders)
    together = [other for other in parts if common & set(entry.part(other).folders)]
    # One folder for all of them, not a chain of neighbours.
    if not common.intersection(*(entry.part(other).folders for other in together)):
        return [part]
    return together


def _share(num_rows: int) -> int:
    """Rows of a test split beside so many of training."""
    return max(1, -(-num_rows * OTHER_ROWS // (TRAIN_ROWS * ROUND))) * ROUND


@cache
def _generator_digest() -> str:
    """SHA-256 of the Python files that make the rows."""
    digest = hashlib.sha256()
    for path in (Path(keyed.__file__), *sorted(Path(__file__).parent.glob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
