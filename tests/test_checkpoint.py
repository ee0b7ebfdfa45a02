"""Digest, description and files of parameters."""

import hashlib

import numpy as np
import pytest

from flan_shared.checkpoint import describe, load_parameters, parameters_digest, save_parameters
from flan_shared.errors import CheckpointError

PARAMS = {
    "decoder": {"norm": {"scale": np.array([1, 2], np.float32)}},
    "a": {"kernel": np.array([[1.5, -2, 0]], np.float32)},
}


def test_digest_is_over_paths_types_shapes_and_little_endian_values():
    expected = hashlib.sha256(
        b"a/kernel float32 1x3\n" + b"\x00\x00\xc0\x3f\x00\x00\x00\xc0\x00\x00\x00\x00"
        b"decoder/norm/scale float32 2\n" + b"\x00\x00\x80\x3f\x00\x00\x00\x40"
    )
    assert parameters_digest(PARAMS) == expected.hexdigest()


def test_digest_does_not_depend_on_the_order_of_keys_or_the_layout_in_memory():
    turned = {"a": {"kernel": np.asfortranarray(PARAMS["a"]["kernel"])}, "decoder": PARAMS["decoder"]}
    assert parameters_digest(turned) == parameters_digest(PARAMS)


@pytest.mark.parametrize(
    "other",
    [
        {"decoder": PARAMS["decoder"], "b": PARAMS["a"]},
        {"decoder": PARAMS["decoder"], "a": {"kernel": PARAMS["a"]["kernel"].T}},
        {"decoder": PARAMS["decoder"], "a": {"kernel": PARAMS["a"]["kernel"].view(np.int32)}},
        {"decoder": PARAMS["decoder"], "a": {"kernel": -PARAMS["a"]["kernel"]}},
    ],
    ids=["path", "shape", "type", "value"],
)
def test_digest_tells_trees_apart(other):
    assert parameters_digest(other) != parameters_digest(PARAMS)


def test_description_lists_every_parameter_by_path():
    assert [(one.path, list(one.shape), one.dtype) for one in describe(PARAMS)] == [
        ("a/kernel", [1, 3], "float32"),
        ("decoder/norm/scale", [2], "float32"),
    ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "params"
    save_parameters(folder, PARAMS)
    return folder


def test_parameters_read_back_are_the_same(saved):
    loaded = load_parameters(saved)
    assert type(loaded["a"]["kernel"]) is np.ndarray
    assert parameters_digest(loaded) == parameters_digest(PARAMS)


def test_files_may_be_moved(saved, tmp_path):
    moved = saved.rename(tmp_path / "elsewhere")
    try:
        assert parameters_digest(load_parameters(moved)) == parameters_digest(PARAMS)
    finally:
        moved.rename(saved)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere is not a folder$"):
        load_parameters(tmp_path / "nowhere")


def test_a_folder_without_parameters_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=f"parameters in {tmp_path} cannot be read: ") as caught:
        load_parameters(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_said(tmp_path):
    folder = tmp_path / "params"
    save_parameters(folder, {f"layers_{n}": np.arange(5000, dtype=np.float32) for n in range(20)})
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size > 10_000 and not path.name.startswith("_"):
            path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        load_parameters(folder)
    assert "\n" not in str(caught.value)


def test_an_existing_folder_is_not_written_over(saved):
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_parameters(saved, {"kernel": np.zeros(3, np.float32)})
    assert parameters_digest(load_parameters(saved)) == parameters_digest(PARAMS)
