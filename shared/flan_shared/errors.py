"""The exceptions of the project: one tree, so that a command can turn any user-facing fault into one line.

A `FlanError` message is complete by itself: what, which value, what would be accepted, what to do.
Anything else that escapes is a defect of the program and keeps its traceback.
"""


class FlanError(Exception):
    """A fault that a person can act on; `str()` of it is one line."""


class SpecError(FlanError):
    """A run spec that cannot be used; the message names the field."""


class DataError(FlanError):
    """A source file, column or dataset that cannot be used."""


class LineError(FlanError):
    """Redis is not reachable, not suitable, or holds something that breaks the contract of the line."""


class SupersededError(LineError):
    """A newer start of the trainer took over the run."""


class CheckpointError(FlanError):
    """A checkpoint that cannot be written, read, sent or accepted."""


class ServiceError(FlanError):
    """A service that cannot be started or reached."""
