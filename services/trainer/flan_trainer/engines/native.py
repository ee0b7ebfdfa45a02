"""The native engine: flax, optax and orbax from the package index, one jitted step over a mesh.

The same spec gives the same bits on the same machine: one compiled program a kind of step, every batch filled up to
one shape, and all randomness from the seed and the step. On disk and in `parameters` every layer stands alone; where
the spec has the layers scanned they are stacked in memory, and only there.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from flan_shared import spec
from flan_shared.checkpoint import load_into, save_parameters
from flan_shared.errors import CheckpointError
from flan_shared.model.scan import stack, unscanned, unstack
from flan_trainer.engines import folder as checkpoints
from flan_trainer.engines.base import Batch, Placed, StepMetrics
from flan_trainer.engines.batch import prepare
from flan_trainer.engines.memory import memory_faults
from flan_trainer.engines.mesh import Rules, lay_out, make_mesh
from flan_trainer.engines.start import place_start
from flan_trainer.engines.step import TrainState
from flan_trainer.optimizer import map_slots


class NativeEngine:
    """See `flan_trainer.engines.base.Engine`."""

    def __init__(self, run: spec.RunSpec, mesh: Mesh | None = None, *, rules: Rules | None = None) -> None:
        """Lays out the state; `initialise` or `restore` makes it.

        Args:
          run: the spec.
          mesh: with the axes data and model; `make_mesh()` where it is left out.
          rules: see `lay_out`.
        """
        self.step = 0
        self._run = run
        self._layout = lay_out(run, mesh or make_mesh(), rules=rules)
        self._stored = self._layout
        if run.model.scan_layers:
            plain = run.model_copy(update={"model": unscanned(run.model)})
            self._stored = lay_out(plain, self._layout.mesh, rules=rules)
        self._state: TrainState | None = None
        self._copied: tuple[int, dict[str, Any]] | None = None
        """A step and its parameters in the published form, for the save that follows."""
        self._saver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="save")
        self._saving: Future[Path] | None = None

    def initialise(self, start: Mapping[str, Any] | None = None) -> None:
        with self._layout.on_mesh(), memory_faults(self._run):
            if start is None and self._run.prompt:
                raise CheckpointError(
                    "the run trains a prompt on top of a checkpoint, but it was given none; say which one to start from"
                )
            if start is None:
                params = self._layout.draw()
            else:
                params = place_start(start, self._stored.state.params, self._run)
                params = self._in_memory(params, self._layout.state.params)
            self._set(self._layout.begin(params), 0)

    def restore(self, folder: Path, step: int) -> None:
        saved = checkpoints.verify(folder, step, self._run.digest)
        if not (saved.path / "opt_state").is_dir():
            raise CheckpointError(
                f"checkpoint {saved.path} was written by the t5x engine, but this one is native; go on where t5x "
                "can be imported, or use another checkpoint folder"
            )
        with memory_faults(self._run):
            stored = TrainState(
                jax.device_put(np.int32(step), self._stored.state.step.sharding),
                load_into(saved.path / "params", self._stored.state.params),
                load_into(saved.path / "opt_state", self._stored.state.opt_state),
            )
            self._set(self._in_memory(stored, self._layout.state), step)

    def place(self, batch: Batch) -> Placed:
        processes = jax.process_count()
        rows = prepare(batch, self._run, self._layout.rows // processes, may_be_empty=processes > 1)
        sharding = {name: leaf.sharding for name, leaf in self._layout.batch.items()}
        with memory_faults(self._run):
            if processes == 1:
                return Placed(jax.device_put(rows, sharding))
            return Placed(
                {
                    name: jax.make_array_from_process_local_data(sharding[name], array, leaf.shape)
                    for (name, array), leaf in zip(rows.items(), self._layout.batch.values(), strict=True)
                }
            )

    def train_step(self, batch: Batch | Placed) -> StepMetrics:
        placed = self._placed(batch)
        with self._layout.on_mesh(), memory_faults(self._run):
            state, metrics = self._layout.update(self._made_state, placed)
        self._set(state, self.step + 1)
        return StepMetrics(**metrics._asdict())

    def evaluate_loss(self, batch: Batch | Placed) -> StepMetrics:
        placed = self._placed(batch)
        with self._layout.on_mesh(), memory_faults(self._run):
            loss = self._layout.evaluate(self._made_state.params, placed)
        return StepMetrics(**loss._asdict(), learning_rate=0.0, grad_norm=0.0, param_norm=0.0)

    def save(self, folder: Path, cursor: Mapping[str, Any], *, keep: int) -> "Future[Path]":
        if self._saving is not None:
            # At most one is under way: each holds a copy of the state. Its fault is told by its own future.
            self._saving.exception()
        params, opt_state = self.parameters(), self._published(self._made_state.opt_state)
        self._copied = None
        if jax.process_index():
            # The first process has the whole state, as every other, and writes it.
            saved: Future[Path] = Future()
            saved.set_result(folder.absolute() / f"checkpoint_{self.step}")
            return saved

        def write_items(partial: Path) -> None:
            save_parameters(partial / "params", params)
            save_parameters(partial / "opt_state", opt_state)

        self._saving = self._saver.submit(
            checkpoints.write_checkpoint,
            folder,
            step=self.step,
            spec_digest=self._run.digest,
            cursor=dict(cursor),
            keep=keep,
            write_items=write_items,
        )
        return self._saving

    def parameters(self) -> dict[str, Any]:
        if self._copied is None or self._copied[0] != self.step:
            self._copied = self.step, self._published(self._made_state.params)
        return self._copied[1]

    @property
    def _made_state(self) -> TrainState:
        if self._state is None:
            raise RuntimeError("the engine has no state; call initialise or restore first")
        return self._state

    def _set(self, state: TrainState, step: int) -> None:
        self._state, self.step, self._copied = state, step, None

    def _placed(self, batch: Batch | Placed) -> dict[str, jax.Array]:
        return dict((batch if isinstance(batch, Placed) else self.place(batch)).features)

    def _published(self, tree: Any) -> Any:
        """A copy of parameters or slots in numpy, every layer alone, whole in every process."""
        if jax.process_count() > 1:
            tree = multihost_utils.process_allgather(tree, tiled=True)
        # Copied: on a CPU numpy may share the buffers, and the next step writes over them.
        copied = jax.tree.map(np.array, tree)
        if not self._run.model.scan_layers:
            return copied
        return map_slots(lambda slots: unstack(slots, self._run.model), copied)

    def _in_memory(self, stored: Any, like: Any) -> Any:
        """A state, or a part of one, as the step takes it, out of the one with every layer alone."""
        if not self._run.model.scan_layers:
            return stored

        def stacked(tree: Any) -> Any:
            return map_slots(lambda slots: stack(slots, self._run.model), tree)

        return jax.jit(stacked, out_shardings=jax.tree.map(lambda leaf: leaf.sharding, like))(stored)
