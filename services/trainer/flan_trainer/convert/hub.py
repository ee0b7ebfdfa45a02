"""Model folders from the Hugging Face Hub: `hf://ORGANISATION/NAME` or `hf://ORGANISATION/NAME@REVISION`.

The first use asks which commit the revision is, fetches the files at that commit, checks each against the checksum
that the Hub lists, and keeps them with commit and SHA-256; every later use checks and takes those and asks nothing:

    CACHE/models/ORGANISATION/NAME/REVISION/    config.json  model.safetensors  spiece.model  …  hub.json

So a revision that moves stays what it was until its folder is removed. The environment says FLAN_HUB_CACHE,
HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE, as for `--data hub` (`flan_datagen.sources.hub`, which no trainer has).
"""

import hashlib
import http.client
import json
import logging
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from flan_shared.checkpoint import one_line
from flan_shared.errors import CheckpointError
from flan_shared.telemetry import event

_log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"^hf:/{1,2}([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?/?$")
_WANTED = re.compile(
    r"^(config|tokenizer_config|model\.safetensors\.index)\.json$|^spiece\.model$|^model[\w.-]*\.safetensors$"
)
_RECORD = "hub.json"
_ENDPOINT = "https://huggingface.co"
_TIMEOUT_S = 30.0
_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_BROKEN = (ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLError)


def is_hub_address(path: Path | str) -> bool:
    """Whether it names a folder of the Hub; `Path` makes one of the two slashes."""
    return str(path).startswith("hf:/")


def fetched(address: Path | str, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder in the cache, fetched where it is not there.

    Raises:
      CheckpointError: no such address, the Hub does not give it, or a file is not the one that is recorded.
    """
    match = _ADDRESS.match(str(address))
    if match is None:
        raise CheckpointError(
            f"{address} is no address of the Hub; expected hf://ORGANISATION/NAME[@REVISION]"
        )
    repository, revision = match[1], match[2] or "main"
    home = environment.get("FLAN_HUB_CACHE") or f"{environment.get('XDG_CACHE_HOME') or '~/.cache'}/flan/hub"
    folder = Path(home).expanduser() / "models" / repository / quote(revision, safe="")
    if not (folder / _RECORD).is_file():
        if environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise CheckpointError(f"{address} is not in {folder}, and HF_HUB_OFFLINE is set; unset it")
        _Hub(environment.get("HF_ENDPOINT") or _ENDPOINT, environment.get("HF_TOKEN")).fetch(
            repository, revision, folder
        )
        return folder
    try:
        files = json.loads((folder / _RECORD).read_text(encoding="utf-8"))["files"]
        for name, expected in files.items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise ValueError(f"{name} was changed since it was fetched")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as err:
        raise CheckpointError(
            f"{folder} is damaged: {one_line(err)}; remove it, and it is fetched again"
        ) from err
    return folder


class _Hub:
    def __init__(self, endpoint: str, token: str | None) -> None:
        self._endpoint, self._token = endpoint.rstrip("/"), token

    def fetch(self, repository: str, revision: str, folder: Path) -> None:
        """Makes `folder`, whole or not at all."""
        whose = f"hf://{repository}@{revision}"
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        try:
            commit = self._document(f"api/models/{repository}/revision/{quote(revision, safe='')}", whose)[
                "sha"
            ]
            listed = self._document(f"api/models/{repository}/tree/{commit}", whose)
            files = {file["path"]: file for file in listed if _WANTED.match(file["path"])}
            if "model.safetensors" in files:
                files = {name: file for name, file in files.items() if not name.startswith("model-")}
            partial.mkdir(parents=True)
            digests = {
                name: self._file(repository, commit, file, partial, whose) for name, file in files.items()
            }
            record = {"repository": repository, "commit": commit, "files": digests}
            (partial / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            if not (folder / _RECORD).is_file():  # Another process may have been faster.
                partial.rename(folder)
        except (KeyError, TypeError) as err:
            raise CheckpointError(f"{whose}: the answer of {self._endpoint} is not the Hub's: {err}") from err
        except OSError as err:
            raise CheckpointError(f"{whose} cannot be kept in {folder}: {one_line(err)}") from err
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _file(self, repository: str, commit: str, listed: Mapping[str, Any], folder: Path, whose: str) -> str:
        """Fetches a file; returns its SHA-256, lower-case hex."""
        name = listed["path"]
        address = f"{repository}/resolve/{commit}/{quote(name)}"
        for attempt in range(_ATTEMPTS):
            # The Hub lists SHA-256 of large files, and git's blob id of those that lie in git itself.
            sha256 = hashlib.sha256()
            blob = hashlib.sha1(b"blob %d\0" % listed["size"])
            with self._open(address, whose) as answer, (folder / name).open("wb") as file:
                try:
                    while chunk := answer.read(_CHUNK_BYTES):
                        sha256.update(chunk)
                        blob.update(chunk)
                        file.write(chunk)
                except _BROKEN as err:
                    if attempt + 1 == _ATTEMPTS:
                        raise CheckpointError(
                            f"{whose}: {name} broke off: {one_line(err)}; try again"
                        ) from err
                    continue
            lfs = listed.get("lfs")
            found, expected = (sha256.hexdigest(), lfs["oid"]) if lfs else (blob.hexdigest(), listed["oid"])
            if found == expected:
                event(_log, "file fetched", repository=repository, file=name, size_bytes=listed["size"])
                return sha256.hexdigest()
        raise CheckpointError(
            f"{whose}: {name} has the checksum {found}, but the Hub lists {expected}; try again later"
        )

    def _document(self, address: str, whose: str) -> Any:
        with self._open(address, whose) as answer:
            try:
                return json.loads(answer.read())
            except (ValueError, *_BROKEN) as err:
                raise CheckpointError(f"{whose}: {self._endpoint} gave no JSON: {one_line(err)}") from err

    def _open(self, address: str, whose: str) -> BinaryIO:
        try:
            request = urllib.request.Request(f"{self._endpoint}/{address}")
            if self._token:
                # Not for the storage that the Hub leads to.
                request.add_unredirected_header("Authorization", f"Bearer {self._token}")
            return urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as err:
            with err:
                mend = {
                    401: "it is not there, or not open to all: check the name, or set HF_TOKEN",
                    403: "it is not open to this HF_TOKEN",
                    404: "there is no such model, revision or file",
                }.get(err.code, "try again later")
                raise CheckpointError(f"{whose}: {self._endpoint} answers {err.code}; {mend}") from err
        except (OSError, ValueError, http.client.HTTPException) as err:
            reason = (
                one_line(getattr(err, "reason", None) or err) if not isinstance(err, ValueError) else str(err)
            )
            raise CheckpointError(
                f"{whose}: {self._endpoint} does not answer: {reason}; fetch it where there is network"
            ) from err
