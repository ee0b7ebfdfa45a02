"""The evaluator's store: what it was told outlives it."""

import math
import sqlite3

import pytest

from flan.v1.checkpoint_pb2 import CheckpointManifest
from flan.v1.evaluator_service_pb2 import DatasetResult
from flan_evaluator.errors import StoreError
from flan_evaluator.store import MANIFEST, Store


def result(
    value: float, *, step: int = 0, metric: str = "accuracy", chance: float | None = 50.0
) -> DatasetResult:
    return DatasetResult(
        run="tiny-1",
        step=step,
        dataset="rte",
        cluster="nli",
        metric=metric,
        main=metric == "accuracy",
        value=value,
        n=4,
        num_unscored=1,
        chance=chance,
        evaluated_at={"seconds": 5},
    )


def keep(store: Store, *results: DatasetResult, parameters_digest: str = "a") -> None:
    store.add_results(results, parameters_digest=parameters_digest, examples_fingerprint="f")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


def visible(store: Store, run: str, step: int, digest: str) -> None:
    folder = store.checkpoint_folder(run, step)
    folder.mkdir(parents=True)
    manifest = CheckpointManifest(run=run, step=step, parameters_digest=digest)
    (folder / MANIFEST).write_bytes(manifest.SerializeToString())


def test_results_come_back_as_they_were_stored(store):
    stored = [result(25.5), result(31.0, metric="f1", chance=None), result(75.0, step=10)]
    keep(store, *stored[:2])
    keep(store, stored[2])

    assert store.results() == stored
    assert store.results("tiny-1", 10) == stored[2:]
    assert store.results("other") == []


def test_results_outlive_a_restart(tmp_path):
    with_results = Store(tmp_path)
    keep(with_results, result(25.5))
    with_results.close()

    again = Store(tmp_path)

    assert again.results() == [result(25.5)]
    again.close()


def test_storing_results_again_changes_nothing(store):
    keep(store, result(25.5))
    keep(store, result(99.0))

    assert store.results() == [result(25.5)]


def test_results_of_one_dataset_are_stored_together_or_not_at_all(store):
    with pytest.raises(sqlite3.IntegrityError):
        keep(store, result(25.5), result(math.nan, metric="f1"))

    assert store.results() == []


def test_checkpoints_are_listed_by_run_and_step(store):
    for run, step in (("b", 2), ("a", 10), ("a", 2)):
        store.add_checkpoint(run, step, f"{run}{step}")

    assert [(info.run, info.step) for info in store.checkpoints()] == [("a", 2), ("a", 10), ("b", 2)]
    assert [info.step for info in store.checkpoints("a")] == [2, 10]
    assert store.checkpoint("a", 3) is None
    assert store.checkpoint("b", 2).parameters_digest == "b2"


def test_a_checkpoint_moved_in_place_before_a_kill_is_visible_after_it(tmp_path):
    killed = Store(tmp_path)
    visible(killed, "tiny-1", 3, "d")
    killed.close()

    again = Store(tmp_path)

    assert again.checkpoint("tiny-1", 3).parameters_digest == "d"
    again.close()


def test_transfers_of_a_killed_process_are_removed(tmp_path):
    killed = Store(tmp_path)
    (killed.incoming_folder / "half").mkdir()
    (killed.incoming_folder / "half" / "tokenizer.model").write_bytes(b"x")
    killed.close()

    again = Store(tmp_path)

    assert list(again.incoming_folder.iterdir()) == []
    again.close()


def test_other_parameters_under_the_same_step_do_not_inherit_results(store):
    keep(store, result(25.5), parameters_digest="a")

    store.add_checkpoint("tiny-1", 0, "b")

    assert store.results() == []


def test_a_store_has_one_owner(store):
    with pytest.raises(StoreError, match="in use by another evaluator"):
        Store(store.folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"file/store cannot be used: Not a directory"):
        Store(tmp_path / "file" / "store")


def test_a_database_of_another_version_is_refused(tmp_path):
    store = Store(tmp_path)
    store.close()
    database = sqlite3.connect(tmp_path / "evaluator.db")
    database.execute("PRAGMA user_version = 9")
    database.close()

    with pytest.raises(StoreError, match="has version 9; this evaluator reads 1"):
        Store(tmp_path)


def test_a_damaged_database_is_refused(tmp_path):
    (tmp_path / "evaluator.db").write_bytes(b"not a database " * 100)

    with pytest.raises(StoreError, match="file is not a database"):
        Store(tmp_path)
