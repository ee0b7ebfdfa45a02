"""A batch on the wire: token ids and lengths, never padded arrays (docs/design.md, section 5).

row 0: example A (inputs 5 7 1, targets 9 1), example B (inputs 4 1, targets 8 8 1)
row 1: example C (inputs 6 1, targets 3 1)

tokens         5 7 1 9 1 4 1 8 8 1 6 1 3 1     uint16, little-endian
input_lengths  3 2 2        target_lengths  2 3 2        row_examples  2 1          uint16, little-endian
clusters       0 4 0        bytes
"""

import dataclasses

import google_crc32c
import numpy as np
from google.protobuf.message import DecodeError

from flan.v1 import batch_pb2
from flan_shared.errors import LineError

_WIDTHS = {
    batch_pb2.TOKEN_WIDTH_UINT16: np.dtype("<u2"),
    batch_pb2.TOKEN_WIDTH_UINT32: np.dtype("<u4"),
}

_LENGTH = np.dtype("<u2")
"""Of a length or a count; the run spec bounds a row to it."""

_TOKENS = batch_pb2.Batch.TOKENS_FIELD_NUMBER
_ENVELOPE_BATCH = batch_pb2.BatchEnvelope.BATCH_FIELD_NUMBER
_CRC32C = bytes([batch_pb2.BatchEnvelope.CRC32C_FIELD_NUMBER << 3 | 5])
"""Tag of a fixed32."""


@dataclasses.dataclass(frozen=True)
class PackedBatch:
    """One batch of one shard.

    Attributes:
      window: from 0.
      batch: position in the window, from 1.
      shard: from 0.
      end: last of its window.
      spec_digest: SHA-256 hex.
      source_digest: SHA-256 hex.
      tokens: uint16 or uint32[num_tokens], see the module.
      input_lengths: int64[num_examples], EOS included.
      target_lengths: int64[num_examples], EOS included.
      row_examples: int64[rows of this shard].
      num_rows: of the batch over all shards.
      clusters: uint8[num_examples], indices into `RunSpec.trained_clusters`.
      drawn: draws that this batch accounts for.
      dropped: of these, without a target token left.
      quarantined: of these, with a defective row.
    """

    window: int
    batch: int
    shard: int
    end: bool
    spec_digest: str
    source_digest: str
    tokens: np.ndarray
    input_lengths: np.ndarray
    target_lengths: np.ndarray
    row_examples: np.ndarray
    num_rows: int
    clusters: np.ndarray
    drawn: int
    dropped: int
    quarantined: int

    @property
    def num_examples(self) -> int:
        """Examples packed in this batch."""
        return len(self.input_lengths)


def token_dtype(vocab_size: int) -> np.dtype:
    """The narrowest type on the wire that holds every id of the vocabulary."""
    return np.dtype("<u2") if vocab_size <= 2**16 else np.dtype("<u4")


def encode_batch(batch: PackedBatch) -> bytes:
    """Bytes of a BatchEnvelope; the same batch gives the same bytes."""
    width = batch_pb2.TOKEN_WIDTH_UINT16 if batch.tokens.dtype.itemsize == 2 else batch_pb2.TOKEN_WIDTH_UINT32
    fields = batch_pb2.Batch(
        window=batch.window,
        batch=batch.batch,
        shard=batch.shard,
        end=batch.end,
        spec_digest=batch.spec_digest,
        source_digest=batch.source_digest,
        token_width=width,
        input_lengths=batch.input_lengths.astype(_LENGTH).tobytes(),
        target_lengths=batch.target_lengths.astype(_LENGTH).tobytes(),
        row_examples=batch.row_examples.astype(_LENGTH).tobytes(),
        num_rows=batch.num_rows,
        clusters=batch.clusters.tobytes(),
        counts=batch_pb2.Counts(drawn=batch.drawn, dropped=batch.dropped, quarantined=batch.quarantined),
    )
    # Serialised messages end to end are their union, so what is long is put beside the rest as it is: the runtime
    # would copy the tokens five times. Deterministic although no map field is left to its order today.
    rest = fields.SerializeToString(deterministic=True)
    tokens = np.ascontiguousarray(batch.tokens, _WIDTHS[width]).data
    payload = b"".join((*_delimited(_TOKENS, tokens), rest))
    return b"".join(
        (*_delimited(_ENVELOPE_BATCH, payload), _CRC32C, google_crc32c.value(payload).to_bytes(4, "little"))
    )


def _delimited(field: int, content: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    """Tag and length, then the content, of a length-delimited field of protobuf's wire format."""
    size = memoryview(content).nbytes
    head = bytearray([field << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head), content


def decode_batch(data: bytes) -> PackedBatch:
    """The inverse of `encode_batch`.

    Raises:
      LineError: the checksum differs, or the parts contradict each other.
    """
    try:
        envelope = batch_pb2.BatchEnvelope.FromString(data)
        # Each access to a field of bytes is a copy.
        payload = envelope.batch
        checksum = google_crc32c.value(payload)
        if checksum != envelope.crc32c:
            raise LineError(f"a batch has crc32c {checksum:#010x}; expected {envelope.crc32c:#010x}")
        message = batch_pb2.Batch.FromString(payload)
        tokens = np.frombuffer(message.tokens, _WIDTHS[message.token_width])
        fields = (message.input_lengths, message.target_lengths, message.row_examples)
        input_lengths, target_lengths, row_examples = (
            np.frombuffer(field, _LENGTH).astype(np.int64) for field in fields
        )
    except (KeyError, ValueError, DecodeError) as err:
        raise LineError(f"a batch cannot be read: {err}") from err
    batch = PackedBatch(
        window=message.window,
        batch=message.batch,
        shard=message.shard,
        end=message.end,
        spec_digest=message.spec_digest,
        source_digest=message.source_digest,
        tokens=tokens,
        input_lengths=input_lengths,
        target_lengths=target_lengths,
        row_examples=row_examples,
        num_rows=message.num_rows,
        clusters=np.frombuffer(message.clusters, np.uint8),
        drawn=message.counts.drawn,
        dropped=message.counts.dropped,
        quarantined=message.counts.quarantined,
    )
    _check(batch)
    return batch


def _check(batch: PackedBatch) -> None:
    # `reduce` is what `sum` calls, at a third of its cost for arrays as short as these.
    total = np.add.reduce
    num_tokens = int(total(batch.input_lengths) + total(batch.target_lengths))
    num_rows_examples = int(total(batch.row_examples))
    if len(batch.tokens) != num_tokens or len(batch.target_lengths) != batch.num_examples:
        raise LineError(f"{_name(batch)} has {len(batch.tokens)} tokens; its lengths add up to {num_tokens}")
    if len(batch.clusters) != batch.num_examples or len(batch.row_examples) > batch.num_rows:
        raise LineError(
            f"{_name(batch)} has {batch.num_examples} examples in {len(batch.row_examples)} rows; it names the "
            f"clusters of {len(batch.clusters)} and says that all shards together have {batch.num_rows} rows"
        )
    if num_rows_examples != batch.num_examples:
        raise LineError(
            f"{_name(batch)} has {batch.num_examples} examples; its rows hold {num_rows_examples}"
        )
    if batch.drawn != batch.num_examples + batch.dropped + batch.quarantined:
        raise LineError(
            f"{_name(batch)} accounts for {batch.drawn} draws; it holds {batch.num_examples} examples, "
            f"{batch.dropped} dropped and {batch.quarantined} quarantined"
        )


def _name(batch: PackedBatch) -> str:
    return f"batch {batch.batch} of window {batch.window}"
