"""The folder of a run's checkpoints: whole or not there, kept in number, and checked before use."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flan_shared.errors import CheckpointError
from flan_trainer.engines.folder import latest_cursor, saved_steps, verify, write_checkpoint

SPEC, OTHER_SPEC = "a" * 64, "b" * 64


def write(folder: Path, step: int, content: bytes = b"content", *, keep: int = 3, spec: str = SPEC) -> Path:
    def write_items(partial: Path) -> None:
        (partial / "params").mkdir()
        (partial / "params" / "data").write_bytes(content)

    return write_checkpoint(
        folder, step=step, spec_digest=spec, cursor={"window": step}, keep=keep, write_items=write_items
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def python(script: str, *arguments: str | Path, wrapper: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Runs `script`, in which `write`, `write_checkpoint` and sys.argv are at hand, in a process of its own."""
    program = (
        f"import sys, os, signal\nfrom pathlib import Path\nfrom {__name__} import *\n"
        + textwrap.dedent(script)
    )
    return subprocess.run(
        [*wrapper, sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        timeout=60,
    )


def test_a_folder_that_does_not_exist_has_no_checkpoint(tmp_path):
    assert latest_cursor(tmp_path / "none") is None
    assert saved_steps(tmp_path / "none") == []


def test_the_cursor_comes_back_as_it_was_saved(tmp_path):
    cursor = {
        "window": 3,
        "batch": 1,
        "sums": {"drawn": 12},
        "losses": [0.1, 2.5e-8],
        "source_digest": "c" * 64,
    }
    path = write_checkpoint(
        tmp_path, step=20, spec_digest=SPEC, cursor=cursor, keep=1, write_items=lambda partial: None
    )
    saved = latest_cursor(tmp_path)
    assert (saved.path, saved.step, saved.spec_digest, saved.cursor) == (path, 20, SPEC, cursor)


def test_the_newest_step_is_the_latest_and_old_ones_go(tmp_path):
    for step in (8, 9, 10, 11):
        write(tmp_path, step, keep=2)
    assert names(tmp_path) == ["checkpoint_10", "checkpoint_11"]
    assert latest_cursor(tmp_path).step == 11


def test_a_step_saved_again_is_replaced(tmp_path):
    write(tmp_path, 5, b"first")
    path = write(tmp_path, 5, b"second")
    assert (path / "params" / "data").read_bytes() == b"second"
    assert names(tmp_path) == ["checkpoint_5"]
    verify(tmp_path, 5, SPEC)


def test_what_is_not_a_whole_checkpoint_is_not_taken_for_one(tmp_path):
    write(tmp_path, 3)
    shutil.copytree(tmp_path / "checkpoint_3", tmp_path / "checkpoint_4.partial")
    (tmp_path / "checkpoint_x").mkdir()
    (tmp_path / "outbox").mkdir()
    assert saved_steps(tmp_path) == [3]


def test_a_process_killed_while_saving_leaves_the_checkpoint_before(tmp_path):
    write(tmp_path, 3)
    killed = python(
        """
        from test_checkpoint_folder import *
        import os
        def die(partial):
            (partial / "params").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        write_checkpoint(Path(sys.argv[1]), step=4, spec_digest=SPEC, cursor={}, keep=1, write_items=die)
        """,
        tmp_path,
    )
    assert killed.returncode == -signal.SIGKILL
    assert names(tmp_path) == ["checkpoint_3", "checkpoint_4.partial"]
    assert latest_cursor(tmp_path).step == 3
    verify(tmp_path, 3, SPEC)
    write(tmp_path, 5)
    assert names(tmp_path) == ["checkpoint_3", "checkpoint_5"]


SAVE_TOO_MUCH = """
    from test_checkpoint_folder import *
    from flan_shared.checkpoint import save_parameters
    import numpy as np
    folder = Path(sys.argv[1])
    write(folder, 3)
    draws = np.random.default_rng(0)
    # Many arrays: all are under way when the first one fails.
    tree = {f"layers_{n}": draws.normal(size=(300, 300)).astype(np.float32) for n in range(40)}
    try:
        write_checkpoint(
            folder,
            step=4,
            spec_digest=SPEC,
            cursor={},
            keep=1,
            write_items=lambda partial: save_parameters(partial / "params", tree),
        )
    except CheckpointError as err:
        print(err)
    verify(folder, 3, SPEC)
    print(names(folder))
"""


def cannot_be_written(folder: Path, cause: str) -> str:
    return (
        f"the checkpoint of step 4 cannot be written to {folder}: {cause}; "
        "earlier checkpoints are kept, free some space and start again"
    )


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_the_checkpoint_before(tmp_path):
    # A file system of 2 MiB in a name space of the test's own: a real one that is really full.
    wrapper = (
        *("unshare", "--user", "--map-root-user", "--mount"),
        *("sh", "-c", f"mount -t tmpfs -o size=2m none {tmp_path} && exec " + '"$@"', "sh"),
    )
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody but root mount a small file system")
    done = python(SAVE_TOO_MUCH, tmp_path, wrapper=wrapper)
    assert done.stdout.splitlines() == [
        cannot_be_written(tmp_path, "No space left on device"),
        "['checkpoint_3']",
    ]
    assert done.stderr == ""


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_one_line_and_leaves_the_checkpoint_before(tmp_path):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2**14, 2**14))\n"
    done = python(limit + textwrap.dedent(SAVE_TOO_MUCH), tmp_path)
    assert done.stdout.splitlines() == [cannot_be_written(tmp_path, "File too large"), "['checkpoint_3']"]
    assert done.stderr == ""


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"step 0 cannot be written to .*/file/below: Not a directory;"):
        write(tmp_path / "file" / "below", 0)


