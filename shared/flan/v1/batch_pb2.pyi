from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TokenWidth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOKEN_WIDTH_UNSPECIFIED: _ClassVar[TokenWidth]
    TOKEN_WIDTH_UINT16: _ClassVar[TokenWidth]
    TOKEN_WIDTH_UINT32: _ClassVar[TokenWidth]
TOKEN_WIDTH_UNSPECIFIED: TokenWidth
TOKEN_WIDTH_UINT16: TokenWidth
TOKEN_WIDTH_UINT32: TokenWidth

class BatchEnvelope(_message.Message):
    __slots__ = ("batch", "crc32c")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    batch: bytes
    crc32c: int
    def __init__(self, batch: _Optional[bytes] = ..., crc32c: _Optional[int] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("window", "batch", "shard", "end", "spec_digest", "source_digest", "token_width", "tokens", "input_lengths", "target_lengths", "row_examples", "num_rows", "clusters", "counts")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    SPEC_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TOKEN_WIDTH_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_LENGTHS_FIELD_NUMBER: _ClassVar[int]
    TARGET_LENGTHS_FIELD_NUMBER: _ClassVar[int]
    ROW_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    NUM_ROWS_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    window: int
    batch: int
    shard: int
    end: bool
    spec_digest: str
    source_digest: str
    token_width: TokenWidth
    tokens: bytes
    input_lengths: bytes
    target_lengths: bytes
    row_examples: bytes
    num_rows: int
    clusters: bytes
    counts: Counts
    def __init__(self, window: _Optional[int] = ..., batch: _Optional[int] = ..., shard: _Optional[int] = ..., end: _Optional[bool] = ..., spec_digest: _Optional[str] = ..., source_digest: _Optional[str] = ..., token_width: _Optional[_Union[TokenWidth, str]] = ..., tokens: _Optional[bytes] = ..., input_lengths: _Optional[bytes] = ..., target_lengths: _Optional[bytes] = ..., row_examples: _Optional[bytes] = ..., num_rows: _Optional[int] = ..., clusters: _Optional[bytes] = ..., counts: _Optional[_Union[Counts, _Mapping]] = ...) -> None: ...

class Counts(_message.Message):
    __slots__ = ("drawn", "dropped", "quarantined")
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    drawn: int
    dropped: int
    quarantined: int
    def __init__(self, drawn: _Optional[int] = ..., dropped: _Optional[int] = ..., quarantined: _Optional[int] = ...) -> None: ...

class Ticket(_message.Message):
    __slots__ = ("window", "num_shards", "spec_digest", "source_digest")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    NUM_SHARDS_FIELD_NUMBER: _ClassVar[int]
    SPEC_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    window: int
    num_shards: int
    spec_digest: str
    source_digest: str
    def __init__(self, window: _Optional[int] = ..., num_shards: _Optional[int] = ..., spec_digest: _Optional[str] = ..., source_digest: _Optional[str] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("window", "replica", "dataset", "row", "cause")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    window: int
    replica: str
    dataset: str
    row: str
    cause: str
    def __init__(self, window: _Optional[int] = ..., replica: _Optional[str] = ..., dataset: _Optional[str] = ..., row: _Optional[str] = ..., cause: _Optional[str] = ...) -> None: ...

class QuarantinedRow(_message.Message):
    __slots__ = ("dataset", "row", "cause", "window")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    row: str
    cause: str
    window: int
    def __init__(self, dataset: _Optional[str] = ..., row: _Optional[str] = ..., cause: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...
