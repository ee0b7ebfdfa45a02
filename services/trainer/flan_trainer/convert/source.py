"""What a checkpoint that was read is, whatever form it was kept in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from flan_shared import spec
from flan_shared.checkpoint import flatten, parameters_digest
from flan_trainer.engines.prompt import EMBEDDING

Tree = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Parameters in the on-disk form, and what else their folder tells."""

    path: Path
    form: str
    """flan, hf or t5x."""
    params: Tree
    """Nested dicts of float32 `np.ndarray`, unscanned, with the names of `flan_trainer.convert.layout`."""
    model: spec.Model
    """`vocab_size` is the number of rows of the embedding."""
    activations_known: bool = True
    """Whether `model.mlp_activations` were read; else they are those of T5 1.0 or 1.1, by their number."""
    tokenizer: bytes | None = None
    """The SentencePiece model, where the folder has it."""
    extra_ids: int | None = None
    """Ids after the tokenizer's pieces, where the folder tells."""
    step: int | None = None
    """Completed optimizer updates, where the folder tells."""
    notes: tuple[str, ...] = field(default=())
    """What a person should know about how it was read, a sentence each."""

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"checkpoint {self.path}"

    @property
    def prompt_length(self) -> int:
        """Rows of the prompt that was trained on top of the network; 0: there is none."""
        prompt = flatten(self.params).get(EMBEDDING)
        return 0 if prompt is None else len(prompt)

    @cached_property
    def digest(self) -> str:
        """`flan_shared.checkpoint.parameters_digest`."""
        return parameters_digest(self.params)

    @property
    def num_parameters(self) -> int:
        """How many numbers."""
        return sum(leaf.size for leaf in flatten(self.params).values())


def nested(flat: Mapping[str, np.ndarray]) -> Tree:
    """Nested dicts from leaves by path.

    >>> nested({"a/b": 1, "a/c": 2})
    {'a': {'b': 1, 'c': 2}}
    """
    tree: Tree = {}
    for path, leaf in flat.items():
        *parents, last = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree
