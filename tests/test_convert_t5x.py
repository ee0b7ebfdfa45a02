"""T5X's checkpoints: with T5X itself where it imports, and as bytes written by hand."""

import dataclasses
import gc

import folders_of_checkpoints as folders
import ml_dtypes
import numpy as np
import pytest
import tensorstore
from flax import serialization
from folders_of_checkpoints import MODELS

from flan_shared.checkpoint import flatten, save_parameters
from flan_shared.errors import CheckpointError
from flan_trainer.convert import read_checkpoint, write_checkpoint
from flan_trainer.convert.source import nested


@pytest.fixture
def source(tmp_path):
    return folders.source_of(folders.GATED, tmp_path)


def write_msgpack(folder, target, **more):
    folder.mkdir()
    content = {"version": 3, "optimizer": {"target": target, "state": {"step": np.int32(5)}}} | more
    (folder / "checkpoint").write_bytes(serialization.msgpack_serialize(content))
    return folder


def zarr(folder, name, array):
    store = {"driver": "file", "path": f"{folder}/{name}/"}
    tensorstore.open(
        {"driver": "zarr", "kvstore": store}, create=True, dtype=array.dtype.name, shape=array.shape
    ).result().write(array).result()


def gcs_spec(name, array):
    """As T5X wrote them to its public buckets, before and after TensorStore 0.1.14."""
    metadata = {"compressor": {"id": "gzip"}, "shape": list(array.shape), "chunks": list(array.shape)}
    old = {"kvstore": {"driver": "gcs", "bucket": "t5x-dummy-bucket"}, "path": name}
    new = {"kvstore": {"driver": "gcs", "bucket": "t5x-dummy-bucket", "path": name}}
    return {"driver": "zarr", "dtype": array.dtype.name, "metadata": metadata} | (
        old if "encoder" in name else new
    )


def test_the_step_is_kept_and_may_be_given(source, tmp_path):
    write_checkpoint(source, "t5x", tmp_path / "a")
    assert read_checkpoint(tmp_path / "a").step == 0
    write_checkpoint(dataclasses.replace(source, step=40), "t5x", tmp_path / "b")
    assert read_checkpoint(tmp_path / "b").step == 40
    write_checkpoint(dataclasses.replace(source, step=40), "t5x", tmp_path / "c", step=3)
    assert read_checkpoint(tmp_path / "c" / "checkpoint").step == 3


def test_arrays_in_the_file_and_beside_it_are_read(source, tmp_path):
    flat = flatten(source.params)
    folder = write_msgpack(tmp_path / "t5x", nested(flat))
    assert read_checkpoint(folder).digest == source.digest
    leaves = {}
    for path, array in flat.items():
        name = f"target.{path.replace('/', '.')}"
        zarr(tmp_path / "mixed", name, array)
        leaves[path] = gcs_spec(name, array) if array.ndim == 2 else array
    content = {"version": 3, "optimizer": {"target": nested(leaves), "state": {"step": 1}}}
    (tmp_path / "mixed" / "checkpoint").write_bytes(serialization.msgpack_serialize(content))
    assert read_checkpoint(tmp_path / "mixed").digest == source.digest


def test_bfloat16_is_read_exactly(source, tmp_path):
    halves = {path: leaf.astype(ml_dtypes.bfloat16) for path, leaf in flatten(source.params).items()}
    kernel = read_checkpoint(write_msgpack(tmp_path / "t5x", nested(halves))).params["decoder"][
        "logits_dense"
    ]
    np.testing.assert_array_equal(kernel["kernel"], halves["decoder/logits_dense/kernel"].astype(np.float32))


def test_a_folder_of_t5xs_orbax_manager_is_read(source, tmp_path):
    folder = tmp_path / "model" / "checkpoint_12"
    folder.mkdir(parents=True)
    save_parameters(folder / "state", {"target": source.params, "state": {"step": np.int32(12)}})
    found = read_checkpoint(folder)
    assert (found.digest, found.step, found.form) == (source.digest, 12, "t5x")


def test_the_newest_of_several_is_taken(source, tmp_path):
    for step in (9, 10):
        write_checkpoint(source, "t5x", tmp_path / f"checkpoint_{step}", step=step)
    assert read_checkpoint(tmp_path).step == 10


def without(path):
    def spoil(flat):
        del flat[path]

    return spoil


def replaced(path, leaf):
    def spoil(flat):
        flat[path] = leaf

    return spoil


def absolute(flat):
    spec = gcs_spec("/etc", flat["encoder/encoder_norm/scale"])
    flat["encoder/encoder_norm/scale"] = spec


