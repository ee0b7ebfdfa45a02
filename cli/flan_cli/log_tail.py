"""The end of a log, and the fault that a service named there."""

import re
from collections.abc import Sequence
from pathlib import Path

_NUM_LINES = 15
_MOST_BYTES = 16_384
_FAULT = re.compile(r"^flan_[a-z]+: (.+)$")


def last_lines(log: Path) -> list[str]:
    """The last lines of `log` that are not blank, at most `_NUM_LINES`; none where there is no log."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _MOST_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_NUM_LINES:]


def fault_in(lines: Sequence[str]) -> str | None:
    """What follows `flan_<service>: ` on the last line: the one-line fault that a service ends with.

    >>> fault_in(["…", "flan_trainer: the loss is nan at step 3"])
    'the loss is nan at step 3'
    """
    found = _FAULT.match(lines[-1]) if lines else None
    return found[1] if found else None
