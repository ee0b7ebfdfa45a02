"""Checkpoints that transformers wrote give transformers' logits, and it loads what is exported.

Needs torch and transformers, which no lock of the project has: with them come gigabytes of libraries for GPUs.
"""

import dataclasses

import folders_of_checkpoints as folders
import jax
import numpy as np
import pytest

from flan_shared import spec
from flan_shared.model import build_model
from flan_trainer.convert import Source, read_checkpoint, write_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

torch = pytest.importorskip("torch", reason="torch is not installed", exc_type=ImportError)
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed", exc_type=ImportError
)

SIZES = {
    "vocab_size": 320,
    "d_model": 24,
    "d_kv": 8,
    "d_ff": 40,
    "num_heads": 4,
    "num_layers": 3,
    "num_decoder_layers": 2,
}


def new_model(untied: bool = False, **config):
    """A network with numbers large enough that a wrong one shows in the logits."""
    torch.manual_seed(1)
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**SIZES, **config))
    if untied:
        model.lm_head.weight = torch.nn.Parameter(torch.empty(320, 24))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                parameter.normal_(1, 0.3)
            else:
                parameter.normal_(0, 1.0 if name == "shared.weight" else parameter.shape[-1] ** -0.5)
    return model.eval()


BOUND = 5e-5
"""Of the largest difference, in standard deviations of the logits. Seen: 1.1e-5, rounding of float32 in both."""

KINDS = {
    "T5 1.1": {"untied": True, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "T5 1.1 as transformers 5 makes it": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "T5 1.0": {"feed_forward_proj": "relu"},
    "tied and gated": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": True},
    "gated silu": {"untied": True, "feed_forward_proj": "gated-silu", "tie_word_embeddings": False},
    "untied and scaled": {"untied": True, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": True},
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Inputs of different lengths, the longest past the last bucket of distance; and targets."""
    draw = np.random.default_rng(0)
    inputs, targets = draw.integers(2, 320, (3, 150)), draw.integers(2, 320, (3, 140))
    inputs[1, 60:] = 0
    inputs[2, 1:] = 0
    return inputs, targets


def their_logits(model) -> np.ndarray:
    inputs, targets = rows()
    before = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(inputs),
            attention_mask=torch.tensor(inputs > 0).long(),
            decoder_input_ids=torch.tensor(before),
        ).logits.numpy()


def our_logits(source) -> np.ndarray:
    inputs, targets = rows()
    before = np.pad(targets, ((0, 0), (1, 0)))[:, :-1]
    module = build_model(source.model, source.model.vocab_size)
    apply = jax.jit(module.apply, static_argnames="enable_dropout")
    return np.asarray(apply({"params": source.params}, inputs, before, targets, enable_dropout=False))


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / theirs.std())


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_transformers(kind, tmp_path, record_property):
    model = new_model(**KINDS[kind])
    model.save_pretrained(tmp_path / "hf")
    source = read_checkpoint(tmp_path / "hf")
    assert isinstance(source.model, spec.EncoderDecoder)
    assert (source.model.num_encoder_layers, source.model.num_decoder_layers) == (3, 2)
    difference = relative_difference(our_logits(source), their_logits(model))
    record_property("relative_difference", difference)
    assert difference < BOUND


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_loads_what_is_exported_to_the_bit(kind, tmp_path):
    model = new_model(**KINDS[kind])
    model.save_pretrained(tmp_path / "hf", max_shard_size="20KB")
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 1
    source = read_checkpoint(tmp_path / "hf")
    write_checkpoint(source, "hf", tmp_path / "again")
    again, said = transformers.T5ForConditionalGeneration.from_pretrained(
        tmp_path / "again", output_loading_info=True
    )
    assert not any(said.values())
    if kind != "untied and scaled":  # There the factor is in the output layer.
        theirs, ours = model.state_dict(), again.state_dict()
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
        np.testing.assert_array_equal(their_logits(again.eval()), their_logits(model))
    else:
        assert relative_difference(their_logits(again.eval()), their_logits(model)) < BOUND
    assert read_checkpoint(tmp_path / "again").digest == source.digest


def test_a_model_of_ours_has_its_logits_in_transformers(tmp_path):
    model = spec.EncoderDecoder(
        emb_dim=24,
        num_heads=4,
        head_dim=8,
        mlp_dim=40,
        num_encoder_layers=1,
        num_decoder_layers=2,
        vocab_size=320,
    )
    tokens = np.ones((1, 2), np.int32)
    module = build_model(model, 320)
    params = jax.tree.map(
        np.asarray, module.init(jax.random.key(0), tokens, tokens, tokens, enable_dropout=False)["params"]
    )
    source = Source(tmp_path, "flan", params, model)
    write_checkpoint(source, "hf", tmp_path / "out")
    loaded = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path / "out").eval()
    assert relative_difference(our_logits(source), their_logits(loaded)) < BOUND


@pytest.mark.parametrize("extra_ids", [None, 100])
def test_an_exported_tokenizer_gives_the_same_ids(extra_ids, tokenizer, tmp_path):
    rows = tokenizer.vocab_size + (extra_ids or 0)
    model = folders.GATED.model_copy(update={"vocab_size": rows})
    source = dataclasses.replace(
        folders.source_of(model, tmp_path), tokenizer=tokenizer.model, extra_ids=extra_ids
    )
    write_checkpoint(source, "hf", tmp_path / "hf")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    texts = [
        "Premise: it rained.\nDoes it follow that the street was wet?\n\nOPTIONS:\n- yes\n- no",
        "two  spaces, a tab\tand naïve 北京 🙂",
        "\nbegins and ends\n",
        " a b ",
        "aaaa bbbbb cccccc",
    ]
    for text, ids in zip(texts, tokenizer.encode(texts), strict=True):
        assert theirs(text).input_ids == [*ids, 1]
        assert theirs.decode(ids) == text
    if extra_ids:
        assert theirs.convert_tokens_to_ids("<extra_id_0>") == rows - 1
