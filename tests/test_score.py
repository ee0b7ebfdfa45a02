"""Rank classification: what the packed, batched scorer computes is what the model says of each option alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evaluator_parts import TINY, random_parameters
from hypothesis import given
from hypothesis import strategies as st

from flan_evaluator.batches import batches, bucket
from flan_evaluator.score import score_options
from flan_shared.model import build_model
from flan_shared.tokenizer import EOS_ID

VOCAB_SIZE = 24
MODEL = build_model(TINY, VOCAB_SIZE)


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(VOCAB_SIZE)


def tokens(rng: np.random.Generator, length: int) -> list[int]:
    return [*rng.integers(3, VOCAB_SIZE, length - 1).tolist(), EOS_ID]


_forward = jax.jit(functools.partial(MODEL.apply, enable_dropout=False))


def alone(parameters, inputs: list[int], option: list[int]) -> np.ndarray:
    """Log-likelihood of every token of one option: a plain forward pass, one example, no padding."""
    logits = _forward(
        {"params": parameters}, jnp.array([inputs]), jnp.array([[0, *option[:-1]]]), jnp.array([option])
    )[0]
    return np.asarray(jax.nn.log_softmax(logits)[np.arange(len(option)), np.array(option)])


@pytest.mark.slow
def test_every_option_scores_as_in_a_plain_forward_pass(parameters):
    rng = np.random.default_rng(0)
    inputs = [tokens(rng, length) for length in (5, 70, 70, 5, 5)]
    options = [
        [tokens(rng, length) for length in lengths] for lengths in ((2, 5), (1, 2, 5), (5, 2), (2,), (2, 2))
    ]

    scores = dict(score_options(MODEL, parameters, inputs, options))

    assert sorted(scores) == [0, 1, 2, 3, 4]
    for i, alternatives in enumerate(options):
        expected = [alone(parameters, inputs[i], option).sum() for option in alternatives]
        np.testing.assert_allclose(scores[i], expected, atol=1e-4)


@pytest.mark.slow
def test_options_that_overflow_one_decoder_row_score_the_same(parameters):
    rng = np.random.default_rng(1)
    inputs = [tokens(rng, 8), tokens(rng, 8)]
    options = [[tokens(rng, 90) for _ in range(5)], [tokens(rng, 3), tokens(rng, 3)]]

    scores = dict(score_options(MODEL, parameters, inputs, options))

    for i, alternatives in enumerate(options):
        expected = [alone(parameters, inputs[i], option).sum() for option in alternatives]
        np.testing.assert_allclose(scores[i], expected, rtol=1e-5)


@pytest.mark.slow
def test_score_without_eos_leaves_out_the_last_token(parameters):
    rng = np.random.default_rng(2)
    inputs, options = [tokens(rng, 4)], [[tokens(rng, 3), tokens(rng, 5)]]

    ((_, scores),) = score_options(MODEL, parameters, inputs, options, with_eos=False)

    expected = [alone(parameters, inputs[0], option)[:-1].sum() for option in options[0]]
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.slow
def test_equal_options_score_equally(parameters):
    ((_, scores),) = score_options(MODEL, parameters, [[5, 6, 1]], [[[7, 1], [8, 1], [7, 1]]])

    assert scores[0] == pytest.approx(scores[2], abs=1e-5)
    assert scores[0] != pytest.approx(scores[1], abs=1e-3)


def test_no_examples_give_no_scores(parameters):
    assert list(score_options(MODEL, parameters, [], [])) == []


@given(st.lists(st.integers(1, 2000), max_size=200), st.integers(64, 8192), st.integers(1, 64))
def test_batches_hold_every_sequence_once_within_their_bounds(lengths, num_tokens, max_rows):
    made = list(batches(lengths, tokens=num_tokens, max_rows=max_rows))

    assert sorted(i for batch in made for i in batch.indices) == list(range(len(lengths)))
    for batch in made:
        assert len(batch.indices) <= batch.num_rows <= max_rows
        assert all(lengths[i] <= batch.length for i in batch.indices)
        assert batch.num_rows * batch.length <= num_tokens or batch.num_rows == 1


def test_lengths_up_to_1024_share_eight_buckets():
    assert sorted({bucket(length) for length in range(1, 1025)}) == [64, 128, 192, 256, 384, 512, 768, 1024]
