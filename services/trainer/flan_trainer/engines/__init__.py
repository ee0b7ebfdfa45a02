"""Engines: what computes a run's updates. `open_engine` gives the one that the spec asks for.

Importing this package does not import jax, so that the number of threads can still be fixed.
"""

import importlib.util
import logging

from flan_shared import spec
from flan_trainer.engines.base import Engine, EngineError, StepMetrics
from flan_trainer.engines.batch import BatchError
from flan_trainer.engines.folder import SavedCursor, latest_cursor, saved_steps

__all__ = [
    "BatchError",
    "Engine",
    "EngineError",
    "SavedCursor",
    "StepMetrics",
    "latest_cursor",
    "open_engine",
    "saved_steps",
]

log = logging.getLogger(__name__)


def open_engine(run: spec.RunSpec, vocab_size: int) -> Engine:
    """The engine that `train.engine` names, without a state yet; imports jax.

    Args:
      run: the spec.
      vocab_size: pieces of the tokenizer.

    Raises:
      EngineError: the engine is not part of this version.
    """
    if run.train.engine == "t5x":
        raise EngineError(
            "train.engine is 't5x', but that engine is not part of this version; expected 'native' or 'auto'"
        )
    if run.train.engine == "auto":
        found = "is" if importlib.util.find_spec("t5x") else "is not"
        log.info(
            "train.engine is 'auto': t5x %s importable, and no t5x engine is in this version; taking native",
            found,
        )
    from flan_trainer.engines.native import NativeEngine

    return NativeEngine(run, vocab_size)
