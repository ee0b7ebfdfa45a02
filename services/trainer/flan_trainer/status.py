"""What the trainer tells others while it works: gRPC status, and the metrics stream for onlookers."""

import contextlib
import json
import threading
import time

import grpc
import redis

from flan.v1 import trainer_service_pb2 as pb
from flan.v1 import trainer_service_pb2_grpc
from flan_shared.line import RunKeys
from flan_shared.line.keys import METRICS_LENGTH
from flan_shared.spec import RunSpec
from flan_trainer.board import Board
from flan_trainer.cursor import Cursor
from flan_trainer.engines.base import StepMetrics
from flan_trainer.link import Backlog
from flan_trainer.measures import Measures

SERVICE = "flan.v1.TrainerService"
_BY_CLUSTER = "loss_by_cluster/"
_TOLD = (
    *("z_loss", "accuracy", "learning_rate", "grad_norm", "param_norm", "step_ms", "wait_ms"),
    *("non_padding_fraction", "model_flops_utilisation"),
)
_PERIOD_S = 1.0
"""One progress entry a period, never one a step."""


class Status:
    """Shared by the loop, which writes it, and the servicer, which reads it."""

    def __init__(self, client: redis.Redis | None, run: RunSpec) -> None:
        """Args:
        client: of the line; None: another host tells onlookers.
        run: the spec.
        """
        num_steps, run_id = run.train.steps, run.run_id
        self._client = client
        self._metrics = RunKeys(run_id).metrics
        self._lock = threading.Lock()
        self._response = pb.GetStatusResponse(
            run=run_id, num_steps=num_steps, phase=pb.TRAINER_PHASE_STARTING
        )
        self._published: set[int] = set()
        self._tokens = 0
        self._training_since: float | None = None
        self._told = 0.0
        self._steps = 0
        self.measures = Measures(run)
        self.board: Board | None = None
        """Gets what the metrics stream gets, too."""
        self._moved = time.monotonic()
        self._saved: set[int] = set()

    def phase(self, phase: pb.TrainerPhase) -> None:
        """Enters a phase."""
        with self._lock:
            self._response.phase = phase
        self._moved = time.monotonic()
        if phase == pb.TRAINER_PHASE_TRAINING:
            self._training_since = time.monotonic()

    def stepped(
        self, step: int, loss: float, cursor: Cursor, metrics: StepMetrics, *, num_tokens: int, wait_s: float
    ) -> None:
        """After a step; `num_tokens` non-padding tokens were in it, `wait_s` was waited for data in all."""
        self._tokens += num_tokens
        self._steps += 1
        self.measures.add(metrics, num_tokens)
        now = self._moved = time.monotonic()
        elapsed_s = max(now - (self._training_since or now), 1e-9)
        with self._lock:
            self._response.step = step
            self._response.loss = loss
            self._response.window = cursor.window
            self._response.tokens_per_s = self._tokens / elapsed_s
            self._response.accounting.CopyFrom(
                pb.Accounting(
                    drawn=cursor.drawn,
                    trained=cursor.trained,
                    dropped=cursor.dropped,
                    quarantined=cursor.quarantined,
                )
            )
        if now - self._told >= _PERIOD_S or step == self._response.num_steps:
            self._told = now
            values = self.measures.take(metrics, waited_s=wait_s)
            if self.board is not None:
                self.board.write(step, values)
            by_cluster = {
                name.removeprefix(_BY_CLUSTER): round(value, 4)
                for name, value in values.items()
                if name.startswith(_BY_CLUSTER)
            }
            self._tell(
                kind="step",
                step=step,
                steps=self._response.num_steps,
                loss=f"{loss:.4f}",
                tokens_per_s=f"{self._tokens / elapsed_s:.0f}",
                wait_fraction=f"{wait_s / elapsed_s:.4f}",
                **{name: f"{values[name]:.6g}" for name in _TOLD if name in values},
                loss_by_cluster=json.dumps(by_cluster),
                drawn=cursor.drawn,
                trained=cursor.trained,
                dropped=cursor.dropped,
                quarantined=cursor.quarantined,
            )

    def saved(self, step: int, digest: str) -> None:
        """After a checkpoint became durable."""
        self._moved = time.monotonic()
        with self._lock:
            self._saved.add(step)
            self._response.checkpoint_step = step
        self._tell(kind="checkpoint", step=step, digest=digest)

    def published(self, step: int) -> None:
        """After the evaluator confirmed a checkpoint."""
        with self._lock:
            self._published.add(step)
            self._response.published_steps[:] = sorted(self._published)
        self._tell(kind="published", step=step)

    def line(self, *, waits: str, backlog: Backlog | None) -> None:
        """What the run waits for, empty where it moves, and what of it lies in Redis."""
        fields: dict[str, object] = {"phase": pb.TrainerPhase.Name(self.snapshot().phase), "waits": waits}
        if backlog is not None:
            fields |= {
                "tickets_waiting": backlog.tickets_waiting,
                "tickets_in_hand": len(backlog.in_hand),
                "windows_made": backlog.windows_made,
                "size_bytes": backlog.size_bytes,
            }
        self._tell(kind="line", **fields)

    @property
    def idle_s(self) -> float:
        """Seconds since the last step, checkpoint or phase."""
        return time.monotonic() - self._moved

    @property
    def unpublished(self) -> int:
        """Checkpoints of this process that the evaluator has not confirmed."""
        with self._lock:
            return len(self._saved - self._published)

    def snapshot(self) -> pb.GetStatusResponse:
        """A copy of the state."""
        with self._lock:
            response = pb.GetStatusResponse()
            response.CopyFrom(self._response)
            return response

    def _tell(self, **fields: object) -> None:
        if self._client is None:
            return
        # For onlookers: what is lost here is not counted by anyone.
        with contextlib.suppress(redis.RedisError):
            self._client.xadd(self._metrics, fields, maxlen=METRICS_LENGTH, approximate=True, nomkstream=True)


class TrainerServicer(trainer_service_pb2_grpc.TrainerServiceServicer):
    """Answers from a `Status`."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:
        """See the contract."""
        return self._status.snapshot()
