"""Rows from the Hugging Face Hub, read once and kept: `--data hub`; see docs/hub.md.

The Hub keeps every dataset as Parquet on a branch that it writes itself. The commit of that branch, and size and
SHA-256 of every file, are recorded when a configuration is first seen, and required from then on:

    first use    commit and listing of (repository, config) -> hub.lock.json -> files at that commit -> cache
    later        hub.lock.json -> cache; no request

Rows are read from the cached files, whole, by the same reader as a folder's.
"""

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from flan_datagen.catalog import Entry
from flan_datagen.catalog.entry import Hub
from flan_datagen.sources.files import combine_digests, digest_file, label_names, read_files, read_pieces
from flan_datagen.sources.hub_client import BRANCH, HubClient, HubError, HubFile
from flan_datagen.sources.hub_lock import (
    PARTIAL,
    LockedRepository,
    LockedSplit,
    LockFile,
    locked,
    replacing,
    split_of,
)
from flan_datagen.sources.progress import Progress
from flan_shared.errors import DataError
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

ENDPOINT = "https://huggingface.co"
MAX_MB = 256
"""How much of a split is fetched, in files: the caps of a run take 30,000 rows, and WMT has tens of millions."""

_MB = 1_000_000


class HubSource:
    """Datasets on the Hub; see `Source`."""

    name = "hub"

    def __init__(
        self,
        cache: Path,
        client: HubClient | None = None,
        *,
        max_bytes: int = MAX_MB * _MB,
        offline: bool = False,
    ) -> None:
        """Args:
        cache: folder for files and the lock file; made when something is fetched.
        client: asks the Hub.
        max_bytes: of a split that was never seen before; at least one file is taken.
        offline: ask nothing.
        """
        self._cache = cache
        self._client = client or HubClient(ENDPOINT)
        self._max_bytes = max_bytes
        self._offline = offline
        self._lock = LockFile(cache)
        self._seen: dict[Hub, tuple[str, dict[str, LockedSplit]]] = {}
        """Commit and splits of each configuration, as recorded."""
        self._checked: set[tuple[Path, int, int]] = set()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "HubSource":
        """As FLAN_HUB_CACHE, FLAN_HUB_MAX_MB, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE say.

        Raises:
          DataError: one of them cannot be used.
        """
        max_mb = environment.get("FLAN_HUB_MAX_MB") or str(MAX_MB)
        if not max_mb.isdecimal() or int(max_mb) < 1:
            raise DataError(f"FLAN_HUB_MAX_MB is {max_mb!r}; expected an integer of at least 1")
        cache = environment.get("FLAN_HUB_CACHE")
        home = environment.get("XDG_CACHE_HOME") or "~/.cache"
        return cls(
            Path(cache or f"{home}/flan/hub").expanduser(),
            HubClient(environment.get("HF_ENDPOINT") or ENDPOINT, token=environment.get("HF_TOKEN") or None),
            max_bytes=int(max_mb) * _MB,
            offline=environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"),
        )

    def has(self, entry: Entry, part: str, split: str) -> bool:
        """Whether the recorded listing has the split; the Hub is asked where there is none.

        Raises:
          DataError: the Hub does not answer, refuses, or has no such repository or configuration.
        """
        hub = entry.part(part).hub
        return hub is not None and split in self._listing(entry, hub)[1]

    def read(self, entry: Entry, part: str, split: str) -> pl.DataFrame:
        """All rows of the files that are taken, in order; they are fetched where the cache lacks them.

        Raises:
          DataError: as `has`; the split is not there, or a file is not the one that was recorded.
        """
        return read_files(self._files(entry, part, split), entry.part(part))

    def pieces(self, entry: Entry, part: str, split: str) -> Iterator[pl.DataFrame]:
        """The rows of `read`, in order, in pieces of bounded size.

        Raises:
          DataError: as `read`.
        """
        return read_pieces(self._files(entry, part, split), entry.part(part))

    def digest(self, entry: Entry, part: str, split: str) -> str:
        """SHA-256 over the recorded checksums, lower-case hex; nothing is fetched where the Hub listed them.

        Raises:
          DataError: as `read`.
        """
        _, _, files = self._locked(entry, part, split)
        if any(file.sha256 is None for file in files):
            self._files(entry, part, split)
            _, _, files = self._locked(entry, part, split)
        return combine_digests([(file.path, str(file.sha256)) for file in files])

    def labels(self, entry: Entry, part: str, split: str) -> dict[str, list[str]]:
        """What the files say; see `label_names`.

        Raises:
          DataError: as `read`.
        """
        return label_names(self._files(entry, part, split))

    def _locked(self, entry: Entry, part: str, split: str) -> tuple[Hub, str, tuple[HubFile, ...]]:
        """Where the split lies, at which commit, and the files that are taken."""
        hub = entry.part(part).hub
        where = "/".join(filter(None, (entry.id, part)))
        if hub is None:
            raise DataError(f"dataset {where!r} is not on the Hub; read it from a folder: --data DIR")
        commit, splits = self._listing(entry, hub)
        if split not in splits:
            raise DataError(
                f"dataset {where!r} has no split {split!r} on the Hub ({hub.repository}:{hub.config}); "
                f"there are {', '.join(sorted(splits))}"
            )
        return hub, commit, splits[split].files

    def _listing(self, entry: Entry, hub: Hub) -> tuple[str, dict[str, LockedSplit]]:
        """Commit and splits of a configuration as they were first seen."""
        if hub not in self._seen:
            known = self._lock.read().get(hub.repository)
            if known is None or hub.config not in known.configs:
                with self._whose(entry, hub), self._repository_lock(hub):
                    # Another process may have been here while this one waited.
                    known = self._lock.read().get(hub.repository)
                    if known is None or hub.config not in known.configs:
                        known = self._record(hub, known.revision if known else None)
            self._seen[hub] = known.revision, known.configs[hub.config]
        return self._seen[hub]

    def _record(self, hub: Hub, revision: str | None) -> LockedRepository:
        """Asks for the listing and writes it down."""
        if self._offline:
            raise HubError("it is not in the cache, and HF_HUB_OFFLINE is set; unset it, or give --data DIR")
        commit, configs = self._client.revision(hub.repository, revision or BRANCH)
        files = self._client.files(hub.repository, commit, hub.config)
        by_split: dict[str, list[HubFile]] = {}
        for file in files:
            if (found := split_of(file.path)) and found[0] == hub.config:
                by_split.setdefault(found[1], []).append(file)
        if not by_split:
            raise HubError(
                f"at {commit} there is no configuration {hub.config!r}; there are {', '.join(configs) or 'none'}"
            )
        splits = {name: _taken(some, self._max_bytes) for name, some in by_split.items()}
        with self._lock.change() as repositories:
            known = repositories.setdefault(hub.repository, LockedRepository(commit))
            known.configs[hub.config] = splits
        for name, split in splits.items():
            if len(split.files) < split.num_files:
                event(
                    _log, "a split is larger than FLAN_HUB_MAX_MB: not all of it is taken", level=logging.WARNING,
                    repository=hub.repository, config=hub.config, split=name,
                    files=f"{len(split.files)}/{split.num_files}",
                )  # fmt: skip
        return known

    def _files(self, entry: Entry, part: str, split: str) -> list[Path]:
        """The files of a split in the cache, each the one that was recorded."""
        hub, commit, files = self._locked(entry, part, split)
        return [self._file(entry, hub, commit, file) for file in files]

    def _file(self, entry: Entry, hub: Hub, commit: str, file: HubFile) -> Path:
        path = self._cache / hub.repository / commit / file.path
        if not path.is_file():
            with self._whose(entry, hub), self._repository_lock(hub):
                if not path.is_file():
                    self._fetch(hub, commit, file, path)
        stat = path.stat()
        state = (path, stat.st_size, stat.st_mtime_ns)
        if state not in self._checked:
            found = digest_file(path)
            if file.sha256 not in (None, found):
                raise DataError(
                    f"{path} has SHA-256 {found}; expected {file.sha256} ({self._lock.path}): it was changed since it "
                    "was fetched; delete it, and it is fetched again"
                )
            if file.sha256 is None:
                self._set_sha256(hub, file, found)
            self._checked.add(state)
        return path

    def _fetch(self, hub: Hub, commit: str, file: HubFile, path: Path) -> None:
        if self._offline:
            raise HubError(
                f"{file.path} is not in the cache, and HF_HUB_OFFLINE is set; unset it, or give --data DIR"
            )
        with replacing(path) as to:
            for again in (True, False):
                to.seek(0)
                to.truncate()
                with Progress(f"{hub.repository} {file.path}", file.size) as progress:
                    broke = self._client.download(hub.repository, commit, file, to, progress)
                to.flush()
                found = digest_file(Path(to.name))
                if file.sha256 in (None, found) and to.tell() == file.size:
                    break
                # A transfer in pieces may have been put together wrongly; one in a single piece was not.
                if not (again and broke):
                    raise HubError(
                        f"{file.path} at {commit} has {to.tell()} bytes, SHA-256 {found}; expected {file.size} "
                        f"bytes, SHA-256 {file.sha256}, which {self._lock.path} has from when it was first seen; try "
                        f"again, or take {hub.repository!r} out of that file to accept what is there now"
                    )

    def _set_sha256(self, hub: Hub, file: HubFile, sha256: str) -> None:
        """Records what was fetched first where the Hub lists no checksum."""
        with self._lock.change() as repositories:
            splits = repositories[hub.repository].configs[hub.config]
            for name, split in splits.items():
                files = tuple(
                    dataclasses.replace(f, sha256=sha256) if f.path == file.path else f for f in split.files
                )
                splits[name] = dataclasses.replace(split, files=files)
            self._seen[hub] = repositories[hub.repository].revision, splits

    @contextmanager
    def _whose(self, entry: Entry, hub: Hub) -> Iterator[None]:
        try:
            yield
        except HubError as err:
            raise DataError(
                f"dataset {entry.id!r} ({hub.repository}:{hub.config} on the Hub): {err}"
            ) from err

    def _repository_lock(self, hub: Hub):
        """One process at a time asks for a repository's listing or files; the others wait for what it brings."""
        folder = self._cache / hub.repository
        return locked(
            folder / ".lock",
            alive=lambda: [
                (path, path.stat().st_size) for path in folder.rglob(f"*{PARTIAL}") if path.exists()
            ],
        )


def _taken(files: list[HubFile], max_bytes: int) -> LockedSplit:
    """As many files as fit, at least one, evenly spread over the split: it may lie in order of label or origin.

    Of 30 files of 250 MB and 1 GB: files 0, 7, 15 and 22.
    """
    # The whole split where the Hub has both that and its beginning.
    partial = [file for file in files if file.path.split("/")[1].startswith("partial-")]
    files = [file for file in files if file not in partial] or partial
    for count in range(len(files), 0, -1):
        taken = [files[index * len(files) // count] for index in range(count)]
        if count == 1 or sum(file.size for file in taken) <= max_bytes:
            break
    return LockedSplit(tuple(taken), len(files))
