"""The training step as pure functions of a run spec: what is computed, not where.

`Step` is used by the native engine, by the plan that compiles it for machines that are not there, and by the
benchmark. Nothing here makes an array or asks for a device before its functions are called; `mesh` says how state and
batch lie on devices.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.linen import partitioning
from flax.traverse_util import unflatten_dict

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_shared.model import build_model
from flan_shared.model.scan import LAYERS, stack, unscanned
from flan_trainer.engines.batch import feature_types
from flan_trainer.engines.prompt import trained_part
from flan_trainer.loss import Loss, batch_loss
from flan_trainer.optimizer import make_optimizer, make_schedule

Batch = dict[str, jax.Array]

_NOT_OF_THE_MODEL = ("decoder_loss_weights", "decoder_clusters")


class TrainState(NamedTuple):
    """What a step changes."""

    step: jax.Array
    """int32[]: completed updates."""
    params: Any
    """Nested dicts, float32; stacked where the layers are scanned."""
    opt_state: Any
    """Optax's, of what is trained; its slots are stacked as the parameters are."""


class Metrics(NamedTuple):
    """Measures of one update; float32[] but for `by_cluster`."""

    loss: jax.Array
    """Mean over the weighted tokens of the batch, z-loss included."""
    z_loss: jax.Array
    """Of it, the part that is z-loss."""
    weight: jax.Array
    """Sum of `decoder_loss_weights`, the number of target tokens."""
    accuracy: jax.Array
    """Share of these that are predicted right."""
    by_cluster: jax.Array
    """float32[2, num_clusters]: of each of `RunSpec.trained_clusters` the sum of losses and the number of tokens."""
    learning_rate: jax.Array
    """Of this update, relative to the parameters' scale but for a prompt."""
    grad_norm: jax.Array
    """L2 norm of the gradient of all that is trained, before Adafactor scales it."""
    param_norm: jax.Array
    """L2 norm of all that is trained, before the update."""


