"""The embedded corpus as a source of rows, beside folders of files."""

import hashlib
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
from flan_datagen.embedded.rows import OTHER_ROWS, TRAIN_ROWS, Dataset
from flan_shared.errors import DataError

DATASETS: dict[str, Dataset] = {
    **nli.DATASETS,
    **commonsense.DATASETS,
    **sentiment.DATASETS,
    **paraphrase.DATASETS,
    **closed_book_qa.DATASETS,
    **struct_to_text.DATASETS,
    **reading_comprehension.DATASETS,
    **reading_comprehension_commonsense.DATASETS,
    **coreference.DATASETS,
    **misc.DATASETS,
    **summarization.DATASETS,
    **translation.DATASETS,
}


class EmbeddedSource:
    """Generated rows in the datasets' own columns; the same for the same seed on every machine."""

    name = "embedded"

    def __init__(self, seed: int = 0) -> None:
        """Args:
        seed: of the corpus; another seed gives other rows about the same world.
        """
        self._seed = seed

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether the corpus makes this dataset, part and split."""
        named = {entry.splits.train, entry.splits.dev, *entry.splits.test}
        return entry.id in DATASETS and part in entry.parts and split in named

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """The rows, in the source columns.

        Raises:
          DataError: the corpus does not have them.
        """
        kind = self._kind(entry, part, split)
        return DATASETS[entry.id].frame(
            seed=self._seed,
            name=entry.id,
            part=part,
            split=kind,
            num_rows=TRAIN_ROWS if kind == "train" else OTHER_ROWS,
        )

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 of all that decides what `read` gives: the generator's own files, the seed and the names.

        Raises:
          DataError: as `read`.
        """
        names = (str(self._seed), entry.id, part, self._kind(entry, part, split))
        return hashlib.sha256("\n".join((_generator_digest(), *names)).encode()).hexdigest()

    def _kind(self, entry: Entry, part: str, split: str) -> str:
        """Which of the three kinds of rows a split of the source holds, whatever its name there."""
        if not self.has(entry, part, split):
            where = "/".join(name for name in (entry.id, part, split) if name)
            raise DataError(f"the embedded corpus has no {where}; read it from a folder of files")
        if split == entry.splits.train:
            return "train"
        return "test" if split.startswith("test") else "validation"


@cache
def _generator_digest() -> str:
    """SHA-256 of the Python files that make the rows."""
    digest = hashlib.sha256()
    for path in (Path(keyed.__file__), *sorted(Path(__file__).parent.glob("*.py"))):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
