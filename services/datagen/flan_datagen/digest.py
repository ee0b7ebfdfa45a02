"""What the data of a run hangs on besides its spec, as one digest.

Two replicas with equal digests make equal windows. The digest covers the data of the mixture, the tokenizer and
datagen itself: its version and the files of the package, so that a changed adapter is seen even where nobody
changed the version; entries, which may come from a user's folder, are named by their own digests.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from flan_datagen.catalog import Entry
from flan_datagen.pool import Pools
from flan_shared.tokenizer import Tokenizer


def source_digest(pools: Pools, entries: Iterable[Entry], tokenizer: Tokenizer) -> str:
    """SHA-256, lower-case hex.

    Raises:
      DataError: a file cannot be read.
    """
    lines = [f"datagen {_code_digest()}", f"tokenizer {tokenizer.digest}"]
    for entry in sorted(entries, key=lambda entry: entry.id):
        lines.append(f"{entry.id} {entry.digest}")
        lines += [f"{entry.id} {part} {split} {digest}" for part, split, digest in pools.digests(entry)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def _code_digest() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256(metadata.version("flan-datagen").encode())
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".yaml"):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
