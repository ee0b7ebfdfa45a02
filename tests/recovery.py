"""What the tests of recovery share: one small run, the result of it where nothing happens, and who takes checkpoints.

A pytest plugin, so that the undisturbed run is made once for all of them; nothing is imported from here.
"""

import folders
import pytest
from lines import pinned
from processes import Run, intake
from servers import RedisServer

_STEPS = {"train.steps": "60", "checkpoint.every_steps": "12", "model.dropout_rate": "0.1"}
"""About seven windows."""

_POISONED = range(0, 60, 7)
"""Rows of sst2 that have a defect."""


@pytest.fixture(scope="session")
def evaluator(tmp_path_factory):
    """Takes checkpoints of all runs; refuses a step that comes back with other parameters."""
    with intake(tmp_path_factory.mktemp("store")) as (address, store):
        yield address, store


@pytest.fixture(scope="session")
def spec(tokenizer):
    return pinned(tokenizer, _STEPS)


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """A folder of datasets, some rows of which are poisoned."""
    folder = folders.write_all(tmp_path_factory.mktemp("rows"))
    sst2 = folders.rows("sst2", 60)
    for row in _POISONED:
        sst2[row]["label"] = 9
    folders.write(folder, "sst2", "train", sst2)
    return folder


@pytest.fixture
def poisoned_rows():
    """Dataset and row of each."""
    return {("sst2", f"train/{row}") for row in _POISONED}


@pytest.fixture(scope="session")
def start_run(tmp_path_factory, spec, rows, tokenizer, evaluator):
    """Makes a `Run` on a server, of the common spec and rows or of others; all are stopped at the end."""
    runs = []

    def start(url, *, spec=spec, data=rows):
        folder = tmp_path_factory.mktemp("run")
        runs.append(Run(folder, spec, data, tokenizer, url, evaluator[0], compiled))
        return runs[-1]

    compiled = tmp_path_factory.mktemp("compiled")
    yield start
    for run in runs:
        run.stop()


@pytest.fixture
def run(start_run, redis_server):
    run = start_run(redis_server.url)
    yield run
    run.stop()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, start_run):
    """The result of the run that nothing happens to."""
    server = RedisServer(tmp_path_factory.mktemp("r"))
    server.start()
    run = start_run(server.url)
    try:
        run.replica()
        return run.result(run.trainer())
    finally:
        run.stop()
        server.stop()
