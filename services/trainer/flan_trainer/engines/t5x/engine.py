"""T5X's parts put together as an engine. All that T5X is told comes from the run spec, without gin."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import tensorflow as tf
from jax.sharding import Mesh
from t5x import adafactor, checkpoints, models, utils
from t5x.train_state import FlaxOptimTrainState

from flan_shared import spec
from flan_shared.checkpoint import one_line, save_parameters
from flan_shared.errors import CheckpointError
from flan_shared.model.scan import unscanned
from flan_trainer.engines import folder as folders
from flan_trainer.engines.base import Batch, EngineError, Placed, StepMetrics
from flan_trainer.engines.batch import prepare
from flan_trainer.engines.memory import memory_faults
from flan_trainer.engines.mesh import Rules, lay_out, make_mesh
from flan_trainer.engines.start import place_start
from flan_trainer.engines.t5x import available
from flan_trainer.engines.t5x.stepper import Partitioner, Stepper
from flan_trainer.optimizer import make_schedule

_FOLDER = "t5x"
"""In a checkpoint's folder: where T5X writes its `checkpoint_{step}`, in the form of public T5 1.1 checkpoints."""


class T5XEngine:
    """See `flan_trainer.engines.base.Engine`.

    Initial parameters, losses and updates are those of the native engine, up to rounding. Dropout draws the same
    masks only where a batch is one microbatch. Layers are never scanned: T5X's Adafactor treats parameters that
    are stacked by other rules than the same ones alone. One process only.
    """

    def __init__(self, run: spec.RunSpec, mesh: Mesh | None = None, *, rules: Rules | None = None) -> None:
        """Lays out the state; `initialise` or `restore` makes it.

        Args:
          run: the spec, pinned to its tokenizer.
          mesh: with the axes data and model; `make_mesh()` where it is left out.
          rules: see `lay_out`.

        Raises:
          EngineError: the spec asks for something that this engine does not do.
        """
        if reason := available(run):
            raise EngineError(f"train.engine cannot be t5x: {reason}; give 'native' or 'auto'")
        if jax.default_backend() == "gpu":
            # T5X brings TensorFlow, which would take the memory that jax computes in.
            tf.config.set_visible_devices([], "GPU")
        self.step = 0
        self._run = run
        plain = run.model_copy(update={"model": unscanned(run.model)})
        self._layout = lay_out(plain, mesh or make_mesh(), rules=rules)
        self._partitioner = Partitioner(self._layout.mesh, self._layout.rules)
        model = _wrapped(self._layout.step.model, run)
        self._initializer = utils.TrainStateInitializer(
            model.optimizer_def,
            model.get_initial_variables,
            # Shapes of parameters do not depend on the number of rows and their length.
            dict.fromkeys(("encoder_input_tokens", "decoder_input_tokens"), (1, 2)),
            self._partitioner,
        )
        self._stepper = Stepper(
            model,
            self._initializer.global_train_state_shape,
            self._partitioner,
            key=self._key(),
            learning_rate=make_schedule(run),
            microbatches=run.train.microbatches,
        )
        self._has_state = False
        self._saver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="save")
        self._saving: Future[Path] | None = None

    def initialise(self, start: Mapping[str, Any] | None = None) -> None:
        with memory_faults(self._run):
            state = self._initializer.from_scratch(self._key())
            if start is not None:
                params = place_start(start, self._layout.state.params, self._run)
                state = state.replace_params(flax.core.freeze(params))
        self._set(state, 0)

    def restore(self, folder: Path, step: int) -> None:
        saved = folders.verify(folder, step, self._run.digest)
        if not (saved.path / _FOLDER).is_dir():
            raise CheckpointError(
                f"checkpoint {saved.path} was written by the native engine, but this one is t5x; go on where t5x "
                "cannot be imported, or use another checkpoint folder"
            )
        with memory_faults(self._run):
            try:
                with self._checkpointer(saved.path / _FOLDER) as checkpointer:
                    state = checkpointer.restore(step=step)
            except (ValueError, KeyError, OSError, tf.errors.OpError) as err:
                raise CheckpointError(f"checkpoint {saved.path} cannot be read: {one_line(err)}") from err
        self._set(state, step)

    def place(self, batch: Batch) -> Placed:
        rows = prepare(batch, self._run, self._layout.rows)
        with memory_faults(self._run):
            return Placed(
                jax.device_put(rows, {name: leaf.sharding for name, leaf in self._layout.batch.items()})
            )

    def train_step(self, batch: Batch | Placed) -> StepMetrics:
        self._check_state()
        placed = self._placed(batch)
        with memory_faults(self._run):
            measured = self._stepper.update(placed)
        self.step += 1
        return StepMetrics(**measured)

    def evaluate_loss(self, batch: Batch | Placed) -> StepMetrics:
        self._check_state()
        placed = self._placed(batch)
        with memory_faults(self._run):
            measured = self._stepper.measure(placed)
        return StepMetrics(**measured, learning_rate=0.0, grad_norm=0.0, param_norm=0.0)

    def save(self, folder: Path, cursor: Mapping[str, Any], *, keep: int) -> "Future[Path]":
        self._check_state()
        if self._saving is not None:
            # At most one is under way: each holds a copy of the state. Its fault is told by its own future.
            self._saving.exception()
        # Copied: the next step writes over its buffers.
        state = jax.tree.map(np.array, self._stepper.train_state)

        def write_items(partial: Path) -> None:
            save_parameters(partial / "params", flax.core.unfreeze(state.params))
            try:
                with self._checkpointer(partial / _FOLDER) as checkpointer:
                    checkpointer.save(state)
            except (ValueError, OSError, tf.errors.OpError) as err:
                raise CheckpointError(f"T5X cannot write to {partial}: {one_line(err)}") from err

        self._saving = self._saver.submit(
            folders.write_checkpoint,
            folder,
            step=self.step,
            spec_digest=self._run.digest,
            cursor=dict(cursor),
            keep=keep,
            write_items=write_items,
        )
        return self._saving

    def parameters(self) -> dict[str, Any]:
        self._check_state()
        return jax.tree.map(np.array, flax.core.unfreeze(self._stepper.train_state.params))

    def _set(self, state: FlaxOptimTrainState, step: int) -> None:
        self._stepper.train_state, self.step, self._has_state = state, step, True

    def _check_state(self) -> None:
        if not self._has_state:
            raise RuntimeError("the engine has no state; call initialise or restore first")

    @contextlib.contextmanager
    def _checkpointer(self, folder: Path) -> Iterator[checkpoints.Checkpointer]:
        """T5X's checkpointer on a folder; the event loop that it makes and does not close is closed here."""
        shapes = self._initializer.global_train_state_shape
        checkpointer = checkpoints.Checkpointer(shapes, self._partitioner, str(folder))
        loop = asyncio.get_event_loop()
        try:
            yield checkpointer
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    def _placed(self, batch: Batch | Placed) -> dict[str, jax.Array]:
        return dict((batch if isinstance(batch, Placed) else self.place(batch)).features)

    def _key(self) -> jax.Array:
        # In two halves, as the native engine makes it.
        seed = self._run.seed
        return jax.random.fold_in(jax.random.key(seed & 0xFFFFFFFF), seed >> 32)


def _wrapped(module: Any, run: spec.RunSpec) -> models.BaseTransformerModel:
    """Our module in T5X's model of its family."""
    optimizer = adafactor.Adafactor(
        decay_rate=run.optimizer.decay_rate,
        clipping_threshold=run.optimizer.clipping_threshold,
        min_dim_size_to_factor=run.optimizer.min_dim_size_to_factor,
    )
    loss = {
        "label_smoothing": run.loss.label_smoothing,
        "z_loss": run.loss.z_loss,
        "loss_normalizing_factor": None,  # See `Stepper`.
    }
    # T5X asks vocabularies only for the end of what it generates, which is not done here.
    if isinstance(run.model, spec.EncoderDecoder):
        return models.EncoderDecoderModel(
            module, input_vocabulary=None, output_vocabulary=None, optimizer_def=optimizer, **loss
        )
    return models.DecoderOnlyModel(
        module, vocabulary=None, optimizer_def=optimizer, inputs_bidirectional_attention=True, **loss
    )
