"""Rows from the Hub: pinned, checked, and clear about what is not there. The Hub is one on this machine."""

import contextlib
import hashlib
import json
import logging

import polars as pl
import pytest
from hubs import (
    FILES,
    FIRST,
    REPOSITORY,
    RTE,
    SECOND,
    TRAIN,
    VALIDATION,
    cached,
    entry,
    fake_hub,
    lock_of,
    open_hub,
    parquet,
)

from flan_datagen.catalog.entry import Hub
from flan_datagen.sources import HubSource
from flan_datagen.sources.hub_client import HubClient
from flan_shared.errors import DataError


@pytest.fixture
def hub():
    with fake_hub() as hub:
        hub.publish(REPOSITORY, dict(FILES), FIRST)
        yield hub


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_a_split_is_all_rows_of_its_files_in_order(hub, cache):
    source = open_hub(hub.url, cache)
    assert source.has(RTE, "", "train")
    assert source.read(RTE, "", "train").equals(TRAIN)
    assert source.read(RTE, "", "validation").equals(VALIDATION)


def test_what_was_seen_is_recorded_with_commit_sizes_and_checksums(hub, cache):
    open_hub(hub.url, cache).read(RTE, "", "validation")
    name = "rte/validation/0000.parquet"
    content = FILES[name]
    lock = lock_of(cache)
    assert lock["revision"] == FIRST
    assert list(lock["configs"]) == ["rte"]
    assert lock["configs"]["rte"]["validation"] == {
        "num_files": 1,
        "files": [{"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}],
    }
    assert cached(cache) == {f"{FIRST}/{name}"}


def test_the_second_use_asks_nothing(hub, cache):
    before = open_hub(hub.url, cache)
    before.read(RTE, "", "train")
    hub.stop()
    hub.requests.clear()
    for source in (before, open_hub(hub.url, cache)):
        assert [split for split in ("train", "validation", "test") if source.has(RTE, "", split)] == [
            "train",
            "validation",
        ]
        assert source.read(RTE, "", "train").equals(TRAIN)
        assert source.digest(RTE, "", "train") == before.digest(RTE, "", "train")
    assert hub.requests == []


def test_the_hub_is_asked_once_for_a_listing(hub, cache):
    for _ in range(2):
        source = open_hub(hub.url, cache)
        for split in ("train", "validation", "test"):
            source.has(RTE, "", split)
            source.has(RTE, "", split)
    assert [path.split("/")[5] for path in hub.requests] == ["revision", "tree"]


def test_the_digest_is_known_without_a_transfer_and_follows_the_checksums(hub, cache, tmp_path):
    source = open_hub(hub.url, cache)
    digest = source.digest(RTE, "", "train")
    assert hub.transfers == []
    assert len(digest) == 64
    assert digest != source.digest(RTE, "", "validation")
    hub.publish(REPOSITORY, {**FILES, "rte/train/0001.parquet": parquet(TRAIN[1:])}, SECOND)
    assert open_hub(hub.url, tmp_path / "other").digest(RTE, "", "train") != digest


def test_splits_fetched_later_are_of_the_recorded_commit(hub, cache):
    source = open_hub(hub.url, cache)
    source.read(RTE, "", "train")
    hub.publish(REPOSITORY, {name: parquet(TRAIN) for name in FILES}, SECOND)
    assert open_hub(hub.url, cache).read(RTE, "", "validation").equals(VALIDATION)
    # Another configuration of the repository, too.
    assert (
        open_hub(hub.url, cache).read(entry("cb", hub=Hub(REPOSITORY, "cb")), "", "train").equals(VALIDATION)
    )
    assert lock_of(cache)["revision"] == FIRST


def test_a_repository_that_is_taken_out_of_the_lock_file_begins_anew(hub, cache):
    open_hub(hub.url, cache).read(RTE, "", "train")
    hub.publish(REPOSITORY, {name: parquet(VALIDATION) for name in FILES}, SECOND)
    document = json.loads((cache / "hub.lock.json").read_text())
    del document["repositories"][REPOSITORY]
    (cache / "hub.lock.json").write_text(json.dumps(document))
    assert open_hub(hub.url, cache).read(RTE, "", "train").equals(pl.concat([VALIDATION] * 2))
    assert lock_of(cache)["revision"] == SECOND


def test_a_lock_file_brought_along_pins_another_cache(hub, cache, tmp_path):
    open_hub(hub.url, cache).read(RTE, "", "train")
    hub.publish(REPOSITORY, {name: parquet(VALIDATION) for name in FILES}, SECOND)
    other = tmp_path / "other"
    other.mkdir()
    (other / "hub.lock.json").write_bytes((cache / "hub.lock.json").read_bytes())
    assert open_hub(hub.url, other).read(RTE, "", "train").equals(TRAIN)


def test_a_file_that_changed_at_its_commit_is_refused_with_both_checksums(hub, cache):
    source = open_hub(hub.url, cache)
    source.has(RTE, "", "validation")
    changed = parquet(TRAIN)
    hub.commits[REPOSITORY, FIRST]["rte/validation/0000.parquet"] = changed
    with pytest.raises(DataError) as caught:
        source.read(RTE, "", "validation")
    message = str(caught.value)
    for part in (
        "dataset 'rte'",
        hashlib.sha256(changed).hexdigest(),
        hashlib.sha256(FILES["rte/validation/0000.parquet"]).hexdigest(),
        str(cache / "hub.lock.json"),
        "try again, or take 'aps/super_glue' out of that file to accept what is there now",
    ):
        assert part in message
    assert "\n" not in message
    assert cached(cache) == set()


def test_a_listing_without_checksums_is_completed_by_the_first_fetch(hub, cache):
    hub.checksums = False
    source = open_hub(hub.url, cache)
    assert source.has(RTE, "", "validation")
    assert lock_of(cache)["configs"]["rte"]["validation"]["files"][0]["sha256"] is None
    digest = source.digest(RTE, "", "validation")
    sha256 = hashlib.sha256(FILES["rte/validation/0000.parquet"]).hexdigest()
    assert lock_of(cache)["configs"]["rte"]["validation"]["files"][0]["sha256"] == sha256
    assert open_hub(hub.url, cache).digest(RTE, "", "validation") == digest
    # Fetched anew, it has to be the same.
    (cache / REPOSITORY / FIRST / "rte/validation/0000.parquet").unlink()
    same_size = bytearray(FILES["rte/validation/0000.parquet"])
    same_size[10] ^= 1
    hub.commits[REPOSITORY, FIRST]["rte/validation/0000.parquet"] = bytes(same_size)
    with pytest.raises(DataError, match=f"expected .* SHA-256 {sha256}"):
        open_hub(hub.url, cache).read(RTE, "", "validation")


def test_a_cached_file_that_was_changed_is_refused(hub, cache):
    open_hub(hub.url, cache).read(RTE, "", "validation")
    path = cache / REPOSITORY / FIRST / "rte/validation/0000.parquet"
    path.write_bytes(parquet(TRAIN))
    with pytest.raises(
        DataError, match=r"0000\.parquet has SHA-256 .* expected .* delete it, and it is fetched"
    ):
        open_hub(hub.url, cache).read(RTE, "", "validation")
    path.unlink()
    assert open_hub(hub.url, cache).read(RTE, "", "validation").equals(VALIDATION)


def test_an_unknown_split_is_absent_and_says_what_there_is(hub, cache):
    source = open_hub(hub.url, cache)
    assert not source.has(RTE, "", "test")
    with pytest.raises(
        DataError, match=r"no split 'test' on the Hub \(aps/super_glue:rte\); there are train, valid"
    ):
        source.read(RTE, "", "test")


def test_an_unknown_configuration_says_what_there_is(hub, cache):
    with pytest.raises(DataError, match=r"there is no configuration 'rt'; there are cb, rte"):
        open_hub(hub.url, cache).has(entry(hub=Hub(REPOSITORY, "rt")), "", "train")
    assert not (cache / "hub.lock.json").exists()


def test_a_dataset_that_is_not_on_the_hub_is_absent(hub, cache):
    source = open_hub(hub.url, cache)
    assert not source.has(entry("own"), "", "train")
    with pytest.raises(
        DataError, match=r"dataset 'own' is not on the Hub; read it from a folder: --data DIR"
    ):
        source.read(entry("own"), "", "train")
    assert hub.requests == []


def test_a_repository_or_a_commit_that_is_gone_is_told_apart(hub, cache):
    with pytest.raises(
        DataError, match=r"dataset 'x' .* \(404, Repository not found\); check repository and conf"
    ):
        open_hub(hub.url, cache).has(entry("x", hub=Hub("no/where", "default")), "", "train")
    source = open_hub(hub.url, cache)
    assert source.has(RTE, "", "train")
    del hub.commits[REPOSITORY, FIRST]
    with pytest.raises(
        DataError, match=r"404, Invalid rev id.*take the repository out of hub\.lock\.json to begin"
    ):
        source.read(RTE, "", "train")


def test_files_that_are_not_of_the_layout_are_left_alone(hub, cache):
    other = {
        "rte/train/.notes": b"",
        "rte/index.duckdb": b"",
        "rte/../x/0000.parquet": b"",
        "rte/a/b/0.parquet": b"",
    }
    hub.publish(REPOSITORY, {**FILES, **other})
    open_hub(hub.url, cache).has(RTE, "", "train")
    assert set(lock_of(cache)["configs"]["rte"]) == {"train", "validation"}


def test_a_split_that_the_hub_converted_in_part_goes_by_its_name(hub, cache):
    hub.publish(REPOSITORY, {"rte/partial-train/0000.parquet": FILES["rte/train/0000.parquet"]})
    assert open_hub(hub.url, cache).read(RTE, "", "train").equals(TRAIN[:2])
    hub.publish(
        REPOSITORY, {"rte/partial-validation/0000.parquet": FILES["cb/train/0000.parquet"], **FILES}, SECOND
    )
    other = open_hub(hub.url, cache / "other")
    other.read(RTE, "", "validation")
    assert cached(cache / "other") == {f"{SECOND}/rte/validation/0000.parquet"}


def test_of_a_large_split_files_are_taken_from_all_over_it(hub, cache, caplog):
    frames = [pl.DataFrame({"text": [f"{number} {index}" for index in range(9000)]}) for number in range(6)]
    contents = [parquet(frame) for frame in frames]
    hub.publish(REPOSITORY, {f"rte/train/{n:04}.parquet": content for n, content in enumerate(contents)})
    source = open_hub(hub.url, cache, max_bytes=3 * max(map(len, contents)))
    with caplog.at_level(logging.WARNING):
        rows = source.read(RTE, "", "train")
    assert rows.equals(pl.concat(frames[::2]))
    assert caplog.records[0].fields["files"] == "3/6"
    assert lock_of(cache)["configs"]["rte"]["train"]["num_files"] == 6
    # What was recorded goes before what the bound is now.
    assert open_hub(hub.url, cache).read(RTE, "", "train").equals(rows)
    assert len(hub.transfers) == 3


def test_a_split_of_one_large_file_is_taken_whole(hub, cache):
    source = open_hub(hub.url, cache, max_bytes=10)
    assert source.read(RTE, "", "validation").equals(VALIDATION)
    assert source.read(RTE, "", "train").equals(TRAIN[:2])


def test_labels_are_those_that_the_files_name(hub, cache):
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["yes", "no"]}}}}
    hub.publish(REPOSITORY, {"rte/train/0000.parquet": parquet(TRAIN, huggingface=json.dumps(features))})
    assert open_hub(hub.url, cache).labels(RTE, "", "train") == {"label": ["yes", "no"]}


