"""Files of the safetensors format, with numpy alone.

    8 bytes, little-endian: length n of the header | n bytes of JSON | the arrays, row-major, little-endian

The JSON gives for every name `dtype`, `shape` and `data_offsets` from the end of the header
(https://github.com/huggingface/safetensors, README). Written out here, 60 lines, and not taken from the package:
every fault of a file has to become one line that names the file either way, and bfloat16 in numpy needs ml_dtypes,
which jax brings.
"""

import json
import mmap
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from flan_shared.checkpoint import one_line
from flan_shared.errors import CheckpointError

DTYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}
"""Types that float32 holds exactly, by their names in the format."""

_MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, mapped and not yet read: float32, float16 or bfloat16.

    Raises:
      CheckpointError: it cannot be read, is damaged, or holds other types.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 8:
                raise _damaged(path, f"it has {size} bytes; expected a header")
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as err:
        raise CheckpointError(f"{path} cannot be read: {one_line(err)}") from err
    start = 8 + int.from_bytes(content[:8], "little")
    if start - 8 > _MAX_HEADER_BYTES or start > size:
        raise _damaged(path, f"its header should have {start - 8} bytes, but the file has {size}")
    try:
        header = json.loads(content[8:start])
        if not isinstance(header, dict):
            raise TypeError("no names")
        header.pop("__metadata__", None)
        entries = {name: _entry(entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise _damaged(path, f"its header is not that of a safetensors file: {one_line(err)}") from err
    needed = start + max((end for _, _, _, end in entries.values()), default=0)
    if needed != size:
        raise _damaged(path, f"its header speaks of {needed} bytes, but the file has {size}")
    return {name: _array(path, content, start, name, entry) for name, entry in entries.items()}


def _entry(entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    shape, (begin, end) = entry["shape"], entry["data_offsets"]
    numbers = (*shape, begin, end)
    if not all(type(number) is int and number >= 0 for number in numbers) or begin > end:
        raise ValueError(f"shape {shape} and data_offsets {[begin, end]}")
    return str(entry["dtype"]), tuple(shape), begin, end


def _array(
    path: Path, content: mmap.mmap, start: int, name: str, entry: tuple[str, tuple[int, ...], int, int]
) -> np.ndarray:
    type_name, shape, begin, end = entry
    if type_name not in DTYPES:
        raise CheckpointError(
            f"{path}: {name} has the type {type_name}; expected one of {', '.join(DTYPES)}: save it unquantised"
        )
    dtype = np.dtype(DTYPES[type_name]).newbyteorder("<")
    size = int(np.prod(shape, dtype=object))
    if end - begin != size * dtype.itemsize:
        raise _damaged(path, f"{name} has {end - begin} bytes, but {type_name}{list(shape)} takes others")
    return np.frombuffer(content, dtype, count=size, offset=start + begin).reshape(shape)


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes float32 arrays in the order given.

    Raises:
      OSError: the disk is full, or the file cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # transformers refuses a file without it.
    offset = 0
    for name, array in arrays.items():
        end = offset + array.size * 4
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # So that the arrays lie at multiples of 8.
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            contiguous = np.ascontiguousarray(array, np.float32)
            file.write((contiguous.byteswap() if sys.byteorder == "big" else contiguous).data)


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {what}; get it again")
