"""How many CPU threads compute: part of what fixes the bits of a result, so it is fixed before jax is loaded.

XLA splits CPU work by the size of its thread pool, and sums split otherwise are rounded otherwise. The size is
read from the environment variable NPROC when the first device is opened, and from the process's CPU affinity
where that is not set (`DefaultThreadPoolSize` in openxla/xla, `xla/pjrt/utils.cc`). It is no limit on the number of
threads in the process: compilation and file access have their own.
"""

import os
import sys

from flan_shared.errors import ServiceError


def available_threads() -> int:
    """CPUs that this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fix_threads(count: int) -> None:
    """Makes XLA compute with `count` CPU threads in this process, whatever the machine has.

    Args:
      count: at least 1; more than there are CPUs is slower, but gives the same bits as elsewhere.

    Raises:
      ServiceError: `count` is not positive.
      RuntimeError: jax is loaded already, so that it may be too late.
    """
    if count < 1:
        raise ServiceError(f"the number of threads is {count}; expected an integer of at least 1")
    if "jax" in sys.modules:
        raise RuntimeError("fix_threads must be called before jax is imported")
    os.environ["NPROC"] = str(count)
