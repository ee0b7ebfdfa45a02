"""What the evaluator knows, on disk: checkpoints, evaluation examples and results.

    STORE/evaluator.db      SQLite, write-ahead log: what is visible, which examples, all results
    STORE/checkpoints/      RUN/STEP/ with manifest.pb and the files of the manifest
    STORE/examples/         FINGERPRINT.binpb, evaluation examples under the SHA-256 of their bytes
    STORE/incoming/         transfers under way; emptied at every start
    STORE/lock              held while a process owns the store

The results of one dataset are stored in one transaction or not at all, and storing them again changes
nothing: a process may be killed at any moment and simply does again what is missing.
"""

import contextlib
import fcntl
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from google.protobuf.message import DecodeError

from flan.v1 import checkpoint_pb2, evaluator_service_pb2
from flan_evaluator.errors import DiskFullError, StoreError

MANIFEST = "manifest.pb"
"""Name of the manifest in a checkpoint's folder; no published file may have it."""

_DATABASE = "evaluator.db"
_VERSION = 1
_SCHEMA = """
CREATE TABLE checkpoints (
  run TEXT NOT NULL, step INTEGER NOT NULL, parameters_digest TEXT NOT NULL, received_ns INTEGER NOT NULL,
  PRIMARY KEY (run, step)) STRICT, WITHOUT ROWID;
CREATE TABLE examples (
  request TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE results (
  run TEXT NOT NULL, step INTEGER NOT NULL, dataset TEXT NOT NULL, metric TEXT NOT NULL,
  cluster TEXT NOT NULL, main INTEGER NOT NULL, value REAL NOT NULL, n INTEGER NOT NULL,
  num_unscored INTEGER NOT NULL, chance REAL, evaluated_ns INTEGER NOT NULL,
  parameters_digest TEXT NOT NULL, examples_fingerprint TEXT NOT NULL,
  PRIMARY KEY (run, step, dataset, metric)) STRICT, WITHOUT ROWID;
"""


