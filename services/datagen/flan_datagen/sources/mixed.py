"""Several sources, asked in order: `--data DIR,hub,embedded`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from flan_datagen.catalog import Entry
from flan_shared.errors import DataError

if TYPE_CHECKING:
    from flan_datagen.sources import Source


class MixedSource:
    """Each dataset whole from the first source that has any of it; see `Source`.

    Never part from here and part from there: the splits of two copies of a dataset may overlap.
    """

    def __init__(self, sources: Sequence["Source"]) -> None:
        """Args:
        sources: in the order in which they are asked.
        """
        self.name = ",".join(source.name for source in sources)
        self._sources = tuple(sources)
        self._chosen: dict[str, Source | None] = {}

    def choose(self, entry: Entry) -> "Source | None":
        """The source that gives the dataset; None where nobody has it.

        Raises:
          DataError: a source cannot tell. The next one is not taken then: what a run reads would depend on
            whether the network was there.
        """
        if entry.id not in self._chosen:
            self._chosen[entry.id] = next((s for s in self._sources if _has_any(s, entry)), None)
        return self._chosen[entry.id]

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether the dataset's source has the split.

        Raises:
          DataError: a source cannot tell.
        """
        source = self.choose(entry)
        return source is not None and source.has(entry, part, split)

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows in the order of the dataset's source.

        Raises:
          DataError: no source has the dataset, or the first that has some of it lacks this or cannot read it.
        """
        return self._source(entry).read(entry, part, split)

    def pieces(self, entry: Entry, part: str, split: str) -> Iterator[pl.DataFrame]:
        """The rows of `read`, in order, in pieces as its source gives them.

        Raises:
          DataError: as `read`.
        """
        return self._source(entry).pieces(entry, part, split)

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """That of the dataset's source.

        Raises:
          DataError: as `read`.
        """
        return self._source(entry).digest(entry, part, split)

    def labels(self, entry: Entry, part: str, split: str) -> dict[str, list[str]]:
        """Those of the dataset's source.

        Raises:
          DataError: as `read`.
        """
        return self._source(entry).labels(entry, part, split)

    def _source(self, entry: Entry) -> "Source":
        source = self.choose(entry)
        if source is None:
            raise DataError(
                f"dataset {entry.id!r} is in none of {', '.join(source.name for source in self._sources)}"
            )
        return source


def _has_any(source: "Source", entry: Entry) -> bool:
    return any(
        source.has(entry, part, split) for part in entry.parts for split in entry.part(part).splits.names
    )
