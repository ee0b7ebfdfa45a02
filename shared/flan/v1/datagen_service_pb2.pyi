from flan.v1 import example_pb2 as _example_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamExamplesRequest(_message.Message):
    __slots__ = ("datasets", "split", "num_rows", "template", "turned_around", "seed", "lengths", "num_shots", "pack")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    NUM_ROWS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TURNED_AROUND_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    NUM_SHOTS_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedScalarFieldContainer[str]
    split: _example_pb2.Split
    num_rows: int
    template: int
    turned_around: bool
    seed: int
    lengths: RowLengths
    num_shots: int
    pack: bool
    def __init__(self, datasets: _Optional[_Iterable[str]] = ..., split: _Optional[_Union[_example_pb2.Split, str]] = ..., num_rows: _Optional[int] = ..., template: _Optional[int] = ..., turned_around: _Optional[bool] = ..., seed: _Optional[int] = ..., lengths: _Optional[_Union[RowLengths, _Mapping]] = ..., num_shots: _Optional[int] = ..., pack: _Optional[bool] = ...) -> None: ...

class RowLengths(_message.Message):
    __slots__ = ("inputs", "targets")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    inputs: int
    targets: int
    def __init__(self, inputs: _Optional[int] = ..., targets: _Optional[int] = ...) -> None: ...

class StreamExamplesResponse(_message.Message):
    __slots__ = ("example",)
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    example: _example_pb2.Example
    def __init__(self, example: _Optional[_Union[_example_pb2.Example, _Mapping]] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets",)
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetInfo]
    def __init__(self, datasets: _Optional[_Iterable[_Union[DatasetInfo, _Mapping]]] = ...) -> None: ...

class DatasetInfo(_message.Message):
    __slots__ = ("id", "cluster", "num_templates", "answer_kind", "metrics", "licence", "available")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NUM_TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_KIND_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    cluster: str
    num_templates: int
    answer_kind: _example_pb2.AnswerKind
    metrics: _containers.RepeatedScalarFieldContainer[str]
    licence: str
    available: bool
    def __init__(self, id: _Optional[str] = ..., cluster: _Optional[str] = ..., num_templates: _Optional[int] = ..., answer_kind: _Optional[_Union[_example_pb2.AnswerKind, str]] = ..., metrics: _Optional[_Iterable[str]] = ..., licence: _Optional[str] = ..., available: _Optional[bool] = ...) -> None: ...
