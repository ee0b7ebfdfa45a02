"""What a run that starts from a checkpoint takes over from it: network, tokenizer, and the digest it is pinned to."""

import json
from collections.abc import Sequence
from pathlib import Path

from flan_cli.checkpoint import convert
from flan_cli.spec import read_spec
from flan_shared.errors import FlanError
from flan_shared.tokenizer import Tokenizer

_OWN = ("dropout_rate", "dtype", "scan_layers", "remat_policy")
"""Fields of a network that a checkpoint does not hold, and the spec says."""


def taken_over(
    checkpoint: str, spec_name: str, settings: Sequence[str], tokenizer: Path | None, folder: Path
) -> tuple[tuple[str, ...], Path]:
    """The settings and the tokenizer of a run of `spec_name` that starts from `checkpoint`.

    Args:
      checkpoint: see `flan checkpoint`.
      spec_name: see `read_spec`.
      settings: FIELD=VALUE each, of the user.
      tokenizer: of the user; None: the checkpoint's.
      folder: takes the checkpoint's tokenizer.

    Raises:
      FlanError: the checkpoint cannot be read, or has no tokenizer and none was given.
    """
    found = folder / "tokenizer.model"
    report = convert("show", checkpoint, tokenizer_out=found)
    if tokenizer is None and not found.is_file():
        raise FlanError(f"{checkpoint} has no tokenizer beside its parameters; give it with --tokenizer FILE")
    pieces = Tokenizer.load(tokenizer or found)
    # With its source: a prompt is refused where a run starts from nothing.
    spec = read_spec(spec_name, (*settings, "start.source=checkpoint"))
    network = {**report["model"], **{name: getattr(spec.model, name) for name in _OWN}}
    if not report["activations_known"] and spec.model.family == network["family"]:
        network["mlp_activations"] = list(spec.model.mlp_activations)
    fields = {
        "start": {"source": "checkpoint", "digest": report["parameters_digest"]},
        "model": network,
        "tokenizer.vocab_size": pieces.vocab_size,
        "tokenizer.extra_ids": report["extra_ids"] or spec.tokenizer.extra_ids,
    }
    own = tuple(f"{name}={json.dumps(value)}" for name, value in fields.items())
    return (*settings, *own), tokenizer or found
