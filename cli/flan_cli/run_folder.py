"""The folder of a run: chosen, checked, locked, and prepared up to the pinned spec.

spec.json  tokenizer.model  checkpoints/  evaluator/  logs/  ready/  lock
"""

import contextlib
import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flan_cli.rows import Rows
from flan_cli.services import run_datagen
from flan_cli.stack import Stack
from flan_shared.errors import FlanError, SpecError
from flan_shared.spec import RunSpec, load_spec
from flan_shared.tokenizer import Tokenizer

RUNS = Path("flan-runs")
"""Where runs go that are given no folder, in the working directory."""


@dataclass(frozen=True)
class RunFolder:
    """A prepared folder and the spec in it, pinned to the tokenizer in it."""

    path: Path
    spec: RunSpec
    is_continued: bool
    """Whether it holds checkpoints that the run goes on from."""

    @property
    def spec_file(self) -> Path:
        """The canonical spec."""
        return self.path / "spec.json"

    @property
    def tokenizer_file(self) -> Path:
        """The SentencePiece model."""
        return self.path / "tokenizer.model"

    @property
    def checkpoints(self) -> Path:
        """The trainer's."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        """One file a service."""
        return self.path / "logs"


@contextlib.contextmanager
def prepared(
    folder: Path | None,
    read: Callable[[], RunSpec] | None,
    fallback: Callable[[], RunSpec],
    *,
    rows: Rows,
    tokenizer: Path | None,
    say: Callable[[str], None],
) -> Iterator[RunFolder]:
    """Gives a locked folder that is ready to run in; one that was made here is removed if that fails.

    Args:
      folder: where the run goes; None: a new `flan-runs/<run id>/<n>`. One with checkpoints is continued.
      read: gives the spec that the user asked for; None: the folder's own, or else `fallback`.
      fallback: gives the default spec.
      rows: where they come from.
      tokenizer: to use; None: the folder's own, or else one is trained.
      say: is told what takes a while.

    Raises:
      FlanError: something the user can mend; nothing was started.
      Interrupted: the user asked to stop.
    """
    if folder is None:
        with _new_folder(RUNS) as draft:
            spec = _prepare(draft, (read or fallback)(), rows, tokenizer, say)
            path = _adopt(draft, RUNS / spec.run_id)
        with _locked(path):
            yield RunFolder(path, spec, is_continued=False)
        return
    _check_folder(folder)
    with _locked(folder):
        has_checkpoints = any(folder.glob("checkpoints/checkpoint_*"))
        kept = _kept(folder)
        if kept is None and has_checkpoints:
            raise FlanError(f"--dir {folder} holds checkpoints but not their spec.json and tokenizer.model")
        if kept is None or (not has_checkpoints and (read or tokenizer)):
            spec = _prepare(folder, (read or fallback)(), rows, tokenizer, say)
            yield RunFolder(folder, spec, is_continued=False)
            return
        given = Tokenizer.load(tokenizer).digest if tokenizer else kept.tokenizer.digest
        wanted = (read() if read else kept).with_tokenizer(given, kept.tokenizer.vocab_size)
        if wanted.digest != kept.digest:
            raise SpecError(
                f"--dir {folder} holds run {kept.run_id}, but this would be another one "
                f"({_difference(kept, wanted)}); leave --spec, --set and --tokenizer out to continue it, "
                "or give another folder"
            )
        yield RunFolder(folder, kept, is_continued=has_checkpoints)


def _kept(folder: Path) -> RunSpec | None:
    """The spec of a folder that was prepared to the end."""
    spec_file, tokenizer_file = folder / "spec.json", folder / "tokenizer.model"
    if not (spec_file.exists() and tokenizer_file.exists()):
        return None
    spec = load_spec(spec_file)
    return spec if spec.tokenizer.digest == Tokenizer.load(tokenizer_file).digest else None


def _prepare(
    folder: Path, spec: RunSpec, rows: Rows, tokenizer: Path | None, say: Callable[[str], None]
) -> RunSpec:
    """Checks the spec against the data, puts tokenizer and pinned spec in place."""
    spec_file, tokenizer_file = folder / "spec.json", folder / "tokenizer.model"
    given = Tokenizer.load(tokenizer) if tokenizer else None
    spec_file.write_text(spec.canonical())
    with Stack(folder / "logs", say=say) as stack:
        say(f"checking the spec against the data ({rows.data})")
        report = folder / "check.json"
        run_datagen(stack, "check", rows, spec=spec_file, tokenizer=tokenizer, report=report)
        if unlicensed := json.loads(report.read_text())["unlicensed"]:
            say(f"licences is {spec.licences}: left out of tuning are {', '.join(unlicensed)}")
        report.unlink()
        if given is None:
            say(f"training a tokenizer of {spec.tokenizer.vocab_size:,} pieces")
            run_datagen(stack, "tokenizer", rows, spec=spec_file, out=tokenizer_file)
        else:
            tokenizer_file.write_bytes(given.model)
    pieces = given or Tokenizer.load(tokenizer_file)
    spec = spec.with_tokenizer(pieces.digest, pieces.vocab_size)
    spec_file.write_text(spec.canonical())
    return spec


def _difference(kept: RunSpec, wanted: RunSpec) -> str:
    """A field in which two specs differ, for a message."""
    ours, theirs = (dict(_leaves(json.loads(spec.canonical()))) for spec in (kept, wanted))
    name = next(name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name))
    return f"{name} is {theirs.get(name)!r}, in the folder {ours.get(name)!r}"


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_ours = any((folder / name).exists() for name in ("spec.json", "lock"))
        if not is_ours and any(folder.iterdir()):
            raise FlanError(f"--dir {folder} holds other things and no run; give an empty or a new folder")
    except OSError as err:
        raise FlanError(f"--dir {folder} cannot be used: {err.strerror}") from err


@contextlib.contextmanager
def _new_folder(parent: Path) -> Iterator[Path]:
    draft = parent / f".draft-{os.getpid()}"
    try:
        draft.mkdir(parents=True)
    except OSError as err:
        raise FlanError(
            f"{parent.absolute()} cannot be written: {err.strerror}; give another folder with --dir"
        ) from err
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _adopt(draft: Path, parent: Path) -> Path:
    """Moves a draft to the next free number in `parent`."""
    parent.mkdir(exist_ok=True)
    for number in itertools.count(1):
        path = parent / str(number)
        try:
            # Fails where the name is taken: a folder of a run is never empty.
            draft.rename(path)
        except OSError:
            if not path.exists():
                raise
            continue
        return path
    raise AssertionError("numbers do not end")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FlanError(
                f"{folder} is in use by another `flan up`; stop it, or give another folder with --dir"
            ) from None
        yield
