"""The embedded corpus as a folder of Parquet files that can be read back as `--data DIR`.

OUT/<dataset>[/<part>]/<split>.parquet    parts that read one file of a data folder have one file
OUT/text/corpus.txt                       running text, one passage a line
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flan_datagen.catalog import Entry
from flan_datagen.embedded.rows import TRAIN_ROWS
from flan_datagen.embedded.source import DATASETS, EmbeddedSource, sharing, splits
from flan_datagen.embedded.text import passages
from flan_shared.errors import DataError

PASSAGES_PER_ROW = 12
"""Passages of running text for each training row of one dataset."""


@dataclass(frozen=True)
class Written:
    """One file of rows: its path below the folder, how many it has, and how many were asked for."""

    path: str
    rows: int
    asked: int


@dataclass(frozen=True)
class Summary:
    """What `write_corpus` wrote.

    Attributes:
      folder: where.
      datasets: ids, in the order of the catalog.
      files: of rows; `rows` below `asked` where a dataset has no more different rows.
      passages: lines of the running text.
      num_bytes: of all files.
    """

    folder: Path
    datasets: tuple[str, ...]
    files: tuple[Written, ...]
    passages: int
    num_bytes: int

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(file.rows for file in self.files)


def write_corpus(out: Path, num_rows: int | None, seed: int, entries: Mapping[str, Entry]) -> Summary:
    """Writes every dataset that the corpus makes, and the text: the whole folder, or nothing.

    Args:
      out: a folder that does not exist yet, or is empty.
      num_rows: training rows of each part; None for as many as `EmbeddedSource` has. Test and validation
        rows in proportion, at least twelve; see `EmbeddedSource`.
      seed: of the corpus.
      entries: by id; those that the corpus does not make are left out.

    Raises:
      DataError: `out` holds something, `num_rows` is below 1, or the folder cannot be written.
    """
    if num_rows is not None and num_rows < 1:
        raise DataError(f"a corpus of {num_rows} rows cannot be made; give at least 1")
    out = Path(out)
    _check_free(out)
    made = {name: entry for name, entry in entries.items() if entry.id in DATASETS}
    folder = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True)
        try:
            files = _write_rows(folder, EmbeddedSource(seed, num_rows), made)
            num_passages = (TRAIN_ROWS if num_rows is None else num_rows) * PASSAGES_PER_ROW
            text = folder / "text" / "corpus.txt"
            text.parent.mkdir()
            with text.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{passage}\n" for passage in passages(seed, num_passages))
            num_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            # Takes the place of an empty folder, and of nothing else.
            folder.rename(out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as err:
        _check_free(out)
        raise DataError(f"the corpus cannot be written to {out}: {err.strerror or err}") from err
    return Summary(out, tuple(made), files, num_passages, num_bytes)


def _check_free(out: Path) -> None:
    if out.is_dir() and next(out.iterdir(), None) is None:
        return
    if out.exists() or out.is_symlink():
        what = "is not empty" if out.is_dir() else "is no folder"
        raise DataError(f"{out} {what}; give a new folder for the corpus")


def _write_rows(folder: Path, source: EmbeddedSource, entries: Mapping[str, Entry]) -> tuple[Written, ...]:
    written: dict[str, Written] = {}
    for entry in entries.values():
        for part in entry.parts:
            for split in splits(entry, part):
                path = f"{_folder(entry, part, split)}/{split}.parquet"
                if path in written:
                    continue
                frame = source.read(entry, part, split)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                frame.write_parquet(folder / path)
                written[path] = Written(path, frame.height, source.asked(entry, part, split))
    return tuple(written.values())


def _folder(entry: Entry, part: str, split: str) -> str:
    """The first of the part's folders that all parts read which share this split."""
    others = [set(entry.part(other).folders) for other in sharing(entry, part, split)]
    return next(folder for folder in entry.part(part).folders if all(folder in other for other in others))
