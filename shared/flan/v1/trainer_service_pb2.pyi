from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainerPhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINER_PHASE_UNSPECIFIED: _ClassVar[TrainerPhase]
    TRAINER_PHASE_STARTING: _ClassVar[TrainerPhase]
    TRAINER_PHASE_TRAINING: _ClassVar[TrainerPhase]
    TRAINER_PHASE_PUBLISHING: _ClassVar[TrainerPhase]
    TRAINER_PHASE_DONE: _ClassVar[TrainerPhase]
TRAINER_PHASE_UNSPECIFIED: TrainerPhase
TRAINER_PHASE_STARTING: TrainerPhase
TRAINER_PHASE_TRAINING: TrainerPhase
TRAINER_PHASE_PUBLISHING: TrainerPhase
TRAINER_PHASE_DONE: TrainerPhase

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("run", "phase", "step", "num_steps", "loss", "tokens_per_s", "accounting", "checkpoint_step", "published_steps", "window")
    RUN_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    NUM_STEPS_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_S_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTING_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_STEP_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_STEPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    run: str
    phase: TrainerPhase
    step: int
    num_steps: int
    loss: float
    tokens_per_s: float
    accounting: Accounting
    checkpoint_step: int
    published_steps: _containers.RepeatedScalarFieldContainer[int]
    window: int
    def __init__(self, run: _Optional[str] = ..., phase: _Optional[_Union[TrainerPhase, str]] = ..., step: _Optional[int] = ..., num_steps: _Optional[int] = ..., loss: _Optional[float] = ..., tokens_per_s: _Optional[float] = ..., accounting: _Optional[_Union[Accounting, _Mapping]] = ..., checkpoint_step: _Optional[int] = ..., published_steps: _Optional[_Iterable[int]] = ..., window: _Optional[int] = ...) -> None: ...

class Accounting(_message.Message):
    __slots__ = ("drawn", "trained", "dropped", "quarantined")
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    drawn: int
    trained: int
    dropped: int
    quarantined: int
    def __init__(self, drawn: _Optional[int] = ..., trained: _Optional[int] = ..., dropped: _Optional[int] = ..., quarantined: _Optional[int] = ...) -> None: ...