OUTSIDE = json.dumps(
    {
        "format": 1,
        "repositories": {
            "a/b": {
                "revision": FIRST,
                "configs": {
                    "c": {
                        "d": {
                            "num_files": 1,
                            "files": [{"path": "c/../x.parquet", "size": 1, "sha256": None}],
                        }
                    }
                },
            }
        },
    }
)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        ('{"format": 2}', "its format is 2, not 1"),
        ('{"format": 1, "repositories": {"a/b": {"revision": "../..", "configs": {}}}}', "is no commit"),
        (OUTSIDE, "is no file of c/d"),
    ],
)
def test_a_damaged_lock_file_is_one_line(hub, cache, content, cause):
    cache.mkdir()
    (cache / "hub.lock.json").write_text(content)
    with pytest.raises(
        DataError, match=rf"hub\.lock\.json cannot be used: .*{cause}.*; put the file back, or delete"
    ):
        open_hub(hub.url, cache).has(RTE, "", "train")


def test_an_address_that_is_no_hub_is_told(hub, cache):
    with pytest.raises(
        DataError, match=r"HF_ENDPOINT is 'huggingface\.co'; expected an address such as https://"
    ):
        HubClient("huggingface.co")
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(fake_hub())
        other.publish(REPOSITORY, {}, "no commit")
        with pytest.raises(DataError, match=r"names no commit; is HF_ENDPOINT=.* a Hub\?"):
            open_hub(other.url, cache).has(RTE, "", "train")


def test_the_environment_says_where_and_how_much(hub, cache):
    environment = {"HF_ENDPOINT": f"{hub.url}/", "FLAN_HUB_CACHE": str(cache), "HF_TOKEN": "secret"}
    hub.token = "secret"
    assert HubSource.from_environment(environment).read(RTE, "", "train").equals(TRAIN)
    assert (cache / "hub.lock.json").exists()
    with pytest.raises(DataError, match="FLAN_HUB_MAX_MB is 'much'; expected an integer of at least 1"):
        HubSource.from_environment({"FLAN_HUB_MAX_MB": "much"})


def test_a_cache_folder_that_cannot_be_written_is_told(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be (used|read): Not a directory"):
        open_hub(hub.url, tmp_path / "file").has(RTE, "", "train")
