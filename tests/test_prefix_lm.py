"""The prefix LM: T5X's tree, packing, who sees whom, the cache, and T5X's own network beside it."""

import functools

import jax
import jax.extend
import jax.numpy as jnp
import models
import numpy as np
import pytest
from flax.linen.partitioning import get_axis_names

from flan_shared.checkpoint import flatten
from flan_shared.model.scan import stack

pytestmark = pytest.mark.slow

TREE = {
    "decoder/token_embedder/embedding": ((40, 16), ("vocab", "embed")),
    "decoder/relpos_bias/rel_embedding": ((2, 32), ("heads", "relpos_buckets")),
    "decoder/layers_0/pre_self_attention_layer_norm/scale": ((16,), ("embed",)),
    "decoder/layers_0/self_attention/query/kernel": ((16, 16), ("embed", "joined_kv")),
    "decoder/layers_0/self_attention/key/kernel": ((16, 16), ("embed", "joined_kv")),
    "decoder/layers_0/self_attention/value/kernel": ((16, 16), ("embed", "joined_kv")),
    "decoder/layers_0/self_attention/out/kernel": ((16, 16), ("joined_kv", "embed")),
    "decoder/layers_0/pre_mlp_layer_norm/scale": ((16,), ("embed",)),
    "decoder/layers_0/mlp/wi_0/kernel": ((16, 24), ("embed", "mlp")),
    "decoder/layers_0/mlp/wi_1/kernel": ((16, 24), ("embed", "mlp")),
    "decoder/layers_0/mlp/wo/kernel": ((24, 16), ("mlp", "embed")),
    "decoder/decoder_norm/scale": ((16,), ("embed",)),
    "decoder/logits_dense/kernel": ((16, 40), ("embed", "vocab")),
}


@pytest.fixture(scope="module")
def model():
    return models.tiny_prefix_lm(num_layers=2)


@pytest.fixture(scope="module")
def params(model):
    return models.init(model)["params"]


def test_tree_is_that_of_t5x():
    variables = jax.eval_shape(models.init, models.tiny_prefix_lm())
    axes = {path: tuple(names) for path, names in flatten(get_axis_names(variables["params_axes"])).items()}
    params = flatten(variables["params"])
    assert {path: (leaf.shape, axes[path]) for path, leaf in params.items()} == TREE
    assert {leaf.dtype for leaf in params.values()} == {np.dtype(np.float32)}


def test_an_example_has_the_same_logits_packed_and_alone(model, params):
    packed = models.pack_prefix_lm([models.EXAMPLES], 30)
    alone = models.pack_prefix_lm([[example] for example in models.EXAMPLES], 30)
    together, apart = (models.logits(model, params, batch) for batch in (packed, alone))
    for row in range(len(models.EXAMPLES)):
        here, there = packed["decoder_segment_ids"][0] == row + 1, alone["decoder_segment_ids"][row] > 0
        np.testing.assert_allclose(together[0, here], apart[row, there], atol=2e-6)


def test_examples_have_the_same_loss_and_gradients_packed_and_alone(model, params):
    packed = models.pack_prefix_lm([models.EXAMPLES], 30)
    alone = models.pack_prefix_lm([[example] for example in models.EXAMPLES], 30)
    del alone["decoder_segment_ids"]
    one, other = (models.loss_gradients(model, params, batch) for batch in (packed, alone))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
    found, expected = flatten(one[1]), flatten(other[1])
    for path, leaf in expected.items():
        np.testing.assert_allclose(found[path], leaf, atol=2e-5, err_msg=path)


def changed_by(model, params, batch, position):
    """Positions of row 0 whose logits change with the input token at `position`."""
    other = batch | {"decoder_input_tokens": batch["decoder_input_tokens"].copy()}
    other["decoder_input_tokens"][0, position] = 37
    before, after = (models.logits(model, params, one)[0] for one in (batch, other))
    valid = batch["decoder_target_tokens"][0] > 0
    return np.flatnonzero((np.abs(before - after).max(axis=-1) > 0) & valid).tolist()


def test_inputs_see_all_inputs_and_targets_what_is_before_them(model, params):
    # Tokens 0 5 9 12 1 are seen by all, 7 8 by those after them; the second example sees none of it.
    batch = models.pack_prefix_lm([[([5, 9, 12, 1], [7, 8, 1]), ([6, 1], [3, 1])]], 13)
    assert changed_by(model, params, batch, 0) == [0, 1, 2, 3, 4, 5, 6]
    assert changed_by(model, params, batch, 4) == [0, 1, 2, 3, 4, 5, 6]
    assert changed_by(model, params, batch, 5) == [5, 6]
    assert changed_by(model, params, batch, 6) == [6]
    assert changed_by(model, params, batch, 9) == [7, 8, 9, 10]


