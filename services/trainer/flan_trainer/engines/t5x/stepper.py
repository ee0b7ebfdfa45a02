"""T5X's trainer and partitioner, made to give one update at a time and to divide by the whole batch's tokens."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from t5x import models, partitioning, trainer
from t5x.train_state import FlaxOptimTrainState

Batch = Mapping[str, jax.Array]
Measured = dict[str, jax.Array]
"""float32[] each, under the names of `flan_trainer.engines.base.StepMetrics`."""


class Partitioner(partitioning.PjitPartitioner):
    """T5X's partitioner on a given mesh; its own mesh for CPUs has all devices of a host on the model axis."""

    def __init__(self, mesh: Mesh, axis_rules: tuple[tuple[str, str | None], ...]) -> None:
        """Takes a mesh with the axes data and model, and the mesh axis of every logical axis."""
        super().__init__(num_partitions=mesh.shape["model"], logical_axis_rules=axis_rules)
        self._mesh = mesh

    @property
    def mesh(self) -> Mesh:
        return self._mesh


class Stepper(trainer.Trainer):
    """T5X's trainer without its loop and its writers of metrics.

    T5X divides the loss of every microbatch by the tokens of that microbatch and adds the gradients, so that
    tokens count the more the fewer are beside them, and the gradient grows with the number of microbatches
    (`t5x.trainer.accumulate_grads_microbatched`). Here the model adds the losses of tokens up
    (`loss_normalizing_factor` None), and the weights are divided by their sum over the whole batch beforehand:
    the same mean, however the batch is cut.
    """

    def __init__(
        self,
        model: models.BaseTransformerModel,
        state: FlaxOptimTrainState,
        partitioner: Partitioner,
        *,
        key: jax.Array,
        learning_rate: Callable[[jax.Array], jax.Array],
        microbatches: int,
    ) -> None:
        """Args:
        model: with `loss_normalizing_factor` None.
        state: of shapes or arrays; only its layout is used before `train_state` is set.
        partitioner: where the state and batches lie.
        key: for dropout; every step folds its number in.
        learning_rate: by completed updates, int32[] -> float32[].
        microbatches: divides the rows of a batch.
        """
        super().__init__(
            model,
            state,
            partitioner,
            eval_names=(),
            summary_dir=None,
            train_state_axes=partitioner.get_mesh_axes(state),
            rng=key,
            learning_rate_fn=learning_rate,
            num_microbatches=microbatches,
        )
        self.close()  # Its threads write metrics, which come back from `update` instead.

    def update(self, batch: Batch) -> Measured:
        """One update of `train_state`; does not wait for the device."""
        self.train_state, measured = self._partitioned_train_step(self.train_state, batch)
        return measured

    def measure(self, batch: Batch) -> Measured:
        """The loss of a batch without dropout and without an update."""
        return self._partitioned_eval_step(self.train_state, batch)

    @functools.cached_property
    def _partitioned_train_step(self) -> Callable[..., tuple[FlaxOptimTrainState, Measured]]:
        def train_step(state: FlaxOptimTrainState, batch: Batch) -> tuple[FlaxOptimTrainState, Measured]:
            shares, weight = _shares(batch)
            learning_rate = self._learning_rate_fn(state.step)
            # The two halves of `t5x.trainer.train_with_lr`, which keeps the gradient for itself.
            gradients, metrics, _ = trainer.accumulate_grads_microbatched(
                self._model,
                state,
                shares,
                self._get_step_rng(state.step),
                self._num_microbatches,
                self._partitioner.data_partition_spec,
            )
            updated, metrics = trainer.apply_grads(state, gradients, metrics, learning_rate, None)
            return updated, _measured(metrics, weight) | {
                "learning_rate": learning_rate,
                "grad_norm": optax.tree.norm(gradients),
                "param_norm": optax.tree.norm(state.params),
            }

        return self._partitioner.partition(
            train_step,
            in_axis_resources=(self._train_state_axes, self._partitioner.data_partition_spec),
            out_axis_resources=(self._train_state_axes, None),
            donate_argnums=(0,),
        )

    @functools.cached_property
    def _partitioned_eval_step(self) -> Callable[..., Measured]:
        def eval_step(state: FlaxOptimTrainState, batch: Batch) -> Measured:
            shares, weight = _shares(batch)
            return _measured(trainer.eval_step(self._model, state, shares), weight)

        return self._partitioner.partition(
            eval_step,
            in_axis_resources=(self._train_state_axes, self._partitioner.data_partition_spec),
            out_axis_resources=None,
        )


def _shares(batch: Batch) -> tuple[dict[str, jax.Array], jax.Array]:
    """The batch with weights that add up to 1, and what they added up to."""
    weights = batch["decoder_loss_weights"]
    weight = jnp.sum(weights)
    return {**batch, "decoder_loss_weights": weights / weight}, weight


def _measured(metrics: Mapping[str, Any], weight: jax.Array) -> Measured:
    return {
        "loss": metrics["loss"].total,
        "z_loss": metrics["z_loss"].total,
        "weight": weight,
        "accuracy": metrics["accuracy"].compute(),
    }
