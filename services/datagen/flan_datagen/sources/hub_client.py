"""The two questions to the Hugging Face Hub: what is there, and the bytes of one file.

By the standard library alone. `huggingface_hub` would bring sixteen packages and a cache of its own into the image,
checks sizes but no checksums, and retries for minutes before it says that there is no network; what it would save
is the two addresses below (huggingface_hub 2.4, `HfApi.dataset_info`, `HfApi.list_repo_tree`, `hf_hub_url`).
polars' `hf://` scan has neither pin nor checksum nor cache, and one fixed address.
"""

import dataclasses
import email.message
import errno
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from flan_shared.errors import DataError

BRANCH = "refs/convert/parquet"
"""Where the Hub keeps every dataset as Parquet: `<config>/<split>/0000.parquet`."""

COMMIT = "[0-9a-f]{7,64}"
"""A pattern of commits."""

_ATTEMPTS = 4
_LONGEST_WAIT_S = 20.0
_CHUNK_BYTES = 1 << 18
_MAX_DOCUMENT_BYTES = 64 << 20
_NO_NETWORK = "fetch it once where there is network and take the cache folder along, or give --data DIR"

_TRANSIENT = (TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError)
_TRANSIENT_ERRNO = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH})
_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class HubError(DataError):
    """The Hub does not give what was asked for; the message lacks only whose rows they are."""


@dataclasses.dataclass(frozen=True)
class HubFile:
    """A file of a repository as the Hub lists it; `sha256` is None where the Hub does not know it."""

    path: str
    size: int
    sha256: str | None


class HubClient:
    """Bounded in time: no step waits longer than `timeout_s`, and each is tried four times at most."""

    def __init__(
        self, endpoint: str, *, token: str | None = None, timeout_s: float = 10.0, retry_wait_s: float = 1.0
    ) -> None:
        """Args:
          endpoint: address of the Hub or of a mirror.
          token: for repositories that are not open to all.
          timeout_s: for the connection, and for every read.
          retry_wait_s: before the second attempt; doubled for each further one.

        Raises:
          DataError: the address is not one of the web.
        """
        self.endpoint = endpoint.rstrip("/")
        if urlsplit(self.endpoint).scheme not in ("http", "https"):
            raise DataError(
                f"HF_ENDPOINT is {endpoint!r}; expected an address such as https://huggingface.co"
            )
        self._token = token
        self._timeout_s = timeout_s
        self._retry_wait_s = retry_wait_s
        self._opener = urllib.request.build_opener(_Redirects)

    def revision(self, repository: str, revision: str = BRANCH) -> tuple[str, list[str]]:
        """The commit that `revision` is now, and the names of the configurations there.

        Raises:
          HubError: no answer, or no.
        """
        url = f"{self.endpoint}/api/datasets/{quote(repository)}/revision/{quote(revision, safe='')}"
        document, _ = self._document(url)
        commit = document.get("sha") if isinstance(document, dict) else None
        if not isinstance(commit, str) or not re.fullmatch(COMMIT, commit):
            raise HubError(f"{url} names no commit; is HF_ENDPOINT={self.endpoint} a Hub?")
        paths = [str(sibling.get("rfilename", "")) for sibling in document.get("siblings") or ()]
        return commit, sorted({path.split("/")[0] for path in paths if path.count("/") == 2})

    def files(self, repository: str, commit: str, config: str) -> list[HubFile]:
        """All files of a configuration, by path; empty where there is no such configuration.

        Raises:
          HubError: no answer, or no.
        """
        url: str | None = (
            f"{self.endpoint}/api/datasets/{quote(repository)}/tree/{commit}/{quote(config)}?recursive=true"
        )
        files: list[HubFile] = []
        while url is not None:
            try:
                items, headers = self._document(url)
            except _MissingError as err:
                if err.code == "EntryNotFound":
                    return []
                raise
            try:
                files += [_file(item) for item in items if item["type"] == "file"]
            except (TypeError, KeyError) as err:
                raise HubError(f"{url} lists files in a form that is not the Hub's: {err!r}") from err
            url = _next_page(url, headers)
        return sorted(files, key=lambda file: file.path)

    def download(
        self, repository: str, commit: str, file: HubFile, to: BinaryIO, progress: Callable[[int], None]
    ) -> bool:
        """Writes a file's bytes into the empty file `to`; a broken transfer goes on where it broke.

        Args:
          progress: is told how many bytes there are by now.

        Returns:
          Whether it broke: then the pieces may be of different files.

        Raises:
          HubError: no answer, or no.
        """
        url = f"{self.endpoint}/datasets/{quote(repository)}/resolve/{commit}/{quote(file.path)}"
        broke = False
        for attempt in self._attempts(url):
            with attempt:
                start = to.tell()
                broke = attempt.going_on = start > 0 or broke
                with self._open(url, {"Range": f"bytes={start}-"} if start else {}) as response:
                    if response.status != 206 or not _starts_at(response.headers, start):
                        # The whole file, wanted or not.
                        to.seek(start := 0)
                        to.truncate()
                    length = response.headers.get("Content-Length")
                    while chunk := response.read(_CHUNK_BYTES):
                        to.write(chunk)
                        progress(to.tell())
                    # http.client says nothing about a body that ends early.
                    end = start + int(length) if length is not None else file.size
                    if to.tell() < end:
                        raise ConnectionError(f"{to.tell()} of {end} bytes came")
                return broke
        raise AssertionError("unreachable")

    def _document(self, url: str) -> tuple[Any, email.message.Message]:
        for attempt in self._attempts(url):
            with attempt, self._open(url, {}) as response:
                content = response.read(_MAX_DOCUMENT_BYTES)
                try:
                    return json.loads(content), response.headers
                except ValueError as err:
                    raise HubError(f"{url} is not JSON; is HF_ENDPOINT={self.endpoint} a Hub?") from err
        raise AssertionError("unreachable")

    def _attempts(self, url: str) -> Iterator["_Attempt"]:
        wait_s = self._retry_wait_s
        for number in range(1, _ATTEMPTS + 1):
            attempt = _Attempt(url, last=number == _ATTEMPTS)
            yield attempt
            time.sleep(min(max(wait_s, attempt.wait_s), _LONGEST_WAIT_S))
            wait_s *= 2

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(url, headers={"User-Agent": "flan-datagen", **headers})
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        return self._opener.open(request, timeout=self._timeout_s)


