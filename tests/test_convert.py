"""Hugging Face folders and our own: what is read, what is written, and that nothing changes on the way."""

import dataclasses
import itertools
import json
import re
import shutil

import folders_of_checkpoints as folders
import jax
import ml_dtypes
import numpy as np
import pytest
from folders_of_checkpoints import GATED, MODELS, TIED_GATED, TIED_RELU, UNTIED_RELU

from flan_shared.checkpoint import flatten, parameters_digest
from flan_shared.errors import CheckpointError
from flan_shared.model import build_model
from flan_trainer.convert import FORMS, read_checkpoint, write_checkpoint
from flan_trainer.convert.layout import layout
from flan_trainer.convert.safetensors import read_safetensors

ENCODER_DECODERS = [name for name, model in MODELS.items() if model.family == "t5_1_1"]


@pytest.mark.parametrize("name", MODELS)
def test_the_layout_is_that_of_the_module(name):
    model = MODELS[name]
    tokens = np.ones((1, 4), np.int32)
    inputs = 3 if model.family == "t5_1_1" else 2
    module = build_model(model, model.vocab_size)
    made = jax.eval_shape(
        lambda key: module.init(key, *[tokens] * inputs, enable_dropout=False), jax.random.key(0)
    )
    assert layout(model) == {path: leaf.shape for path, leaf in flatten(made["params"]).items()}


@pytest.mark.parametrize("shards", [0, 3])
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_tensors_come_in_under_their_names_and_turned_round(name, shards, tmp_path):
    model = MODELS[name]
    tensors = folders.tensors_of(model)
    source = read_checkpoint(
        folders.write_folder(tmp_path / "hf", tensors, folders.config_of(model), shards=shards)
    )
    assert source.model == model
    flat = flatten(source.params)
    assert len(flat) == len(tensors)
    for path, tensor in {
        "token_embedder/embedding": tensors["shared.weight"],
        "encoder/relpos_bias/rel_embedding": tensors[
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        ].T,
        "encoder/layers_1/attention/query/kernel": tensors[
            "encoder.block.1.layer.0.SelfAttention.q.weight"
        ].T,
        "encoder/layers_1/pre_mlp_layer_norm/scale": tensors["encoder.block.1.layer.1.layer_norm.weight"],
        "decoder/layers_2/self_attention/out/kernel": tensors[
            "decoder.block.2.layer.0.SelfAttention.o.weight"
        ].T,
        "decoder/layers_2/encoder_decoder_attention/value/kernel": tensors[
            "decoder.block.2.layer.1.EncDecAttention.v.weight"
        ].T,
        "decoder/layers_2/pre_cross_attention_layer_norm/scale": tensors[
            "decoder.block.2.layer.1.layer_norm.weight"
        ],
        "decoder/layers_0/mlp/wo/kernel": tensors["decoder.block.0.layer.2.DenseReluDense.wo.weight"].T,
        "decoder/decoder_norm/scale": tensors["decoder.final_layer_norm.weight"],
    }.items():
        np.testing.assert_array_equal(flat[path], tensor)
    if not model.logits_via_embedding:
        np.testing.assert_array_equal(flat["decoder/logits_dense/kernel"], tensors["lm_head.weight"].T)


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_a_hugging_face_folder_comes_back_to_the_bit(name, tmp_path):
    model = MODELS[name]
    tensors = folders.tensors_of(model)
    tensors["shared.weight"][0, :3] = [np.nan, -0.0, 1e-45]
    folder = folders.write_folder(tmp_path / "hf", tensors, folders.config_of(model))
    write_checkpoint(read_checkpoint(folder), "flan", tmp_path / "flan")
    write_checkpoint(read_checkpoint(tmp_path / "flan"), "hf", tmp_path / "again")
    again = read_safetensors(tmp_path / "again" / "model.safetensors")
    assert again.keys() == tensors.keys()
    for tensor in tensors:
        assert again[tensor].tobytes() == tensors[tensor].tobytes(), tensor
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config | folders.config_of(model) == config


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name in MODELS for form in FORMS if form != "hf" or name in ENCODER_DECODERS],
)
def test_our_tree_comes_back_to_the_bit_from_every_form(name, form, tmp_path):
    model = MODELS[name]
    source = folders.source_of(model, tmp_path)
    write_checkpoint(source, form, tmp_path / form, step=7)
    again = read_checkpoint(tmp_path / form)
    assert (again.form, again.digest, again.model) == (form, source.digest, model)
    assert all(leaf.dtype == np.float32 for leaf in flatten(again.params).values())
    assert {path.name for path in tmp_path.iterdir()} == {form}


