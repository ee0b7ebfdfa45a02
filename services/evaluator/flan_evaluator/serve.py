"""EvaluatorService: a thin face over intake, evaluator and store."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from flan.v1 import evaluator_service_pb2 as pb
from flan.v1 import evaluator_service_pb2_grpc
from flan_evaluator.errors import STATUS, BusyError, RequestError
from flan_evaluator.evaluate import Evaluator
from flan_evaluator.intake import Intake
from flan_evaluator.store import Store
from flan_shared.serving import translated

SERVICE = "flan.v1.EvaluatorService"

NUM_THREADS = 64
"""Calls at once. Streams have bounds of their own below it, so that short calls always find a thread."""
_MAX_WATCHERS = 48
_MAX_TRANSFERS = 8
_MAX_DATASETS = 100


class EvaluatorServicer(evaluator_service_pb2_grpc.EvaluatorServiceServicer):
    """Checks requests, bounds what runs at once, translates errors."""

    def __init__(
        self, store: Store, intake: Intake, evaluator: Evaluator, *, idle_timeout_s: float = 60.0
    ) -> None:
        """Args:
        store: checkpoints and results.
        intake: receives.
        evaluator: evaluates; it must have been started.
        idle_timeout_s: a transfer that sends nothing for so long is cut.
        """
        self._store = store
        self._intake = intake
        self._evaluator = evaluator
        self._idle_timeout_s = idle_timeout_s
        self._watchers = _Bound(_MAX_WATCHERS, "evaluations are watched")
        self._transfers = _Bound(_MAX_TRANSFERS, "checkpoints are being received")

    def PublishCheckpoint(
        self, request_iterator: Iterator[pb.PublishCheckpointRequest], context: grpc.ServicerContext
    ) -> pb.PublishCheckpointResponse:
        """See the contract."""
        with translated(context, STATUS), self._transfers.one():
            with _not_idle(request_iterator, context.cancel, self._idle_timeout_s) as pieces:
                run, step, already_visible = self._intake.receive(pieces)
            self._evaluator.submit(run, step)
            return pb.PublishCheckpointResponse(already_visible=already_visible)

    def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, context: grpc.ServicerContext
    ) -> pb.ListCheckpointsResponse:
        """See the contract."""
        with translated(context, STATUS):
            return pb.ListCheckpointsResponse(checkpoints=self._store.checkpoints(request.run))

    def Evaluate(
        self, request: pb.EvaluateRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.EvaluateResponse]:
        """See the contract."""
        with translated(context, STATUS), self._watchers.one():
            if not request.run:
                raise RequestError("run is empty; expected a run id: ListCheckpoints names them")
            if len(request.datasets) > _MAX_DATASETS:
                raise RequestError(
                    f"datasets has {len(request.datasets)} entries; expected at most {_MAX_DATASETS}"
                )
            context.add_callback(self._evaluator.wake)
            step = request.step if request.HasField("step") else None
            yield from self._evaluator.watch(request.run, step, request.datasets, context.is_active)

    def ListResults(
        self, request: pb.ListResultsRequest, context: grpc.ServicerContext
    ) -> pb.ListResultsResponse:
        """See the contract."""
        with translated(context, STATUS):
            return pb.ListResultsResponse(results=self._store.results(request.run))


class _Bound:
    """At most so many at once; one more is refused, not made to wait."""

    def __init__(self, limit: int, what: str) -> None:
        self._free = threading.BoundedSemaphore(limit)
        self._message = f"{limit} {what} already, which is the limit; try again later"

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        if not self._free.acquire(blocking=False):
            raise BusyError(self._message)
        try:
            yield
        finally:
            self._free.release()


@contextlib.contextmanager
def _not_idle(
    pieces: Iterator[pb.PublishCheckpointRequest], cancel: Callable[[], object], timeout_s: float
) -> Iterator[Iterator[pb.PublishCheckpointRequest]]:
    """`pieces`, with `cancel` called once none has come for `timeout_s`.

    A client that neither sends nor goes would hold a thread for ever; gRPC has no time limit between messages.
    """
    ended = threading.Event()
    waiting_since: float | None = None

    def watched() -> Iterator[pb.PublishCheckpointRequest]:
        nonlocal waiting_since
        while True:
            waiting_since = time.monotonic()
            piece = next(pieces, None)
            waiting_since = None
            if piece is None:
                return
            yield piece

    def watch() -> None:
        while not ended.wait(min(1.0, timeout_s / 4)):
            since = waiting_since
            if since is not None and time.monotonic() - since > timeout_s:
                cancel()
                return

    thread = threading.Thread(target=watch, name="idle transfers", daemon=True)
    thread.start()
    try:
        yield watched()
    finally:
        ended.set()
        thread.join()
