"""The run spec: one immutable, typed document that says everything that determines the result of a run.

Written as YAML, checked at the door, hashed in canonical form. Hosts, ports, paths, credentials and log
levels are not in it: they come from flags and FLAN_* environment variables.
"""

from flan_shared.spec.data import (
    DatasetsByCluster,
    Lengths,
    Mixture,
    Packing,
    Pretraining,
    TemplatePolicy,
    Templates,
    Tokenizer,
)
from flan_shared.spec.model import PRESETS, EncoderDecoder, Model, PrefixLM, Prompt
from flan_shared.spec.parse import load_spec, parse_spec
from flan_shared.spec.run import Evaluation, RunSpec
from flan_shared.spec.training import Checkpoint, Loss, Optimizer, Schedule, Start, Train

__all__ = [
    "PRESETS",
    "Checkpoint",
    "DatasetsByCluster",
    "EncoderDecoder",
    "Evaluation",
    "Lengths",
    "Loss",
    "Mixture",
    "Model",
    "Optimizer",
    "Packing",
    "PrefixLM",
    "Pretraining",
    "Prompt",
    "RunSpec",
    "Schedule",
    "Start",
    "TemplatePolicy",
    "Templates",
    "Tokenizer",
    "Train",
    "load_spec",
    "parse_spec",
]
