"""The Redis that a local stack brings: a real server, started and stopped."""

import os
import signal
import stat
import time
from pathlib import Path

import psutil
import pytest

from flan_cli.redis_server import check_redis, find_server, redis_service
from flan_cli.stack import Stack
from flan_shared.errors import LineError
from flan_shared.line import connect


def server_on_path(folder: Path, name: str, version: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64'\n")
    program.chmod(0o755)
    return program


def test_server_answers_evicts_nothing_and_keeps_nothing(tmp_path):
    with redis_service(tmp_path) as (service, url), Stack(tmp_path / "logs") as stack:
        stack.start(service)
        check_redis(url)
        with connect(url) as client:
            assert client.info("memory")["maxmemory_policy"] == "noeviction"
            assert client.info("persistence")["aof_enabled"] == 0
            assert client.config_get("save") == {"save": ""}


def test_only_this_user_may_open_the_socket(tmp_path):
    with redis_service(tmp_path) as (service, _), Stack(tmp_path / "logs") as stack:
        stack.start(service)
        assert stat.S_IMODE((tmp_path / "redis.sock").stat().st_mode) == 0o700


def test_server_is_gone_after_the_stack(tmp_path):
    with redis_service(tmp_path) as (service, url), Stack(tmp_path / "logs") as stack:
        pid = stack.start(service).pid
    assert not psutil.pid_exists(pid)
    with pytest.raises(LineError, match="cannot be used"):
        check_redis(url)


def test_killed_server_comes_back_at_the_same_url(tmp_path):
    with redis_service(tmp_path) as (service, url), Stack(tmp_path / "logs") as stack:
        process = stack.start(service)
        before = process.pid
        os.kill(before, signal.SIGKILL)
        limit = time.monotonic() + 30
        while process.pid == before or not process.is_ready:
            stack.poll()
            assert time.monotonic() < limit
            time.sleep(0.02)
        check_redis(url)


def test_folder_with_a_long_path_works_and_leaves_nothing_behind(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with redis_service(folder) as (service, url), Stack(tmp_path / "logs") as stack:
        stack.start(service)
        check_redis(url)
        socket = Path(url.removeprefix("unix://"))
        assert socket.exists()
    assert not socket.parent.exists()


def test_folder_with_blanks_and_signs_in_its_name_works(tmp_path):
    folder = tmp_path / "my run #1 %20?"
    folder.mkdir()
    with redis_service(folder) as (service, url), Stack(tmp_path / "logs") as stack:
        stack.start(service)
        check_redis(url)


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "10.0.0"])
def test_server_on_path_is_taken_from_6_2_on(tmp_path, name, version):
    program = server_on_path(tmp_path, name, version)
    assert find_server(str(tmp_path)) == program


def test_server_on_path_that_is_too_old_is_passed_over(tmp_path):
    server_on_path(tmp_path, "redis-server", "6.0.16")
    assert find_server(str(tmp_path)).name == "valkey-server"
    newer = server_on_path(tmp_path, "valkey-server", "8.0.1")
    assert find_server(str(tmp_path)) == newer


def test_password_of_an_unreachable_server_is_not_shown():
    with pytest.raises(LineError) as caught:
        check_redis("redis://user:secret@127.0.0.1:1")
    assert "secret" not in str(caught.value)
    assert "redis://user:***@127.0.0.1:1" in str(caught.value)
