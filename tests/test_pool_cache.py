"""The cache of pools: what it gives is what would be made, whatever happened to its files."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import folders
import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_datagen.pool import Pools
from flan_datagen.pool_cache import PoolCache, cache_folder
from flan_datagen.sources import FolderSource
from flan_datagen.sources.file_digests import FileDigests
from flan_datagen.sources.files import digest_file

CATALOG = load_catalog()
SST2, RTE = CATALOG["sst2"], CATALOG["rte"]
KEYS = [f"{number:064x}" for number in range(4)]
FRAME = pl.DataFrame(
    {"row": [1, 2, 3], "text": ["a", None, "of more than twelve letters"], "options": [["x", "y"], [], None]}
)


class Unread:
    """A folder whose files may be digested but not read."""

    def __init__(self, folder):
        source = FolderSource(folder)
        self.name, self.has, self.digest = source.name, source.has, source.digest

    def read(self, entry, part, split):
        raise AssertionError("the rows are in the cache")

    labels = pieces = read


@pytest.fixture
def data(tmp_path, data_folder):
    return shutil.copytree(data_folder, tmp_path / "data")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def frames(pools):
    pools_ = [pools.train(SST2, seed=1, cap=20), pools.dev(SST2), pools.test(RTE)]
    return [pool.frame for pool in pools_]


def equal(some, others):
    return all(one.equals(other) for one, other in zip(some, others, strict=True))


def test_a_second_start_reads_no_rows(data, cache):
    plain = Pools(FolderSource(data))
    first, second = Pools(FolderSource(data), cache=cache), Pools(Unread(data), cache=cache)
    assert equal(frames(plain), frames(first))
    assert equal(frames(plain), frames(second))
    assert first.counts(SST2) == second.counts(SST2) == plain.counts(SST2)
    assert first.digests(SST2) == second.digests(SST2) == plain.digests(SST2)


def test_other_rows_have_another_place_in_the_cache(data, cache):
    def rows(seed=1, cap=20):
        return Pools(FolderSource(data), cache=cache).train(SST2, seed=seed, cap=cap).frame

    first = rows()
    assert not first.equals(rows(seed=2))
    assert first[:5].equals(rows(cap=5))
    folders.write(data, "sst2", "train", folders.rows("sst2", 60, offset=500))
    assert not first.equals(rows())
    assert rows().equals(Pools(FolderSource(data)).train(SST2, seed=1, cap=20).frame)


def test_a_dataset_without_sound_rows_is_refused_each_time(data, cache):
    folders.write(data, "sst2", "train", [{**row, "label": 9} for row in folders.rows("sst2", 60)])
    for _ in range(2):
        with pytest.raises(Exception, match="has no sound train row among 20"):
            Pools(FolderSource(data), cache=cache).train(SST2, seed=1, cap=20)


def damage(path, place):
    content = bytearray(path.read_bytes())
    if place == "cut":
        content = content[: len(content) // 2]
    elif place == "empty":
        content = b""
    else:
        content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", ["empty", "cut", 0.0, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0])
def test_a_damaged_entry_is_made_anew(data, cache, place, caplog):
    caplog.set_level(logging.WARNING, "flan_datagen")
    expected = [frame.clone() for frame in frames(Pools(FolderSource(data)))]
    frames(Pools(FolderSource(data), cache=cache))
    entries = list(cache.glob("*.arrow"))
    for path in entries:
        damage(path, place)
    assert equal(expected, frames(Pools(FolderSource(data), cache=cache)))
    # Three pools, and the counts of the two splits that were read.
    assert caplog.text.count("a damaged pool is made anew") == 3
    assert len(entries) == 5
    assert equal(expected, frames(Pools(Unread(data), cache=cache)))


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(data, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "flan_datagen")
    (tmp_path / "taken").write_text("a file")
    pools = Pools(FolderSource(data), cache=tmp_path / "taken")
    assert equal(frames(pools), frames(Pools(FolderSource(data))))
    assert "pools cannot be kept" in caplog.text


_FULL = """
import resource, sys
from pathlib import Path
from flan_datagen.catalog import load_catalog
from flan_datagen.pool import Pools
from flan_datagen.sources import FolderSource

resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
pools = Pools(FolderSource(sys.argv[1]), cache=Path(sys.argv[2]))
print(len(pools.train(load_catalog()["sst2"], seed=1, cap=20)))
"""


def test_a_disk_that_is_full_costs_the_cache_alone(data, cache):
    done = subprocess.run(
        [sys.executable, "-c", _FULL, data, cache], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "20\n"), done.stderr
    assert list(cache.iterdir()) == []


_MAKE = """
import sys
from pathlib import Path
from flan_datagen.catalog import load_catalog
from flan_datagen.pool import Pools
from flan_datagen.sources import FolderSource

input()
pools = Pools(FolderSource(sys.argv[1]), cache=Path(sys.argv[2]))
for name in ("sst2", "copa", "boolq"):
    print(pools.train(load_catalog()[name], seed=1, cap=20).frame.write_json())
