"""The model under evaluation, loaded from a visible checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from flan_evaluator.manifest import PARAMETERS, TOKENIZER
from flan_shared.checkpoint import load_parameters
from flan_shared.model import Transformer, build_model
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer


@dataclass(frozen=True)
class Subject:
    """What scoring and generation need of a checkpoint."""

    module: Transformer
    parameters: Mapping[str, Any]
    """Nested dict of device arrays."""
    tokenizer: Tokenizer
    spec: RunSpec


def load_subject(folder: Path, spec: RunSpec) -> Subject:
    """Reads the checkpoint in `folder`.

    Raises:
      FlanError: a file is missing or damaged.
    """
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    module = build_model(spec.model, tokenizer.vocab_size)
    # On the device once: handed over as NumPy arrays they would be copied at every call.
    return Subject(module, jax.device_put(load_parameters(folder / PARAMETERS)), tokenizer, spec)