class Store:
    """One folder, owned by one process; its methods may be called from any thread."""

    def __init__(self, folder: Path | str) -> None:
        """Opens or makes the store, and takes up what a killed process left.

        Raises:
          StoreError: the folder cannot be used, or another evaluator uses it.
        """
        self.folder = Path(folder)
        self.checkpoints_folder = self.folder / "checkpoints"
        self.examples_folder = self.folder / "examples"
        self.incoming_folder = self.folder / "incoming"
        self._mutex = threading.Lock()
        try:
            with contextlib.ExitStack() as closing:
                self._database = self._open(closing)
                self._prepare()
                self._reconcile()
                self._closing = closing.pop_all()
        except OSError as err:
            raise StoreError(
                f"store {self.folder} cannot be used: {err.strerror or err}; choose another --store"
            ) from err
        except sqlite3.Error as err:
            raise StoreError(
                f"{self.folder / _DATABASE} cannot be used: {err}; move it away or choose another --store"
            ) from err

    def close(self) -> None:
        """Gives the store back; harmless when repeated."""
        with self._mutex:
            self._closing.close()

    def checkpoint_folder(self, run: str, step: int) -> Path:
        """Where the files of a visible checkpoint are."""
        return self.checkpoints_folder / run / str(step)

    def manifest(self, run: str, step: int) -> checkpoint_pb2.CheckpointManifest:
        """The manifest of a visible checkpoint.

        Raises:
          StoreError: it cannot be read.
        """
        path = self.checkpoint_folder(run, step) / MANIFEST
        try:
            return checkpoint_pb2.CheckpointManifest.FromString(path.read_bytes())
        except (OSError, DecodeError) as err:
            raise StoreError(f"{path} cannot be read: {err}; publish the checkpoint again") from err

    def add_checkpoint(self, run: str, step: int, parameters_digest: str) -> None:
        """Makes a checkpoint visible whose files are in place.

        Results of another checkpoint under the same run and step, whose folder was removed, go.
        """
        with self._transaction() as database:
            database.execute(
                "DELETE FROM results WHERE run = ? AND step = ? AND parameters_digest <> ?",
                (run, step, parameters_digest),
            )
            database.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (run, step, parameters_digest, time.time_ns()),
            )

    def checkpoints(self, run: str = "") -> list[evaluator_service_pb2.CheckpointInfo]:
        """Visible checkpoints of `run`, or of all runs, by run and step."""
        rows = self._select(
            "SELECT run, step, parameters_digest, received_ns FROM checkpoints"
            " WHERE ? IN ('', run) ORDER BY run, step",
            (run,),
        )
        infos = []
        for run_, step, digest, received_ns in rows:
            info = evaluator_service_pb2.CheckpointInfo(run=run_, step=step, parameters_digest=digest)
            info.received_at.FromNanoseconds(received_ns)
            infos.append(info)
        return infos

    def checkpoint(self, run: str, step: int) -> evaluator_service_pb2.CheckpointInfo | None:
        """One visible checkpoint, or None."""
        return next((info for info in self.checkpoints(run) if info.step == step), None)

    def remember_examples(self, request: str, fingerprint: str) -> None:
        """Notes which examples answered a request; the first answer stays."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO examples VALUES (?, ?) ON CONFLICT DO NOTHING", (request, fingerprint)
            )

    def forget_examples(self, request: str) -> None:
        """Takes back `remember_examples`, for examples that are no longer whole on disk."""
        with self._transaction() as database:
            database.execute("DELETE FROM examples WHERE request = ?", (request,))

    def examples_fingerprint(self, request: str) -> str | None:
        """Which examples answered a request, or None."""
        rows = self._select("SELECT fingerprint FROM examples WHERE request = ?", (request,))
        return rows[0][0] if rows else None

    def add_results(
        self,
        results: Sequence[evaluator_service_pb2.DatasetResult],
        *,
        parameters_digest: str,
        examples_fingerprint: str,
    ) -> None:
        """Stores all results of one dataset at one checkpoint; the first ones stay.

        Args:
          results: every metric; `evaluated_at` is set by the caller.
          parameters_digest: of the checkpoint.
          examples_fingerprint: of the examples they were measured on.
        """
        with self._transaction() as database:
            database.executemany(
                # Not OR IGNORE, which would also leave out a row whose value is NaN, and say nothing.
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (
                        *(result.run, result.step, result.dataset, result.metric, result.cluster),
                        *(result.main, result.value, result.n, result.num_unscored),
                        result.chance if result.HasField("chance") else None,
                        result.evaluated_at.ToNanoseconds(),
                        *(parameters_digest, examples_fingerprint),
                    )
                    for result in results
                ],
            )

    def results(self, run: str = "", step: int | None = None) -> list[evaluator_service_pb2.DatasetResult]:
        """Stored results by run, step, dataset and metric."""
        rows = self._select(
            "SELECT run, step, dataset, metric, cluster, main, value, n, num_unscored, chance, evaluated_ns"
            " FROM results WHERE ? IN ('', run) AND coalesce(?, step) = step"
            " ORDER BY run, step, dataset, metric",
            (run, step),
        )
        return [_result(row) for row in rows]

    def _open(self, closing: contextlib.ExitStack) -> sqlite3.Connection:
        for part in (self.checkpoints_folder, self.examples_folder, self.incoming_folder):
            part.mkdir(parents=True, exist_ok=True)
        closing.enter_context(_locked(self.folder / "lock"))
        for left_over in self.incoming_folder.iterdir():
            shutil.rmtree(left_over)
        # Autocommit: transactions are begun and ended by hand, so that none is ever left open.
        database = sqlite3.connect(self.folder / _DATABASE, isolation_level=None, check_same_thread=False)
        return closing.enter_context(contextlib.closing(database))

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        # FULL: what a client was told is stored must outlive a power cut, not only a killed process.
        self._database.execute("PRAGMA synchronous = FULL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self._transaction() as database:
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
        elif version != _VERSION:
            raise StoreError(
                f"{self.folder / _DATABASE} has version {version}; this evaluator reads {_VERSION}: "
                "use the evaluator that wrote it, or choose another --store"
            )

    def _reconcile(self) -> None:
        # A process may be killed between the rename that completes a checkpoint and its row here.
        known = {(info.run, info.step) for info in self.checkpoints()}
        found = {
            (manifest.parent.parent.name, int(manifest.parent.name))
            for manifest in self.checkpoints_folder.glob(f"*/[0-9]*/{MANIFEST}")
        }
        for run, step in found - known:
            self.add_checkpoint(run, step, self.manifest(run, step).parameters_digest)
        with self._transaction() as database:
            database.executemany("DELETE FROM checkpoints WHERE run = ? AND step = ?", list(known - found))

    def _select(self, statement: str, values: Sequence[object]) -> list[tuple]:
        with self._mutex:
            return self._database.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._mutex:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except sqlite3.OperationalError as err:
                self._roll_back()
                full = err.sqlite_errorcode == sqlite3.SQLITE_FULL
                raise (DiskFullError if full else StoreError)(
                    f"{self.folder / _DATABASE} cannot be written: {err}; free space in the store or move it"
                ) from err
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        # SQLite itself ends the transaction on some errors, a full disk among them.
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise StoreError(
                f"store {path.parent} is in use by another evaluator; stop it or choose another --store"
            ) from err
        yield file


def _result(row: tuple) -> evaluator_service_pb2.DatasetResult:
    *fields, chance, evaluated_ns = row
    names = ("run", "step", "dataset", "metric", "cluster", "main", "value", "n", "num_unscored")
    result = evaluator_service_pb2.DatasetResult(**dict(zip(names, fields, strict=True)))
    if chance is not None:
        result.chance = chance
    result.evaluated_at.FromNanoseconds(evaluated_ns)
    return result