TREES = {
    "lacks a kernel": (
        without("decoder/layers_2/mlp/wo/kernel"),
        r"is not whole: decoder/layers_2/mlp/wo/kernel is missing, but its network, .* has \[24, 16\]",
    ),
    "lacks the embedding": (
        without("token_embedder/embedding"),
        "token_embedder/embedding is missing; expected a",
    ),
    "has one kernel too many": (
        replaced("decoder/layers_0/extra/kernel", np.ones((2, 2), np.float32)),
        "holds decoder/layers_0/extra/kernel, which its network, .*, does not have",
    ),
    "bias in every layer": (
        replaced("encoder/layers_0/relpos_bias/rel_embedding", np.ones((2, 32), np.float32)),
        r"is of t5x\.examples\.scalable_t5 \(encoder/layers_0/relpos_bias/rel_embedding",
    ),
    "kernels of three axes": (
        replaced("encoder/layers_0/attention/query/kernel", np.ones((16, 2, 4), np.float32)),
        r"scalable_t5 .*query/kernel is \[16, 2, 4\].*; give a checkpoint of t5x\.examples\.t5 or decoder_only",
    ),
    "numbers that are no floats": (
        replaced("encoder/encoder_norm/scale", np.ones(16, np.uint16)),
        "encoder/encoder_norm/scale holds uint16; expected float32, float16 or bfloat16",
    ),
    "a leaf that leads away": (
        absolute,
        "encoder/encoder_norm/scale is neither an array nor a TensorStore spec",
    ),
    "a leaf of another kind": (
        replaced("encoder/encoder_norm/scale", "PLACEHOLDER"),
        "encoder/encoder_norm/scale is neither an array nor a TensorStore spec",
    ),
    "other heads": (
        replaced("decoder/relpos_bias/rel_embedding", np.ones((3, 32), np.float32)),
        "has 8 columns, but decoder/relpos_bias/rel_embedding has 3 heads; expected a multiple",
    ),
}


@pytest.mark.parametrize("fault", TREES)
def test_a_tree_of_another_network_is_said_in_one_line(fault, source, tmp_path):
    spoil, message = TREES[fault]
    flat = flatten(source.params)
    spoil(flat)
    folder = write_msgpack(tmp_path / "t5x", nested(flat))
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)


def lose_array(folder):
    path = folder / "target.decoder.decoder_norm.scale" / "0"
    path.unlink()


def cut_array(folder):
    path = folder / "target.token_embedder.embedding" / "0.0"
    path.write_bytes(path.read_bytes()[:200])


def cut_file(folder):
    path = folder / "checkpoint"
    path.write_bytes(path.read_bytes()[:500])


def swap_arrays(folder):
    (folder / "target.encoder.encoder_norm.scale").rename(folder / "aside")
    (folder / "target.token_embedder.embedding").rename(folder / "target.encoder.encoder_norm.scale")


FILES = {
    "array lost": (lose_array, r"decoder_norm\.scale is missing or damaged"),
    "array cut": (cut_array, r"token_embedder\.embedding is missing or damaged"),
    "array of another": (swap_arrays, r"encoder_norm\.scale is \[320, 16\], but checkpoint says \[16\]"),
    "file cut": (cut_file, "is damaged, or not a checkpoint of T5X"),
    "file empty": (lambda f: (f / "checkpoint").write_bytes(b""), "is damaged, or not a checkpoint of T5X"),
    "file of something else": (lambda f: (f / "checkpoint").write_bytes(b"hello"), "is damaged, or not"),
    "no target": (
        lambda f: (f / "checkpoint").write_bytes(serialization.msgpack_serialize({"version": 3})),
        "is damaged, or not a checkpoint of T5X: KeyError",
    ),
    "of Mesh TensorFlow": (
        lambda f: (f / "checkpoint").write_bytes(b'model_checkpoint_path: "model.ckpt-1"'),
        "is one of Mesh TensorFlow; convert it",
    ),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_damaged_checkpoint_is_said_in_one_line(fault, source, tmp_path):
    spoil, message = FILES[fault]
    write_checkpoint(source, "t5x", tmp_path / "t5x")
    spoil(tmp_path / "t5x")
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(tmp_path / "t5x")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_t5x_restores_what_is_exported_and_what_it_saves_is_read(name, tmp_path):
    checkpoints = pytest.importorskip("t5x.checkpoints", reason="t5x is not installed", exc_type=ImportError)
    partitioning = pytest.importorskip(
        "t5x.partitioning", reason="t5x is not installed", exc_type=ImportError
    )
    from flax.core import freeze
    from flax.linen.partitioning import AxisMetadata
    from flax.traverse_util import unflatten_dict
    from t5x.train_state import InferenceState

    source = folders.source_of(MODELS[name], tmp_path)
    write_checkpoint(source, "t5x", tmp_path / "checkpoint_7", step=7)

    state = checkpoints.load_t5x_checkpoint(str(tmp_path / "checkpoint_7"))
    assert int(state["state"]["step"]) == 7
    restored = {path: np.asarray(leaf) for path, leaf in flatten(state["target"]).items()}
    expected = flatten(source.params)
    assert restored.keys() == expected.keys()
    assert all(restored[path].tobytes() == expected[path].tobytes() for path in expected)

    axes = {
        (*path.split("/")[:-1], f"{path.split('/')[-1]}_axes"): AxisMetadata((None,) * leaf.ndim)
        for path, leaf in expected.items()
    }
    zeros = nested({path: np.zeros_like(leaf) for path, leaf in expected.items()})
    empty = InferenceState(step=np.int32(0), params=freeze(zeros), params_axes=freeze(unflatten_dict(axes)))
    partitioner = partitioning.PjitPartitioner(num_partitions=1)
    checkpointer = checkpoints.Checkpointer(empty, partitioner, str(tmp_path), save_dtype=np.float32)
    again = checkpointer.restore(step=7)
    assert int(again.step) == 7
    assert all(
        np.asarray(leaf).tobytes() == expected[path].tobytes() for path, leaf in flatten(again.params).items()
    )

    checkpointer.save(again.replace_step(np.int32(8)))
    saved = read_checkpoint(tmp_path / "checkpoint_8")
    assert (saved.digest, saved.step) == (source.digest, 8)
    gc.collect()  # Here, where warnings pass: T5X leaves sockets and an event loop open.
