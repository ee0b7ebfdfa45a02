"""The folder with a run's checkpoints: which are whole, what each says of itself, how one is added.

    {folder}/checkpoint_{step}/          params, opt_state, …     the engine's files
                               checkpoint.json                    the record: step, spec digest, cursor, files
    {folder}/checkpoint_{step}.partial   being written or removed, or left by a process that was killed

A checkpoint is written under the `.partial` name, synced to disk and renamed, so that a folder without that
ending is whole. The record lists size and SHA-256 of every file (not a CRC: OCDBT files end in their own, which makes
the CRC of each whole file the same number). This module does not import jax: the trainer reads the number of
threads in the cursor before it loads jax.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flan_shared.checkpoint import one_line
from flan_shared.errors import CheckpointError

log = logging.getLogger(__name__)

_NAME = re.compile(r"^checkpoint_(0|[1-9][0-9]*)$")
_RECORD = "checkpoint.json"


@dataclass(frozen=True)
class SavedCursor:
    """What a checkpoint says of itself."""

    path: Path
    """The checkpoint's folder."""
    step: int
    """Completed optimizer updates."""
    spec_digest: str
    """SHA-256 of the canonical run spec it belongs to."""
    cursor: dict[str, Any]
    """What the trainer gave to `save`."""
    files: dict[str, dict[str, Any]]
    """`size_bytes` and `sha256` (lower-case hex) of every other file, by path relative to `path`."""


def saved_steps(folder: Path) -> list[int]:
    """The steps of all whole checkpoints, ascending; a folder that does not exist has none."""
    if not folder.is_dir():
        return []
    return sorted(int(found[1]) for path in folder.iterdir() if (found := _NAME.match(path.name)))


def latest_cursor(folder: Path) -> SavedCursor | None:
    """The record of the newest checkpoint, or None where there is none.

    Raises:
      CheckpointError: the record cannot be read. Older checkpoints are not taken in its place.
    """
    steps = saved_steps(folder)
    return _read_record(folder, steps[-1]) if steps else None


def verify(folder: Path, step: int, spec_digest: str) -> SavedCursor:
    """Checks that the checkpoint of `step` is of this spec and that every byte of it is as it was written.

    Raises:
      CheckpointError: it is missing, damaged, or of another spec.
    """
    if step not in (steps := saved_steps(folder)):
        found = ", ".join(map(str, steps)) or "none"
        raise CheckpointError(f"{folder} has no checkpoint of step {step}; steps found: {found}")
    saved = _read_record(folder, step)
    if saved.spec_digest != spec_digest:
        raise CheckpointError(
            f"checkpoint {saved.path} belongs to the run spec {saved.spec_digest}, but this run's spec is "
            f"{spec_digest}; use its spec, or another checkpoint folder"
        )
    for name, expected in saved.files.items():
        try:
            found = _fingerprint(saved.path / name)
        except OSError as err:
            raise _damaged(saved.path, f"{name}: {one_line(err)}") from err
        if found != expected:
            raise _damaged(saved.path, f"{name} has {_said(found)}, but was written with {_said(expected)}")
    return saved


def write_checkpoint(
    folder: Path,
    *,
    step: int,
    spec_digest: str,
    cursor: Mapping[str, Any],
    keep: int,
    write_items: Callable[[Path], None],
) -> Path:
    """Adds a checkpoint, whole or not at all, then removes all but the `keep` newest.

    Args:
      folder: made where it is missing; no other process may write into it.
      step: a checkpoint of the same step is replaced.
      spec_digest: of the run.
      cursor: what JSON can say.
      keep: at least 1.
      write_items: writes files and folders of its own into the folder it is given.

    Returns:
      The checkpoint's folder.

    Raises:
      CheckpointError: the disk is full or cannot be written. Earlier checkpoints are as before.
    """
    folder = folder.absolute()
    path = folder / f"checkpoint_{step}"
    partial = _partial(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("checkpoint_*.partial"):
            shutil.rmtree(leftover)
        partial.mkdir()
        write_items(partial)
        files = {name: _fingerprint(partial / name) for name in _files(partial)}
        record = {"step": step, "spec_digest": spec_digest, "cursor": dict(cursor), "files": files}
        record = json.loads(json.dumps(record))  # As it will be read: tuples as lists, keys as strings.
        record["sha256"] = _record_digest(record)
        (partial / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        _sync(partial)
        if path.exists():
            _remove(path)
        partial.rename(path)
        _sync_one(folder)
    except (OSError, CheckpointError) as err:
        shutil.rmtree(partial, ignore_errors=True)
        cause = err.__cause__ if isinstance(err, CheckpointError) and err.__cause__ else err
        raise CheckpointError(
            f"the checkpoint of step {step} cannot be written to {folder}: {one_line(cause)}; "
            "earlier checkpoints are kept, free some space and start again"
        ) from err
    _prune(folder, keep)
    return path


def _prune(folder: Path, keep: int) -> None:
    for step in saved_steps(folder)[:-keep]:
        try:
            _remove(folder / f"checkpoint_{step}")
        except OSError as err:
            # The new checkpoint is safe; what could not be removed is tried again after the next one.
            log.warning("old checkpoint of step %d in %s cannot be removed: %s", step, folder, err)


def _remove(path: Path) -> None:
    # Renamed first: a folder that was removed in part must not look whole.
    shutil.rmtree(path.rename(_partial(path, suffix=".old")))


def _partial(path: Path, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}{suffix}.partial")


def _read_record(folder: Path, step: int) -> SavedCursor:
    path = folder / f"checkpoint_{step}"
    try:
        record = json.loads((path / _RECORD).read_text(encoding="utf-8"))
        if record["sha256"] != _record_digest(record):
            raise ValueError("its digest does not hold")
        return SavedCursor(path, record["step"], record["spec_digest"], record["cursor"], record["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise _damaged(path, f"{_RECORD} cannot be read: {one_line(err)}") from err


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged: {what}; remove that folder to go on from the checkpoint before it"
    )


def _record_digest(record: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _fingerprint(file: Path) -> dict[str, Any]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
        return {"size_bytes": content.tell(), "sha256": digest.hexdigest()}


def _said(fingerprint: Mapping[str, Any]) -> str:
    return f"{fingerprint['size_bytes']} bytes and SHA-256 {fingerprint['sha256'][:12]}…"


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _sync(folder: Path) -> None:
    """Waits until every file and folder below `folder`, itself included, is on the disk."""
    for path in [*folder.rglob("*"), folder]:
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