class _MissingError(HubError):
    """404, with the Hub's word for what is missing."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class _Attempt:
    """Turns a fault inside its `with` into a `HubError`, or swallows it where another attempt may help."""

    def __init__(self, url: str, *, last: bool) -> None:
        self._url = url
        self._last = last
        self.wait_s = 0.0
        self.going_on = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, err: BaseException | None, trace: object) -> bool:
        if isinstance(err, urllib.error.HTTPError):
            err.close()
            if not self._last and err.code in _TRANSIENT_STATUS:
                after = err.headers.get("Retry-After") or ""
                self.wait_s = float(after) if after.isdigit() else 0.0
                return True
            raise _refusal(self._url, err) from err
        unconnected = isinstance(err, urllib.error.URLError)
        cause = err.reason if unconnected else err
        if (
            not unconnected
            and not isinstance(cause, _TRANSIENT)
            and getattr(cause, "errno", 0) not in _TRANSIENT_ERRNO
        ):
            return False
        # Without network the first attempt is the last; a connection that was there may come back.
        if not self._last and (self.going_on or not unconnected):
            return True
        what = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise HubError(f"{self._url} does not answer ({what}); {_NO_NETWORK}") from err


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the Hub to its storage without the token, and to a renamed repository with it."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if request is not None and token and urlsplit(req.full_url)[:2] == urlsplit(newurl)[:2]:
            request.add_unredirected_header("Authorization", token)
        return request


def _refusal(url: str, err: urllib.error.HTTPError) -> HubError:
    said = err.headers.get("X-Error-Message") or err.reason
    if err.code == 404:
        code = err.headers.get("X-Error-Code") or ""
        hint = "check repository and configuration in the catalog, or give --data DIR"
        if code == "RevisionNotFound":
            hint = (
                "the Hub no longer has that revision (if it is a commit, take the repository out of hub.lock.json "
                "to begin with the present one), or never made Parquet of the dataset: give --data DIR"
            )
        return _MissingError(f"{url} is not there (404, {said}); {hint}", code)
    if err.code in (401, 403):
        return HubError(
            f"{url} is refused ({err.code}, {said}): the repository does not exist, or is not open to all; accept its "
            "conditions on its page and set HF_TOKEN, or give --data DIR"
        )
    return HubError(f"{url} answers {err.code} ({said}); try again later, or give --data DIR")


def _file(item: dict[str, Any]) -> HubFile:
    lfs = item.get("lfs") or {}
    return HubFile(str(item["path"]), int(lfs.get("size", item["size"])), lfs.get("oid") or lfs.get("sha256"))


def _next_page(url: str, headers: email.message.Message) -> str | None:
    match = re.search(r'<([^>]+)>\s*;\s*rel="?next', headers.get("Link") or "")
    return urljoin(url, match[1]) if match else None


def _starts_at(headers: email.message.Message, start: int) -> bool:
    return (headers.get("Content-Range") or "").startswith(f"bytes {start}-")
