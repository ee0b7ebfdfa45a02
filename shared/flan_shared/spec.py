"""The run spec: one immutable, typed document that says everything that determines the result of a run.

Written as YAML, checked at the door, hashed in canonical form. Hosts, ports, paths, credentials and log
levels are not in it: they come from flags and FLAN_* environment variables.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import Field, field_validator, model_validator

from flan_shared.errors import SpecError
from flan_shared.holdout import CLUSTERS, excluded_clusters

ClusterName = Literal[CLUSTERS]
DatasetsByCluster = dict[ClusterName, Annotated[tuple[str, ...], Field(min_length=1)]]


_LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)


class Mixture(_Part):
    """What is tuned on and in which shares (paper, section 2.1 and 2.4)."""

    datasets: DatasetsByCluster = Field(min_length=1)
    """Dataset ids by cluster."""
    cap: int = Field(30_000, ge=1)
    """Rows kept of each unit."""
    rate_maximum: int = Field(3_000, ge=1)
    """A unit's mixing rate is its number of rows, at most this."""
    rate_unit: Literal["dataset", "part"] = "dataset"
    """What is capped and has a rate: a dataset as one, or each of its parts (ANLI r1, r2, r3), as in FLAN's code."""


class TemplatePolicy(_Part):
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


class TemplateOverrides(_Part):
    """What one cluster has otherwise; a field that is left out is as for all."""

    form: Literal["instruction", "bare", "name"] | None = None
    options: Literal["ordered", "shuffled", "none"] | None = None
    per_dataset: int | None = Field(None, ge=1)
    turned_around: bool | None = None
    num_shots: int | None = Field(None, ge=0, le=16)


class Templates(TemplatePolicy):
    """How rows become text: for all clusters, and for single ones. Held-out clusters are asked by it, too."""

    by_cluster: dict[ClusterName, TemplateOverrides] = {}

    def of(self, cluster: str) -> TemplatePolicy:
        """The policy of one cluster."""
        base = self.model_dump(exclude={"by_cluster"})
        own = self.by_cluster.get(cluster, TemplateOverrides()).model_dump(exclude_none=True)
        return TemplatePolicy(**base | own)


class Lengths(_Part):
    """Tokens of a packed row, EOS included (paper: 1024 and 256)."""

    inputs: int = Field(1024, ge=16)
    targets: int = Field(256, ge=2)


class Packing(_Part):
    """Windows and batches."""

    window: int = Field(1024, ge=1)
    """Draws of a window, about."""
    batch_rows: int = Field(32, ge=1)
    """Packed rows of a full batch."""
    algorithm: Literal["best_fit", "first_fit", "next_fit", "none"] = "best_fit"
    """best_fit: over the whole window; first_fit and next_fit (as seqio does): in order of arrival; none: an example
    a row."""


class Tokenizer(_Part):
    """The SentencePiece model; `digest` is filled in when the run is started."""

    vocab_size: int = Field(32_000, ge=300)
    """Pieces; at least the 256 bytes and the special ones."""
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the model file."""


class Model(_Part):
    """Hyper-parameters under T5X's names (t5x/examples/t5/network.py, T5Config)."""

    family: Literal["t5_1_1"] = "t5_1_1"
    emb_dim: int = Field(512, ge=1)
    num_heads: int = Field(6, ge=1)
    head_dim: int = Field(64, ge=1)
    mlp_dim: int = Field(1024, ge=1)
    num_encoder_layers: int = Field(8, ge=1)
    num_decoder_layers: int = Field(8, ge=1)
    mlp_activations: tuple[Literal["gelu", "relu", "silu", "linear"], ...] = Field(
        ("gelu", "linear"), min_length=1
    )
    dropout_rate: float = Field(0.0, ge=0, lt=1)
    logits_via_embedding: bool = False
    """Whether the output layer is the embedding (T5 1.0) or has its own weights (T5 1.1)."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Activations; parameters are always float32."""