"""


def test_processes_that_start_at_once_share_a_cache(data, cache):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, data, cache],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    rows = {process.communicate(timeout=60)[0] for process in processes}
    assert len(rows) == 1
    assert all(process.returncode == 0 for process in processes)
    assert {path.suffix for path in cache.iterdir()} == {".arrow"}


def test_a_frame_comes_back_as_it_was(cache):
    pools = PoolCache(cache)
    assert pools.get(KEYS[0]) is None
    for key, frame in zip(KEYS, (FRAME, FRAME.clear(), FRAME[1:2]), strict=False):
        assert pools.put(key, frame).equals(frame)
        found = PoolCache(cache).get(key)
        assert found.equals(frame)
        assert found.schema == frame.schema


def test_what_was_used_least_recently_goes_first(cache):
    size = len(FRAME.write_ipc(None).getvalue())
    pools = PoolCache(cache, max_bytes=3 * size)
    for age, key in enumerate(KEYS[:3]):
        pools.put(key, FRAME)
        (path,) = cache.glob(f"{key}-*")
        os.utime(path, (1000 + age, 1000 + age))
    assert pools.get(KEYS[0]).equals(FRAME)
    pools.put(KEYS[3], FRAME)
    assert [key for key in KEYS if pools.get(key) is not None] == [KEYS[0], KEYS[2], KEYS[3]]


def test_an_entry_larger_than_the_cache_stays_until_the_next(cache):
    pools = PoolCache(cache, max_bytes=1)
    mapped = pools.put(KEYS[0], FRAME)
    assert pools.get(KEYS[0]).equals(FRAME)
    pools.put(KEYS[1], FRAME)
    assert pools.get(KEYS[0]) is None
    assert mapped.equals(FRAME)


def test_what_a_killed_process_left_is_removed_when_it_is_old(cache):
    cache.mkdir()
    old, young = cache / f"{KEYS[0]}.1-ab.partial", cache / f"{KEYS[0]}.2-cd.partial"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (200, 200))
    PoolCache(cache).put(KEYS[1], FRAME)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_pool_stands_in_the_file_and_not_in_the_process(cache):
    """Mapped texts are the file's own pages."""
    frame = pl.DataFrame({"row": range(200_000)}).with_columns(
        text=pl.format("text of a row with number {}", "row")
    )
    mapped = PoolCache(cache).put(KEYS[0], frame)
    size = sum(path.stat().st_size for path in cache.iterdir())
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("/proc/self/maps is on Linux alone")
    assert any(KEYS[0] in line for line in maps.read_text().splitlines())
    assert mapped.n_chunks() == 1
    assert size > 2_000_000


def test_the_folder_is_named_by_option_environment_or_the_users_own(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert cache_folder("/a", {"FLAN_CACHE": "/b"}) == Path("/a")
    assert cache_folder(None, {"FLAN_CACHE": "/b", "XDG_CACHE_HOME": "/c"}) == Path("/b")
    assert cache_folder(None, {"XDG_CACHE_HOME": "/c"}) == Path("/c/flan/pools")
    assert cache_folder(None, {}) == Path("/home/ada/.cache/flan/pools")
    assert cache_folder("none", {"FLAN_CACHE": "/b"}) is None
    assert cache_folder(None, {"FLAN_CACHE": "none"}) is None


class Digests:
    """Digests that count how often a file was read, at a clock of the test's own."""

    def __init__(self, folder, path, *, settled=True):
        now = path.stat().st_ctime_ns + (10 * 10**9 if settled else 10**9)
        self.read = 0
        self._digests = FileDigests(folder, digest=self._digest, clock_ns=lambda: now)

    def _digest(self, path):
        self.read += 1
        return digest_file(path)

    def of(self, path):
        return self._digests.of(path), self.read


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    return path


def test_a_file_is_digested_once(cache, file):
    assert Digests(cache, file).of(file) == (digest_file(file), 1)
    assert Digests(cache, file).of(file) == (digest_file(file), 0)


def test_a_file_that_was_just_written_is_not_remembered(cache, file):
    """Another change of the same size might bear the same time."""
    for _ in range(2):
        assert Digests(cache, file, settled=False).of(file) == (digest_file(file), 1)


def test_a_file_of_the_same_size_and_time_is_another_one(cache, file):
    before = file.stat()
    Digests(cache, file).of(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Digests(cache, file).of(file) == (digest_file(file), 1)
    other = file.with_name("other")
    other.write_bytes(b"six")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert Digests(cache, file).of(file) == (digest_file(file), 1)


def test_a_damaged_record_is_made_anew(cache, file):
    Digests(cache, file).of(file)
    (record,) = cache.iterdir()
    content = record.read_bytes()
    for damaged in (b"", content[:70], content.replace(b"a", b"b"), b"\xff" * 100):
        record.write_bytes(damaged)
        assert Digests(cache, file).of(file) == (digest_file(file), 1)
    assert record.read_bytes() == content


def test_a_file_that_changes_while_it_is_digested_is_not_remembered(cache, file):
    def digest(path):
        found = digest_file(path)
        path.write_bytes(b"two")
        return found

    FileDigests(cache, digest=digest, clock_ns=lambda: 2**62).of(file)
    assert Digests(cache, file).of(file) == (digest_file(file), 1)
