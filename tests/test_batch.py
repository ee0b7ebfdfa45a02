"""A batch on the wire and in the trainer: nothing is added, nothing is lost, damage is seen."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flan_shared.errors import LineError
from flan_shared.line import PackedBatch, decode_batch, encode_batch
from flan_shared.line.batch import token_dtype
from flan_trainer.expand import count_examples, expand


def packed(rows, *, dtype="<u2", dropped=0, quarantined=0):
    """A batch of rows of (inputs, targets) pairs of token lists."""
    examples = [example for row in rows for example in row]
    return PackedBatch(
        window=3,
        batch=1,
        shard=0,
        end=True,
        spec_digest="s",
        source_digest="d",
        tokens=np.array([token for pair in examples for part in pair for token in part], dtype),
        input_lengths=np.array([len(inputs) for inputs, _ in examples], np.int64),
        target_lengths=np.array([len(targets) for _, targets in examples], np.int64),
        row_examples=np.array([len(row) for row in rows], np.int64),
        num_rows=len(rows),
        clusters=np.arange(len(examples), dtype=np.uint8),
        drawn=len(examples) + dropped + quarantined,
        dropped=dropped,
        quarantined=quarantined,
    )


EXAMPLE = packed([[([5, 7, 1], [9, 1]), ([4, 1], [8, 8, 1])], [([6, 1], [3, 1])]], dropped=1)


def test_features_are_those_of_the_worked_example():
    features = expand(EXAMPLE, rows=3, inputs=6, targets=6)
    expected = {
        "encoder_input_tokens": [5, 7, 1, 4, 1, 0],
        "encoder_segment_ids": [1, 1, 1, 2, 2, 0],
        "encoder_positions": [0, 1, 2, 0, 1, 0],
        "decoder_target_tokens": [9, 1, 8, 8, 1, 0],
        "decoder_input_tokens": [0, 9, 0, 8, 8, 0],
        "decoder_segment_ids": [1, 1, 2, 2, 2, 0],
        "decoder_positions": [0, 1, 0, 1, 2, 0],
        "decoder_loss_weights": [1, 1, 1, 1, 1, 0],
        "decoder_clusters": [0, 0, 1, 1, 1, 0],
    }
    assert {name: array[0].tolist() for name, array in features.items()} == expected
    assert features["encoder_input_tokens"][1].tolist() == [6, 1, 0, 0, 0, 0]
    assert not any(array[2].any() for array in features.values())
    assert count_examples(features) == 3


EXAMPLES = st.tuples(
    st.lists(st.integers(2, 65535), max_size=6).map(lambda ids: [*ids, 1]),
    st.lists(st.integers(2, 65535), min_size=1, max_size=4).map(lambda ids: [*ids, 1]),
)
ROWS = st.lists(st.lists(EXAMPLES, min_size=1, max_size=4), max_size=6)


@given(ROWS, st.sampled_from(["<u2", "<u4"]))
def test_a_batch_survives_the_wire_and_expands_to_what_was_packed(rows, dtype):
    batch = decode_batch(encode_batch(packed(rows, dtype=dtype)))
    features = expand(batch, rows=max(1, len(rows)), inputs=28, targets=20)
    for number, row in enumerate(rows):
        for side, name in enumerate(("encoder_input_tokens", "decoder_target_tokens")):
            flat = [token for example in row for token in example[side]]
            assert features[name][number].tolist() == flat + [0] * (features[name].shape[1] - len(flat))
        segments = [s for s, example in enumerate(row, start=1) for _ in example[1]]
        assert features["decoder_segment_ids"][number][: len(segments)].tolist() == segments
        shifted = [token for example in row for token in [0, *example[1][:-1]]]
        assert features["decoder_input_tokens"][number][: len(shifted)].tolist() == shifted
    assert count_examples(features) == sum(map(len, rows))
    assert (features["decoder_loss_weights"] == (features["decoder_segment_ids"] > 0)).all()


def test_equal_batches_have_equal_bytes():
    assert encode_batch(EXAMPLE) == encode_batch(dataclasses.replace(EXAMPLE))


@pytest.mark.parametrize("position", [5, 20, -1])
def test_a_changed_byte_is_seen(position):
    data = bytearray(encode_batch(EXAMPLE))
    data[position] ^= 1
    with pytest.raises(LineError):
        decode_batch(bytes(data))


@pytest.mark.parametrize(
    "change",
    [
        {"drawn": 9},
        {"row_examples": np.array([2, 2])},
        {"input_lengths": np.array([3, 2, 9])},
        {"clusters": np.zeros(2, np.uint8)},
        {"num_rows": 1},
    ],
)
def test_parts_that_contradict_each_other_are_refused(change):
    with pytest.raises(LineError, match="window 3"):
        decode_batch(encode_batch(dataclasses.replace(EXAMPLE, **change)))


def test_a_row_too_long_for_the_arrays_is_refused():
    with pytest.raises(ValueError, match="a packed row has 5 tokens; expected at most 4"):
        expand(EXAMPLE, rows=2, inputs=4, targets=6)


def test_a_batch_without_rows_carries_its_counts():
    batch = decode_batch(encode_batch(packed([], quarantined=4)))
    assert (batch.drawn, batch.num_examples, batch.quarantined) == (4, 0, 4)
    assert count_examples(expand(batch, rows=2, inputs=4, targets=4)) == 0


def test_large_vocabularies_take_wide_tokens():
    assert token_dtype(65_536).itemsize == 2
    assert token_dtype(65_537).itemsize == 4
