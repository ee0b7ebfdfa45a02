"""TPU slices by name, such as `v3:8x8`: their chips, the public figures of these, and meshes of their cores.

`open_topology` loads libtpu, which needs no TPU for it, and asks it for the devices of the slice. A v3 or v4 chip has
two cores, each a device with half of the chip's memory; later chips have one.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flan_shared.errors import FlanError


class PlanError(FlanError):
    """A plan that cannot be made."""


@dataclass(frozen=True)
class Chip:
    """Public peak figures of one core."""

    memory: int
    """Bytes of high-bandwidth memory."""
    flops: float
    """bfloat16 operations a second."""
    interconnect: float
    """Bytes a second that it can send to other cores, over all links."""


def _chip(*, cores: int, memory_gib: int, teraflops: float, pod_all_reduce: float, pod_chips: int) -> Chip:
    return Chip(
        memory_gib * 2**30 // cores, teraflops * 1e12 / cores, pod_all_reduce * 1e12 / pod_chips / cores
    )


CHIPS = {
    "v3": _chip(cores=2, memory_gib=32, teraflops=123, pod_all_reduce=340, pod_chips=1024),
    "v4": _chip(cores=2, memory_gib=32, teraflops=275, pod_all_reduce=1100, pod_chips=4096),
    "v5e": _chip(cores=1, memory_gib=16, teraflops=197, pod_all_reduce=51.2, pod_chips=256),
    "v6e": _chip(cores=1, memory_gib=32, teraflops=918, pod_all_reduce=102.4, pod_chips=256),
}
"""By generation, from the tables of cloud.google.com/tpu/docs/{v3,v4,v5e,v6e}. The interconnect is what they give as
all-reduce bandwidth of a whole Pod in TB/s, divided by its chips: one direction of all links."""

_NAME = re.compile(r"(\w+):(\d+x\d+(?:x\d+)?)")

# Asked of libtpu before it is loaded: not to look for the machine it is on, to let two plans run at once, and to keep
# its log to itself.
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v3-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    "JAX_PLATFORMS": "cpu",
}


def find_libtpu() -> Path | None:
    """The library: the one that TPU_LIBRARY_PATH names, an installed one, or that of `make setup EXTRAS=tpu`."""
    if named := os.environ.get("TPU_LIBRARY_PATH"):
        return Path(named) if Path(named).is_file() else None
    installed = importlib.util.find_spec("libtpu")
    # Beside the environment and not in it: jax would load it in every process, for devices that are not there.
    beside = Path(f"{sys.prefix}-tpu") / "libtpu"
    folders = [Path(next(iter(installed.submodule_search_locations)))] if installed else []
    return next((path for folder in [*folders, beside] if (path := folder / "libtpu.so").is_file()), None)


def chip_of(name: str) -> Chip:
    """The figures of a core of a topology.

    Raises:
      PlanError: no such generation of TPUs, or not the name of a topology.
    """
    found = _NAME.fullmatch(name)
    if not found or found[1] not in CHIPS:
        raise PlanError(
            f"topology is {name!r}; expected a generation ({', '.join(CHIPS)}) and the chips along each side, "
            "such as v3:8x8, v4:4x4x8 or v5e:16x16"
        )
    return CHIPS[found[1]]


def open_topology(name: str) -> Sequence[Any]:
    """The cores of a topology as devices of jax that can be compiled for and nothing else; imports jax.

    Raises:
      PlanError: no libtpu, or libtpu knows no such topology.
    """
    chip_of(name)
    library = find_libtpu()
    if library is None:
        named = os.environ.get("TPU_LIBRARY_PATH")
        where = f"not at {named}, which TPU_LIBRARY_PATH names" if named else "not installed"
        raise PlanError(f"libtpu, the TPU compiler, is {where}; run `make setup EXTRAS=tpu`")
    os.environ.update(_ENVIRONMENT | {"TPU_LIBRARY_PATH": str(library)})
    from jax.experimental import topologies

    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except Exception as err:
        # No common class: what jax raises depends on how far it came.
        raise PlanError(f"topology {name!r} cannot be had: {str(err).splitlines()[0]}") from err


def make_mesh(devices: Sequence[Any], data: int, model: int) -> Any:
    """A mesh (data, model) of a topology's cores, its axes laid along the links; a `jax.sharding.Mesh`."""
    from jax.experimental import mesh_utils
    from jax.sharding import AxisType, Mesh

    placed = mesh_utils.create_device_mesh((data, model), devices, allow_split_physical_axes=True)
    return Mesh(placed, ("data", "model"), axis_types=(AxisType.Auto,) * 2)


def mesh_shapes(cores: int) -> list[tuple[int, int]]:
    """All (data, model) of that many cores.

    >>> mesh_shapes(4)
    [(4, 1), (2, 2), (1, 4)]
    """
    return [(cores // model, model) for model in range(1, cores + 1) if cores % model == 0]
