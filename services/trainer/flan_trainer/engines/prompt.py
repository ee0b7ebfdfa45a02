"""Prompt tuning (arXiv:2104.08691): which of the parameters are trained, and what a prompt begins as.

A run with `prompt` trains the rows `prompt/embedding` alone. All other parameters are those of the checkpoint that it
started from, to the bit: no gradient of theirs is computed, and they have no slots.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from flan_shared import spec
from flan_shared.model.layers import PROMPT_BOUND
from flan_shared.tokenizer import EOS_ID, PAD_ID, UNK_ID

PROMPT = "prompt"
"""Its key in the tree of parameters."""
EMBEDDING = f"{PROMPT}/embedding"
"""Its path: float32[length, emb_dim]."""

_FIRST_PIECE = max(PAD_ID, EOS_ID, UNK_ID) + 1
_MOST_COMMON = 5000
"""Pieces that a prompt begins as are drawn from so many (section 3.2)."""


def trained_part(params: Mapping[str, Any], run: spec.RunSpec) -> dict[str, Any]:
    """What the run trains of its parameters: the prompt alone, or all of them.

    With {"decoder": …, "prompt": {"embedding": …}} that is {"prompt": {"embedding": …}}.
    """
    return {PROMPT: params[PROMPT]} if run.prompt else dict(params)


def begin_prompt(embedding: np.ndarray, run: spec.RunSpec) -> np.ndarray:
    """The prompt of step 0, the same on every machine.

    `vocabulary` copies rows of pieces that the seed draws among the 5,000 most common ones, none twice as long as they
    last; `random` draws evenly from [-0.5, 0.5). A tokenizer's first pieces are its most common ones, but for the
    pieces for single bytes, which come before them where it has any and are drawn as the others are.

    Args:
      embedding: float[vocab_size, emb_dim], of the checkpoint.
      run: with a prompt.

    Returns:
      float[length, emb_dim], of the embedding's type if it has its rows.
    """
    length, width = run.prompt_length, embedding.shape[1]
    if run.prompt and run.prompt.init == "random":
        # 24 bits, as many as a float32 has: no number rounds up to the bound.
        fractions = (_words(run, length * width) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return (2 * PROMPT_BOUND * fractions - PROMPT_BOUND).reshape(length, width)
    num_pieces = min(_MOST_COMMON, run.tokenizer.vocab_size - _FIRST_PIECE)
    drawn = _FIRST_PIECE + np.argsort(_words(run, num_pieces), kind="stable")
    return np.asarray(embedding)[np.resize(drawn, length)]


def _words(run: spec.RunSpec, count: int) -> np.ndarray:
    """uint64[count] that hang on the seed alone: SHAKE256 is the same everywhere, numpy's generators may change."""
    stream = hashlib.shake_256(f"{run.seed} {PROMPT}".encode()).digest(8 * count)
    return np.frombuffer(stream, "<u8")
