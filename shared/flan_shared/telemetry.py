"""Logs as events with fields, one line each, on standard error.

2026-01-31T12:00:00Z INFO flan_trainer.loop checkpoint saved step=100 window=12
"""

import logging
import sys
import time


class _FieldsFormatter(logging.Formatter):
    converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = getattr(record, "fields", None)
        return (
            line if not fields else f"{line} " + " ".join(f"{name}={value}" for name, value in fields.items())
        )


def configure_logging(level: str = "INFO") -> None:
    """Sends the project's events at `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _FieldsFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("flan_shared", "flan_datagen", "flan_trainer", "flan_evaluator"):
        logging.getLogger(name).setLevel(level)


def event(logger: logging.Logger, message: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Logs `message` with `fields` (run, step, window, dataset, …)."""
    logger.log(level, message, extra={"fields": fields})
