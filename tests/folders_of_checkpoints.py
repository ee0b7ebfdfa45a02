"""Checkpoints for tests of conversion: trees of small networks, and Hugging Face folders written by hand."""

import json
from pathlib import Path

import numpy as np

from flan_shared import spec
from flan_trainer.convert.layout import layout
from flan_trainer.convert.source import Source, nested

ENCODER_DECODER = {
    "emb_dim": 16,
    "num_heads": 2,
    "head_dim": 4,
    "mlp_dim": 24,
    "num_encoder_layers": 2,
    "num_decoder_layers": 3,
    "vocab_size": 320,
}
PREFIX_LM = {
    "family": "prefix_lm",
    "emb_dim": 16,
    "num_heads": 2,
    "head_dim": 4,
    "mlp_dim": 24,
    "num_layers": 2,
    "vocab_size": 320,
}

GATED = spec.EncoderDecoder(**ENCODER_DECODER)
TIED_RELU = spec.EncoderDecoder(**ENCODER_DECODER, mlp_activations=("relu",), logits_via_embedding=True)
TIED_GATED = spec.EncoderDecoder(**ENCODER_DECODER, logits_via_embedding=True)
UNTIED_RELU = spec.EncoderDecoder(**ENCODER_DECODER, mlp_activations=("relu",))
DECODER_ONLY = spec.PrefixLM(**PREFIX_LM)
MODELS = {
    "gated": GATED,
    "tied relu": TIED_RELU,
    "tied gated": TIED_GATED,
    "untied relu": UNTIED_RELU,
    "prefix lm": DECODER_ONLY,
}

SHAPES = {
    "shared.weight": (320, 16),
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 2),
    "encoder.final_layer_norm.weight": (16,),
    "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 2),
    "decoder.final_layer_norm.weight": (16,),
}


def source_of(model: spec.Model, path: Path, seed: int = 0) -> Source:
    """A checkpoint of random numbers."""
    draw = np.random.default_rng(seed)
    flat = {name: draw.standard_normal(shape, np.float32) for name, shape in layout(model).items()}
    return Source(path, "flan", nested(flat), model)


def tensor_shapes(model: spec.EncoderDecoder) -> dict[str, tuple[int, ...]]:
    """Names and shapes that transformers gives to a network of `ENCODER_DECODER`."""
    shapes = dict(SHAPES)
    if not model.logits_via_embedding:
        shapes["lm_head.weight"] = (320, 16)
    inputs = ["wi"] if len(model.mlp_activations) == 1 else ["wi_0", "wi_1"]
    for stack, num_layers, attentions in (
        ("encoder", 2, ["SelfAttention"]),
        ("decoder", 3, ["SelfAttention", "EncDecAttention"]),
    ):
        for block in range(num_layers):
            for layer, attention in enumerate(attentions):
                prefix = f"{stack}.block.{block}.layer.{layer}"
                shapes |= {f"{prefix}.{attention}.{name}.weight": (8, 16) for name in "qkv"}
                shapes |= {f"{prefix}.{attention}.o.weight": (16, 8), f"{prefix}.layer_norm.weight": (16,)}
            prefix = f"{stack}.block.{block}.layer.{len(attentions)}"
            shapes |= {f"{prefix}.DenseReluDense.{name}.weight": (24, 16) for name in inputs}
            shapes |= {f"{prefix}.DenseReluDense.wo.weight": (16, 24), f"{prefix}.layer_norm.weight": (16,)}
    return shapes


def tensors_of(model: spec.EncoderDecoder, seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors with `tensor_shapes`."""
    draw = np.random.default_rng(seed)
    return {
        name: draw.standard_normal(shape, np.float32) for name, shape in sorted(tensor_shapes(model).items())
    }


def config_of(model: spec.EncoderDecoder) -> dict:
    """config.json as transformers 4 wrote it."""
    return {
        "model_type": "t5",
        "d_model": 16,
        "d_kv": 4,
        "d_ff": 24,
        "num_heads": 2,
        "num_layers": 2,
        "num_decoder_layers": 3,
        "vocab_size": 320,
        "feed_forward_proj": "relu" if len(model.mlp_activations) == 1 else "gated-gelu",
        "tie_word_embeddings": model.logits_via_embedding,
    }


def safetensors(tensors: dict[str, np.ndarray], type_name: str = "F32") -> bytes:
    """A file's bytes; the arrays' own bytes go in as they are."""
    header, data = {}, b""
    for name, array in tensors.items():
        content = array.tobytes()
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": type_name, "shape": list(array.shape), "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def write_folder(folder: Path, tensors: dict[str, np.ndarray], config: dict, *, shards: int = 0) -> Path:
    """A Hugging Face folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    if not shards:
        (folder / "model.safetensors").write_bytes(safetensors(tensors))
        return folder
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        mine = names[shard::shards]
        weight_map |= dict.fromkeys(mine, file)
        (folder / file).write_bytes(safetensors({name: tensors[name] for name in mine}))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder
