"""A run whose processes are killed at random, against the same run left alone: `python -m bench.chaos --minutes 10`.

Redis, datagen replicas, trainer and evaluator run as processes of their own. At random times, drawn from the seed,
one of them is killed with SIGKILL and started again a little later, or stopped with SIGSTOP for some seconds; Redis
comes back with all it held, with an older state, or empty. The verdict, which the exit status repeats: the parameters
are those of the undisturbed run, to the bit; every draw is accounted for; no key is left that should be gone.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from bench.datagen import commit
from flan_cli import services
from flan_cli.redis_server import redis_service
from flan_cli.rows import Rows
from flan_cli.stack import ANY_PORT, Service, end_group, spawn
from flan_shared.line import RunKeys, connect
from flan_shared.spec import RunSpec, parse_spec
from flan_shared.tokenizer import Tokenizer

_TRIAL_STEPS = 600
_SPEC = {
    "name": "chaos",
    "seed": 1,
    "mixture": {"datasets": {"sentiment": ["sst2"], "commonsense": ["copa"]}},
    "heldout": {"nli": ["cb"]},
    "lengths": {"inputs": 128, "targets": 32},
    "packing": {"window": 128, "batch_rows": 4},
    "tokenizer": {"vocab_size": 500},
    "model": {
        "emb_dim": 16,
        "num_heads": 2,
        "head_dim": 8,
        "mlp_dim": 32,
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
        "dropout_rate": 0.1,
    },
    "train": {"steps": _TRIAL_STEPS},
    "evaluation": {"rows": 8, "max_decode_length": 8},
}
_SHARE = 0.5
"""Of the time given that the undisturbed run is to take: restarts and lost steps take the rest."""

_BETWEEN_S = 8.0
"""Mean time from one blow to the next."""

_MOST_DOWN_S = 3.0
_MOST_PAUSED_S = 8.0
"""A service that starts gives Redis 15 s."""

_PERIOD_S = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="about so long the disturbed run takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flan-chaos-") as scratch:
        folder = Path(scratch)
        # A trainer that is started often must not spend the run on compiling.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled")
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        model = _tokenizer(folder)
        steps = _steps(arguments.minutes * 60 * _SHARE, model, folder / "trial")
        spec = _spec(model, steps, max(10, steps // 60))
        calm = _Stage(folder / "calm", spec, model, arguments.replicas)
        undisturbed = calm.run()
        wild = _Stage(folder / "wild", spec, model, arguments.replicas)
        result = wild.run(_Blows(random.Random(arguments.seed), wild, arguments.minutes * 60))
        verdict = {
            "parameters": {
                "minutes": arguments.minutes,
                "seed": arguments.seed,
                "replicas": arguments.replicas,
                "steps": steps,
                "checkpoint_every": spec.checkpoint.every_steps,
            },
            "kills": sum(count for what, count in wild.blows.items() if not what.endswith("paused")),
            "blows": dict(sorted(wild.blows.items())),
            "seconds": {"undisturbed": undisturbed.seconds, "disturbed": result.seconds},
            **_compare(undisturbed, result),
            "machine": f"{platform.machine()} {platform.system()}",
            "commit": commit(),
        }
    text = json.dumps(verdict, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text)
    good = verdict["digest_equal"] and not any(
        verdict[name] for name in ("lost", "repeated", "keys_left", "faults")
    )
    sys.exit(0 if good else 1)


@dataclasses.dataclass(frozen=True)
class _Ending:
    """How a run ended; `result` is empty where it did not come to its end."""

    result: dict
    keys_left: list[str]
    faults: list[str]
    seconds: float


def _compare(undisturbed: _Ending, disturbed: _Ending) -> dict:
    before, after = (ending.result.get("accounting", {}) for ending in (undisturbed, disturbed))
    apart = [
        after.get(name, 0) - before.get(name, 0) for name in ("drawn", "trained", "dropped", "quarantined")
    ]
    unaccounted = after.get("drawn", 0) - sum(
        after.get(name, 0) for name in ("trained", "dropped", "quarantined")
    )
    digest = undisturbed.result.get("final_digest")
    return {
        "digest_equal": digest is not None and digest == disturbed.result.get("final_digest"),
        # Draws that were taken and are in no other count, or that the undisturbed run has and this one has not.
        "lost": max(0, unaccounted, -min(apart)),
        "repeated": max(0, -unaccounted, *apart),
        "keys_left": disturbed.keys_left,
        "accounting": after,
        "faults": undisturbed.faults + disturbed.faults,
    }


class _Part:
    """A process of the stage, which may be down or paused for a while."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service = service
        self.log = log
        self.address: str | None = None
        self.up_at: float | None = None
        """When it is to be started again, or goes on; None while it runs."""
        self.paused = False
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs or is down."""
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        self.up_at = None
        self._popen = spawn(self.service.command(self.address or ANY_PORT), self.log)

    def wait(self) -> None:
        """Waits until it serves."""
        end = time.monotonic() + self.service.ready_limit_s
        while self.address is None:
            if self.status is not None or time.monotonic() > end:
                raise SystemExit(f"{self.service.name} did not come up: {self.log.read_text()[-2000:]}")
            self.address = self.service.ready(self._popen.pid)
            time.sleep(_PERIOD_S)

    def kill(self, down_s: float) -> None:
        self._popen.kill()
        self._popen.wait()
        self._popen = None
        self.up_at = time.monotonic() + down_s

    def pause(self, paused_s: float) -> None:
        self._popen.send_signal(signal.SIGSTOP)
        self.paused, self.up_at = True, time.monotonic() + paused_s

    def look(self) -> None:
        """Brings it up again where it is time."""
        if self.up_at is None or time.monotonic() < self.up_at:
            return
        if self.paused:
            self.paused, self.up_at = False, None
            self._popen.send_signal(signal.SIGCONT)
        else:
            self.start()

    def end(self) -> None:
        if self._popen:
            end_group(self._popen)


class _Stage:
    """Everything that one run needs, in a folder of its own."""

    def __init__(self, folder: Path, spec: RunSpec, model: Path, num_replicas: int) -> None:
        self.folder = folder
        self.parts: dict[str, _Part] = {}
        self.blows: Counter[str] = Counter()
        self.url = ""
        self._spec = spec
        self._model = model
        self._num_replicas = num_replicas
        self._checkpoints = folder / "checkpoints"
        folder.mkdir()
        (folder / "spec.yaml").write_text(spec.canonical())

    def run(self, strike: Callable[[], None] = lambda: None) -> _Ending:
        """Runs to the end; `strike` is called again and again meanwhile."""
        with self._started() as self.url:
            began, faults = time.monotonic(), []
            trainer = self.parts["trainer"]
            while trainer.status != 0 and not faults:
                for part in self.parts.values():
                    part.look()
                faults = [
                    f"{name} ended by itself with status {part.status}: {_last_line(part.log)}"
                    for name, part in self.parts.items()
                    if part.status is not None and not (name == "trainer" and part.status == 0)
                ]
                strike()
                time.sleep(_PERIOD_S)
            seconds = time.monotonic() - began
            while any(part.up_at for part in self.parts.values()):
                for part in self.parts.values():
                    part.look()
                time.sleep(_PERIOD_S)
            result = self._checkpoints / "result.json"
            if not faults and not result.exists():
                faults = ["the trainer ended without a result"]
            ended = json.loads(result.read_text()) if not faults else {}
            return _Ending(ended, self._keys_left(), faults, round(seconds, 1))

    @contextlib.contextmanager
    def _started(self) -> Iterator[str]:
        try:
            with redis_service(self.folder) as (server, url):
                self._start("redis", server)
                for number in range(self._num_replicas):
                    name = f"datagen-{number}"
                    replica = services.datagen(
                        name,
                        self.folder,
                        rows=Rows(),
                        tokenizer=self._model,
                        redis=url,
                        run=self._spec.run_id,
                    )
                    self._start(name, _quick(replica))
                address = self.parts["datagen-0"].address
                self._start(
                    "evaluator",
                    services.evaluator(self.folder, datagen_address=address, store=self.folder / "evaluator"),
                )
                self._start(
                    "trainer",
                    services.trainer(
                        self.folder,
                        spec=self.folder / "spec.yaml",
                        redis=url,
                        evaluator_address=self.parts["evaluator"].address,
                        tokenizer=self._model,
                        checkpoints=self._checkpoints,
                        threads=None,
                    ),
                )
                yield url
        finally:
            for part in reversed(self.parts.values()):
                part.end()

    def _start(self, name: str, service: Service) -> None:
        self.parts[name] = _Part(service, self.folder / f"{name}.log")
        self.parts[name].start()
        self.parts[name].wait()

    def _keys_left(self) -> list[str]:
        keys = RunKeys(self._spec.run_id)
        kept = {keys.attempt, keys.metrics, keys.quarantine}
        with connect(self.url) as client:
            found = {key.decode() for key in client.keys(f"flan:{keys.run}:*")}
        return sorted(found - kept)


class _Blows:
    """Called often; now and then it strikes a part of the stage, as the generator tells."""

    def __init__(self, draw: random.Random, stage: _Stage, seconds: float) -> None:
        self._draw = draw
        self._stage = stage
        self._next = time.monotonic()
        self._end: float | None = None
        self._seconds = seconds

    def __call__(self) -> None:
        now = time.monotonic()
        if self._end is None:
            self._end, self._next = now + self._seconds, now + self._wait_s()
        if not self._next <= now < self._end:
            return
        self._next = now + self._wait_s()
        # All is drawn whatever the state of the parts is: the draws of a seed are always the same.
        name = self._draw.choice(["redis", "trainer", "datagen", "evaluator"])
        if name == "datagen":
            name = f"datagen-{self._draw.randrange(sum(part.startswith('datagen') for part in self._stage.parts))}"
        pauses, down_s = self._draw.random() < 0.2, self._draw.uniform(0, _MOST_DOWN_S)
        paused_s = self._draw.uniform(1, _MOST_PAUSED_S)
        state = self._draw.choice(["kept", "older", "empty"])
        part = self._stage.parts[name]
        if part.up_at is not None or part.status is not None:
            return
        if pauses:
            part.pause(paused_s)
            self._stage.blows[f"{name} paused"] += 1
            return
        what = f"{name} killed"
        if name == "redis":
            what += f", back {self._prepare(state)}"
        part.kill(down_s)
        self._stage.blows[what] += 1

    def _wait_s(self) -> float:
        return min(3 * _BETWEEN_S, self._draw.expovariate(1 / _BETWEEN_S))

    def _prepare(self, state: str) -> str:
        """Makes that Redis comes back as `state` says; an older state is that of the last time it was kept."""
        file = self._stage.folder / "dump.rdb"
        if state == "empty":
            file.unlink(missing_ok=True)
        if state == "kept":
            with connect(self._stage.url) as client:
                client.save()
        return state if file.exists() else "empty"


def _quick(replica: Service) -> Service:
    """The replica with a short claim time-out: in so short a run ten seconds are long."""
    return dataclasses.replace(
        replica, command=lambda listen: [*replica.command(listen), "--claim-idle-s", "2"]
    )


def _spec(model: Path, steps: int, every: int) -> RunSpec:
    settings = {**_SPEC, "train": {"steps": steps}, "checkpoint": {"every_steps": every, "keep": 2}}
    tokenizer = Tokenizer.load(str(model))
    return parse_spec(yaml.safe_dump(settings)).with_tokenizer(tokenizer.digest, tokenizer.vocab_size)


def _tokenizer(folder: Path) -> Path:
    spec, model = folder / "spec.yaml", folder / "tokenizer.model"
    spec.write_text(yaml.safe_dump(_SPEC))
    command = [sys.executable, "-m", "flan_datagen", "tokenizer", "--spec", str(spec), "--out", str(model)]
    subprocess.run(command, check=True)
    return model


def _steps(seconds: float, model: Path, folder: Path) -> int:
    """Steps that take about `seconds`, by the pace between the last two checkpoints of a short run."""
    every = _TRIAL_STEPS // 3
    stage = _Stage(folder, _spec(model, _TRIAL_STEPS, every), model, 1)
    ending = stage.run()
    if ending.faults:
        raise SystemExit(f"a run of {_TRIAL_STEPS} steps failed: {ending.faults}")
    saved = [
        (folder / "checkpoints" / f"checkpoint_{step}").stat().st_mtime
        for step in (_TRIAL_STEPS - every, _TRIAL_STEPS)
    ]
    return max(100, int(seconds * every / (saved[1] - saved[0])))


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    main()
