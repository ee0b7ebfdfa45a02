"""A gRPC server with health and reflection, the same for every service.

Health tells what is true: NOT_SERVING until `set_serving(True)`, and again before a drain begins.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from flan_shared.errors import FlanError, ServiceError

MAX_MESSAGE_BYTES = 8 * 2**20
"""Bound on one message, both ways."""


class Server:
    """Use: `add` each servicer, `start`, `set_serving(True)`, …, `stop`."""

    def __init__(self, bind: str, *, num_threads: int = 16) -> None:
        """Args:
        bind: HOST:PORT to listen on; port 0 picks a free one.
        num_threads: calls served at once; a stream holds one.
        """
        self.bind = bind
        self.address = ""
        options = [
            # Without this Linux lets two servers share a port, and a taken port would go unnoticed.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ]
        self._server = grpc.server(
            futures.ThreadPoolExecutor(num_threads, thread_name_prefix="grpc"), options=options
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names: list[str] = []

    def add(self, register: Callable[[Any, grpc.Server], None], servicer: object, name: str) -> None:
        """Registers `servicer` under its full service `name`, e.g. `flan.v1.DatagenService`."""
        register(servicer, self._server)
        self._names.append(name)

    def start(self) -> str:
        """Listens; returns HOST:PORT.

        Raises:
          ServiceError: the address is taken or not ours.
        """
        reflection.enable_server_reflection(
            (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        try:
            port = self._server.add_insecure_port(self.bind)
        except RuntimeError:
            port = 0
        if not port:
            raise ServiceError(
                f"cannot listen on {self.bind}: the port is taken or the host is not this machine's; "
                "choose another --listen HOST:PORT (port 0 picks a free one)"
            )
        self.address = f"{self.bind.rpartition(':')[0]}:{port}"
        self._server.start()
        self.set_serving(False)
        return self.address

    def set_serving(self, serving: bool) -> None:
        """Sets the health of every service and of the whole server."""
        status = (
            health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for name in ("", *self._names):
            self._health.set(name, status)

    def stop(self, grace_s: float = 5.0) -> None:
        """Turns unready, lets running calls end for `grace_s`, then cuts them."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()


def write_ready_file(path: Path | str | None, address: str) -> None:
    """Tells whoever started this process where it listens; whole or not there."""
    if path is None:
        return
    temporary = Path(f"{path}.{os.getpid()}")
    temporary.write_text(json.dumps({"address": address, "pid": os.getpid()}))
    temporary.replace(path)


@contextlib.contextmanager
def translated(
    context: grpc.ServicerContext, codes: Mapping[type[FlanError], grpc.StatusCode]
) -> Iterator[None]:
    """Turns a `FlanError` into a status: the code of its nearest class in `codes`, else INTERNAL."""
    try:
        yield
    except FlanError as err:
        code = next((codes[kind] for kind in type(err).__mro__ if kind in codes), grpc.StatusCode.INTERNAL)
        context.abort(code, str(err))
