"""One trainer a checkpoint folder, enforced by the operating system: the lock ends with its process."""

import fcntl
import os
import time
from pathlib import Path

from flan_shared.errors import CheckpointError

_POLL_S = 0.1


def lock_folder(folder: Path, *, timeout_s: float = 60.0) -> int:
    """Waits for the lock of `folder`; a trainer that was superseded gives it up within seconds.

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
            time.sleep(_POLL_S)
