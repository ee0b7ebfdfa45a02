"""What was first seen of the Hub, written down: `hub.lock.json` in the cache folder.

    {
      "format": 1,
      "repositories": {
        "aps/super_glue": {
          "configs": {
            "rte": {
              "train": {
                "files": [{"path": "rte/train/0000.parquet", "sha256": "…", "size": 584561}],
                "num_files": 1
              }
            }
          },
          "revision": "…"
        }
      }
    }

One revision a repository, so that its splits fit together. `num_files` is how many files the split has on the Hub;
fewer are listed where the split is too large. Readable and sorted: made to be looked at, compared, and cut by hand.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flan_datagen.sources.hub_client import COMMIT, HubFile
from flan_shared.errors import DataError

NAME = "hub.lock.json"
PARTIAL = ".part"
"""Suffix of a file that is being written."""

_FORMAT = 1
_POLL_S = 0.05


@dataclasses.dataclass(frozen=True)
class LockedSplit:
    """The files of a split that are taken, in order, out of `num_files`."""

    files: tuple[HubFile, ...]
    num_files: int


@dataclasses.dataclass
class LockedRepository:
    """A repository at one commit: its configurations that were asked for, each with its splits by name."""

    revision: str
    configs: dict[str, dict[str, LockedSplit]] = dataclasses.field(default_factory=dict)


class LockFile:
    """Reads and changes; safe with several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> dict[str, LockedRepository]:
        """What is recorded, by repository.

        Raises:
          DataError: the file cannot be read, or is damaged.
        """
        try:
            document = json.loads(self.path.read_bytes())
            if document["format"] != _FORMAT:
                raise ValueError(f"its format is {document['format']}, not {_FORMAT}")
            return {name: _repository(record) for name, record in document["repositories"].items()}
        except FileNotFoundError:
            return {}
        except OSError as err:
            raise DataError(f"{self.path} cannot be read: {err.strerror}") from err
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise DataError(
                f"{self.path} cannot be used: {err}; put the file back, or delete it to begin anew"
            ) from err

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, LockedRepository]]:
        """What is recorded now, to be changed in place; written when the block ends well.

        Raises:
          DataError: the file cannot be read or written, or is damaged.
        """
        with locked(self.path.with_name(".lock")):
            repositories = self.read()
            yield repositories
            record = {name: dataclasses.asdict(repository) for name, repository in repositories.items()}
            document = {"format": _FORMAT, "repositories": record}
            with replacing(self.path) as file:
                file.write(f"{json.dumps(document, indent=2, sort_keys=True)}\n".encode())


def split_of(path: str) -> tuple[str, str] | None:
    """Configuration and split of a file `<config>/<split>/0000.parquet`; None for any other file.

    The Hub says `partial-train` where it converted only the beginning of a dataset.
    """
    names = path.split("/")
    if len(names) != 3 or not names[2].endswith(".parquet") or {"", ".", ".."} & set(names):
        return None
    return names[0], names[1].removeprefix("partial-")


def _repository(record: dict) -> LockedRepository:
    revision = record["revision"]
    if not re.fullmatch(COMMIT, revision):
        raise ValueError(f"{revision!r} is no commit")
    return LockedRepository(
        revision,
        {
            config: {
                name: LockedSplit(
                    tuple(_file(file, config, name) for file in split["files"]), split["num_files"]
                )
                for name, split in splits.items()
            }
            for config, splits in record["configs"].items()
        },
    )


def _file(record: dict, config: str, split: str) -> HubFile:
    file = HubFile(**record)
    if split_of(file.path) != (config, split):
        raise ValueError(f"{file.path!r} is no file of {config}/{split}")
    return file


@contextlib.contextmanager
def locked(
    path: Path, *, timeout_s: float = 120.0, alive: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Holds the lock file `path`, which the operating system gives up with its process.

    Args:
      path: made where it is missing, and left there.
      timeout_s: how long to wait for another process.
      alive: something to look at that the other process changes; as long as it does, the wait goes on.

    Raises:
      DataError: the folder cannot be written, or the other process keeps the lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as err:
        raise DataError(
            f"cache folder {path.parent} cannot be used: {err.strerror}; set FLAN_HUB_CACHE"
        ) from err
    try:
        end, seen = time.monotonic() + timeout_s, alive()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if (now := alive()) != seen:
                    end, seen = time.monotonic() + timeout_s, now
                if time.monotonic() > end:
                    raise DataError(
                        f"{path} has been held by another process for {timeout_s:.0f} s; stop that process"
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator:
    """A binary file, open for writing and reading, that becomes `path` when the block ends well; else nothing is left.

    The caller holds a lock: there is one temporary name.

    Raises:
      DataError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as err:
        raise DataError(f"{path} cannot be written: {err.strerror or err}") from err
    finally:
        partial.unlink(missing_ok=True)
