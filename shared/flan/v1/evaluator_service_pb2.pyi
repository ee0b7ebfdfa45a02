import datetime

from flan.v1 import checkpoint_pb2 as _checkpoint_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishCheckpointRequest(_message.Message):
    __slots__ = ("manifest", "chunk")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    manifest: _checkpoint_pb2.CheckpointManifest
    chunk: bytes
    def __init__(self, manifest: _Optional[_Union[_checkpoint_pb2.CheckpointManifest, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class PublishCheckpointResponse(_message.Message):
    __slots__ = ("already_visible",)
    ALREADY_VISIBLE_FIELD_NUMBER: _ClassVar[int]
    already_visible: bool
    def __init__(self, already_visible: _Optional[bool] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints",)
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[CheckpointInfo]
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[CheckpointInfo, _Mapping]]] = ...) -> None: ...

class CheckpointInfo(_message.Message):
    __slots__ = ("run", "step", "parameters_digest", "received_at")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    run: str
    step: int
    parameters_digest: str
    received_at: _timestamp_pb2.Timestamp
    def __init__(self, run: _Optional[str] = ..., step: _Optional[int] = ..., parameters_digest: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("run", "step", "datasets")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    run: str
    step: int
    datasets: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, run: _Optional[str] = ..., step: _Optional[int] = ..., datasets: _Optional[_Iterable[str]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("progress", "result")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    progress: EvaluationProgress
    result: DatasetResult
    def __init__(self, progress: _Optional[_Union[EvaluationProgress, _Mapping]] = ..., result: _Optional[_Union[DatasetResult, _Mapping]] = ...) -> None: ...

class EvaluationProgress(_message.Message):
    __slots__ = ("step", "dataset", "num_done", "num_total")
    STEP_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    NUM_DONE_FIELD_NUMBER: _ClassVar[int]
    NUM_TOTAL_FIELD_NUMBER: _ClassVar[int]
    step: int
    dataset: str
    num_done: int
    num_total: int
    def __init__(self, step: _Optional[int] = ..., dataset: _Optional[str] = ..., num_done: _Optional[int] = ..., num_total: _Optional[int] = ...) -> None: ...

class DatasetResult(_message.Message):
    __slots__ = ("run", "step", "dataset", "cluster", "metric", "main", "value", "n", "num_unscored", "chance", "evaluated_at")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    MAIN_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    NUM_UNSCORED_FIELD_NUMBER: _ClassVar[int]
    CHANCE_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_AT_FIELD_NUMBER: _ClassVar[int]
    run: str
    step: int
    dataset: str
    cluster: str
    metric: str
    main: bool
    value: float
    n: int
    num_unscored: int
    chance: float
    evaluated_at: _timestamp_pb2.Timestamp
    def __init__(self, run: _Optional[str] = ..., step: _Optional[int] = ..., dataset: _Optional[str] = ..., cluster: _Optional[str] = ..., metric: _Optional[str] = ..., main: _Optional[bool] = ..., value: _Optional[float] = ..., n: _Optional[int] = ..., num_unscored: _Optional[int] = ..., chance: _Optional[float] = ..., evaluated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListResultsRequest(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class ListResultsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DatasetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[DatasetResult, _Mapping]]] = ...) -> None: ...
