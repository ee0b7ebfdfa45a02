"""The T5X engine, where T5X is installed: T5X's models, partitioner, trainer, Adafactor and checkpoints.

T5X has no release on the package index (github.com/google-research/t5x), so that it can be missing. It is
imported in this package alone, by `flan_trainer.engines.t5x.engine`; to import this module needs nothing of it.
"""

import importlib
import importlib.util
import warnings

from flan_shared import spec
from flan_shared.checkpoint import one_line


def available(run: spec.RunSpec | None = None) -> str | None:
    """Why the engine cannot be had, in one line, or None where it can; imports T5X, which takes seconds.

    Args:
      run: to ask also whether the engine can do what this spec wants.
    """
    if importlib.util.find_spec("t5x") is None:
        return "t5x is not installed"
    try:
        with warnings.catch_warnings(action="ignore"):  # Deprecations in what T5X imports.
            importlib.import_module("flan_trainer.engines.t5x.engine")
    except Exception as err:  # Releases that do not fit each other fail in any way.
        return f"t5x cannot be imported: {type(err).__name__}: {one_line(err)}"
    import jax

    if run is not None and run.prompt is not None:
        return "the t5x engine does not tune prompts"
    if jax.process_count() > 1:
        return f"the t5x engine runs in one process, and there are {jax.process_count()}"
    return None
