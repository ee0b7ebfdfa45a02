"""Feature arrays: what a packed row means to the model, by eye and against a loop."""

import numpy as np
import pytest
import specs
import yaml
from hypothesis import given
from test_batch import ROWS, packed

from flan_shared import spec
from flan_trainer.expand import count_examples, expand, expand_prefix_lm, features_of

A, B, C = ([5, 7, 1], [9, 1]), ([4, 1], [8, 8, 1]), ([6, 1], [3, 1])


def example_number(rows, row, segment):
    """The place of an example in its batch, which `packed` gives as its cluster."""
    return sum(len(before) for before in rows[:row]) + segment - 1


def test_prefix_lm_features_are_those_of_the_worked_example():
    features = expand_prefix_lm(packed([[A, B], [C]]), rows=3, length=11)
    expected = {
        "decoder_target_tokens": [5, 7, 1, 9, 1, 4, 1, 8, 8, 1, 0],
        "decoder_input_tokens": [0, 5, 7, 1, 9, 0, 4, 1, 8, 8, 0],
        "decoder_segment_ids": [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0],
        "decoder_positions": [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0],
        "decoder_loss_weights": [0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0],
        "decoder_causal_attention": [1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0],
        "decoder_clusters": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0],
    }
    assert {name: array[0].tolist() for name, array in features.items()} == expected
    assert features["decoder_target_tokens"][1].tolist() == [6, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0]
    assert features["decoder_causal_attention"][1].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert not any(array[2].any() for array in features.values())
    assert count_examples(features) == 3


def test_all_features_are_int32_but_the_weights():
    batch = packed([[A]])
    both = expand(batch, rows=1, inputs=3, targets=2), expand_prefix_lm(batch, rows=1, length=5)
    for features in both:
        kinds = {name: array.dtype.name for name, array in features.items()}
        assert kinds.pop("decoder_loss_weights") == "float32"
        assert set(kinds.values()) == {"int32"}


@pytest.mark.parametrize(("family", "shape"), [("t5_1_1", (4, 32)), ("prefix_lm", (4, 160))])
def test_a_run_gets_the_features_of_its_family_in_its_sizes(family, shape):
    model = {"family": family, "num_layers": 1} if family == "prefix_lm" else {"family": family}
    run = spec.parse_spec(yaml.safe_dump(specs.SMALL | {"model": model}))
    features = features_of(packed([[A, B], [C]]), run)
    assert features["decoder_target_tokens"].shape == shape
    assert ("decoder_causal_attention" in features) == (family == "prefix_lm")
    assert count_examples(features) == 3


@given(ROWS)
def test_encoder_decoder_features_equal_those_of_a_loop(rows):
    features = expand(packed(rows), rows=6, inputs=28, targets=20)
    expected = {name: np.zeros_like(array) for name, array in features.items()}
    for number, row in enumerate(rows):
        for side, tokens_name in ((0, "encoder_input_tokens"), (1, "decoder_target_tokens")):
            part = tokens_name.split("_")[0]
            column = 0
            for segment, example in enumerate(row, start=1):
                for position, token in enumerate(example[side]):
                    expected[tokens_name][number, column] = token
                    expected[f"{part}_segment_ids"][number, column] = segment
                    expected[f"{part}_positions"][number, column] = position
                    if side == 1:
                        expected["decoder_input_tokens"][number, column] = (
                            example[1][position - 1] if position else 0
                        )
                        expected["decoder_loss_weights"][number, column] = 1
                        expected["decoder_clusters"][number, column] = example_number(rows, number, segment)
                    column += 1
    assert all((features[name] == expected[name]).all() for name in features)


@given(ROWS)
def test_prefix_lm_features_equal_those_of_a_loop(rows):
    features = expand_prefix_lm(packed(rows), rows=6, length=48)
    expected = {name: np.zeros_like(array) for name, array in features.items()}
    for number, row in enumerate(rows):
        column = 0
        for segment, (inputs, targets) in enumerate(row, start=1):
            tokens = inputs + targets
            for position, token in enumerate(tokens):
                values = {
                    "decoder_target_tokens": token,
                    "decoder_input_tokens": tokens[position - 1] if position else 0,
                    "decoder_segment_ids": segment,
                    "decoder_positions": position,
                    "decoder_loss_weights": position >= len(inputs),
                    "decoder_causal_attention": position < len(inputs) + 1,
                    "decoder_clusters": example_number(rows, number, segment),
                }
                for name, value in values.items():
                    expected[name][number, column] = value
                column += 1
    assert all((features[name] == expected[name]).all() for name in features)


def test_a_batch_without_rows_is_all_padding():
    features = expand_prefix_lm(packed([]), rows=2, length=4)
    assert {array.shape for array in features.values()} == {(2, 4)}
    assert not any(array.any() for array in features.values())


def test_a_batch_that_does_not_fit_is_refused():
    batch = packed([[A, B], [C]])
    with pytest.raises(ValueError, match="a packed row has 10 tokens; expected at most 9"):
        expand_prefix_lm(batch, rows=2, length=9)
    with pytest.raises(ValueError, match="batch has 2 rows; expected at most 1"):
        expand_prefix_lm(batch, rows=1, length=10)
