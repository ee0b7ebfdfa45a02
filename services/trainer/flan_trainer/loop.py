"""The training loop, in the order in which it happens.

restore or initialise -> step 0 is saved and published -> per batch: step, cursor -> every so often: check the
link, save; published once it is on the disk, while training goes on -> last step: save, publish, wait for the evaluator
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flan.v1 import trainer_service_pb2 as pb
from flan_shared.checkpoint import flatten
from flan_shared.errors import FlanError
from flan_shared.line import PackedBatch, connection_faults
from flan_shared.spec import RunSpec
from flan_shared.telemetry import event
from flan_trainer.cursor import Cursor
from flan_trainer.engines import Engine
from flan_trainer.engines.base import Placed
from flan_trainer.engines.memory import memory_faults
from flan_trainer.expand import count_examples, features_of
from flan_trainer.feed import Feed
from flan_trainer.hosts import Alone, Hosts
from flan_trainer.link import LinkLostError
from flan_trainer.prefetch import Prefetch
from flan_trainer.publish import Publisher
from flan_trainer.share import Share
from flan_trainer.status import Status
from flan_trainer.watch import Watch

_log = logging.getLogger(__name__)

_PUBLISH_TIMEOUT_S = 600.0

_MOST_EMPTY = 1000
"""Empty batches in a row that end a run: it would go on for ever."""


class NonFiniteLossError(FlanError):
    """The loss became infinite or not a number; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    cursor: Cursor
    digest: str


@dataclass(frozen=True)
class _Saving:
    """A checkpoint on its way to the disk and to the outbox."""

    step: int
    window: int
    digest: Future[str]
    """Of its parameters, once it is there."""