@pytest.mark.parametrize(("model", "says_tied"), [(GATED, True), (TIED_GATED, False)])
def test_tensors_and_not_the_config_say_whether_the_output_layer_is_tied(model, says_tied, tmp_path):
    config = folders.config_of(model) | {
        "tie_word_embeddings": says_tied,
        "scale_decoder_outputs": model.logits_via_embedding,
    }
    folder = folders.write_folder(tmp_path / "hf", folders.tensors_of(model), config)
    assert read_checkpoint(folder).model.logits_via_embedding == model.logits_via_embedding


def test_an_output_layer_that_repeats_the_embedding_is_the_embedding(tmp_path):
    tensors = folders.tensors_of(TIED_RELU)
    repeated = dict.fromkeys(
        ["lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"],
        tensors["shared.weight"],
    )
    folder = folders.write_folder(tmp_path / "hf", tensors | repeated, folders.config_of(TIED_RELU))
    assert read_checkpoint(folder).model == TIED_RELU


def test_a_tied_output_without_the_factor_is_an_output_layer_with_the_embedding(tmp_path):
    tensors = folders.tensors_of(TIED_GATED)
    config = folders.config_of(TIED_GATED) | {"tie_word_embeddings": True, "scale_decoder_outputs": False}
    source = read_checkpoint(folders.write_folder(tmp_path / "hf", tensors, config))
    assert source.model == GATED
    np.testing.assert_array_equal(
        source.params["decoder"]["logits_dense"]["kernel"], tensors["shared.weight"].T
    )
    assert len(source.notes) == 1


@pytest.mark.parametrize(("type_name", "dtype"), [("F16", np.float16), ("BF16", ml_dtypes.bfloat16)])
def test_half_precision_is_read_exactly(type_name, dtype, tmp_path):
    tensors = {name: tensor.astype(dtype) for name, tensor in folders.tensors_of(GATED).items()}
    folder = folders.write_folder(tmp_path / "hf", folders.tensors_of(GATED), folders.config_of(GATED))
    (folder / "model.safetensors").write_bytes(folders.safetensors(tensors, type_name))
    kernel = read_checkpoint(folder).params["decoder"]["logits_dense"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, tensors["lm_head.weight"].astype(np.float32).T)


@pytest.mark.parametrize(
    ("projection", "more", "activations"),
    [
        ("gated-gelu", {}, ("gelu", "linear")),
        ("gated-silu", {}, ("silu", "linear")),
        ("gated-relu", {"dense_act_fn": "gelu_new"}, ("gelu", "linear")),
    ],
)
def test_the_config_says_the_activation(projection, more, activations, tmp_path):
    config = folders.config_of(GATED) | {"feed_forward_proj": projection} | more
    folder = folders.write_folder(tmp_path / "hf", folders.tensors_of(GATED), config)
    assert read_checkpoint(folder).model.mlp_activations == activations


def test_the_tokenizer_travels_along(tokenizer, tmp_path):
    folder = folders.write_folder(tmp_path / "hf", folders.tensors_of(GATED), folders.config_of(GATED))
    (folder / "spiece.model").write_bytes(tokenizer.model)
    write_checkpoint(read_checkpoint(folder), "flan", tmp_path / "flan")
    assert (tmp_path / "flan" / "tokenizer.model").read_bytes() == tokenizer.model
    write_checkpoint(read_checkpoint(tmp_path / "flan"), "hf", tmp_path / "again")
    assert (tmp_path / "again" / "spiece.model").read_bytes() == tokenizer.model


@pytest.fixture
def folder(tmp_path):
    """A sound folder to spoil."""
    return folders.write_folder(
        tmp_path / "hf", folders.tensors_of(GATED), folders.config_of(GATED), shards=2
    )


def change(tensors=None, config=None):
    def spoil(folder):
        shutil.rmtree(folder)
        all_tensors = folders.tensors_of(GATED)
        for name, tensor in (tensors or {}).items():
            if tensor is None:
                del all_tensors[name]
            else:
                all_tensors[name] = tensor
        folders.write_folder(folder, all_tensors, folders.config_of(GATED) | (config or {}))

    return spoil


