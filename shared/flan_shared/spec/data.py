"""The parts of a run spec that say what is trained on, and as what text."""

from typing import Annotated, Literal

from pydantic import Field

from flan_shared.holdout import CLUSTERS
from flan_shared.spec.part import Part

ClusterName = Literal[CLUSTERS]
DatasetsByCluster = dict[ClusterName, Annotated[tuple[str, ...], Field(min_length=1)]]


class Mixture(Part):
    """What is tuned on and in which shares (paper, section 2.1 and 2.4)."""

    datasets: DatasetsByCluster = Field(default_factory=dict)
    """Dataset ids by cluster; none where running text is trained on."""
    cap: int = Field(30_000, ge=1)
    """Rows kept of each unit."""
    rate_maximum: int = Field(3_000, ge=1)
    """A unit's mixing rate is its number of rows, at most this."""
    rate_unit: Literal["dataset", "part"] = "dataset"
    """What is capped and has a rate: a dataset as one, or each of its parts (ANLI r1, r2, r3), as in FLAN's code."""


class TemplatePolicy(Part):
    """How rows become text."""

    form: Literal["instruction", "bare", "name"] = "instruction"
    """instruction: a template; bare: the row's fields alone; name: these after the dataset's name (section 4.3)."""
    options: Literal["ordered", "shuffled", "none"] = "ordered"
    """The OPTIONS of an instruction: in the dataset's order, in a keyed order of every draw's own, or left out."""
    per_dataset: int = Field(10, ge=1)
    """The first so many templates of each dataset are used, of each part where parts have their own."""
    turned_around: bool = True
    """Whether templates that ask the other way round are used in training."""
    num_shots: int = Field(0, ge=0, le=16)
    """Exemplars before each query."""


class TemplateOverrides(Part):
    """What one cluster has otherwise; a field that is left out is as for all."""

    form: Literal["instruction", "bare", "name"] | None = None
    options: Literal["ordered", "shuffled", "none"] | None = None
    per_dataset: int | None = Field(None, ge=1)
    turned_around: bool | None = None
    num_shots: int | None = Field(None, ge=0, le=16)


class Templates(TemplatePolicy):
    """How rows become text: for all clusters, and for single ones. Held-out clusters are asked by it, too."""

    by_cluster: dict[ClusterName, TemplateOverrides] = Field(default_factory=dict)

    def of(self, cluster: str) -> TemplatePolicy:
        """The policy of one cluster."""
        base = self.model_dump(exclude={"by_cluster"})
        own = self.by_cluster.get(cluster, TemplateOverrides()).model_dump(exclude_none=True)
        return TemplatePolicy(**base | own)


class Lengths(Part):
    """Tokens of a packed row, EOS included (paper: 1024 and 256)."""

    inputs: int = Field(1024, ge=16, le=65_535)
    targets: int = Field(256, ge=2, le=65_535)


class Packing(Part):
    """Windows and batches."""

    window: int = Field(1024, ge=1)
    """Draws of a window, about."""
    batch_rows: int = Field(32, ge=1)
    """Packed rows of a full batch."""
    algorithm: Literal["best_fit", "first_fit", "next_fit", "none"] = "best_fit"
    """best_fit: over the whole window; first_fit and next_fit (as seqio does): in order of arrival; none: an example
    a row."""


class Tokenizer(Part):
    """The SentencePiece model; `digest` is filled in when the run is started."""

    vocab_size: int = Field(32_000, ge=300)
    """Pieces; at least the 256 bytes and the special ones."""
    extra_ids: int = Field(0, ge=0, le=1000)
    """Ids after the pieces, which stand for spans that were taken out (T5 has 100); the last one is sentinel 0."""
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the model file."""


class Pretraining(Part):
    """Running text in the place of instructions."""

    objective: Literal["span_corruption", "prefix_lm"]
    """Spans that were taken out are to be written (arXiv:1910.10683, section 3.1.4), or the text from a place on."""
    noise_density: float = Field(0.15, gt=0, lt=1)
    """Share of the tokens that are taken out."""
    mean_noise_span_length: float = Field(3.0, ge=1)
    """Tokens."""
