"""SHA-256 of files, remembered from process to process: gigabytes take seconds, a look at their times does not.

A file is known again by path, device, inode, size, time of change and time of status change: the last cannot be set
back, as `cp -p` and `rsync -t` set back the other. What was touched within `_SETTLED_S` before it was digested is not
remembered, because a second change of the same size could bear the same time; nor is what changed meanwhile. The rule
goes by this machine's clock: on a network file system whose clock is behind by more than that, do without the cache.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from flan_datagen.pool_cache import write_whole
from flan_datagen.sources.files import digest_file
from flan_shared.errors import DataError
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

_SETTLED_S = 2
"""Coarser than the times of any file system: FAT's are even seconds."""
_MOST = 20_000
"""Files remembered; beyond, the older half is forgotten."""


class FileDigests:
    """Digests of files, each remembered in a small file of its own."""

    def __init__(
        self,
        folder: Path | None,
        *,
        digest: Callable[[Path], str] = digest_file,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Args:
        folder: where they are remembered, made when needed; None: nowhere.
        digest: of a file that is not remembered.
        clock_ns: that of the files' times.
        """
        self._folder = folder
        self._digest = digest
        self._clock_ns = clock_ns

    @classmethod
    def beside(cls, cache: Path | None) -> "FileDigests":
        """Those in a folder of pools; see `flan_datagen.pool_cache`."""
        return cls(cache / "digests" if cache else None)

    def of(self, path: Path) -> str:
        """SHA-256 of the file's bytes, lower-case hex.

        Raises:
          DataError: it cannot be read.
        """
        if self._folder is None:
            return self._digest(path)
        began_ns = self._clock_ns()
        before, changed_ns = _state(path)
        record = self._folder / hashlib.sha256(str(path.absolute()).encode()).hexdigest()
        if (known := _read(record, before)) is not None:
            return known
        digest = self._digest(path)
        if began_ns - changed_ns > _SETTLED_S * 10**9 and _state(path)[0] == before:
            try:
                write_whole(record, lambda file: file.write(_written(before, digest)))
                self._forget()
            except OSError as err:
                event(_log, "digests cannot be kept", level=logging.WARNING, folder=self._folder, cause=err)
        return digest

    def _forget(self) -> None:
        records = list(self._folder.iterdir())
        if len(records) > _MOST:
            for record in sorted(records, key=lambda path: path.stat().st_mtime)[: -_MOST // 2]:
                record.unlink(missing_ok=True)


def _state(path: Path) -> tuple[str, int]:
    """What a file is known by, and when it was last touched, in nanoseconds."""
    try:
        stat = path.stat()
    except OSError as err:
        raise DataError(f"{path} cannot be read: {err.strerror}") from err
    numbers = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return " ".join(map(str, numbers)), max(stat.st_mtime_ns, stat.st_ctime_ns)


def _written(state: str, digest: str) -> bytes:
    # A record that was damaged names a digest that does not belong to it.
    check = hashlib.sha256(f"{state} {digest}".encode()).hexdigest()
    return f"{state}\n{digest}\n{check}\n".encode()


def _read(record: Path, state: str) -> str | None:
    """The digest remembered for a state; None for another state, a damaged record or none."""
    try:
        content = record.read_bytes()
    except OSError:
        return None
    digest = content.split(b"\n")[1:2]
    if not digest or content != _written(state, digest[0].decode(errors="replace")):
        return None
    return digest[0].decode()