class Loop:
    """One process's part of a run."""

    def __init__(
        self,
        spec: RunSpec,
        engine: Engine,
        publisher: Publisher,
        status: Status,
        *,
        folder: Path,
        cursor: Cursor,
        threads: int,
        hosts: Hosts | None = None,
    ) -> None:
        """Args:
        spec: of the run.
        engine: initialised or restored; `cursor` is of its step.
        publisher: takes checkpoints.
        status: is told everything.
        folder: of the checkpoints.
        cursor: where to go on.
        threads: CPU threads, kept in every checkpoint.
        hosts: that train this run together; None: this one alone.
        """
        self._spec = spec
        self._engine = engine
        self._publisher = publisher
        self._status = status
        self._folder = folder
        self._cursor = cursor
        self._threads = threads
        self._hosts = hosts or Alone()
        self._began = time.monotonic() - cursor.seconds
        self._digest = ""
        self._saved: Cursor | None = None
        """The cursor of the newest checkpoint, which may be on its way."""
        self._saving: _Saving | None = None
        self._saver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publish-saved")
        self._pending: tuple[Any, int, int] | None = None
        """Metrics of the last step, not fetched yet, its number and tokens: the device works meanwhile."""

    def run(self, feed: Feed, *, stopping: Callable[[], bool]) -> Outcome | None:
        """Trains to the spec's last step and publishes it.

        None if it was told to stop before; what is missing is done by the next start.

        Raises:
          FlanError: the run cannot go on; what and where is in the message.
        """
        if self._engine.step == 0 and self._cursor == Cursor():
            self._save(verify=lambda: None)
            self._account_saved(wait=True)
        else:
            # The process before may have ended between saving and publishing; sending twice is harmless.
            step = self._engine.step
            path = self._folder / f"checkpoint_{step}"
            self._digest = self._publisher.put(step, path, self._engine.parameters())
            self._status.saved(step, self._digest)
            self._saved = self._cursor
        self._status.phase(pb.TRAINER_PHASE_TRAINING)
        with Watch(self._status, feed, self._hosts):
            prefetch = Prefetch(feed, self._ready)
            try:
                self._steps(prefetch, feed, stopping)
            finally:
                feed.stop()
                prefetch.close()
                if self._saving is not None:
                    # After a fault: what is being written becomes whole, and the next start goes on from it.
                    self._saving.digest.exception()
            # What is left to do needs no other host.
            self._hosts.leave()
            if self._engine.step < self._spec.train.steps:
                return None
            self._status.phase(pb.TRAINER_PHASE_PUBLISHING)
            if not self._publisher.finish(_PUBLISH_TIMEOUT_S, stopping=stopping):
                return None
            self._status.phase(pb.TRAINER_PHASE_DONE)
        return Outcome(self._engine.step, self._cursor, self._digest)

    def _steps(self, prefetch: Prefetch, feed: Feed, stopping: Callable[[], bool]) -> None:
        last, every = self._spec.train.steps, self._spec.checkpoint.every_steps
        batches, empty = iter(prefetch), 0
        while self._engine.step < last:
            item = None if stopping() else next(batches, None)
            # From here on all hosts do the same: they have the same batch, or all stop here.
            whole = self._hosts.agree(item and item[1])
            if item is None or whole is None:
                break
            batch, share, placed = item
            if whole is not share:
                # Counted are the draws of all hosts.
                batch = replace(
                    batch, drawn=whole.drawn, dropped=whole.dropped, quarantined=whole.quarantined
                )
            self._publisher.check()
            self._account_saved(wait=False)
            if placed is None:
                # A batch without rows moves the cursor and makes no step.
                self._cursor = self._cursor.after(batch, trained=0)
                empty += 1
                if empty >= _MOST_EMPTY:
                    raise FlanError(
                        f"{empty} batches in a row up to window {batch.window} hold no example: every row drawn is "
                        "defective; see the quarantine, and mend the data or take the dataset out"
                    )
                continue
            empty = 0
            metrics = self._engine.train_step(placed)
            self._settle(prefetch.wait_s)
            # The step before is done by now, and with it every host's.
            feed.applied(self._cursor.window)
            self._cursor = self._cursor.after(batch, trained=whole.trained)
            self._pending = (metrics, self._engine.step, whole.num_tokens)
            if self._engine.step % every == 0 or self._engine.step == last:
                self._settle(prefetch.wait_s)
                self._save(verify=lambda: self._verify(feed))
        self._settle(prefetch.wait_s)
        if self._engine.step < last and self._cursor != self._saved:
            # Told to stop: whoever goes on loses nothing.
            self._save(verify=lambda: self._verify(feed))
        self._account_saved(wait=True)

    def _ready(self, batch: PackedBatch) -> tuple[PackedBatch, Share, Placed | None]:
        """The batch, what is counted of it, and its features on the device; these are there on all hosts or on none."""
        if not batch.num_rows:
            return batch, Share.of(batch, trained=0), None
        features = features_of(batch, self._spec)
        if self._hosts.count > 1:
            # The engine fills up this host's part of the rows.
            features = {name: array[: len(batch.row_examples)] for name, array in features.items()}
        return batch, Share.of(batch, trained=count_examples(features)), self._engine.place(features)

    def _settle(self, wait_s: float) -> None:
        """Takes in the loss of the step before, which is done by now."""
        if self._pending is None:
            return
        metrics, step, num_tokens = self._pending
        self._pending = None
        # Where the device computes ahead, a step's faults are first seen here.
        with memory_faults(self._spec):
            loss = float(metrics.loss)
        if not math.isfinite(loss):
            raise NonFiniteLossError(
                f"the loss is {loss} at step {step}, in window {self._cursor.window}; "
                f"the run stops and its last checkpoint in {self._folder} is kept: lower optimizer.learning_rate"
            )
        self._cursor = self._cursor.with_loss(loss)
        self._status.stepped(step, loss, self._cursor, metrics, num_tokens=num_tokens, wait_s=wait_s)

    def _verify(self, feed: Feed) -> None:
        """Makes sure before a save that no newer trainer owns the folder; other losses only cost a new link."""
        try:
            feed.verify()
        except (LinkLostError, *connection_faults) as err:
            feed.doubt(f"before a save: {err}")

    def _save(self, *, verify: Callable[[], None]) -> None:
        """Begins to write a checkpoint; the one before is whole first."""
        self._account_saved(wait=True)
        verify()
        self._cursor = replace(self._cursor, seconds=time.monotonic() - self._began)
        if not self._cursor.balanced:
            raise AssertionError(f"draws are not accounted for: {self._cursor}")
        parameters = self._engine.parameters()
        for name, leaf in flatten(parameters).items():
            # A step's loss is that of the parameters before it: its own update is first seen here.
            if not np.isfinite(leaf).all():
                raise NonFiniteLossError(
                    f"{name} is not finite after step {self._engine.step}; the run stops and its last checkpoint in "
                    f"{self._folder} is kept: lower optimizer.learning_rate"
                )
        saved = {**self._cursor.to_json(), "threads": self._threads}
        step, path = (
            self._engine.step,
            self._engine.save(self._folder, saved, keep=self._spec.checkpoint.keep),
        )
        digest = self._saver.submit(lambda: self._publisher.put(step, path.result(), parameters))
        self._saving = _Saving(step, self._cursor.window, digest)
        self._saved = self._cursor

    def _account_saved(self, *, wait: bool) -> None:
        """Tells of the checkpoint that was being written, once it is whole on the disk and in the outbox.

        Raises:
          CheckpointError: it could not be written.
        """
        saving = self._saving
        if saving is None or not (wait or saving.digest.done()):
            return
        self._saving = None
        self._digest = saving.digest.result()
        if self._hosts.index == 0:
            event(_log, "checkpoint saved", run=self._spec.run_id, step=saving.step, window=saving.window)
        self._status.saved(saving.step, self._digest)


def write_result(path: Path, spec: RunSpec, outcome: Outcome) -> None:
    """Writes how the run ended, whole or not at all."""
    cursor = outcome.cursor
    result = {
        "run": spec.run_id,
        "final_digest": outcome.digest,
        "seconds": round(cursor.seconds, 3),
        "steps": outcome.step,
        "windows": cursor.windows_begun,
        "loss_first": sum(cursor.first_losses) / len(cursor.first_losses),
        "loss_last": sum(cursor.last_losses) / len(cursor.last_losses),
        "accounting": {
            "drawn": cursor.drawn,
            "trained": cursor.trained,
            "dropped": cursor.dropped,
            "quarantined": cursor.quarantined,
        },
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(result, indent=2))
    temporary.replace(path)
