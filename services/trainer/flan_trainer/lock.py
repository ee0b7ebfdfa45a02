"""One trainer a checkpoint folder, enforced by the operating system: the lock ends with its process."""

import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from flan_shared.errors import CheckpointError
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

_POLL_S = 0.1


def lock_folder(folder: Path, *, timeout_s: float = 300.0, waiting: Callable[[], None] = lambda: None) -> int:
    """Waits for the lock of `folder`.

    A trainer that was superseded gives it up at its next batch, which a compilation can delay for minutes.

    Args:
      folder: made where it is missing.
      timeout_s: how long another process may keep it.
      waiting: called again and again meanwhile.

    Returns:
      A file descriptor that holds the lock until it is closed or the process ends.

    Raises:
      CheckpointError: the folder cannot be made, or another process keeps the lock for `timeout_s`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as err:
        raise CheckpointError(f"checkpoint folder {folder} cannot be used: {err.strerror}") from err
    end = time.monotonic() + timeout_s
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                raise CheckpointError(
                    f"checkpoint folder {folder} is in use by another trainer; stop it or give another folder"
                ) from None
            if not told:
                event(_log, "waiting for the trainer before to give up the folder", folder=folder)
                told = True
            waiting()
            time.sleep(_POLL_S)
