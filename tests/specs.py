"""A small run spec for tests; every test changes what it is about."""

import yaml

from flan_shared.spec import RunSpec, parse_spec

SMALL = {
    "name": "small",
    "seed": 7,
    "mixture": {
        "datasets": {
            "sentiment": ["sst2"],
            "commonsense": ["copa"],
            "reading_comprehension": ["boolq"],
            "struct_to_text": ["e2e_nlg"],
        }
    },
    "heldout": {"nli": ["rte", "cb"]},
    "lengths": {"inputs": 128, "targets": 32},
    "packing": {"window": 64, "batch_rows": 4},
    "tokenizer": {"vocab_size": 600},
    "model": {
        "emb_dim": 16,
        "num_heads": 2,
        "head_dim": 8,
        "mlp_dim": 32,
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
    },
    "optimizer": {"learning_rate": 0.01},
    "train": {"steps": 12},
    "checkpoint": {"every_steps": 4, "keep": 2},
    "evaluation": {"rows": 8, "max_decode_length": 8},
}


def small_spec(overrides: dict[str, str] | None = None) -> RunSpec:
    """`SMALL` with dotted `overrides`."""
    return parse_spec(yaml.safe_dump(SMALL), overrides=overrides)
