"""Models from a Hub on this machine: pinned, checked, kept."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import folders_of_checkpoints as folders
import pytest

from flan_shared.errors import CheckpointError
from flan_trainer.convert import read_checkpoint
from flan_trainer.convert.hub import fetched

COMMIT = "c" * 40
REPOSITORY = "org/t5"


class Hub:
    """One repository; `changed` replaces the content of files on their way, once each."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.changed: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments) -> None:
                pass

            def do_GET(self) -> None:
                hub.requests.append(self.path)
                hub.tokens.add(self.headers.get("Authorization"))
                content = hub.answer(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(content or b"")

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str) -> bytes | None:
        if path == f"/api/models/{REPOSITORY}/revision/main":
            return json.dumps({"sha": COMMIT}).encode()
        if path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            return json.dumps([self.listed(name) for name in self.files]).encode()
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        return self.changed.pop(name, None) or self.files.get(name)

    def listed(self, name: str) -> dict:
        content = self.files[name]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": name, "size": len(content), "oid": blob}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return entry


@pytest.fixture
def hub():
    hub = Hub(
        {
            "README.md": b"# T5",
            "config.json": json.dumps(folders.config_of(folders.GATED)).encode(),
            "model.safetensors": folders.safetensors(folders.tensors_of(folders.GATED)),
            "pytorch_model.bin": b"\x80",
        }
    )
    yield hub
    hub.server.shutdown()
    hub.server.server_close()


@pytest.fixture
def environment(hub, tmp_path):
    return {"FLAN_HUB_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": hub.url, "HF_TOKEN": "secret"}


def test_what_is_needed_is_fetched_once(hub, environment):
    folder = fetched(f"hf://{REPOSITORY}", environment)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "hub.json"}
    assert hub.tokens == {"Bearer secret"}
    assert read_checkpoint(folder).model == folders.GATED
    hub.requests.clear()
    assert fetched(f"hf://{REPOSITORY}@main", environment | {"HF_HUB_OFFLINE": "1"}) == folder
    assert hub.requests == []


def test_a_path_with_one_slash_is_an_address_too(hub, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_checkpoint(f"hf:/{REPOSITORY}").model == folders.GATED


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_came_wrong_is_fetched_again_and_refused_if_it_stays_wrong(name, hub, environment):
    hub.changed[name] = b"other"
    fetched(f"hf://{REPOSITORY}", environment)
    assert len([path for path in hub.requests if path.endswith(f"/{name}")]) == 2


def test_a_file_that_stays_wrong_is_refused_and_nothing_is_kept(hub, environment, tmp_path):
    listed = hub.listed
    hub.listed = lambda name: listed(name) | {"lfs": {"oid": "0" * 64}}
    with pytest.raises(CheckpointError, match=r"config\.json has the checksum .*, but the Hub lists 0000"):
        fetched(f"hf://{REPOSITORY}", environment)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_that_was_changed_in_the_cache_is_found(environment):
    folder = fetched(f"hf://{REPOSITORY}", environment)
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json was changed since it was fetched; remove it"):
        fetched(f"hf://{REPOSITORY}", environment)


@pytest.mark.parametrize(
    ("address", "more", "message"),
    [
        ("hf://t5-small", {}, "is no address of the Hub; expected hf://ORGANISATION/NAME"),
        ("hf://org/nothing", {}, "answers 404; there is no such model, revision or file"),
        ("hf://org/t5@v2", {}, "hf://org/t5@v2: .* answers 404"),
        ("hf://org/t5", {"HF_HUB_OFFLINE": "1"}, "and HF_HUB_OFFLINE is set"),
        ("hf://org/t5", {"HF_ENDPOINT": "http://127.0.0.1:1"}, "does not answer: Connection refused"),
        ("hf://org/t5", {"HF_ENDPOINT": "nowhere"}, "does not answer: unknown url type"),
    ],
)
def test_a_model_that_cannot_be_had_is_said_in_one_line(address, more, message, environment):
    with pytest.raises(CheckpointError, match=message) as caught:
        fetched(address, environment | more)
    assert "\n" not in str(caught.value)
