"""Bytes from the Hub: whole or not at all, once, in bounded time. The Hub is one on this machine."""

import io
import logging
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hubs import FILES, FIRST, REPOSITORY, RTE, TRAIN, VALIDATION, cached, entry, fake_hub, open_hub, parquet

from flan_datagen.catalog.entry import Hub
from flan_datagen.sources import hub_lock
from flan_datagen.sources.progress import Progress
from flan_shared.errors import DataError


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.publish(REPOSITORY, dict(FILES), FIRST)
        yield hub


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize("ranges", [True, False], ids=["from where it broke", "from the start"])
def test_a_truncated_transfer_is_completed(hub, cache, ranges):
    hub.cut = [100, 150]
    hub.ranges = ranges
    assert open_hub(hub.url, cache).read(RTE, "", "validation").equals(VALIDATION)
    assert len(hub.transfers) == 3


def test_a_transfer_that_breaks_every_time_leaves_nothing(hub, cache):
    hub.cut = [10] * 4
    source = open_hub(hub.url, cache)
    with pytest.raises(
        DataError, match=r"dataset 'rte' .*/resolve/.* does not answer \(40 of \d+ bytes came\); fetch"
    ):
        source.read(RTE, "", "validation")
    assert cached(cache) == set()
    assert source.read(RTE, "", "validation").equals(VALIDATION)


def test_a_transfer_pieced_together_from_two_files_begins_anew(hub, cache):
    name = "rte/validation/0000.parquet"
    source = open_hub(hub.url, cache)
    assert source.has(RTE, "", "validation")
    hub.commits[REPOSITORY, FIRST][name] = parquet(TRAIN)
    hub.cut = [100]
    hub.hold = threading.Event()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        reading = pool.submit(_read, hub.url, cache, "validation")
        assert hub.holding.wait(20)
        hub.commits[REPOSITORY, FIRST][name] = FILES[name]
        hub.hold.set()
        assert reading.result(20) == VALIDATION.to_dicts()
    assert len(hub.transfers) == 3


def test_a_busy_hub_is_asked_again(hub, cache):
    hub.busy = 2
    assert open_hub(hub.url, cache).has(RTE, "", "train")
    hub.busy = 99
    with pytest.raises(DataError, match=r"answers 503 \(the server is busy\); try again later"):
        open_hub(hub.url, cache).read(RTE, "", "train")


def test_a_hub_that_falls_silent_is_given_up_in_bounded_time(hub, cache):
    source = open_hub(hub.url, cache, timeout_s=0.1)
    assert source.has(RTE, "", "train")
    hub.hold = threading.Event()
    start = time.monotonic()
    with pytest.raises(DataError, match=r"does not answer \(timed out\)"):
        source.read(RTE, "", "train")
    assert time.monotonic() - start < 5
    assert cached(cache) == set()


def test_without_network_it_is_one_line_that_says_what_to_do(hub, cache):
    source = open_hub(hub.url, cache)
    source.read(RTE, "", "validation")
    hub.stop()
    with pytest.raises(DataError) as caught:
        source.read(RTE, "", "train")
    message = str(caught.value)
    assert message.startswith(
        f"dataset 'rte' (aps/super_glue:rte on the Hub): {hub.url}/datasets/aps/super_glue/"
    )
    assert message.endswith(
        "does not answer (Connection refused); "
        "fetch it once where there is network and take the cache folder along, or give --data DIR"
    )
    unseen = entry("x", hub=Hub("some/where", "default"))
    with pytest.raises(DataError, match=r"dataset 'x' \(some/where:default on the Hub\): .* does not answer"):
        source.has(unseen, "", "train")


def test_offline_asks_nothing(hub, cache):
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        open_hub(hub.url, cache, offline=True).has(RTE, "", "train")
    open_hub(hub.url, cache).read(RTE, "", "validation")
    hub.requests.clear()
    source = open_hub(hub.url, cache, offline=True)
    assert source.read(RTE, "", "validation").equals(VALIDATION)
    with pytest.raises(
        DataError, match=r"rte/train/0000\.parquet is not in the cache, and HF_HUB_OFFLINE is set"
    ):
        source.read(RTE, "", "train")
    assert hub.requests == []


