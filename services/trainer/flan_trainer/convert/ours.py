"""The project's own folders: imported, published, saved by a trainer, or a whole run's.

imported       params/ model.json [tokenizer.model]            `flan checkpoint import`
published      params/ manifest[.pb] tokenizer.model           the trainer's outbox, the evaluator's store
saved          params/ checkpoint.json …                       checkpoint_N of a trainer
run            spec.json tokenizer.model checkpoints/          `flan up`; the newest checkpoint is taken
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pydantic
from google.protobuf.message import DecodeError

from flan.v1 import checkpoint_pb2
from flan_shared import spec
from flan_shared.checkpoint import flatten, load_parameters, one_line, save_parameters
from flan_shared.errors import CheckpointError, SpecError
from flan_shared.spec import RunSpec, parse_spec
from flan_trainer.convert.layout import check_shapes, model_of
from flan_trainer.convert.source import Source

PARAMS = "params"
DOCUMENT = "model.json"
TOKENIZER = "tokenizer.model"

_MANIFESTS = ("manifest.pb", "manifest")
_RECORD = "checkpoint.json"
_STEP = re.compile(r"^checkpoint_(0|[1-9][0-9]*)$")
_MODEL: pydantic.TypeAdapter[spec.Model] = pydantic.TypeAdapter(spec.Model)


def is_ours(folder: Path) -> bool:
    """Whether a folder is one of a checkpoint of the project."""
    return (folder / PARAMS).is_dir()


def read_ours(folder: Path) -> Source:
    """Reads a checkpoint and what its folder says of it.

    Raises:
      CheckpointError: something in it is missing or damaged.
    """
    where = f"checkpoint {folder}"
    params = load_parameters(folder / PARAMS)
    tokenizer = _tokenizer(folder)
    if (folder / DOCUMENT).is_file():
        return _imported(folder, where, params, tokenizer)
    manifest = next((folder / name for name in _MANIFESTS if (folder / name).is_file()), None)
    if manifest is not None:
        return _published(folder, manifest, where, params, tokenizer)
    match = _STEP.match(folder.name)
    step = int(match[1]) if match else None
    run = _run_of(folder)
    if run is None:
        return Source(folder, "flan", params, model_of(params, where), activations_known=False, step=step)
    model = model_of(params, where, run.model.mlp_activations)
    beside = _tokenizer(folder.parents[1])
    return Source(
        folder, "flan", params, model, tokenizer=beside, extra_ids=run.tokenizer.extra_ids, step=step
    )


def write_ours(folder: Path, source: Source) -> None:
    """Writes an imported folder.

    Args:
      folder: exists and is empty.
      source: any.

    Raises:
      CheckpointError, OSError: the disk is full, or the folder cannot be written.
    """
    save_parameters(folder / PARAMS, source.params)
    document = {
        "model": source.model.model_dump(mode="json"),
        "parameters_digest": source.digest,
        "num_parameters": source.num_parameters,
        "activations_known": source.activations_known,
        "tokenizer_digest": source.tokenizer and hashlib.sha256(source.tokenizer).hexdigest(),
        "extra_ids": source.extra_ids,
        "from": {"form": source.form, "name": source.path.name, "step": source.step},
        "notes": list(source.notes),
    }
    (folder / DOCUMENT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if source.tokenizer is not None:
        (folder / TOKENIZER).write_bytes(source.tokenizer)


def _imported(folder: Path, where: str, params: dict[str, Any], tokenizer: bytes | None) -> Source:
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        # Through JSON, because only there does strict mode take a list for a tuple.
        model = _MODEL.validate_json(json.dumps(document["model"]))
        origin = document["from"]
        source = Source(
            folder,
            "flan",
            params,
            model,
            activations_known=document["activations_known"],
            tokenizer=tokenizer,
            extra_ids=document["extra_ids"],
            step=origin["step"],
            notes=tuple(document["notes"]),
        )
        expected = {"parameters": document["parameters_digest"], "tokenizer": document["tokenizer_digest"]}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise CheckpointError(f"{path} is damaged: {one_line(err)}; import the checkpoint again") from err
    check_shapes({path: leaf.shape for path, leaf in flatten(params).items()}, model, where)
    found = {"parameters": source.digest, "tokenizer": tokenizer and hashlib.sha256(tokenizer).hexdigest()}
    _check_digests(where, found, expected, "import it again")
    return source


def _published(
    folder: Path, path: Path, where: str, params: dict[str, Any], tokenizer: bytes | None
) -> Source:
    try:
        manifest = checkpoint_pb2.CheckpointManifest.FromString(path.read_bytes())
        run = parse_spec(manifest.spec, where=f"the spec in {path}")
    except (OSError, DecodeError, SpecError) as err:
        raise CheckpointError(f"{path} cannot be read: {one_line(err)}") from err
    model = model_of(params, where, run.model.mlp_activations)
    source = Source(
        folder,
        "flan",
        params,
        model,
        tokenizer=tokenizer,
        extra_ids=run.tokenizer.extra_ids,
        step=manifest.step,
    )
    _check_digests(
        where, {"parameters": source.digest}, {"parameters": manifest.parameters_digest}, "publish it again"
    )
    return source


def _check_digests(where: str, found: dict[str, Any], expected: dict[str, Any], mend: str) -> None:
    for what, digest in expected.items():
        if found[what] != digest:
            raise CheckpointError(
                f"{where} is damaged: its {what} have the digest {found[what]}, but it says {digest}; {mend}"
            )


def _run_of(folder: Path) -> RunSpec | None:
    """The spec of the run that saved a checkpoint, where the folder still lies in the run's and is of it."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        path = folder.absolute().parents[1] / "spec.json"
        run = parse_spec(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, ValueError, IndexError, SpecError):
        return None
    return run if isinstance(record, dict) and record.get("spec_digest") == run.digest else None


def _tokenizer(folder: Path) -> bytes | None:
    path = folder / TOKENIZER
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError as err:
        raise CheckpointError(f"{path} cannot be read: {one_line(err)}") from err
