"""A Hub on this machine for tests: addresses, answers and faults of the real one; and entries that lie on it."""

import contextlib
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl

from flan_datagen.catalog.entry import Entry, Hub, Part, Splits
from flan_datagen.catalog.template import Template
from flan_datagen.sources import HubSource
from flan_datagen.sources.hub_client import HubClient

BRANCH = "refs/convert/parquet"


def parquet(frame: pl.DataFrame, **metadata: str) -> bytes:
    """A Parquet file's bytes."""
    file = io.BytesIO()
    frame.write_parquet(file, metadata=metadata or None)
    return file.getvalue()


def entry(name: str = "rte", *, hub: Hub | None = None, parts: tuple[str, ...] = ("",), **changes) -> Entry:
    """A dataset with what a source looks at; `changes` are those of every part."""
    splits = Splits(train=("train",), dev=("train",), dev_rows=2, test=("test", "validation"))
    defaults = {
        "answer_kind": "span",
        "columns": {"text": pl.String(), "label": pl.Int64()},
        "optional_columns": frozenset(),
        "labels": {},
        "fields": ("text",),
        "optional_fields": frozenset(),
        "options": (),
        "bare": Template.parse("{text}", "{answer}"),
        "splits": splits,
        "templates": (),
    }
    members = tuple(
        Part(
            name=part,
            hub=hub,
            **{**defaults, "folders": (f"{name}/{part}" if part else name,), **changes},
        )
        for part in parts
    )
    return Entry(
        id=name, name=name.upper(), cluster="nli", title="Inference", licence="unknown", commercial_use="unknown",
        answer_kind="span", metrics=("f1",), members=members, templates=(), digest="",
    )  # fmt: skip


class FakeHub:
    """Repositories by name, each with files by path at every commit; faults are switched on by a test.

    Attributes:
      commits: files by path, by (repository, commit).
      branch: the commit of the Parquet branch, by repository.
      requests: path of every request so far.
      authorized: the Authorization header of every request so far.
      checksums: whether listings say SHA-256.
      token: asked for where it is not None.
      cut: for each transfer to come, after how many bytes it ends; None for a whole one.
      ranges: whether a part of a file can be had.
      busy: how many answers to come are 503.
      storage: address of another server that has the files' bytes; None: they come from here.
      hold: a transfer waits for it after the first bytes.
      moved: new names of repositories.
    """

    def __init__(self) -> None:
        self.commits: dict[tuple[str, str], dict[str, bytes]] = {}
        self.branch: dict[str, str] = {}
        self.requests: list[str] = []
        self.authorized: list[str | None] = []
        self.checksums = True
        self.token: str | None = None
        self.cut: list[int | None] = []
        self.ranges = True
        self.busy = 0
        self.storage: str | None = None
        self.hold: threading.Event | None = None
        self.holding = threading.Event()
        self.moved: dict[str, str] = {}
        self.page = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, repository: str, files: dict[str, bytes], commit: str = "a" * 40) -> None:
        """Makes the Parquet branch point to a commit with these files."""
        self.commits[repository, commit] = files
        self.branch[repository] = commit

    @property
    def transfers(self) -> list[str]:
        """Paths of the files that were asked for."""
        return [path for path in self.requests if "/resolve/" in path]

    def stop(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    try:
        yield hub
    finally:
        hub.stop()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments) -> None:
            pass

        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                self.answer()

        def answer(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            hub.requests.append(path)
            hub.authorized.append(self.headers.get("Authorization"))
            if hub.busy:
                hub.busy -= 1
                return self.fail(503, "", "the server is busy")
            for old, new in hub.moved.items():
                if f"/{old}/" in path:
                    return self.redirect(307, path.replace(f"/{old}/", f"/{new}/"))
            if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.fail(401, "GatedRepo", "Access to this dataset is restricted")
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "datasets"]:
                repository, kind = "/".join(parts[2:4]), parts[4]
                revision = unquote(parts[5])
                rest = unquote("/".join(parts[6:]))
            else:
                repository, kind = "/".join(parts[1:3]), parts[3]
                revision, rest = unquote(parts[4]), unquote("/".join(parts[5:]))
            if repository not in hub.branch:
                return self.fail(404, "RepoNotFound", "Repository not found")
            commit = hub.branch[repository] if revision == BRANCH else revision
            files = hub.commits.get((repository, commit))
            if files is None:
                return self.fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            if kind == "revision":
                siblings = [{"rfilename": name} for name in (".gitattributes", *files)]
                return self.json({"id": repository, "sha": commit, "siblings": siblings})
            if kind == "tree":
                return self.tree(files, rest, int(query.get("cursor", ["0"])[0]))
            if rest not in files:
                return self.fail(404, "EntryNotFound", "Entry not found")
            if hub.storage is not None:
                return self.redirect(302, f"{hub.storage}{path}")
            return self.file(files[rest])

        def tree(self, files: dict[str, bytes], folder: str, cursor: int) -> None:
            below = [{"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}]
            for name, content in files.items():
                if name.startswith(f"{folder}/"):
                    item = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                    if hub.checksums:
                        oid = hashlib.sha256(content).hexdigest()
                        item["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
                    below.append(item)
            if len(below) == 1:
                return self.fail(404, "EntryNotFound", f"{folder} does not exist")
            page, end = below[cursor : cursor + hub.page], cursor + hub.page
            link = f'<{urlsplit(self.path).path}?recursive=true&cursor={end}>; rel="next"'
            return self.json(page, {"Link": link} if end < len(below) else {})

        def file(self, content: bytes) -> None:
            start = 0
            if hub.ranges and (wanted := self.headers.get("Range")):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            cut = hub.cut.pop(0) if hub.cut else None
            if hub.hold is not None:
                self.wfile.write(body[:64])
                self.wfile.flush()
                hub.holding.set()
                hub.hold.wait(20)
                body = body[64:]
            self.wfile.write(body[:cut])

        def json(self, document: object, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def redirect(self, status: int, address: str) -> None:
            self.send_response(status)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def fail(self, status: int, code: str, message: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


REPOSITORY = "aps/super_glue"
RTE = entry(hub=Hub(REPOSITORY, "rte"))
FIRST, SECOND = "a" * 40, "b" * 40
TRAIN = pl.DataFrame({"text": ["b", "a", "c"], "label": [1, 0, 1]})
VALIDATION = pl.DataFrame({"text": ["d"], "label": [0]})
FILES = {
    "rte/train/0000.parquet": parquet(TRAIN[:2]),
    "rte/train/0001.parquet": parquet(TRAIN[2:]),
    "rte/validation/0000.parquet": parquet(VALIDATION),
    "cb/train/0000.parquet": parquet(VALIDATION),
}


def open_hub(address: str, cache: Path, *, token: str | None = None, timeout_s: float = 5.0, **options):
    client = HubClient(address, token=token, timeout_s=timeout_s, retry_wait_s=0.01)
    return HubSource(cache, client, **options)


def lock_of(cache: Path) -> dict:
    return json.loads((cache / "hub.lock.json").read_text())["repositories"][REPOSITORY]


def cached(cache: Path) -> set[str]:
    """Data files, whole or not."""
    return {str(path.relative_to(cache / REPOSITORY)) for path in cache.rglob("*.parquet*") if path.is_file()}