def test_a_closed_repository_wants_the_token(hub, cache):
    hub.token = "secret"
    for token in (None, "wrong"):
        with pytest.raises(
            DataError, match=r"refused \(401, Access to .* restricted\).* set HF_TOKEN"
        ) as caught:
            open_hub(hub.url, cache, token=token).has(RTE, "", "train")
        assert "wrong" not in str(caught.value)
    assert open_hub(hub.url, cache, token="secret").read(RTE, "", "validation").equals(VALIDATION)


def test_the_token_goes_to_a_renamed_repository_but_not_to_the_storage(hub, cache):
    hub.token = "secret"
    hub.moved = {"old/name": REPOSITORY}
    with fake_hub() as storage:
        storage.publish(REPOSITORY, FILES, FIRST)
        hub.storage = storage.url
        moved = entry(hub=Hub("old/name", "rte"))
        # As other hosts have other names, and these two differ in their ports.
        assert open_hub(hub.url, cache, token="secret").read(moved, "", "validation").equals(VALIDATION)
        assert storage.authorized == [None]
    assert set(hub.authorized) == {"Bearer secret"}


def test_a_listing_of_several_pages_is_read_to_its_end(hub, cache):
    hub.page = 2
    assert open_hub(hub.url, cache).read(RTE, "", "train").equals(TRAIN)


def test_two_processes_at_once_fetch_each_file_once(hub, cache):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        # Both processes are up before the first may go on.
        hub.hold = threading.Event()
        running = [pool.submit(_read, hub.url, cache, "train") for _ in range(2)]
        assert hub.holding.wait(20)
        time.sleep(0.3)
        hub.hold.set()
        assert [run.result(20) for run in running] == [TRAIN.to_dicts()] * 2
    assert len(hub.transfers) == len(set(hub.transfers)) == 2
    assert len(hub.requests) == 4


def test_a_process_killed_amid_a_transfer_leaves_no_file_and_no_lock(hub, cache):
    hub.hold = threading.Event()
    process = multiprocessing.get_context("spawn").Process(target=_read, args=(hub.url, cache, "train"))
    process.start()
    assert hub.holding.wait(20)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    hub.hold.set()
    assert not [name for name in cached(cache) if name.endswith(".parquet")]
    assert open_hub(hub.url, cache).read(RTE, "", "train").equals(TRAIN)
    assert not [name for name in cached(cache) if not name.endswith(".parquet")]


def test_a_lock_that_another_keeps_is_waited_for_as_long_as_it_gets_on(tmp_path):
    path = tmp_path / "folder" / ".lock"
    steps = iter(range(10))
    with hub_lock.locked(path):
        with (
            pytest.raises(DataError, match=r"has been held by another process for 0 s"),
            hub_lock.locked(path, timeout_s=0.02),
        ):
            pass
        start = time.monotonic()
        with (
            pytest.raises(DataError, match="held"),
            hub_lock.locked(path, timeout_s=0.02, alive=lambda: next(steps, "stuck")),
        ):
            pass
        assert next(steps, None) is None
        assert time.monotonic() - start > 0.3
    with hub_lock.locked(path, timeout_s=0.02):
        pass


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_bar_that_goes_away():
    terminal = _Terminal()
    with Progress("a/b x.parquet", 4_000_000, stream=terminal, clock=iter(range(9)).__next__) as progress:
        progress(1_000_000)
        progress(4_000_000)
    first, last = terminal.getvalue().split("\r")[1:3]
    assert first.startswith("a/b x.parquet ███████░")
    assert " 25% 1.0 of 4.0 MB, 1.0 MB/s" in first
    assert "░" not in last
    assert "100% 4.0 of 4.0 MB" in last
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_elsewhere_there_is_an_event_every_few_seconds(caplog):
    stream = io.StringIO()
    with (
        caplog.at_level(logging.INFO),
        Progress("a/b x.parquet", 100, stream=stream, clock=iter(range(100)).__next__) as progress,
    ):
        for done in range(12):
            progress(done)
    assert [record.fields["percent"] for record in caplog.records] == [4, 9]
    assert stream.getvalue() == ""


def _read(address: str, cache: Path, split: str) -> list[dict]:
    return open_hub(address, cache, timeout_s=20).read(RTE, "", split).to_dicts()
