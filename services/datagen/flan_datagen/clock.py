"""How long the phases of a window took."""

import time


class Clock:
    """Seconds by phase, from its making on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Ends a phase."""
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now
