"""TensorBoard's event files, read back by their own format: records with masked CRCs around Event messages."""

import struct

import google_crc32c
from tensorboardX.proto.event_pb2 import Event

from flan_trainer.board import Board


def events(folder):
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
            record, data = data[12 : 12 + size], data[12 + size :]
            assert struct.unpack("<I", data[:4])[0] == masked(record)
            yield Event.FromString(record)
            data = data[4:]


def masked(content):
    # The mask of TensorFlow's record format.
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_scalars_are_read_back_by_step_and_name(tmp_path):
    with Board(tmp_path / "tensorboard") as board:
        board.write(1, {"loss": 2.5, "loss_by_cluster/nli": 3.0})
        board.write(2, {"loss": 2.25})
    found = [
        (event.step, value.tag, value.simple_value)
        for event in events(tmp_path / "tensorboard")
        for value in event.summary.value
    ]
    assert found == [(1, "loss", 2.5), (1, "loss_by_cluster/nli", 3.0), (2, "loss", 2.25)]


def test_a_process_that_goes_on_adds_a_file(tmp_path):
    for step in (1, 2):
        with Board(tmp_path) as board:
            board.write(step, {"loss": 1.0})
    assert [event.step for event in events(tmp_path) if event.summary.value] == [1, 2]
