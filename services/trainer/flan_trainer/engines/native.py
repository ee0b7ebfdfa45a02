"""The native engine: flax, optax and orbax from the package index, one jitted step over a mesh.

The mesh has the axes `data`, over which the rows of a batch are spread, and `model`, over which T5X's rules
spread the parameters by the names of their axes (`t5x/partitioning.py`, standard_logical_axis_rules). The same
spec gives the same bits on the same machine: one compiled program a kind of step, every batch filled up to one
shape, and all randomness from the seed and the step.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.linen import partitioning
from flax.traverse_util import flatten_dict
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from flan_shared import spec
from flan_shared.checkpoint import flatten, load_into, save_parameters
from flan_shared.model import build_model
from flan_trainer import loss as losses
from flan_trainer.engines import folder as checkpoints
from flan_trainer.engines.base import Batch, Placed, StepMetrics
from flan_trainer.engines.batch import FEATURES, prepare
from flan_trainer.optimizer import make_optimizer, make_schedule

AXIS_RULES = (
    ("batch", "data"),
    ("vocab", "model"),
    ("embed", None),
    ("mlp", "model"),
    ("heads", "model"),
    ("kv", None),
    ("joined_kv", "model"),
    ("relpos_buckets", None),
    ("length", None),
)
"""Mesh axis of each logical axis: activations and parameters divided in one dimension."""


class TrainState(NamedTuple):
    """What a step changes."""

    step: jax.Array
    params: Any
    opt_state: Any


def make_mesh() -> Mesh:
    """All devices on the data axis."""
    return jax.make_mesh((jax.device_count(), 1), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


class NativeEngine:
    """See `flan_trainer.engines.base.Engine`."""

    def __init__(self, run: spec.RunSpec, vocab_size: int, mesh: Mesh | None = None) -> None:
        """Lays out the state; `initialise` or `restore` makes it.

        Args:
          run: the spec.
          vocab_size: pieces of the tokenizer.
          mesh: with the axes data and model; `make_mesh()` where it is left out.
        """
        self.step = 0
        self._run, self._vocab_size = run, vocab_size
        self._mesh = mesh or make_mesh()
        self._model = build_model(run.model, vocab_size)
        self._optimizer, self._schedule = make_optimizer(run), make_schedule(run)
        self._rows = _round_up(run.packing.batch_rows, self._mesh.shape["data"])
        self._rows_sharding = NamedSharding(self._mesh, PartitionSpec("data"))
        self._layout = self._lay_out()
        self._state: TrainState | None = None

        state = jax.tree.map(lambda leaf: leaf.sharding, self._layout)
        batch = dict.fromkeys(FEATURES, self._rows_sharding)
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        self._initial_state = jax.jit(self._make_state, out_shardings=state)
        self._update = jax.jit(
            self._updated,
            in_shardings=(state, batch),
            out_shardings=(state, everywhere),
            donate_argnums=0,
        )
        self._evaluate = jax.jit(self._loss, in_shardings=(state.params, batch), out_shardings=everywhere)

    def initialise(self) -> None:
        with self._on_mesh():
            self._state = self._initial_state()
        self.step = 0

    def restore(self, folder: Path, step: int) -> None:
        saved = checkpoints.verify(folder, step, self._run.digest)
        self._state = TrainState(
            jax.device_put(np.int32(step), self._layout.step.sharding),
            load_into(saved.path / "params", self._layout.params),
            load_into(saved.path / "opt_state", self._layout.opt_state),
        )
        self.step = step

    def place(self, batch: Batch) -> Placed:
        rows = prepare(batch, self._run, self._vocab_size, self._rows)
        return Placed(jax.device_put(rows, self._rows_sharding))

    def train_step(self, batch: Batch | Placed) -> StepMetrics:
        placed = self._placed(batch)
        with self._on_mesh():
            self._state, (loss, learning_rate) = self._update(self._made_state, placed)
        self.step += 1
        return StepMetrics(*loss, learning_rate)

    def evaluate_loss(self, batch: Batch | Placed) -> StepMetrics:
        placed = self._placed(batch)
        with self._on_mesh():
            loss = self._evaluate(self._made_state.params, placed)
        return StepMetrics(*loss, learning_rate=0.0)

    def save(self, folder: Path, cursor: Mapping[str, Any], *, keep: int) -> Path:
        state = self._made_state

        def write_items(partial: Path) -> None:
            save_parameters(partial / "params", state.params)
            save_parameters(partial / "opt_state", state.opt_state)

        return checkpoints.write_checkpoint(
            folder,
            step=self.step,
            spec_digest=self._run.digest,
            cursor=cursor,
            keep=keep,
            write_items=write_items,
        )

    def parameters(self) -> dict[str, Any]:
        # Copied: on a CPU numpy may share the buffers, and the next step writes over them.
        return jax.tree.map(np.array, self._made_state.params)

    @property
    def _made_state(self) -> TrainState:
        if self._state is None:
            raise RuntimeError("the engine has no state; call initialise or restore first")
        return self._state

    def _make_state(self) -> TrainState:
        params = self._variables()["params"]
        return TrainState(jnp.zeros((), jnp.int32), params, self._optimizer.init(params))

    def _variables(self) -> dict[str, Any]:
        tokens = jnp.zeros((1, 2), jnp.int32)  # Shapes of parameters do not depend on it.
        return self._model.init(self._key(), tokens, tokens, tokens, enable_dropout=False)

    def _key(self) -> jax.Array:
        # In two halves: without 64-bit types a key takes 32 bits of its seed.
        seed = self._run.seed
        return jax.random.fold_in(jax.random.key(seed & 0xFFFFFFFF), seed >> 32)

    def _loss(
        self, params: Any, batch: dict[str, jax.Array], dropout_key: jax.Array | None = None
    ) -> losses.Loss:
        logits = self._model.apply(
            {"params": params},
            batch["encoder_input_tokens"],
            batch["decoder_input_tokens"],
            batch["decoder_target_tokens"],
            encoder_segment_ids=batch["encoder_segment_ids"],
            decoder_segment_ids=batch["decoder_segment_ids"],
            enable_dropout=dropout_key is not None,
            rngs={} if dropout_key is None else {"dropout": dropout_key},
        )
        return losses.batch_loss(
            logits,
            batch["decoder_target_tokens"],
            batch["decoder_loss_weights"],
            z_loss=self._run.loss.z_loss,
            label_smoothing=self._run.loss.label_smoothing,
        )

    def _updated(
        self, state: TrainState, batch: dict[str, jax.Array]
    ) -> tuple[TrainState, tuple[losses.Loss, jax.Array]]:
        dropout_key = jax.random.fold_in(self._key(), state.step)

        def objective(params: Any) -> tuple[jax.Array, losses.Loss]:
            measured = self._loss(params, batch, dropout_key)
            return measured.loss, measured

        gradients, measured = jax.grad(objective, has_aux=True)(state.params)
        updates, opt_state = self._optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, opt_state), (measured, self._schedule(state.step))

    def _placed(self, batch: Batch | Placed) -> dict[str, jax.Array]:
        return dict((batch if isinstance(batch, Placed) else self.place(batch)).features)

    @contextlib.contextmanager
    def _on_mesh(self) -> Iterator[None]:
        with jax.set_mesh(self._mesh), partitioning.axis_rules(AXIS_RULES):
            yield

    def _lay_out(self) -> TrainState:
        """Shape, type and sharding of the state, without making it."""
        axes = partitioning.get_axis_names(jax.eval_shape(self._variables)["params_axes"])
        specs = partitioning.logical_to_mesh(axes, AXIS_RULES)
        by_path = {"/".join(path): leaf for path, leaf in flatten_dict(specs).items()}
        state = jax.eval_shape(self._make_state)
        shapes = {path: leaf.shape for path, leaf in flatten(state.params).items()}

        def place(keys: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            # A slot as large as its parameter lies where that lies; row and column means are small and are
            # kept everywhere, as in T5X.
            path = "/".join(key.key for key in keys if isinstance(key, jax.tree_util.DictKey))
            axes = by_path[path] if shapes.get(path) == leaf.shape else PartitionSpec()
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(self._mesh, axes))

        return jax.tree_util.tree_map_with_path(place, state)


def _round_up(rows: int, multiple: int) -> int:
    return -(-rows // multiple) * multiple
