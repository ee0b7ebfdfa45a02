"""What to say when a device or the machine has too little memory."""

import contextlib
import os
import re
from collections.abc import Iterator

import jax

from flan_shared import spec
from flan_shared.errors import FlanError

_ASKED = re.compile(r"(?:allocat\w+|Used) ([\d.]+ ?(?:[KMGTPE]i?B?|bytes)?)")


class OutOfMemoryError(FlanError):
    """A step, a batch or a state that does not fit."""


@contextlib.contextmanager
def memory_faults(run: spec.RunSpec) -> Iterator[None]:
    """Says in one line what was asked for, what there is and what to change, where XLA finds no memory.

    Raises:
      OutOfMemoryError: XLA reports RESOURCE_EXHAUSTED.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as err:
        if "RESOURCE_EXHAUSTED" not in str(err):
            raise
        found = _ASKED.search(str(err))
        asked = _said(found[1].strip()) if found else str(err).splitlines()[0]
        raise OutOfMemoryError(
            f"out of memory: the run asked for {asked} more, and {_there_is()}; lower packing.batch_rows "
            f"({run.packing.batch_rows}), raise train.microbatches ({run.train.microbatches}), set "
            f"model.remat_policy ({run.model.remat_policy}) to minimal or full, or take a smaller model"
        ) from err


def _there_is() -> str:
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        in_use = stats.get("bytes_in_use", 0)
        return (
            f"{device.device_kind} has {_said(str(stats['bytes_limit']))}, {_said(str(in_use))} of it in use"
        )
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"this machine has {_said(str(pages * page))}"


def _said(size: str) -> str:
    """`123 bytes` or `123` in GiB as well; other units are left as XLA gave them."""
    number = size.removesuffix("bytes").strip()
    return f"{number} bytes ({int(number) / 2**30:.1f} GiB)" if number.isdigit() else size
