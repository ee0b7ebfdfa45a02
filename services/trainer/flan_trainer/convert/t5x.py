"""T5X checkpoints, as `t5x.checkpoints.Checkpointer` writes and restores them.

    FOLDER/checkpoint                              msgpack of flax.serialization:
                                                   {version: 3, optimizer: {target: {…}, state: {step, …}}}
    FOLDER/target.encoder.layers_0.….kernel/       one zarr array a parameter, where the leaf in the msgpack file
                                                   is a TensorStore spec and not the array itself

Folders of T5X's Orbax manager, which hold the same tree (`checkpoint_N/state`), are read as well. Nothing here
needs T5X.

Of a spec in the file only the name of its folder is used: a spec may name any driver and any place, and a
checkpoint from elsewhere shall read nothing but its own files.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from flan_shared.checkpoint import flatten, load_parameters, one_line
from flan_shared.errors import CheckpointError
from flan_trainer.convert.layout import model_of
from flan_trainer.convert.source import Source, nested

CHECKPOINT = "checkpoint"

_VERSION = 3
"""`t5x.checkpoints.VERSION`."""
_SPEC_KEYS = {"driver", "kvstore", "metadata"}
_ORBAX = "_METADATA"
_TENSORFLOW = b"model_checkpoint_path"
_CHUNK_BYTES = 64 * 2**20
"""As in T5X."""


def is_t5x(folder: Path) -> bool:
    """Whether a folder looks like one."""
    return (folder / CHECKPOINT).is_file() or any(
        (place / _ORBAX).is_file() for place in (folder / "state", folder)
    )


def read_t5x(folder: Path) -> Source:
    """Reads the parameters of a checkpoint; its optimizer state is left alone.

    Raises:
      CheckpointError: something in it is missing or damaged, or it is of another network.
    """
    where = f"checkpoint {folder}"
    if (folder / CHECKPOINT).is_file():
        target, step = _read_msgpack(folder, where)
    else:
        target, step = _read_orbax(folder, where)
    flat = {path: np.asarray(leaf, np.float32, order="C") for path, leaf in flatten(target).items()}
    params = nested(flat)
    model = model_of(params, where)
    return Source(folder, "t5x", params, model, activations_known=False, step=step)


def write_t5x(folder: Path, source: Source, *, step: int = 0) -> None:
    """Writes a checkpoint with parameters and step, and without the slots of an optimizer.

    `t5x.checkpoints.load_t5x_checkpoint` and evaluation and inference restore it as it is; to train on, T5X makes
    the slots anew with `RestoreCheckpointConfig(fallback_to_scratch=True, state_transformation_fns=…)`.

    Args:
      folder: exists and is empty.
      source: of either family.
      step: completed optimizer updates.

    Raises:
      CheckpointError: an array cannot be written.
      OSError: the disk is full, or the folder cannot be written.
    """
    import tensorstore
    from flax import serialization

    leaves: dict[str, Any] = {}
    # One at a time: TensorStore works on all cores within an array, and copies what it has not yet written.
    for path, array in flatten(source.params).items():
        name = f"target.{path.replace('/', '.')}"
        spec = _spec(name, array)
        placed = spec | {"kvstore": {"driver": "file", "path": f"{(folder / name).absolute()}/"}}
        try:
            tensorstore.open(placed, create=True, open=False).result().write(array).result()
        except (ValueError, OSError) as err:
            raise CheckpointError(f"{folder / name} cannot be written: {one_line(err)}") from err
        leaves[path] = spec
    state = {"target": nested(leaves), "state": {"step": np.array(step, np.int32)}}
    content = serialization.msgpack_serialize({"version": _VERSION, "optimizer": state})
    (folder / CHECKPOINT).write_bytes(content)


def _spec(name: str, array: np.ndarray) -> dict[str, Any]:
    rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
    chunks = [min(rows, array.shape[0]), *array.shape[1:]]
    return {
        "driver": "zarr",
        "dtype": array.dtype.name,
        "kvstore": {"driver": "file", "path": f"{name}/"},
        "metadata": {
            # T5X's own choice, gzip, saves 8 per cent of the bytes and takes three times as long (77 million numbers).
            "compressor": None,
            "shape": list(array.shape),
            "chunks": chunks,
        },
    }


def _read_msgpack(folder: Path, where: str) -> tuple[dict[str, Any], int | None]:
    from flax import serialization

    path = folder / CHECKPOINT
    try:
        content = path.read_bytes()
    except OSError as err:
        raise CheckpointError(f"{path} cannot be read: {one_line(err)}") from err
    if content.startswith(_TENSORFLOW):
        raise CheckpointError(
            f"{where} is one of Mesh TensorFlow; convert it with t5x.scripts.convert_tf_checkpoint first"
        )
    try:
        tree = serialization.msgpack_restore(content)
        state = tree.get("optimizer", tree)
        target = state["target"]
        step = state.get("state", {}).get("step")
        step = None if step is None else int(np.asarray(step))
        leaves = dict(_leaves(target, ""))
    except Exception as err:  # msgpack and flax raise whatever the bytes lead them to.
        raise CheckpointError(
            f"{path} is damaged, or not a checkpoint of T5X: {type(err).__name__}: {one_line(err)}"
        ) from err
    return nested(_read_leaves(folder, leaves)), step


def _leaves(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(tree, Mapping):
        raise TypeError(f"optimizer.target holds a {type(tree).__name__}")
    for key, value in tree.items():
        if isinstance(value, Mapping) and not value.keys() >= _SPEC_KEYS:
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _read_leaves(folder: Path, leaves: Mapping[str, Any]) -> dict[str, np.ndarray]:
    import tensorstore

    arrays, pending = {}, {}
    for path, leaf in leaves.items():
        if isinstance(leaf, np.ndarray):
            arrays[path] = np.array(leaf)  # Its own: what msgpack gives is read-only.
            continue
        name = _folder_name(leaf)
        if name is None:
            raise CheckpointError(
                f"{folder / CHECKPOINT}: {path} is neither an array nor a TensorStore spec of a folder beside it"
            )
        opened = tensorstore.open(
            {
                "driver": "zarr",
                "kvstore": {"driver": "file", "path": f"{(folder / name).absolute()}/"},
                # Else a piece that is missing would read as zeros.
                "fill_missing_data_reads": False,
            },
            open=True,
        )
        pending[path] = name, leaf, opened
    for path, (name, leaf, opened) in pending.items():
        try:
            array = opened.result().read().result()
        except (ValueError, OSError) as err:
            raise CheckpointError(f"{folder / name} is missing or damaged: {one_line(err)}") from err
        if list(array.shape) != list(leaf["metadata"].get("shape", array.shape)):
            raise CheckpointError(
                f"{folder / name} is {list(array.shape)}, but {CHECKPOINT} says {leaf['metadata']['shape']}"
            )
        arrays[path] = array
    for path, array in arrays.items():
        # bfloat16 is of kind V to numpy where ml_dtypes is old, and f where it is not.
        if array.dtype.name not in ("float32", "float16", "bfloat16"):
            raise CheckpointError(
                f"checkpoint {folder}: {path} holds {array.dtype.name}; expected float32, float16 or bfloat16"
            )
    return arrays


def _folder_name(leaf: Any) -> str | None:
    """The folder of a spec, where it is a plain name: `target.encoder.encoder_norm.scale`."""
    if not isinstance(leaf, Mapping) or not isinstance(leaf["metadata"], Mapping):
        return None
    kvstore = leaf["kvstore"]
    # TensorStore before 0.1.14 kept the path outside of the key-value store.
    path = (kvstore.get("path") if isinstance(kvstore, Mapping) else None) or leaf.get("path")
    if not isinstance(path, str) or leaf["driver"] != "zarr":
        return None
    name = path.rstrip("/")
    return name if name and PurePosixPath(name).name == name and name != ".." else None


def _read_orbax(folder: Path, where: str) -> tuple[dict[str, Any], int | None]:
    place = folder / "state" if (folder / "state" / _ORBAX).is_file() else folder
    tree = load_parameters(place)
    if not isinstance(tree, dict) or not isinstance(tree.get("target"), dict):
        raise CheckpointError(f"{where} holds no `target`; expected a checkpoint of T5X")
    step = tree.get("state", {}).get("step")
    return tree["target"], None if step is None else int(np.asarray(step))
