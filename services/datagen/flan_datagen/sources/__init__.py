"""Where rows come from: folders of files, the Hugging Face Hub, the embedded corpus, or several of these."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import polars as pl

from flan_datagen.catalog import Entry
from flan_datagen.sources.file_digests import FileDigests
from flan_datagen.sources.folder import FolderSource
from flan_datagen.sources.hub import HubSource
from flan_datagen.sources.mixed import MixedSource
from flan_shared.errors import DataError

EMBEDDED, HUB = "embedded", "hub"


class Source(Protocol):
    """Rows of datasets in their own columns. Splits are named as in the part's `splits`."""

    name: str
    """What it was opened as, for messages."""

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether `read` would find rows.

        Raises:
          DataError: it cannot be told (two files for one split; a Hub that does not answer).
        """
        ...

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows in the order of the source.

        Raises:
          DataError: there are none, or they cannot be read.
        """
        ...

    def pieces(self, entry: Entry, part: str, split: str) -> Iterator[pl.DataFrame]:
        """The rows of `read`, in order, in pieces of bounded size where the source can; at least one.

        Raises:
          DataError: as `read`.
        """
        ...

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256, lower-case hex, that changes whenever `read` would give something else.

        Raises:
          DataError: as `read`.
        """
        ...

    def labels(self, entry: Entry, part: str, split: str) -> dict[str, list[str]]:
        """Label names in the order of their codes, by column, where the data itself says them.

        Raises:
          DataError: as `read`.
        """
        ...


def open_source(data: str, cache: Path | None = None) -> Source:
    """`embedded`, `hub`, the folder at that path, or several of these with commas between them.

    Args:
      data: as --data has it.
      cache: folder of pools, in which digests of files are remembered too; None: nowhere.

    Raises:
      DataError: a folder is missing, or holds no dataset; a name is empty or given twice.
    """
    # A folder may have a comma in its name.
    if "," not in data or Path(data).is_dir():
        return _open_one(data, cache)
    names = [name.strip() for name in data.split(",")]
    if "" in names:
        raise DataError(f"--data {data!r} has an empty name; expected such as 'DIR,hub,embedded'")
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"--data {data!r} names {name!r} twice; give each source once")
    return MixedSource([_open_one(name, cache) for name in names])


def _open_one(name: str, cache: Path | None) -> Source:
    if name == EMBEDDED:
        from flan_datagen.embedded import EmbeddedSource

        return EmbeddedSource()
    return HubSource.from_environment() if name == HUB else FolderSource(name, FileDigests.beside(cache))


__all__ = ["EMBEDDED", "HUB", "FolderSource", "HubSource", "MixedSource", "Source", "open_source"]