def test_another_spec_is_refused_with_both_digests(tmp_path):
    write(tmp_path, 3)
    with pytest.raises(CheckpointError, match=f"{SPEC}, but this run's spec is {OTHER_SPEC}"):
        verify(tmp_path, 3, OTHER_SPEC)


def test_a_missing_step_is_refused_with_those_there_are(tmp_path):
    write(tmp_path, 3)
    write(tmp_path, 6)
    with pytest.raises(CheckpointError, match="no checkpoint of step 4; steps found: 3, 6"):
        verify(tmp_path, 4, SPEC)


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
def test_a_damaged_file_is_named(tmp_path, damage):
    data = write(tmp_path, 3) / "params" / "data"
    match damage:
        case "changed":
            data.write_bytes(b"c0ntent")
        case "cut":
            data.write_bytes(b"cont")
        case "removed":
            data.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint_3 is damaged: params/data") as caught:
        verify(tmp_path, 3, SPEC)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "[]", '{"step": 3}', "{", "\x00"])
def test_a_damaged_record_is_said_and_older_checkpoints_are_not_taken_instead(tmp_path, content):
    write(tmp_path, 2)
    record = write(tmp_path, 3) / "checkpoint.json"
    if content is None:
        record.unlink()
    else:
        record.write_text(content)
    with pytest.raises(CheckpointError, match=r"checkpoint_3 is damaged: checkpoint.json cannot be read"):
        latest_cursor(tmp_path)


def test_a_changed_cursor_is_damage(tmp_path):
    record = write(tmp_path, 3) / "checkpoint.json"
    changed = json.loads(record.read_text())
    changed["cursor"]["window"] = 4
    record.write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match="damaged"):
        latest_cursor(tmp_path)


def test_the_cursor_is_read_without_jax(tmp_path):
    write(tmp_path, 3)
    done = python(
        """
        import sys
        from pathlib import Path
        from flan_trainer.engines import latest_cursor, open_engine
        from flan_trainer.threads import fix_threads
        print(latest_cursor(Path(sys.argv[1])).cursor, "jax" in sys.modules, "orbax" in sys.modules)
        """,
        tmp_path,
    )
    assert done.stdout == "{'window': 3} False False\n"