class Optimizer(_Part):
    """Adafactor with T5X's defaults (arXiv:1804.04235; t5x/adafactor.py)."""

    name: Literal["adafactor"] = "adafactor"
    learning_rate: float = Field(1e-3, gt=0)
    """Relative to the parameter's root mean square."""
    decay_rate: float = Field(0.8, gt=0, lt=1)
    clipping_threshold: float = Field(1.0, gt=0)
    min_dim_size_to_factor: int = Field(128, ge=1)


class Schedule(_Part):
    """Factor on the learning rate by step."""

    name: Literal["constant", "linear", "rsqrt"] = "constant"
    """constant; linear decay to 0 at the last step; rsqrt: sqrt(warmup_steps / step)."""
    warmup_steps: int = Field(0, ge=0)
    """Linear from 0."""


class Loss(_Part):
    """Token cross entropy over the sum of decoder_loss_weights of the whole batch."""

    z_loss: float = Field(1e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)


class Train(_Part):
    """The loop."""

    steps: int = Field(ge=1)
    """Optimizer updates."""
    engine: Literal["auto", "t5x", "native"] = "auto"
    """auto takes t5x where it is importable."""


class Checkpoint(_Part):
    """When the state is saved and published; step 0 and the last step always are."""

    every_steps: int = Field(1000, ge=1)
    keep: int = Field(3, ge=1)
    """Newest checkpoints kept on the trainer's disk."""


class Evaluation(_Part):
    """How every published checkpoint is judged."""

    rows: int = Field(1000, ge=1)
    """At most so many test rows of each held-out dataset, a seeded sample."""
    max_decode_length: int = Field(64, ge=1)
    """Tokens that generation may write."""


