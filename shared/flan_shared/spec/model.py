"""The part of a run spec that says which network is trained, and the sizes that have a name.

Hyper-parameters have T5X's names (T5Config of t5x/examples/t5/network.py, TransformerConfig of
t5x/examples/decoder_only/network.py).
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from flan_shared.errors import SpecError
from flan_shared.spec.part import Part


class Network(Part):
    """What both families have."""

    emb_dim: int = Field(512, ge=1)
    num_heads: int = Field(6, ge=1)
    head_dim: int = Field(64, ge=1)
    mlp_dim: int = Field(1024, ge=1)
    mlp_activations: tuple[Literal["gelu", "relu", "silu", "linear"], ...] = Field(
        ("gelu", "linear"), min_length=1
    )
    vocab_size: int | None = Field(None, ge=300)
    """Rows of the embedding; None: as many as the tokenizer has ids."""
    dropout_rate: float = Field(0.0, ge=0, lt=1)
    logits_via_embedding: bool = False
    """Whether the output layer is the embedding (T5 1.0) or has its own weights (T5 1.1)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Activations; parameters are always float32."""
    scan_layers: bool = False
    """Whether a stack is one layer that is scanned: the program does not grow with its depth."""
    remat_policy: Literal["none", "minimal", "full"] = "none"
    """What the backward pass makes anew: nothing, all but products with weights, or whole layers."""


class EncoderDecoder(Network):
    """T5 1.1 (arXiv:1910.10683, arXiv:2002.05202)."""

    family: Literal["t5_1_1"] = "t5_1_1"
    num_encoder_layers: int = Field(8, ge=1)
    num_decoder_layers: int = Field(8, ge=1)


class PrefixLM(Network):
    """The decoder-only family that FLAN tuned: inputs see all of themselves, targets what is before them."""

    family: Literal["prefix_lm"]
    num_layers: int = Field(8, ge=1)


def _t5(emb_dim: int, num_heads: int, mlp_dim: int, num_layers: int) -> dict[str, Any]:
    return {
        "family": "t5_1_1",
        "emb_dim": emb_dim,
        "num_heads": num_heads,
        "head_dim": 64,
        "mlp_dim": mlp_dim,
        "num_encoder_layers": num_layers,
        "num_decoder_layers": num_layers,
    }


def _prefix_lm(emb_dim: int, num_heads: int, head_dim: int, mlp_dim: int, num_layers: int) -> dict[str, Any]:
    return {
        "family": "prefix_lm",
        "emb_dim": emb_dim,
        "num_heads": num_heads,
        "head_dim": head_dim,
        "mlp_dim": mlp_dim,
        "num_layers": num_layers,
    }


PRESETS: dict[str, dict[str, Any]] = {
    "t5-1.1-tiny": _t5(256, 4, 1024, 4),
    "t5-1.1-small": _t5(512, 6, 1024, 8),
    "t5-1.1-base": _t5(768, 12, 2048, 12),
    "t5-1.1-large": _t5(1024, 16, 2816, 24),
    "t5-1.1-xl": _t5(2048, 32, 5120, 24),
    "t5-1.1-xxl": _t5(4096, 64, 10240, 24),
    "prefix-lm-tiny": _prefix_lm(256, 4, 64, 1024, 4),
    "prefix-lm-small": _prefix_lm(512, 8, 64, 1024, 8),
    "prefix-lm-1b": _prefix_lm(2048, 16, 128, 8192, 16),
    "prefix-lm-8b": _prefix_lm(4096, 32, 128, 14336, 32),
    "flan-137b": _prefix_lm(8192, 128, 128, 65536, 64),
}
"""`model.preset`: sizes of public T5 1.1 checkpoints, of T5-efficient-tiny (arXiv:2109.10686), and of LaMDA-PT, which
FLAN tuned (arXiv:2201.08239, section 3). The small prefix LMs are this project's."""


def with_preset(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a network: those of `preset` where there is one, and over them what else is given.

    Raises:
      SpecError: no such preset.
    """
    preset = given.get("preset")
    if "preset" in given and not (isinstance(preset, str) and preset in PRESETS):
        raise SpecError(f"model.preset is {preset!r}; known: {', '.join(PRESETS)}")
    own = {name: value for name, value in given.items() if name != "preset"}
    return {"family": "t5_1_1"} | PRESETS.get(preset or "", {}) | own


Model = Annotated[EncoderDecoder | PrefixLM, Field(discriminator="family")]
"""A network of one of the two families."""


class Prompt(Part):
    """Prompt tuning (arXiv:2104.08691): pieces before every input are trained, and nothing else."""

    length: int = Field(20, ge=1, le=512)
    """Pieces of the prompt; they count as tokens of the inputs."""
    init: Literal["vocabulary", "random"] = "vocabulary"
    """Begins as the embeddings of pieces drawn from the vocabulary, or as noise of their size."""
