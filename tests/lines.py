"""Both ends of the line in one test: replicas on threads, and the trainer's end in the test's own hands."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import redis
from specs import small_spec

from flan_datagen.pool import Pools
from flan_datagen.produce import Replica
from flan_datagen.sources import open_source
from flan_datagen.window import WindowMaker
from flan_shared.line import PackedBatch, connect, encode_batch
from flan_shared.spec import RunSpec
from flan_shared.tokenizer import Tokenizer
from flan_trainer.feed import Feed
from flan_trainer.link import Link


def pinned(tokenizer: Tokenizer, overrides: dict[str, str] | None = None) -> RunSpec:
    """The small spec for `tokenizer`."""
    return small_spec(overrides).with_tokenizer(tokenizer.digest, tokenizer.vocab_size)


def window_maker(spec: RunSpec, data: Path, tokenizer: Tokenizer) -> WindowMaker:
    """Opens `data` as a replica does."""
    return WindowMaker(spec, Pools(open_source(str(data))), tokenizer)


class Replicas:
    """Replicas of one process, each with a client of its own."""

    def __init__(self, url: str, make_maker, count: int, *, claim_idle_s: float = 0.5) -> None:
        self.faults: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._serve, args=(url, make_maker, f"replica-{n}", claim_idle_s), daemon=True
            )
            for n in range(count)
        ]

    def _serve(self, url: str, make_maker, name: str, claim_idle_s: float) -> None:
        try:
            Replica(connect(url), make_maker, name=name, claim_idle_s=claim_idle_s).serve(self._stop)
        except BaseException as err:
            self.faults.append(err)

    def join(self, timeout_s: float) -> None:
        for thread in self._threads:
            thread.join(timeout_s)

    def __enter__(self) -> "Replicas":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join(10)


def open_feed(url: str, spec: RunSpec, *, window: int = 0, batch: int = 1, digest: str = "", ahead: int = 3):
    """A claimed link and a feed from `window`, `batch` on."""
    link = Link(connect(url), spec)
    link.claim("test")
    feed = Feed(link, spec_digest=spec.digest, source_digest=digest, window=window, batch=batch, ahead=ahead)
    return link, feed


def take(batches: Iterator[PackedBatch], windows: int) -> list[PackedBatch]:
    """Batches up to the end of `windows` windows."""
    taken = []
    while windows:
        batch = next(batches)
        taken.append(batch)
        windows -= batch.end
    return taken


def as_bytes(batches: list[PackedBatch]) -> list[bytes]:
    """What the batches are on the wire."""
    return [encode_batch(batch) for batch in batches]


def made(maker: WindowMaker, windows: range) -> list[bytes]:
    """The wire bytes of `windows`, made without any line."""
    return [encode_batch(batch) for window in windows for batch in maker.make(window).shards[0]]


def attempt_keys(client: redis.Redis, run: str) -> list[str]:
    """Keys of the run that belong to an attempt."""
    kept = {f"flan:{run}:{name}" for name in ("attempt", "metrics", "quarantine")}
    return sorted(key.decode() for key in client.keys(f"flan:{run}:*") if key.decode() not in kept)


@contextlib.contextmanager
def timeout(seconds: float, what: str) -> Iterator[None]:
    """Fails instead of hanging: a feed waits for ever by design."""
    import signal

    def expire(*_: object) -> None:
        raise TimeoutError(f"{what} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
