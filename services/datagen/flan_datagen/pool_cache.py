"""Chosen rows between processes: Arrow IPC files in a folder, mapped into memory, named by all that they hang on.

    <key>-<bytes>-<crc32c>.arrow    rows; the key is a SHA-256 over whatever decides them (`Pools`)
    digests/                        of data files (`flan_datagen.sources.file_digests`)

A file is written under another name, synced and renamed, so any number of processes may read and write: two that make
the same rows write them twice. Its name carries its length and checksum, both held against the file before it is used:
Arrow data is not validated where it is mapped, and a damaged file could bring down the process. What is damaged is
removed and made anew. The folder is kept below a size: what was used least recently goes. A folder that cannot be
written costs time, not the run.
"""

import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import google_crc32c
import polars as pl
import pyarrow as pa

from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

NONE = "none"
MAX_BYTES = 8 * 10**9
"""Room for several runs: 62 pools of 30,000 rows of a kilobyte are 2 GB."""

_NAME = re.compile(r"(?P<key>[0-9a-f]{64})-(?P<size>\d+)-(?P<checksum>[0-9a-f]{8})\.arrow")
_PARTIAL = ".partial"
_PARTIAL_S = 3600
"""After which an unfinished file belongs to a process that was killed."""
_BLOCK = 4 * 2**20


def cache_folder(given: str | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that `given`, else FLAN_CACHE names; `none` is None, nothing the user's own cache folder."""
    named = given or environment.get("FLAN_CACHE")
    if named == NONE:
        return None
    home = environment.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(named or f"{home}/flan/pools").expanduser()
    except RuntimeError:  # no home
        return None


class PoolCache:
    """Frames by key."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Args:
        folder: made when something is put.
        max_bytes: of all entries; the one just put stays whatever its size.
        """
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, key: str) -> pl.DataFrame | None:
        """The frame of a key, mapped; None where there is none, or a damaged one, which is removed.

        Args:
          key: SHA-256, lower-case hex.
        """
        for path in self._folder.glob(f"{key}-*.arrow"):
            try:
                frame = _mapped(path)
            except FileNotFoundError:  # another process made room
                continue
            except (OSError, pa.ArrowException) as err:
                event(_log, "a damaged pool is made anew", level=logging.WARNING, file=path, cause=err)
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            with contextlib.suppress(OSError):  # a folder that may only be read
                os.utime(path)
            return frame
        return None

    def put(self, key: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Keeps a frame; gives it back mapped, or as it is where the folder cannot be written."""
        temporary = self._folder / f"{key}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("w+b") as file:
                    # One record batch: a frame of one chunk.
                    frame.write_ipc(file, record_batch_size=max(1, frame.height))
                    file.flush()
                    os.fsync(file.fileno())
                    size = file.tell()
                    path = self._folder / f"{key}-{size}-{_checksum(file):08x}.arrow"
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            self._make_room(path)
            return _mapped(path)
        except OSError as err:
            event(_log, "pools cannot be kept", level=logging.WARNING, folder=self._folder, cause=err)
            return frame

    def _make_room(self, newest: Path) -> None:
        entries = []
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if path.suffix == _PARTIAL and time.time() - stat.st_mtime > _PARTIAL_S:
                path.unlink(missing_ok=True)
            elif _NAME.fullmatch(path.name) and path != newest:
                entries.append((stat.st_mtime_ns, stat.st_size, path))
        total = newest.stat().st_size + sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._max_bytes:
                return
            # Whoever has it mapped keeps it until it is done.
            path.unlink(missing_ok=True)
            total -= size


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own: rows taken out of a frame otherwise hold on to all of its texts."""
    held = frame.write_ipc(None, record_batch_size=max(1, frame.height))
    held.seek(0)
    return pl.read_ipc(held)


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """A small file that is there whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _mapped(path: Path) -> pl.DataFrame:
    """The frame of an entry.

    Raises:
      OSError: the file is not what its name says.
    """
    name = _NAME.fullmatch(path.name)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if name is None or size != int(name["size"]):
            raise OSError(f"it has {size} bytes")
        if (found := _checksum(file)) != int(name["checksum"], 16):
            raise OSError(f"its CRC-32C is {found:08x}")
    # polars gave up mapping IPC files in version 2; Arrow's buffers go over without a copy.
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
        return pl.from_arrow(file.read_all(), rechunk=False)


def _checksum(file: IO[bytes]) -> int:
    """CRC-32C of a file, read and not mapped: pages that nobody draws from stay out of the process."""
    file.seek(0)
    checksum, block = 0, bytearray(_BLOCK)
    while count := file.readinto(block):
        checksum = google_crc32c.extend(checksum, bytes(memoryview(block)[:count]))
    return checksum
