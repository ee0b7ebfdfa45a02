"""Parameters from elsewhere as the beginning of a run."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_shared.errors import CheckpointError
from flan_trainer.engines.prompt import EMBEDDING, PROMPT, begin_prompt


def place_start(start: Mapping[str, Any], like: Any, run: spec.RunSpec) -> Any:
    """Puts parameters on devices, after a look at their shapes; makes the prompt where the run has one and they do not.

    Args:
      start: nested dicts of numpy arrays in the published form, in floating-point types; left as it is.
      like: nested dicts of `jax.ShapeDtypeStruct` with shardings, those of the model with every layer alone.
      run: the spec.

    Returns:
      A copy, in the types and places of `like`.

    Raises:
      CheckpointError: `start` does not fit; the sentence names both sides.
    """
    expected, found = flatten(like), flatten(start)
    begins_prompt = run.prompt is not None and EMBEDDING not in found
    if begins_prompt:
        del expected[EMBEDDING]
    for path in sorted(expected.keys() | found.keys()):
        there, here = _shape(found.get(path)), _shape(expected.get(path))
        if there != here and path == EMBEDDING:
            raise _misfit(_other_prompt(there, here))
        if there != here:
            raise _misfit(
                f"{path} in them is {there or 'missing'}, but a model of family {run.model.family} as in the spec "
                f"has {here or 'no such parameter'}; give the checkpoint's own model and vocab_size in the spec, or "
                "another checkpoint"
            )
        kind = np.asarray(found[path]).dtype
        # Not numpy's own test: its bfloat16 is a type of another package.
        if not jax.numpy.issubdtype(kind, np.floating):
            raise _misfit(f"{path} in them is of type {kind}; expected a floating-point type")
    if begins_prompt:
        embedding = next(leaf for path, leaf in found.items() if path.endswith("token_embedder/embedding"))
        start = {**start, PROMPT: {"embedding": begin_prompt(np.asarray(embedding), run)}}

    def place(leaf: np.ndarray, like: jax.ShapeDtypeStruct) -> jax.Array:
        # Copied: on a CPU jax may keep the buffer of numpy, and the first step writes over it.
        return jax.make_array_from_callback(
            like.shape, like.sharding, lambda index: np.array(leaf[index], like.dtype)
        )

    return jax.tree.map(place, dict(start), like)


def _other_prompt(there: str, here: str) -> str:
    run = f"that of the run is {here}" if here else "the run has no prompt"
    return (
        f"{EMBEDDING} in them is {there}, but {run}; give the spec a prompt of that length, or start from the "
        "checkpoint that their prompt was trained on"
    )


def _misfit(what: str) -> CheckpointError:
    return CheckpointError(f"the run cannot start from these parameters: {what}")


def _shape(leaf: Any) -> str:
    return "" if leaf is None else str(list(np.shape(leaf)))