def cut(name, size):
    def spoil(folder):
        path = next(folder.glob(name))
        path.write_bytes(path.read_bytes()[:size])

    return spoil


def header(text: bytes):
    def spoil(folder):
        path = next(folder.glob("*00001-of*"))
        path.write_bytes(len(text).to_bytes(8, "little") + text)

    return spoil


Q = "decoder.block.1.layer.0.SelfAttention.q.weight"
FAULTS = {
    "no config": (lambda f: (f / "config.json").unlink(), "is not a checkpoint: expected"),
    "config cut": (cut("config.json", 20), r"config\.json cannot be read: .* get it again"),
    "config a list": (lambda f: (f / "config.json").write_text("[1]"), "holds a list; expected names and values"),
    "shard missing": (lambda f: next(f.glob("*00002-of*")).unlink(), "lacks the shard model-00002-of-00002"),
    "shard cut": (cut("*00002-of*", -7), "00002-of-00002.* is damaged: its header speaks of .* bytes"),
    "shard empty": (cut("*00001-of*", 3), "is damaged: it has 3 bytes; expected a header"),
    "header too long": (cut("*00001-of*", 40), "is damaged: its header should have"),
    "header not JSON": (header(b"{'a': 1}"), "its header is not that of a safetensors file"),
    "header not of tensors": (header(b'{"a": {"dtype": "F32"}}'), "its header is not that of a safetensors file"),
    "header with wrong size": (
        header(b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,0]}}'),
        r"is damaged: a has 0 bytes, but F32\[3\] takes others",
    ),
    "negative size": (
        header(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}'),
        "its header is not that of a safetensors file",
    ),
    "quantised": (header(b'{"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}'), "type I8; expected one of F32"),
    "index without map": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "has no weight_map"),
    "index that leads away": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b"}}'),
        r"names the shard '\.\./b'; expected a file of the same folder",
    ),
    "no weights": (lambda f: [p.unlink() for p in f.glob("model*")], "has neither model.safetensors nor"),
    "torch alone": (
        lambda f: [*(p.unlink() for p in f.glob("model*")), (f / "pytorch_model.bin").touch()],
        "there is pytorch_model.bin: load it with transformers and save it again",
    ),
    "tensor missing": (change({Q: None}), f"lacks the tensor {Q}"),
    "no embedding": (change({"shared.weight": None}), r"lacks the tensor shared\.weight"),
    "tensor too many": (change({"qa_outputs.weight": np.ones(2, np.float32)}), "holds the tensor qa_outputs.weight"),
    "tensor of another shape": (
        change({Q: np.ones((6, 16), np.float32)}),
        r"decoder/layers_1/self_attention/query/kernel is \[16, 6\], but its network, .* has \[16, 8\]",
    ),
    "second embedding": (
        change({"encoder.embed_tokens.weight": np.ones((320, 16), np.float32)}),
        r"has a encoder\.embed_tokens\.weight other than shared\.weight",
    ),
    "few rows": (
        change({name: np.ones((40, 16), np.float32) for name in ("shared.weight", "lm_head.weight")}),
        "has vocab_size 40; a run spec allows no such network",
    ),
    "other network": (change(config={"model_type": "bert"}), "model_type in config.json is 'bert'; expected 't5'"),
    "other distance": (
        change(config={"relative_attention_max_distance": 64}),
        "relative_attention_max_distance in config.json is 64; expected 128",
    ),
    "last block missing": (
        change({name: None for name in folders.tensor_shapes(GATED) if name.startswith("decoder.block.2.")}),
        "num_decoder_layers in config.json is 3, but the tensors have 2; get it again",
    ),
    "exact gelu": (change(config={"dense_act_fn": "gelu"}), "the activation is 'gelu'; expected one of gelu_new"),
    "gating unclear": (change(config={"feed_forward_proj": "relu"}), "'relu', but .* have 2 input kernels"),
    "bad tokenizer": (lambda f: (f / "spiece.model").write_bytes(b"no"), "is not a SentencePiece model"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_or_foreign_folder_is_said_in_one_line(fault, folder):
    spoil, message = FAULTS[fault]
    spoil(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_changed_number_in_an_imported_folder_is_found(tmp_path):
    source = folders.source_of(TIED_RELU, tmp_path)
    write_checkpoint(source, "flan", tmp_path / "flan")
    document = tmp_path / "flan" / "model.json"
    document.write_text(document.read_text().replace(source.digest, "0" * 64))
    with pytest.raises(CheckpointError, match=f"have the digest {source.digest}, but it says 0000"):
        read_checkpoint(tmp_path / "flan")
    document.write_text("{}")
    with pytest.raises(CheckpointError, match=r"model\.json is damaged: .*; import the checkpoint again"):
        read_checkpoint(tmp_path / "flan")


def test_nothing_is_written_over_and_nothing_is_left_behind(tmp_path):
    source = folders.source_of(folders.DECODER_ONLY, tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(CheckpointError, match="there exists; give a folder that does not"):
        write_checkpoint(source, "t5x", tmp_path / "there")
    with pytest.raises(CheckpointError, match="transformers' T5 is an encoder-decoder: export --to t5x"):
        write_checkpoint(source, "hf", tmp_path / "out")
    with pytest.raises(CheckpointError, match="nowhere is not a folder; make it first"):
        write_checkpoint(source, "t5x", tmp_path / "nowhere" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_activations_that_transformers_lacks_are_not_exported(tmp_path):
    model = UNTIED_RELU.model_copy(update={"mlp_activations": ("gelu", "relu")})
    source = dataclasses.replace(folders.source_of(GATED, tmp_path), model=model)
    with pytest.raises(
        CheckpointError, match="has mlp_activations gelu, relu; transformers' T5 has one activation"
    ):
        write_checkpoint(source, "hf", tmp_path / "out")


def test_a_digest_is_of_the_parameters_alone(tmp_path):
    source = folders.source_of(GATED, tmp_path)
    write_checkpoint(source, "hf", tmp_path / "hf")
    assert read_checkpoint(tmp_path / "hf").digest == parameters_digest(source.params)


def ids_by(content: dict, text: str) -> list[int]:
    """Byte-pair encoding as a tokenizer.json says it, without post-processing: normalise, split, merge, look up."""
    model = content["model"]
    ranks = {tuple(merge): rank for rank, merge in enumerate(model["merges"])}
    parts = [content["normalizer"]["normalizers"][0]["prepend"] + text.replace(" ", "\u2581")]
    for step in content["pre_tokenizer"]["pretokenizers"]:
        symbol = step["pattern"]["String"]
        parts = [piece for part in parts for piece in re.split(f"({re.escape(symbol)})", part) if piece]
    ids = []
    for part in parts:
        symbols = list(part)
        while pairs := [
            (ranks[pair], n) for n, pair in enumerate(itertools.pairwise(symbols)) if pair in ranks
        ]:
            _, n = min(pairs)
            symbols[n : n + 2] = [symbols[n] + symbols[n + 1]]
        for symbol in symbols:
            known = [symbol] if symbol in model["vocab"] else [f"<0x{byte:02X}>" for byte in symbol.encode()]
            ids += [model["vocab"][piece] for piece in known]
    return ids


@pytest.mark.parametrize("extra_ids", [0, 100])
def test_an_exported_tokenizer_says_sentencepieces_ids(extra_ids, tokenizer, tmp_path):
    model = GATED.model_copy(update={"vocab_size": 700})
    source = dataclasses.replace(
        folders.source_of(model, tmp_path), tokenizer=tokenizer.model, extra_ids=extra_ids
    )
    write_checkpoint(source, "hf", tmp_path / "hf")
    content = json.loads((tmp_path / "hf" / "tokenizer.json").read_text())
    texts = [
        "Premise: it rained.\nWas it wet?\n\nOPTIONS:\n- yes",
        "two  spaces and naïve 北京 🙂",
        "\naaaa bbb\n",
    ]
    assert [ids_by(content, text) for text in texts] == tokenizer.encode(texts)
    assert len(content["model"]["vocab"]) == tokenizer.vocab_size + extra_ids
    if extra_ids:
        assert content["model"]["vocab"]["<extra_id_0>"] == tokenizer.vocab_size + extra_ids - 1
    assert read_checkpoint(tmp_path / "hf").extra_ids == extra_ids