class RunSpec(_Part):
    """See the module; `load_spec` reads one from a file."""

    name: str = Field(pattern=r"^[a-z0-9._-]+$", max_length=64)
    seed: int = Field(ge=0, lt=2**63)
    mixture: Mixture
    heldout: DatasetsByCluster = Field(min_length=1)
    """Held-out clusters, and the datasets of them to evaluate on."""
    licences: Literal["any", "commercial"] = "any"
    """commercial: datasets that are not known to allow commercial use are left out of tuning."""
    templates: Templates = Templates()
    lengths: Lengths = Lengths()
    packing: Packing = Packing()
    tokenizer: Tokenizer
    model: Model = Model()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    train: Train
    checkpoint: Checkpoint = Checkpoint()
    evaluation: Evaluation = Evaluation()

    @field_validator("mixture")
    @classmethod
    def _each_dataset_once(cls, mixture: Mixture) -> Mixture:
        names = [name for names in mixture.datasets.values() for name in names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"datasets lists {twice[0]!r} more than once; list it once")
        return mixture

    @model_validator(mode="after")
    def _heldout_is_not_trained(self) -> "RunSpec":
        for heldout in self.heldout:
            for cluster in sorted(excluded_clusters(heldout) & set(self.mixture.datasets)):
                reason = (
                    "is held out"
                    if cluster == heldout
                    else f"is too close to the held-out cluster {heldout!r}"
                )
                raise ValueError(
                    f"mixture.datasets.{cluster} trains on {', '.join(self.mixture.datasets[cluster])}, "
                    f"but {cluster!r} {reason}; remove it or hold out another cluster"
                )
        return self

    @model_validator(mode="after")
    def _some_update_moves(self) -> "RunSpec":
        if self.schedule.name == "linear" and self.schedule.warmup_steps >= self.train.steps:
            raise ValueError(
                f"schedule.warmup_steps is {self.schedule.warmup_steps}, but a linear schedule ends at "
                f"train.steps = {self.train.steps}: the rate would stay near 0; give fewer than {self.train.steps}"
            )
        return self

    def canonical(self) -> str:
        """The one JSON form that is hashed and sent: every field, sorted keys, no white space."""
        return json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True
        )

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical()`, lower-case hex."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """`{name}-{first 8 digits of the digest}`; names every key, folder and result of the run."""
        return f"{self.name}-{self.digest[:8]}"

    @property
    def trained_datasets(self) -> tuple[str, ...]:
        """Dataset ids of the mixture, by cluster in catalog order."""
        return _in_catalog_order(self.mixture.datasets)

    @property
    def heldout_datasets(self) -> tuple[str, ...]:
        """Dataset ids to evaluate on, by cluster in catalog order."""
        return _in_catalog_order(self.heldout)

    def with_tokenizer(self, digest: str, vocab_size: int) -> "RunSpec":
        """The same spec pinned to one tokenizer file.

        Raises:
          SpecError: the spec is already pinned to another one.
        """
        if self.tokenizer.digest not in (None, digest):
            raise SpecError(
                f"tokenizer.digest is {self.tokenizer.digest}, but the tokenizer file has {digest}; "
                "pass the file the spec was written for, or remove the field"
            )
        tokenizer = Tokenizer(vocab_size=vocab_size, digest=digest)
        return self.model_copy(update={"tokenizer": tokenizer})


def _in_catalog_order(datasets: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    # Not the order of the mapping: the canonical form sorts its keys, and both must mean the same run.
    return tuple(name for cluster in CLUSTERS for name in datasets.get(cluster, ()))


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (1e-3 is a number) and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SpecError(f"{key!r} is given twice (line {node.start_mark.line + 1} on); give it once")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_spec(
    text: str, *, where: str = "the run spec", overrides: Mapping[str, str] | None = None
) -> RunSpec:
    """Reads YAML (or the canonical JSON), applies `overrides` and checks everything.

    Args:
      text: the document.
      where: its name, for messages.
      overrides: values by dotted field name, each read as YAML: `{"train.steps": "40"}`.

    Raises:
      SpecError: one line that names the field, the value and what would be accepted.
    """
    try:
        data = yaml.load(text, _Loader)
        if not isinstance(data, dict):
            raise SpecError(
                f"{where} holds {type(data).__name__}; expected fields such as name, seed and mixture"
            )
        for field, value in (overrides or {}).items():
            _set(data, field, yaml.load(value, _Loader))
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line} is not YAML: {getattr(err, 'problem', None) or err}") from err
    except SpecError as err:
        raise SpecError(f"{where}: {err}") from err
    try:
        # Through JSON, because only there does strict mode take a list for a tuple.
        return RunSpec.model_validate_json(json.dumps(data, default=str))
    except pydantic.ValidationError as err:
        raise SpecError(f"{where}: " + "; ".join(_sentence(fault) for fault in err.errors())) from err


def load_spec(path: Path | str, overrides: Mapping[str, str] | None = None) -> RunSpec:
    """`parse_spec` of a file.

    Raises:
      SpecError: the file cannot be read, or is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise SpecError(f"run spec {path} cannot be read: {getattr(err, 'strerror', None) or err}") from err
    return parse_spec(text, where=str(path), overrides=overrides)


def _set(data: dict[str, Any], field: str, value: Any) -> None:
    *parents, last = field.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise SpecError(f"override {field!r}: {parent!r} has no fields of its own")
    data[last] = value


def _sentence(fault: Any) -> str:
    # "[key]" marks a fault of a mapping's key itself; the key is already the last part of the place.
    place = [str(part) for part in fault["loc"] if part != "[key]"]
    field = ".".join(place) or "spec"
    expected = fault["msg"][0].lower() + fault["msg"][1:]
    match fault["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(place[:-1]))
            return f"{field} is not a field of the run spec; known here: {', '.join(known)}"
        case "missing":
            return f"{field} is missing; it has no default"
        case "value_error":
            message = str(fault["ctx"]["error"])
            return f"{field}.{message}" if place else message
        case _:
            return f"{field} is {_shown(fault['input'])}; {expected.replace('input should', 'it should')}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _fields_at(place: list[str]) -> list[str]:
    model: Any = RunSpec
    for part in place:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