def test_without_causal_attention_no_token_sees_a_later_one(model, params):
    batch = models.pack_prefix_lm([[([5, 9, 12, 1], [7, 8, 1])]], 8)
    del batch["decoder_causal_attention"]
    assert changed_by(model, params, batch, 3) == [3, 4, 5, 6]


def prefill(model, params, batch, *, max_decode_length=None):
    """A cache of all inputs but the last token, as T5X fills it."""
    seen = batch["decoder_causal_attention"]
    _, made = jax.jit(
        functools.partial(model.apply, **CACHED, prefill=True, max_decode_length=max_decode_length)
    )(
        {"params": params},
        batch["decoder_input_tokens"] * seen,
        seen,
        decoder_causal_attention=seen,
        prefill_lengths=seen.sum(axis=1) - 1,
    )
    return made


CACHED = {"enable_dropout": False, "mutable": ["cache"]}


@pytest.mark.parametrize("scan_layers", [False, True])
def test_decoding_after_the_inputs_gives_the_logits_of_the_whole(model, params, scan_layers):
    caching = models.tiny_prefix_lm(num_layers=2, scan_layers=scan_layers)
    form = stack(params, caching.config)
    batch = models.pack_prefix_lm([[example] for example in models.EXAMPLES], 10)
    whole = models.logits(model, params, batch)
    made = prefill(caching, form, batch)
    step = jax.jit(functools.partial(caching.apply, **CACHED, decode=True, max_decode_length=10))
    rows, start = np.arange(4), batch["decoder_causal_attention"].sum(axis=1) - 1
    for ahead in range(2):
        tokens = batch["decoder_input_tokens"][rows, start + ahead][:, None]
        logits, made = step({"params": form} | made, tokens, tokens)
        np.testing.assert_allclose(logits[:, 0], whole[rows, start + ahead], atol=2e-6)


@pytest.mark.parametrize("scan_layers", [False, True])
def test_options_share_the_inputs_that_were_computed_once(model, params, scan_layers):
    caching = models.tiny_prefix_lm(num_layers=2, scan_layers=scan_layers)
    form = stack(params, caching.config)
    inputs, options = [source for source, _ in models.EXAMPLES[:2]], [[7, 8, 1], [33, 1], [11, 2, 1]]
    # Row 0 has the first inputs with option 0, rows 1 and 2 the second inputs with options 1 and 2.
    owners = np.array([0, 1, 1])
    whole = models.pack_prefix_lm(
        [[(inputs[owner], option)] for owner, option in zip(owners, options, strict=True)], 10
    )
    expected = models.logits(model, params, whole)
    prefixes = models.pack_prefix_lm([[(source, [1])] for source in inputs], 7)
    made = prefill(caching, form, prefixes, max_decode_length=10)
    made = jax.tree.map(lambda leaf: jnp.take(leaf, owners, axis=int(caching.scan_layers)), made)
    tokens = np.zeros((3, 3), np.int32)
    for row, (owner, option) in enumerate(zip(owners, options, strict=True)):
        tokens[row, : len(option)] = [inputs[owner][-1], *option[:-1]]
    extend = jax.jit(functools.partial(caching.apply, **CACHED, decode=True, max_decode_length=10))
    logits, _ = extend({"params": form} | made, tokens, tokens)
    for row, (owner, option) in enumerate(zip(owners, options, strict=True)):
        start = len(inputs[owner])
        np.testing.assert_allclose(
            logits[row, : len(option)], expected[row, start : start + len(option)], atol=2e-6
        )


def test_cache_has_the_layout_of_t5x(model, params):
    tokens = np.ones((3, 10), np.int32)
    apply = functools.partial(model.apply, **CACHED, decode=True)
    _, made = jax.eval_shape(apply, {"params": params}, tokens, tokens)
    batch = models.pack_prefix_lm([[example] for example in models.EXAMPLES[1:]], 10)
    filled = jax.eval_shape(functools.partial(prefill, model, params), batch)
    for cache, index in ((made, ()), (filled, (3,))):
        assert {path: leaf.shape for path, leaf in flatten(cache["cache"]).items()} == {
            f"decoder/layers_{layer}/self_attention/{name}": shape
            for layer in range(2)
            for name, shape in (
                ("cached_key", (3, 2, 8, 10)),
                ("cached_value", (3, 2, 8, 10)),
                ("cache_index", index),
            )
        }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decode": True, "decoder_segment_ids": np.ones((2, 4), np.int32)}, "one example a row"),
        ({"decode": True, "prefill": True, "prefill_lengths": np.ones(2, np.int32)}, "not both"),
        ({"prefill": True}, "give both or none"),
        (
            {"prefill": True, "prefill_lengths": np.ones(2, np.int32), "max_decode_length": 3},
            "expected at least 4",
        ),
    ],
)
def test_arguments_that_exclude_each_other_are_refused(model, params, arguments, message):
    tokens = np.ones((2, 4), np.int32)
    with pytest.raises(ValueError, match=message):
        model.apply({"params": params}, tokens, tokens, **CACHED, **arguments)


