"""Greedy decoding: the cache changes the cost, not the output."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evaluator_parts import TINY, random_parameters

from flan_evaluator.generate import generate
from flan_shared.model import build_model
from flan_shared.tokenizer import EOS_ID

pytestmark = pytest.mark.slow

VOCAB_SIZE = 8
MODEL = build_model(TINY, VOCAB_SIZE)
LENGTH = 10


@pytest.fixture(scope="module")
def parameters():
    return random_parameters(VOCAB_SIZE, seed=3)


_forward = jax.jit(functools.partial(MODEL.apply, enable_dropout=False))


def greedy_without_cache(parameters, inputs: list[int]) -> list[int]:
    written: list[int] = []
    while len(written) < LENGTH:
        # Padded, so that every step has one shape; a later position cannot be seen by an earlier one.
        targets = jnp.array([[*written, *[5] * (LENGTH - len(written))]])
        shifted = jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]
        logits = _forward({"params": parameters}, jnp.array([inputs]), shifted, targets)
        token = int(logits[0, len(written)].argmax())
        if token == EOS_ID:
            break
        written.append(token)
    return written


def test_greedy_with_cache_writes_what_it_writes_without(parameters):
    rng = np.random.default_rng(0)
    inputs = [[*rng.integers(2, VOCAB_SIZE, length).tolist(), EOS_ID] for length in (4, 70, 4, 4, 70, 12)]

    written = dict(generate(MODEL, parameters, inputs, max_decode_length=LENGTH))

    assert written == {i: greedy_without_cache(parameters, row) for i, row in enumerate(inputs)}


def test_rows_end_at_eos_and_others_go_on(parameters):
    inputs = [[token, other, EOS_ID] for token in range(2, VOCAB_SIZE) for other in range(2, VOCAB_SIZE)]

    lengths = {len(row) for _, row in generate(MODEL, parameters, inputs, max_decode_length=LENGTH)}

    assert LENGTH in lengths
    assert min(lengths) < LENGTH


def test_logits_that_are_not_finite_give_no_output(parameters):
    broken = {**parameters, "token_embedder": {"embedding": jnp.full((VOCAB_SIZE, TINY.emb_dim), jnp.nan)}}

    assert list(generate(MODEL, broken, [[3, EOS_ID]], max_decode_length=4)) == [(0, None)]
