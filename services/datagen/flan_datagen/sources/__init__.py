"""Where rows come from: a folder of files, or the embedded corpus."""

from typing import Protocol

import polars as pl

from flan_datagen.catalog import Entry
from flan_datagen.sources.folder import FolderSource

EMBEDDED = "embedded"


class Source(Protocol):
    """Rows of datasets in their own columns. Splits are named as in the entry's `splits`."""

    name: str
    """What it was opened as, for messages."""

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether `read` would find rows."""
        ...

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows in the order of the source.

        Raises:
          DataError: there are none, or they cannot be read.
        """
        ...

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256, lower-case hex, that changes whenever `read` would give something else.

        Raises:
          DataError: as `read`.
        """
        ...


def open_source(data: str) -> Source:
    """`embedded`, or the folder at that path.

    Raises:
      DataError: the folder is missing, or holds no dataset.
    """
    if data == EMBEDDED:
        from flan_datagen.embedded import EmbeddedSource

        return EmbeddedSource()
    return FolderSource(data)


__all__ = ["EMBEDDED", "FolderSource", "Source", "open_source"]
