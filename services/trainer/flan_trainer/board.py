"""Event files for TensorBoard: what `flan_trainer.status` tells for a while, kept for good.

A run that is continued after a loss repeats steps; TensorBoard shows of a step what was written last, so nothing is
removed and a reader sees both.
"""

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType


class Board:
    """A folder of event files, one a process."""

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: made where it is missing; `tensorboard --logdir` takes it or one above it.
        """
        # Imported here: it costs half a second, and a trainer that is refused at the door needs none of it.
        from tensorboardX import SummaryWriter

        # The name holds seconds and the host; a restart within one would write over the file before.
        suffix = f".{time.time_ns()}"
        self._writer = SummaryWriter(str(folder), flush_secs=10, max_queue=1000, filename_suffix=suffix)

    def __enter__(self) -> "Board":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Adds scalars by name; `/` in a name makes a group. A disk that is full costs the entry and not the run."""
        now = time.time()
        for name, value in values.items():
            with contextlib.suppress(OSError):
                self._writer.add_scalar(name, value, step, walltime=now)

    def close(self) -> None:
        """Writes out what is buffered."""
        with contextlib.suppress(OSError):
            self._writer.close()
