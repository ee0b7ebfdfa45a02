"""A stack scanned and unscanned, and what the backward pass makes anew: the same numbers in both families."""

import functools

import jax
import jax.numpy as jnp
import models
import numpy as np
import pytest
from flax import linen as nn
from flax.linen.partitioning import get_axis_names
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from flan_shared.checkpoint import flatten
from flan_shared.errors import CheckpointError
from flan_shared.model.scan import run_layers, stack, unscanned, unstack

pytestmark = pytest.mark.slow

FAMILIES = ["t5_1_1", "prefix_lm"]


def build(family, **fields):
    if family == "prefix_lm":
        return models.tiny_prefix_lm(num_layers=2, **fields)
    return models.tiny_model(num_decoder_layers=2, **fields)


def batch_of(family):
    rows = [models.EXAMPLES, models.EXAMPLES[:1]]
    return models.pack_prefix_lm(rows, 30) if family == "prefix_lm" else models.pack(rows, 20, 14)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def params(family):
    return models.init(build(family))["params"]


def assert_same(found, expected, atol):
    found, expected = flatten(found), flatten(expected)
    assert found.keys() == expected.keys()
    for path, leaf in expected.items():
        np.testing.assert_allclose(found[path], leaf, atol=atol, err_msg=path)


def test_a_scanned_stack_has_loss_and_gradients_of_the_unscanned(family, params):
    scanned = build(family, scan_layers=True)
    loss, gradients = models.loss_gradients(build(family), params, batch_of(family))
    stacked = stack(params, scanned.config)
    scanned_loss, scanned_gradients = models.loss_gradients(scanned, stacked, batch_of(family))
    assert scanned_gradients["decoder"]["layers"]["mlp"]["wo"]["kernel"].shape == (2, 24, 16)
    np.testing.assert_allclose(scanned_loss, loss, rtol=1e-6)
    assert_same(unstack(scanned_gradients, scanned.config), gradients, atol=2e-5)


@pytest.mark.parametrize(
    ("family", "scan_layers", "remat_policy"),
    [("prefix_lm", False, "minimal"), ("prefix_lm", True, "full"), ("t5_1_1", True, "minimal")],
)
def test_making_anew_changes_no_gradient_and_no_draw(family, scan_layers, remat_policy):
    kept = build(family, scan_layers=scan_layers, dropout_rate=0.4)
    again = build(family, scan_layers=scan_layers, dropout_rate=0.4, remat_policy=remat_policy)
    params = models.init(kept)["params"]
    one, other = (models.loss_gradients(model, params, batch_of(family)) for model in (kept, again))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6)
    assert_same(one[1], other[1], atol=2e-5)


@pytest.mark.parametrize("scan_layers", [False, True])
def test_less_is_kept_the_more_is_made_anew(family, params, scan_layers):
    def kept_numbers(remat_policy):
        model = build(family, scan_layers=scan_layers, remat_policy=remat_policy)
        batch = {name: array for name, array in batch_of(family).items() if name != "decoder_loss_weights"}
        apply = functools.partial(model.apply, enable_dropout=False, **batch)
        pullback = jax.eval_shape(
            lambda p: jax.vjp(lambda p: apply({"params": p}), p)[1], stack(params, model.config)
        )
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    assert kept_numbers("full") < kept_numbers("minimal") < kept_numbers("none")


class Drawing(nn.Module):
    """Puts a number that it draws before what it gets."""

    config: object

    @nn.compact
    def __call__(self, x):
        return jnp.roll(x, 1).at[0].set(jax.random.uniform(self.make_rng("dropout")))


class Stack(nn.Module):
    config: object

    @nn.compact
    def __call__(self, x):
        return run_layers(Drawing, {"config": self.config}, len(x), x)


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("remat_policy", ["none", "full"])
def test_every_layer_draws_for_itself(scan_layers, remat_policy):
    config = models.tiny_prefix_lm(scan_layers=scan_layers, remat_policy=remat_policy).config
    drawn = Stack(config).apply({}, jnp.zeros(4), rngs={"dropout": jax.random.key(0)})
    assert len(set(drawn.tolist())) == 4


