"""The line: Redis Streams between datagen and the trainer (docs/design.md, section 5)."""

from flan_shared.line.batch import PackedBatch, decode_batch, encode_batch
from flan_shared.line.connect import connect, connection_faults, memory_faults
from flan_shared.line.keys import Attempt, RunKeys

__all__ = [
    "Attempt",
    "PackedBatch",
    "RunKeys",
    "connect",
    "connection_faults",
    "decode_batch",
    "encode_batch",
    "memory_faults",
]
