"""Checkpoint intake over gRPC: visible only when whole, nothing left behind otherwise."""

import contextlib
import hashlib
import resource
import signal
import sqlite3
import threading

import grpc
import pytest
from evaluator_parts import Checkpoint, make_checkpoint, running_evaluator, tiny_spec

from flan.v1.checkpoint_pb2 import CheckpointFile
from flan.v1.evaluator_service_pb2 import ListCheckpointsRequest, PublishCheckpointRequest

pytestmark = pytest.mark.slow

NOBODY = "127.0.0.1:1"
"""Intake needs no datagen."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"), 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def client(folder):
    with running_evaluator(folder, NOBODY, idle_timeout_s=0.5) as client:
        yield client


@pytest.fixture
def untouched(client, folder):
    """Checks after the test that nothing became visible and nothing lies about."""
    yield
    assert visible_steps(client) == []
    assert list((folder / "incoming").iterdir()) == []
    assert list((folder / "checkpoints").iterdir()) == []


def visible_steps(client) -> list[int]:
    return [info.step for info in client.ListCheckpoints(ListCheckpointsRequest()).checkpoints]


def refused(client, pieces) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        client.PublishCheckpoint(iter(pieces), timeout=30)
    details = raised.value.details()
    assert "\n" not in details
    return raised.value.code(), details


def test_whole_checkpoint_becomes_visible_with_its_bytes(checkpoint, tmp_path):
    with running_evaluator(tmp_path, NOBODY) as client:
        response = client.PublishCheckpoint(checkpoint.pieces(piece_bytes=1000))

        (info,) = client.ListCheckpoints(ListCheckpointsRequest(run=checkpoint.manifest.run)).checkpoints
    assert not response.already_visible
    assert (info.run, info.step) == (tiny_spec().run_id, 5)
    assert info.parameters_digest == checkpoint.manifest.parameters_digest
    place = tmp_path / "checkpoints" / info.run / "5"
    for file, content in zip(checkpoint.manifest.files, checkpoint.contents, strict=True):
        assert (place / file.path).read_bytes() == content
    assert list((tmp_path / "incoming").iterdir()) == []


def test_same_checkpoint_again_is_already_visible_and_another_one_is_refused(checkpoint, tmp_path):
    with running_evaluator(tmp_path / "store", NOBODY) as client:
        client.PublishCheckpoint(checkpoint.pieces())

        again = client.PublishCheckpoint(checkpoint.pieces())
        other = make_checkpoint(tmp_path / "other", 5, seed=1)
        code, details = refused(client, other.pieces())

        assert again.already_visible
        assert code == grpc.StatusCode.ALREADY_EXISTS
        assert "a checkpoint never changes" in details
        assert visible_steps(client) == [5]


def test_two_transfers_of_one_checkpoint_at_once_both_succeed(checkpoint, tmp_path):
    with running_evaluator(tmp_path, NOBODY) as client:
        both_begun = threading.Barrier(2)

        def pieces():
            for number, piece in enumerate(checkpoint.pieces()):
                yield piece
                if number == 1:
                    both_begun.wait(10)

        calls = [client.PublishCheckpoint.future(pieces()) for _ in range(2)]

        assert sorted(call.result(30).already_visible for call in calls) == [False, True]
        assert visible_steps(client) == [5]
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.usefixtures("untouched")
def test_truncated_transfer_leaves_nothing(client, checkpoint):
    code, details = refused(client, list(checkpoint.pieces(piece_bytes=1000))[:-1])

    assert code == grpc.StatusCode.DATA_LOSS
    assert f"before the end of {checkpoint.manifest.files[-1].path}" in details


@pytest.mark.usefixtures("untouched")
def test_client_that_goes_away_leaves_nothing(client, checkpoint, folder):
    begun, gone = threading.Event(), threading.Event()

    def pieces():
        first, second, *_ = checkpoint.pieces(piece_bytes=100)
        yield first
        yield second
        begun.set()
        gone.wait(10)

    call = client.PublishCheckpoint.future(pieces())
    assert begun.wait(10)
    call.cancel()
    gone.set()

    wait_until(lambda: not list((folder / "incoming").iterdir()))


@pytest.mark.usefixtures("untouched")
def test_transfer_that_stops_sending_is_cut(client, checkpoint):
    gone = threading.Event()

    def pieces():
        yield next(checkpoint.pieces())
        gone.wait(20)

    with pytest.raises(grpc.RpcError) as raised:
        client.PublishCheckpoint(pieces(), timeout=15)
    gone.set()

    assert raised.value.code() == grpc.StatusCode.CANCELLED


@pytest.mark.usefixtures("untouched")
def test_changed_byte_is_found(client, checkpoint):
    first, second, *rest = checkpoint.pieces()
    flipped = PublishCheckpointRequest(chunk=bytes([second.chunk[0] ^ 1]) + second.chunk[1:])

    code, details = refused(client, [first, flipped, *rest])

    assert code == grpc.StatusCode.DATA_LOSS
    assert details.startswith(f"{checkpoint.manifest.files[0].path} arrived with SHA-256")


@pytest.mark.usefixtures("untouched")
def test_lying_parameters_digest_is_found(client, checkpoint):
    code, details = refused(client, checkpoint.changed(parameters_digest="0" * 64).pieces())

    assert code == grpc.StatusCode.DATA_LOSS
    assert f"the parameters have digest {checkpoint.manifest.parameters_digest}" in details


@pytest.mark.usefixtures("untouched")
def test_lying_description_of_the_parameters_is_found(client, checkpoint):
    lying = checkpoint.changed()
    lying.manifest.parameters[0].shape[0] += 1

    code, _ = refused(client, lying.pieces())

    assert code == grpc.StatusCode.DATA_LOSS


@pytest.mark.usefixtures("untouched")
def test_files_that_are_no_parameters_are_refused(client, checkpoint):
    manifest, contents = checkpoint.changed().manifest, list(checkpoint.contents)
    for number, file in enumerate(manifest.files):
        if file.path.startswith("params/"):
            contents[number] = b"{}"
            file.size_bytes, file.sha256 = 2, hashlib.sha256(b"{}").hexdigest()

    code, details = refused(client, Checkpoint(manifest, tuple(contents)).pieces())

    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be used" in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("piece", [PublishCheckpointRequest(chunk=b"more"), PublishCheckpointRequest()])
def test_bytes_after_the_last_file_are_refused(client, checkpoint, piece):
    code, details = refused(client, [*checkpoint.pieces(), piece])

    assert code == grpc.StatusCode.DATA_LOSS
    assert details.startswith("more bytes arrived")


@pytest.mark.usefixtures("untouched")
def test_chunk_across_the_end_of_a_file_is_refused(client, checkpoint):
    first, *_ = checkpoint.pieces()
    content = b"".join(checkpoint.contents)[: checkpoint.manifest.files[0].size_bytes + 1]

    code, details = refused(client, [first, PublishCheckpointRequest(chunk=content)])

    assert code == grpc.StatusCode.DATA_LOSS
    assert "passes the end of" in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("chunk", [b"", bytes(2**20 + 1)])
def test_chunk_of_another_size_is_refused(client, checkpoint, chunk):
    first, *_ = checkpoint.pieces()

    assert (
        refused(client, [first, PublishCheckpointRequest(chunk=chunk)])[0] == grpc.StatusCode.INVALID_ARGUMENT
    )


@pytest.mark.usefixtures("untouched")
def test_transfer_without_manifest_is_refused(client, checkpoint):
    for pieces in ([], list(checkpoint.pieces())[1:], [next(checkpoint.pieces())] * 2):
        assert refused(client, pieces)[0] == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("field", "value", "code", "says"),
    [
        ("run", "../tiny", "INVALID_ARGUMENT", "manifest.run is '../tiny'"),
        ("run", "..", "INVALID_ARGUMENT", "manifest.run is '..'"),
        ("run", "Tiny", "INVALID_ARGUMENT", "manifest.run is 'Tiny'"),
        ("run", "", "INVALID_ARGUMENT", "manifest.run is ''"),
        ("run", "other-12345678", "FAILED_PRECONDITION", "its spec is that of run"),
        ("step", -1, "INVALID_ARGUMENT", "manifest.step is -1"),
        ("parameters_digest", "A" * 64, "INVALID_ARGUMENT", "expected SHA-256 as 64 lower-case hex digits"),
        ("spec_digest", "0" * 64, "FAILED_PRECONDITION", f"manifest.spec_digest is {'0' * 64}"),
        ("spec", "{}", "FAILED_PRECONDITION", "manifest.spec has SHA-256"),
    ],
)
def test_wrong_manifest_is_refused_at_the_door(client, checkpoint, field, value, code, says):
    status, details = refused(client, checkpoint.changed(**{field: value}).pieces())

    assert status.name == code
    assert says in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("name: tiny\n", "manifest.spec: "),
        (tiny_spec().canonical() + " ", "in canonical form"),
        (tiny_spec().with_tokenizer(tiny_spec().tokenizer.digest, 301).canonical(), "that of run"),
    ],
)
def test_spec_that_is_not_the_runs_own_is_refused(client, checkpoint, spec, says):
    digest = hashlib.sha256(spec.encode()).hexdigest()

    status, details = refused(client, checkpoint.changed(spec=spec, spec_digest=digest).pieces())

    assert status == grpc.StatusCode.FAILED_PRECONDITION
    assert says in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../up",
        "params/../../up",
        "params//x",
        "./x",
        "params/.",
        "c:\\x",
        "",
        "params/",
        "manifest.pb",
        "a\nb",
        "a\0b",
        "x" * 513,
    ],
)
def test_path_tricks_are_refused(client, checkpoint, path):
    tricked = checkpoint.changed()
    tricked.manifest.files[0].path = path

    code, details = refused(client, tricked.pieces())

    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "expected a relative path" in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("path", ["tokenizer.model", "Tokenizer.MODEL", "tokenizer.model/x"])
def test_two_files_in_one_place_are_refused(client, checkpoint, path):
    doubled = checkpoint.changed()
    doubled.manifest.files.append(CheckpointFile(path=path, sha256=hashlib.sha256(b"").hexdigest()))

    code, details = refused(client, doubled.pieces())

    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "more than once" in details or "both as a file and as a folder" in details


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kept", ["params/", "tokenizer.model"])
def test_manifest_without_tokenizer_or_parameters_is_refused(client, checkpoint, kept):
    part = checkpoint.changed()
    files = [file for file in part.manifest.files if file.path.startswith(kept)]
    del part.manifest.files[:]
    part.manifest.files.extend(files)

    code, details = refused(client, part.pieces())

    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "both are needed" in details


@pytest.mark.usefixtures("untouched")
def test_tokenizer_of_another_run_is_refused(client, checkpoint):
    other = checkpoint.changed()
    (file,) = (file for file in other.manifest.files if file.path == "tokenizer.model")
    file.sha256 = "0" * 64

    code, details = refused(client, other.pieces())

    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "the spec's tokenizer.digest is" in details


@pytest.mark.usefixtures("untouched")
def test_checkpoint_larger_than_the_disk_is_refused_before_a_byte_is_taken(client, checkpoint):
    huge = checkpoint.changed()
    huge.manifest.files[0].size_bytes = 2**60

    code, details = refused(client, huge.pieces())

    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "free space there and publish again" in details


@pytest.mark.usefixtures("untouched")
def test_disk_that_fills_up_on_the_way_is_one_line(client, checkpoint):
    # A limit on the size of files stands in for a full disk: the write fails in the same way.
    largest = max(file.size_bytes for file in checkpoint.manifest.files)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, limits[1]))
    try:
        code, details = refused(client, checkpoint.pieces())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "cannot be stored: File too large" in details


def test_checkpoint_that_could_not_be_noted_is_taken_in_when_sent_again(checkpoint, tmp_path):
    def rename_table(old: str, new: str) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "evaluator.db")) as database:
            database.execute(f"ALTER TABLE {old} RENAME TO {new}")

    with running_evaluator(tmp_path, NOBODY) as client:
        # Noting a checkpoint removes results of another one in its place, which now cannot be done.
        rename_table("results", "away")
        code, details = refused(client, checkpoint.pieces())
        left = list(tmp_path.glob("checkpoints/*/*")) + list(tmp_path.glob("incoming/*"))
        rename_table("away", "results")
        again = client.PublishCheckpoint(checkpoint.pieces())

        assert code == grpc.StatusCode.INTERNAL
        assert "evaluator.db cannot be written" in details
        assert left == []
        assert not again.already_visible
        assert visible_steps(client) == [5]


def wait_until(condition) -> None:
    """Looks until `condition` holds; the test's own time limit ends it otherwise."""
    ticking = threading.Event()
    while not condition():
        ticking.wait(0.02)