class Step:
    """The functions of one run's step.

    Attributes:
      run: the spec.
      model: its flax module.
      axes: by path, the names of a parameter's axes.
    """

    def __init__(self, run: spec.RunSpec) -> None:
        """Traces the model's initialisation once, for the names of its axes."""
        self.run = run
        self.model = build_model(run.model, run.vocab_size, run.prompt_length)
        self._types = feature_types(run.model)
        self._shapes = jax.eval_shape(functools.partial(self._variables, self.model))
        self.axes: dict[str, tuple[str | None, ...]] = {
            path: tuple(names)
            for path, names in flatten(partitioning.get_axis_names(self._shapes["params_axes"])).items()
        }
        stacked = {path: names.index(LAYERS) for path, names in self.axes.items() if LAYERS in names}
        self._optimizer, self._schedule = make_optimizer(run, stacked), make_schedule(run)

    def state_shapes(self) -> TrainState:
        """Shapes and types of the state, as `jax.ShapeDtypeStruct`."""
        params = self._shapes["params"]
        opt_state = jax.eval_shape(self._optimizer.init, trained_part(params, self.run))
        return TrainState(jax.ShapeDtypeStruct((), jnp.int32), params, opt_state)

    def batch_shapes(self, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and types of a batch of `rows` rows."""
        lengths = self.run.row_lengths
        return {
            name: jax.ShapeDtypeStruct((rows, lengths[name.split("_")[0]]), dtype)
            for name, dtype in self._types.items()
        }

    def draw(self) -> Any:
        """The parameters that the spec's seed gives, the same whether or not layers are scanned."""
        config = self.run.model
        if not config.scan_layers:
            return self._variables(self.model)["params"]
        # A scan draws from keys of its own; so drawn as on its own, each layer begins alike in both forms.
        plain = build_model(unscanned(config), self.run.vocab_size, self.run.prompt_length)
        return stack(self._variables(plain)["params"], config)

    def begin(self, params: Any) -> TrainState:
        """The state of step 0 with these parameters."""
        opt_state = self._optimizer.init(trained_part(params, self.run))
        return TrainState(jnp.zeros((), jnp.int32), params, opt_state)

    def evaluate(self, params: Any, batch: Batch) -> Loss:
        """The loss of a batch without dropout."""
        return self._loss(params, batch)

    def update(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """One update; the gradient is that of the whole batch's mean loss, in however many parts it is computed.

        Args:
          state: may be donated.
          batch: `train.microbatches` parts of equally many rows.
        """
        dropout_key = jax.random.fold_in(self._key(), state.step)
        gradients, measured = self._gradients(state.params, batch, dropout_key)
        trained = trained_part(state.params, self.run)
        updates, opt_state = self._optimizer.update(gradients, state.opt_state, trained)
        params = {**state.params, **optax.apply_updates(trained, updates)}
        metrics = Metrics(*measured, self._schedule(state.step), _norm(gradients), _norm(trained))
        return TrainState(state.step + 1, params, opt_state), metrics

    def _gradients(self, params: Any, batch: Batch, dropout_key: jax.Array) -> tuple[Any, Loss]:
        num_parts, trained = self.run.train.microbatches, trained_part(params, self.run)
        whole_weight = jnp.sum(batch["decoder_loss_weights"])

        def objective(trained: Any, part: Batch, key: jax.Array) -> tuple[jax.Array, Loss]:
            measured = self._loss({**params, **trained}, part, key, whole_weight)
            return measured.loss, measured

        gradient = jax.grad(objective, has_aux=True)
        if num_parts == 1:
            return gradient(trained, batch, dropout_key)

        def add(sums: tuple[Any, Loss], part: tuple[Batch, jax.Array]) -> tuple[tuple[Any, Loss], None]:
            rows, number = part
            own = gradient(trained, rows, jax.random.fold_in(dropout_key, number))
            return self._placed_alike(jax.tree.map(jnp.add, sums, own)), None

        scalars = [jnp.zeros(())] * (len(Loss._fields) - 1)
        nothing = Loss(*scalars, jnp.zeros((2, len(self.run.trained_clusters))))
        zeros = jax.tree.map(jnp.zeros_like, trained), nothing
        parts = jax.tree.map(functools.partial(_split, num_parts=num_parts), batch)
        return jax.lax.scan(add, self._placed_alike(zeros), (parts, jnp.arange(num_parts)))[0]

    def _placed_alike(self, sums: tuple[Any, Loss]) -> tuple[Any, Loss]:
        """Sums of gradients, told to lie on the mesh as the parameters do."""
        gradients, measured = sums
        by_path = {
            path: partitioning.with_sharding_constraint(leaf, self.axes[path])
            for path, leaf in flatten(gradients).items()
        }
        return unflatten_dict(by_path, sep="/"), measured

    def _loss(
        self,
        params: Any,
        batch: Batch,
        dropout_key: jax.Array | None = None,
        whole_weight: jax.Array | None = None,
    ) -> Loss:
        inputs = {name: array for name, array in batch.items() if name not in _NOT_OF_THE_MODEL}
        logits = self.model.apply(
            {"params": params},
            **inputs,
            enable_dropout=dropout_key is not None,
            rngs={} if dropout_key is None else {"dropout": dropout_key},
        )
        return batch_loss(
            logits,
            batch["decoder_target_tokens"],
            batch["decoder_loss_weights"],
            z_loss=self.run.loss.z_loss,
            label_smoothing=self.run.loss.label_smoothing,
            clusters=batch["decoder_clusters"],
            num_clusters=len(self.run.trained_clusters),
            whole_weight=whole_weight,
        )

    def _variables(self, model: Any) -> Any:
        # Shapes of parameters do not depend on the number of rows and their length.
        tokens = {name: jnp.zeros((1, 2), jnp.int32) for name in self._types if name.endswith("_tokens")}
        return model.init(self._key(), **tokens, enable_dropout=False)

    def _key(self) -> jax.Array:
        # In two halves: without 64-bit types a key takes 32 bits of its seed.
        seed = self.run.seed
        return jax.random.fold_in(jax.random.key(seed & 0xFFFFFFFF), seed >> 32)


def _split(array: jax.Array, *, num_parts: int) -> jax.Array:
    """[rows, length] -> [num_parts, rows / num_parts, length]; part n has the rows n, n + num_parts, …

    Strided, so that each part has rows of every device and nothing is moved between them.
    """
    rows, length = array.shape
    return array.reshape(rows // num_parts, num_parts, length).swapaxes(0, 1)


def _norm(tree: Any) -> jax.Array:
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))