def test_a_cache_of_another_length_is_refused(model, params):
    batch = models.pack_prefix_lm([[models.EXAMPLES[1]]], 6)
    made, token = prefill(model, params, batch), np.ones((1, 1), np.int32)
    with pytest.raises(ValueError, match="the cache has 6 positions, and max_decode_length is 5"):
        model.apply({"params": params} | made, token, token, **CACHED, decode=True, max_decode_length=5)


def test_float_tokens_are_taken_as_t5x_initialises_with_them(model):
    tokens = jnp.ones((2, 3), jnp.float32)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), tokens, tokens, enable_dropout=False))
    assert set(shapes) == {"params", "params_axes"}


def test_bfloat16_activations_keep_float32_parameters_and_logits(model, params):
    low = models.tiny_prefix_lm(num_layers=2, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(models.init(low)["params"])} == {np.dtype(np.float32)}
    batch = models.pack_prefix_lm([models.EXAMPLES], 30)
    logits = models.logits(low, params, batch)
    assert logits.dtype == jnp.float32
    valid = batch["decoder_target_tokens"] > 0
    np.testing.assert_allclose(logits[valid], models.logits(model, params, batch)[valid], atol=0.1)


def equations(jaxpr):
    """Those of a program and of all programs within it."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from equations(inner)


@pytest.mark.parametrize("family", ["t5_1_1", "prefix_lm"])
def test_norms_softmax_and_logits_are_float32_among_bfloat16_activations(family):
    if family == "prefix_lm":
        model, batch = models.tiny_prefix_lm(dtype="bfloat16"), models.pack_prefix_lm([models.EXAMPLES], 30)
    else:
        model, batch = models.tiny_model(dtype="bfloat16"), models.pack([models.EXAMPLES], 20, 14)
    params = jax.eval_shape(models.init, model)["params"]
    program = list(equations(jax.make_jaxpr(functools.partial(models.logits, model))(params, batch).jaxpr))
    softmax, norms = (
        [equation.invars[0].aval.dtype for equation in program if equation.primitive.name == name]
        for name in ("exp", "rsqrt")
    )
    assert softmax
    assert norms
    assert {*softmax, *norms} == {jnp.dtype("float32")}
    products = [equation for equation in program if equation.primitive.name == "dot_general"]
    assert {variable.aval.dtype for variable in products[-1].invars} == {jnp.dtype("float32")}
    assert jnp.dtype("bfloat16") in {
        variable.aval.dtype for equation in products for variable in equation.invars
    }


@pytest.fixture
def t5x_network():
    """T5X's own module with the sizes of `model`."""
    network = pytest.importorskip("t5x.examples.decoder_only.network", reason="t5x cannot be imported")
    fields = {name: value for name, value in models.TINY_PREFIX_LM.items() if name != "family"}
    fields |= {"num_layers": 2, "mlp_activations": ("gelu", "linear"), "dropout_rate": 0.0}
    return network.DecoderWrapper(network.TransformerConfig(models.VOCAB_SIZE, jnp.float32, **fields))


@pytest.mark.filterwarnings("ignore")  # T5X's own.
def test_loss_logits_and_gradients_are_those_of_the_network_of_t5x(model, params, t5x_network):
    batch = models.pack_prefix_lm([models.EXAMPLES, models.EXAMPLES[:2]], 30)
    valid = batch["decoder_target_tokens"] > 0
    found, expected = (models.logits(one, params, batch)[valid] for one in (model, t5x_network))
    np.testing.assert_allclose(found, expected, atol=5e-6)
    found, expected = (models.loss_gradients(one, params, batch) for one in (model, t5x_network))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    for path, leaf in flatten(expected[1]).items():
        np.testing.assert_allclose(flatten(found[1])[path], leaf, atol=5e-5, err_msg=path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scan_layers", [False, True])
def test_t5x_generates_with_this_module_as_with_its_own(params, t5x_network, scan_layers):
    t5x_models, seqio = pytest.importorskip("t5x.models"), pytest.importorskip("seqio")
    module = models.tiny_prefix_lm(num_layers=2, scan_layers=scan_layers)

    def generate(module, params):
        vocabulary = seqio.PassThroughVocabulary(models.VOCAB_SIZE, eos_id=1)
        wrapper = t5x_models.DecoderOnlyModel(module, vocabulary, None, inputs_bidirectional_attention=True)
        batch = models.pack_prefix_lm([[example] for example in models.EXAMPLES], 14)
        return wrapper.predict_batch_with_aux(params, batch, rng=jax.random.PRNGKey(0))

    tokens, aux = generate(module, stack(params, module.config))
    expected_tokens, expected_aux = generate(t5x_network, params)
    np.testing.assert_array_equal(tokens, expected_tokens)
    np.testing.assert_allclose(aux["scores"], expected_aux["scores"], rtol=1e-5)
    assert len(np.unique(tokens)) > 2
