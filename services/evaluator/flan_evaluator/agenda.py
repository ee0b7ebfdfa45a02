"""What is to be evaluated, what is in hand and what failed: shared by the worker and any number of watchers.

Everything here is small and in memory; what must survive is in the store, from which the agenda is filled again
at every start.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from flan.v1.evaluator_service_pb2 import EvaluationProgress
from flan_shared.errors import FlanError

Checkpoint = tuple[str, int]
"""Run and step."""


@dataclass(frozen=True)
class View:
    """The state of one checkpoint at one moment."""

    version: int
    """Grows with every change of the agenda."""
    open: frozenset[str]
    """Datasets that wait or are in hand."""
    failures: Mapping[str, FlanError]
    """Why the last try of a dataset failed."""
    progress: EvaluationProgress


@dataclass
class _Work:
    received_ns: int
    waiting: list[str] = field(default_factory=list)
    in_hand: set[str] = field(default_factory=set)
    failures: dict[str, FlanError] = field(default_factory=dict)
    progress: EvaluationProgress = field(default_factory=EvaluationProgress)


class Agenda:
    """All methods may be called from any thread."""

    def __init__(self) -> None:
        self._work: dict[Checkpoint, _Work] = {}
        self._version = 0
        self._is_stopping = False
        self._changed = threading.Condition()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopping

    def stop(self) -> None:
        """Ends `take` and lets all watchers look."""
        with self._changed:
            self._is_stopping = True
            self._notify()

    def wake(self) -> None:
        """Lets all watchers look, for example whether their client is still there."""
        with self._changed:
            self._notify()

    def add(self, checkpoint: Checkpoint, received_ns: int, datasets: Iterable[str]) -> None:
        """Opens datasets of a checkpoint; those that are open stay, those that failed get a new try.

        Args:
          checkpoint: run and step.
          received_ns: when it became visible, nanoseconds since 1970; the newest goes first.
          datasets: dataset ids.
        """
        with self._changed:
            work = self._work.setdefault(
                checkpoint, _Work(received_ns, progress=EvaluationProgress(step=checkpoint[1]))
            )
            for dataset in datasets:
                if dataset not in work.waiting and dataset not in work.in_hand:
                    work.failures.pop(dataset, None)
                    work.waiting.append(dataset)
            self._notify()

    def take(self) -> tuple[Checkpoint, list[str]] | None:
        """Waits for work; the newest checkpoint and all its waiting datasets, or None once stopped."""
        with self._changed:
            while not self._is_stopping:
                waiting = [key for key, work in self._work.items() if work.waiting]
                if waiting:
                    newest = max(waiting, key=lambda key: self._work[key].received_ns)
                    work = self._work[newest]
                    datasets, work.waiting = work.waiting, []
                    work.in_hand = set(datasets)
                    return newest, datasets
                self._changed.wait()
        return None

    def report(self, checkpoint: Checkpoint, progress: EvaluationProgress) -> None:
        """Replaces the progress of a checkpoint."""
        with self._changed:
            self._work[checkpoint].progress = progress
            self._notify()

    def close(self, checkpoint: Checkpoint, dataset: str, failure: FlanError | None = None) -> None:
        """Ends a dataset in hand; its results are in the store, or `failure` says why not."""
        with self._changed:
            work = self._work[checkpoint]
            work.in_hand.discard(dataset)
            if failure is not None:
                work.failures[dataset] = failure
            self._notify()

    def view(self, checkpoint: Checkpoint, datasets: Collection[str]) -> View:
        """The state of `datasets` of a checkpoint that was added."""
        with self._changed:
            work = self._work[checkpoint]
            return View(
                version=self._version,
                open=frozenset(name for name in datasets if name in work.waiting or name in work.in_hand),
                failures={name: work.failures[name] for name in datasets if name in work.failures},
                progress=work.progress,
            )

    def wait(self, version: int, timeout_s: float) -> None:
        """Waits for a state newer than `version`, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version, timeout_s)

    def _notify(self) -> None:
        self._version += 1
        self._changed.notify_all()