def test_scanned_parameters_have_the_layers_as_first_axis(family):
    scanned = build(family, scan_layers=True)
    made = jax.eval_shape(models.init, scanned)
    files = jax.eval_shape(models.init, build(family))
    assert flatten(made["params"]) == flatten(stack(files["params"], scanned.config))
    names = get_axis_names(made["params_axes"])
    assert flatten(names) == flatten(stack(get_axis_names(files["params_axes"]), scanned.config))
    assert names["decoder"]["layers"]["mlp"]["wi_0"]["kernel"] == PartitionSpec("layers", "embed", "mlp")


def test_scanned_layers_begin_unlike_each_other():
    kernels = models.init(build("prefix_lm", scan_layers=True))["params"]["decoder"]["layers"]["mlp"]["wo"][
        "kernel"
    ]
    assert not np.allclose(kernels[0], kernels[1])


def test_stacking_is_undone_exactly(family, params):
    config = build(family, scan_layers=True).config
    on_host = jax.tree.map(np.asarray, params)
    for tree in (params, on_host):
        again = unstack(stack(tree, config), config)
        assert_same(again, tree, atol=0)
        assert {type(leaf) for leaf in flatten(again).values()} == {
            type(leaf) for leaf in flatten(tree).values()
        }
    assert stack(params, unscanned(config)) is params


def test_stacking_places_the_layers_on_every_device(family):
    config = build(family, scan_layers=True).config
    mesh = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("data", "model"))
    split = NamedSharding(mesh, PartitionSpec(None, "model"))
    tree = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=split if leaf.ndim > 1 else None),
        jax.eval_shape(models.init, build(family))["params"],
    )
    stacked = stack(tree, config)
    kernel = stacked["decoder"]["layers"]["mlp"]["wo"]["kernel"]
    assert (kernel.shape, kernel.sharding.spec) == ((2, 24, 16), PartitionSpec(None, None, "model"))
    assert flatten(unstack(stacked, config)) == flatten(tree)


def test_a_tree_within_a_tree_is_found(family, params):
    config = build(family, scan_layers=True).config
    slots = {"v": params, "count": np.zeros(())}
    assert "layers" in stack(slots, config)["v"]["decoder"]


def test_another_number_of_layers_is_refused(family, params):
    scanned = build(family, scan_layers=True).config
    fewer = build(family).config.model_copy(
        update={"scan_layers": True, "num_decoder_layers": 1, "num_layers": 1}
    )
    with pytest.raises(CheckpointError, match="it also has layers_1"):
        stack(params, fewer)
    with pytest.raises(CheckpointError, match="decoder has 2 layers; the model has 1"):
        unstack(stack(params, scanned), fewer)
    del (shorter := {**params, "decoder": dict(params["decoder"])})["decoder"]["layers_1"]
    with pytest.raises(CheckpointError, match="it lacks layers_1"):
        stack(shorter, scanned)
    with pytest.raises(CheckpointError, match="no layers; expected the scanned form"):
        unstack(params, scanned)


def test_a_scanned_t5_decodes_with_a_cache_for_each_layer():
    model, plain = (build("t5_1_1", scan_layers=scanned) for scanned in (True, False))
    params = models.init(plain)["params"]
    stacked = stack(params, model.config)
    batch = models.pack([models.EXAMPLES[:1]], inputs=8, targets=3)
    inputs, tokens = batch["encoder_input_tokens"], batch["decoder_input_tokens"]
    apply = functools.partial(model.apply, enable_dropout=False)
    encoded = jax.jit(functools.partial(apply, method="encode"))({"params": stacked}, inputs)
    caching = functools.partial(apply, decode=True, mutable=["cache"])
    shapes = jax.eval_shape(caching, {"params": stacked}, inputs, tokens, tokens)[1]["cache"]
    cache = shapes["decoder"]["layers"]["self_attention"]
    assert {name: leaf.shape for name, leaf in cache.items()} == {
        "cached_key": (2, 1, 2, 8, 3),
        "cached_value": (2, 1, 2, 8, 3),
        "cache_index": (2,),
    }
    made = {"cache": jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)}

    @jax.jit
    def step(token, made):
        arguments = (encoded, inputs, token, token)
        return caching({"params": stacked} | made, *arguments, max_decode_length=3, method="decode")

    whole = models.logits(plain, params, batch)
    for position in range(3):
        logits, made = step(tokens[:, position : position + 1], made)
        np.testing.assert_allclose(logits[:, 0], whole[:, position], atol=2e-6)
