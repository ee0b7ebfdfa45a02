"""Asks a datagen: the one at a given address, or one that is started for the question."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc

from flan.v1.datagen_service_pb2_grpc import DatagenServiceStub
from flan_cli import services
from flan_cli.rows import Rows
from flan_cli.stack import Stack
from flan_cli.tokenizer import train_tokenizer
from flan_shared.errors import FlanError, ServiceError
from flan_shared.serving import MAX_MESSAGE_BYTES
from flan_shared.spec import RunSpec

_TIMEOUT_S = 3600.0
"""A whole catalog may be read for one answer."""
_MENDABLE = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}

address_option = click.option(
    "--datagen",
    "address",
    envvar="FLAN_DATAGEN",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Ask this datagen. Absent: one is started.",
)


@dataclass(frozen=True)
class Datagen:
    """A datagen that answers."""

    address: str
    _stub: DatagenServiceStub
    _stack: Stack

    def call(self, method: str, request: Any) -> Any:
        """The answer of a method that gives one.

        Raises:
          FlanError: the request or the data is wrong, as datagen says, or nobody answers.
          Interrupted: the user asked to stop.
        """
        with self._translated():
            call = getattr(self._stub, method).future(request, timeout=_TIMEOUT_S)
            with self._stack.cancelling(call.cancel):
                return call.result()

    def stream(self, method: str, request: Any) -> Iterator[Any]:
        """The answers of a method that gives many.

        Raises:
          FlanError, Interrupted: as `call`.
        """
        with self._translated():
            call = getattr(self._stub, method)(request, timeout=_TIMEOUT_S)
            with self._stack.cancelling(call.cancel):
                yield from call

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (grpc.RpcError, grpc.FutureCancelledError) as err:
            self._stack.check_interrupt()
            if not isinstance(err, grpc.Call):
                raise
            if err.code() in _MENDABLE:
                raise FlanError(err.details()) from err
            if err.code() == grpc.StatusCode.UNAVAILABLE:
                raise FlanError(f"no datagen answers at {self.address}: {err.details()}") from err
            raise ServiceError(
                f"datagen at {self.address} failed: {err.code().name} {err.details()}"
            ) from err


@contextlib.contextmanager
def reached(
    address: str | None, rows: Rows, *, tokenizer: Path | None = None, train_for: RunSpec | None = None
) -> Iterator[Datagen]:
    """A datagen to ask.

    Args:
      address: HOST:PORT of one that runs; None: one is started, and stopped at the end.
      rows: what a started one serves.
      tokenizer: what a started one counts tokens with.
      train_for: trains a tokenizer on this spec's rows where `tokenizer` is None.
    """
    with tempfile.TemporaryDirectory(prefix="flan-") as name:
        folder = Path(name)
        if address is None and train_for is not None and tokenizer is None:
            click.echo("training a tokenizer to count tokens with; --tokenizer FILE uses yours", err=True)
            tokenizer = folder / "tokenizer.model"
            train_tokenizer(train_for, rows, tokenizer)
        with Stack(folder / "logs") as stack:
            if address is None:
                service = services.datagen("datagen", folder, rows=rows, tokenizer=tokenizer)
                address = str(stack.start(service).address)
            with grpc.insecure_channel(
                address, options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
            ) as channel:
                yield Datagen(address, DatagenServiceStub(channel), stack)
