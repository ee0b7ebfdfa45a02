"""Where state and batch lie: a mesh of devices, and the rules by which the axes of arrays are spread over it.

The mesh has the axes `data`, over which the rows of a batch are spread, and `model`, over which parameters and
activations are, by the names of their axes. The rules are T5X's (`t5x/partitioning.py`,
standard_logical_axis_rules). Nothing here makes an array, so a mesh of devices that are not there will do.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from flax.linen import partitioning
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from flan_shared import spec
from flan_shared.checkpoint import flatten
from flan_trainer.engines.base import EngineError
from flan_trainer.engines.step import Step, TrainState

Rules = tuple[tuple[str, str | None], ...]


def axis_rules(*, activation_dims: int = 1, parameter_dims: int = 1) -> Rules:
    """The mesh axis of each named axis; the first rule that fits counts, and a mesh axis is given once an array.

    Args:
      activation_dims: 2 spreads the width of activations over `model` as well.
      parameter_dims: 2 spreads parameters over `data` as well; they are gathered where they are used.
    """
    embed = [("embed", "model")] * (activation_dims == 2) + [("embed", "data")] * (parameter_dims == 2)
    return (
        ("batch", "data"),
        ("vocab", "model"),
        ("mlp", "model"),
        ("heads", "model"),
        ("kv", None),
        ("joined_kv", "model"),
        *embed,
        ("embed", None),
        ("relpos_buckets", None),
        ("length", None),
        ("layers", None),
    )


def make_mesh(model_parallel: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh (data, model).

    Args:
      model_parallel: devices that share one copy of the parameters.
      devices: all of all processes where they are left out; else e.g. those of a topology.

    Raises:
      EngineError: the devices cannot be divided like that.
    """
    count = jax.device_count() if devices is None else len(devices)
    if model_parallel < 1 or count % model_parallel:
        raise EngineError(
            f"model_parallel is {model_parallel}, but there are {count} devices; give a divisor of {count}"
        )
    shape = (count // model_parallel, model_parallel)
    return jax.make_mesh(shape, ("data", "model"), axis_types=(AxisType.Auto,) * 2, devices=devices)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A step on a mesh: shapes, types and places of all that goes in, and its compiled functions.

    Compile or call them within `on_mesh()`.
    """

    step: Step
    mesh: Mesh
    rules: Rules
    state: TrainState
    """Leaves are `jax.ShapeDtypeStruct` with shardings."""
    batch: dict[str, jax.ShapeDtypeStruct]
    """With shardings, of all hosts together."""

    @property
    def rows(self) -> int:
        """Rows of a batch of all hosts together, a multiple of microbatches times data-parallel devices."""
        return next(iter(self.batch.values())).shape[0]

    @property
    def everywhere(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @contextlib.contextmanager
    def on_mesh(self) -> Iterator[None]:
        """Gives the model's axis names their meaning."""
        with jax.set_mesh(self.mesh), partitioning.axis_rules(self.rules):
            yield

    @functools.cached_property
    def draw(self) -> Callable[[], Any]:
        """() -> parameters from the spec's seed."""
        return jax.jit(self.step.draw, out_shardings=_shardings(self.state.params))

    @functools.cached_property
    def begin(self) -> Callable[[Any], TrainState]:
        """(parameters, donated) -> the state of step 0."""
        return jax.jit(self.step.begin, out_shardings=_shardings(self.state), donate_argnums=0)

    @functools.cached_property
    def update(self) -> Callable[[TrainState, dict[str, jax.Array]], Any]:
        """(state, donated; batch) -> state, `Metrics`."""
        state = _shardings(self.state)
        return jax.jit(
            self.step.update,
            in_shardings=(state, _shardings(self.batch)),
            out_shardings=(state, self.everywhere),
            donate_argnums=0,
        )

    @functools.cached_property
    def evaluate(self) -> Callable[[Any, dict[str, jax.Array]], Any]:
        """(parameters, batch) -> `Loss`."""
        return jax.jit(
            self.step.evaluate,
            in_shardings=(_shardings(self.state.params), _shardings(self.batch)),
            out_shardings=self.everywhere,
        )


def lay_out(run: spec.RunSpec, mesh: Mesh, *, rules: Rules | None = None) -> Layout:
    """The layout of a run on a mesh; no array is made and no device is asked for.

    Args:
      run: the spec.
      mesh: with the axes data and model.
      rules: `axis_rules()` where they are left out.
    """
    step, rules = Step(run), axis_rules() if rules is None else rules
    state = step.state_shapes()
    shapes = {path: leaf.shape for path, leaf in flatten(state.params).items()}

    def place(keys: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        # A slot as large as its parameter lies where that lies; row and column means are small and are kept
        # everywhere, as in T5X.
        path = "/".join(key.key for key in keys if isinstance(key, jax.tree_util.DictKey))
        axes = step.axes[path] if shapes.get(path) == leaf.shape else ()
        sharding = NamedSharding(mesh, partitioning.logical_to_mesh_axes(axes, rules))
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    by_row = NamedSharding(mesh, PartitionSpec("data"))
    multiple = mesh.shape["data"] * run.train.microbatches
    rows = -(-run.packing.batch_rows // multiple) * multiple
    batch = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=by_row)
        for name, leaf in step.batch_shapes(rows).items()
    }
    return Layout(step, mesh, rules, jax.tree_util.tree_map_with_path(place, state), batch)


def _shardings(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.sharding, tree)
