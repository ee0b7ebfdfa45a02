"""Engines: what computes a run's updates. `open_engine` gives the one that the spec asks for.

Importing this package does not import jax, so that the number of threads can still be fixed.
"""

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


def open_engine(run: spec.RunSpec, *, model_parallel: int = 1) -> Engine:
    """The engine that `train.engine` names, without a state yet; imports jax.

    Args:
      run: the spec, pinned to its tokenizer.
      model_parallel: devices that share one copy of the parameters.

    Raises:
      EngineError: t5x is asked for and cannot be had, or the devices cannot be divided like that.
    """
    from flan_trainer.engines.mesh import make_mesh

    if run.train.engine != "native":
        from flan_trainer.engines import t5x

        reason = t5x.available(run)
        if reason is None:
            log.info("train.engine is '%s': taking t5x", run.train.engine)
            from flan_trainer.engines.t5x.engine import T5XEngine

            return T5XEngine(run, make_mesh(model_parallel))
        if run.train.engine == "t5x":
            raise EngineError(f"train.engine is 't5x', but {reason}; give 'native' or 'auto'")
        log.info("train.engine is 'auto': taking native, because %s", reason)
    from flan_trainer.engines.native import NativeEngine

    return NativeEngine(run, make_mesh(model_parallel))
