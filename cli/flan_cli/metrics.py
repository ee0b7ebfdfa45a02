"""Reads the streams that a run keeps for onlookers: what it does, and the rows that it set aside.

Nothing is counted from them: entries may be lost or repeated, and Redis may come back empty.
"""

import time

import redis

from flan.v1.batch_pb2 import QuarantinedRow
from flan_shared.line import RunKeys, connect

_COUNT = 500
_PERIOD_S = 0.2
_SILENT_S = 10.0
"""The trainer tells every second how it is; without a word for so long it is starting, hung, or away."""


class Metrics:
    """The streams of one run, from the moment this is made on."""

    def __init__(self, url: str, run: str) -> None:
        """Args:
        url: of Redis.
        run: run id.
        """
        self._client = connect(url)
        self._keys = RunKeys(run)
        self._after = self._newest()
        self._read = 0.0
        self._heard = self._answered = time.monotonic()
        self._is_over = False

    def read(self, *, now: bool = False) -> list[dict[str, str]]:
        """New entries of the metrics stream, fields as text; at most every 0.2 s unless `now`.

        Where Redis is away or the trainer has not been heard of for long, that is an entry of kind `line` too.
        """
        if not now and time.monotonic() - self._read < _PERIOD_S:
            return []
        self._read = time.monotonic()
        try:
            answer = self._client.xread({self._keys.metrics: self._after}, count=_COUNT)
        except redis.RedisError:
            # What Redis keeps from us it keeps from the trainer, whose silence it then explains.
            self._heard = now_s = time.monotonic()
            return [_waits(f"Redis: no answer for {now_s - self._answered:.0f} s")]
        self._answered = time.monotonic()
        entries = answer[0][1] if answer else []
        if entries:
            self._after = entries[-1][0]
        told = [
            {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
            for _, fields in entries
        ]
        for entry in told:
            if entry.get("kind") == "line":
                self._heard = self._answered
                self._is_over = entry.get("phase") == "TRAINER_PHASE_DONE"
        silent_s = self._answered - self._heard
        if silent_s > _SILENT_S and not self._is_over:
            told.append(_waits(f"the trainer: no word for {silent_s:.0f} s"))
        return told

    def quarantined(self) -> list[QuarantinedRow]:
        """The rows set aside, each once however often it was drawn, in the order of dataset and row."""
        try:
            entries = self._client.xrange(self._keys.quarantine)
        except redis.RedisError:
            return []
        rows = [QuarantinedRow.FromString(fields[b"row"]) for _, fields in entries if b"row" in fields]
        # Backwards, so that the first draw of a row is kept.
        once = {(row.dataset, row.row): row for row in reversed(rows)}
        return [once[key] for key in sorted(once)]

    def close(self) -> None:
        """Lets the connection go."""
        self._client.close()

    def _newest(self) -> bytes:
        try:
            entries = self._client.xrevrange(self._keys.metrics, count=1)
        except redis.RedisError:
            entries = []
        return entries[0][0] if entries else b"0-0"


def _waits(what: str) -> dict[str, str]:
    return {"kind": "line", "waits": what}
