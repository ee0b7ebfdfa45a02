"""Running text of a source as token ids, for a pre-training stage.

    DIR/text/*.txt                  documents with blank lines between them; in a file without any, one a line
    DIR/text/*.jsonl, *.parquet     documents in the column `text`
    embedded                        the passages that `flan corpus` writes to text/corpus.txt

All documents of all files stand end to end, in order of the files' names, without anything between them, as in T5's
recipe (t5/data/preprocessors.py, `reduce_concat_tokens`). They are tokenized once; the ids lie in pieces of a fixed
size beside the pools (`pool_cache.py`), from where the next process maps them: little more than a piece is ever held.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flan_datagen import keyed
from flan_datagen.embedded import corpus
from flan_datagen.embedded.rows import TRAIN_ROWS
from flan_datagen.embedded.text import passages
from flan_datagen.encode import Encoder
from flan_datagen.pool_cache import PoolCache
from flan_datagen.sources import EMBEDDED, HUB
from flan_datagen.sources.file_digests import FileDigests
from flan_datagen.sources.files import combine_digests
from flan_shared.errors import DataError
from flan_shared.tokenizer import Tokenizer

FOLDER, COLUMN = "text", "text"
NUM_PASSAGES = TRAIN_ROWS * corpus.PASSAGES_PER_ROW
"""Of the embedded text: as many as `flan corpus` writes, unless told otherwise."""

PIECE_IDS = 2**24
_BLOCK_CHARACTERS = 4_000_000
"""Text that is tokenized at once, about."""
_PARQUET_ROWS = 1024


@dataclass(frozen=True)
class RunningDocuments:
    """The documents of one place.

    Attributes:
      name: for messages.
      read: gives them in order, none of white space alone; raises DataError for what cannot be read.
      digest: SHA-256, lower-case hex, that changes whenever `read` would give something else.
      is_generated: whether they are made here; else nobody knows their licence.
    """

    name: str
    read: Callable[[], Iterator[str]]
    digest: Callable[[], str]
    is_generated: bool = False


def open_text(data: str, cache: Path | None = None) -> RunningDocuments:
    """The running text of what --data names; of several sources that of the first that has any.

    Args:
      data: as `flan_datagen.sources.open_source` takes it, and as the source is called that it gives.
      cache: folder of pools, in which digests of files are remembered too; None: nowhere.

    Raises:
      DataError: there is none.
    """
    names = data.split(",") if "," in data and not Path(data).is_dir() else [data]
    for name in (name.strip() for name in names):
        if name == EMBEDDED:
            return RunningDocuments(
                name, lambda: passages(0, NUM_PASSAGES), _embedded_digest, is_generated=True
            )
        if name != HUB and (files := _files(Path(name) / FOLDER)):
            return _of_files(name, files, FileDigests.beside(cache))
    expected = ", ".join(f"*{suffix}" for suffix in _READERS)
    raise DataError(
        f"{data} has no running text; expected files {expected} in DIR/{FOLDER}, or give 'embedded'"
    )


def sample(documents: Iterable[str], num_characters: int) -> list[str]:
    """Documents of all parts of a text, at most `num_characters` together, about: for a tokenizer.

    Those whose number has a hash that is a multiple of 1, then of 2, 4, 8, …: the power grows with the text.
    """
    kept: list[tuple[int, str]] = []
    size, divisor = 0, 1
    for number, document in enumerate(documents):
        rank = keyed.key(0, "text sample", number)
        if rank % divisor == 0:
            kept.append((rank, document))
            size += len(document)
        while size > num_characters and len(kept) > 1:
            divisor *= 2
            kept = [(rank, document) for rank, document in kept if rank % divisor == 0]
            size = sum(len(document) for _, document in kept)
    return [document for _, document in kept]


def _embedded_digest() -> str:
    return _digest_of_code((Path(keyed.__file__), *sorted(Path(corpus.__file__).parent.glob("*.py"))))


def _of_files(name: str, files: list[Path], digests: FileDigests) -> RunningDocuments:
    def read() -> Iterator[str]:
        for path in files:
            for document in _READERS[path.suffix](path):
                if document.strip():
                    yield document

    def digest() -> str:
        return combine_digests([(path.name, digests.of(path)) for path in files])

    return RunningDocuments(f"{name}/{FOLDER}", read, digest)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in _READERS and path.is_file())


def _txt(path: Path) -> Iterator[str]:
    by_line = not _has_blank_lines(path)
    lines: list[str] = []
    for line in _lines(path):
        if by_line:
            yield line
        elif line.strip():
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _has_blank_lines(path: Path) -> bool:
    """Whether a blank line stands between others."""
    blank = begun = False
    for line in _lines(path):
        if line.strip():
            if blank:
                return True
            begun = True
        else:
            blank = begun
    return False


def _lines(path: Path) -> Iterator[str]:
    try:
        # utf-8-sig: a byte order mark is no text.
        with path.open(encoding="utf-8-sig") as file:
            yield from (line.rstrip("\n") for line in file)
    except UnicodeDecodeError as err:
        raise DataError(f"{path} cannot be read: it is not UTF-8 ({err.reason}); convert it") from err
    except OSError as err:
        raise DataError(f"{path} cannot be read: {err.strerror}") from err


def _jsonl(path: Path) -> Iterator[str]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            text = json.loads(line)[COLUMN]
        except (ValueError, KeyError, TypeError):
            text = 0
        if text is not None and not isinstance(text, str):
            raise DataError(f'{path}, line {number}: expected a JSON object such as {{"{COLUMN}": "…"}}')
        yield text or ""


def _parquet(path: Path) -> Iterator[str]:
    try:
        with pq.ParquetFile(path) as file:
            if COLUMN not in file.schema_arrow.names:
                raise DataError(
                    f"{path} has columns {', '.join(file.schema_arrow.names)}; expected {COLUMN!r}"
                )
            kind = file.schema_arrow.field(COLUMN).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise DataError(f"{path} has values of type {kind} in column {COLUMN!r}; expected strings")
            for batch in file.iter_batches(_PARQUET_ROWS, columns=[COLUMN]):
                yield from (text or "" for text in batch.column(0).to_pylist())
    except (OSError, UnicodeDecodeError, pa.ArrowException) as err:
        raise DataError(f"{path} cannot be read: {' '.join(str(err).split())}") from err


_READERS: dict[str, Callable[[Path], Iterator[str]]] = {
    ".txt": _txt,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}


class TokenizedText:
    """Running text as ids.

    Attributes:
      digest: of the documents that the ids are of.
      pieces: the ids, uint16 or uint32[at least 2 each]; mapped where there is a cache.
    """

    def __init__(self, documents: RunningDocuments, tokenizer: Tokenizer, cache: Path | None = None) -> None:
        """Tokenizes, unless the ids are in the cache.

        Args:
          documents: the text.
          tokenizer: of the run.
          cache: folder of pools; None: the ids are held.

        Raises:
          DataError: the text cannot be read, changed meanwhile, or has no two tokens.
        """
        self.digest = documents.digest()
        store = PoolCache(cache) if cache else None
        whole = [_code_digest(), pl.__version__, tokenizer.digest, self.digest, PIECE_IDS]
        key = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
        found = _kept(store, key) if store else None
        if found is None:
            found = _made(documents, tokenizer, store, key)
            if documents.digest() != self.digest:
                raise DataError(f"{documents.name} changed while it was read; start again")
            if store:
                store.put(_key(key, "pieces"), pl.DataFrame({"ids": [len(piece) for piece in found]}))
        self.pieces = found

    def __len__(self) -> int:
        """Tokens."""
        return sum(map(len, self.pieces))


class Segments:
    """Text cut into segments of about equal lengths, at most `length` tokens, at least 2.

    A piece of 10 tokens and segments of at most 4 are 3 segments of 3, 3 and 4 tokens: where segment i begins is
    i * 10 // 3, so nothing is held but the pieces, no token is lost and no segment is a small rest.
    """

    def __init__(self, text: TokenizedText, length: int) -> None:
        """Args:
        text: to be cut.
        length: tokens of a segment at most, at least 4.
        """
        self._pieces = text.pieces
        self._sizes = np.array([len(piece) for piece in text.pieces], np.int64)
        self._counts = -(-self._sizes // length)
        self._ends = np.cumsum(self._counts)

    def __len__(self) -> int:
        """How many."""
        return int(self._ends[-1])

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The segments of these numbers, int64[n]: their ids end to end; the tokens of each, int64[n]."""
        piece = np.searchsorted(self._ends, numbers, side="right")
        place = numbers - (self._ends - self._counts)[piece]
        starts, ends = ((place + more) * self._sizes[piece] // self._counts[piece] for more in (0, 1))
        lengths = ends - starts
        first = np.cumsum(lengths) - lengths
        ids = np.empty(lengths.sum(), self._pieces[0].dtype)
        for used in np.unique(piece):
            mine = np.flatnonzero(piece == used)
            counts = lengths[mine]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            ids[within + np.repeat(first[mine], counts)] = self._pieces[used][
                within + np.repeat(starts[mine], counts)
            ]
        return ids, lengths


def _made(
    documents: RunningDocuments, tokenizer: Tokenizer, store: PoolCache | None, key: str
) -> tuple[np.ndarray, ...]:
    """All ids in pieces of `PIECE_IDS`; the last one has the rest too."""
    encoder = Encoder(tokenizer)
    pieces: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    size = 0

    def keep(ids: np.ndarray) -> None:
        if store:
            frame = store.put(_key(key, len(pieces)), pl.DataFrame({"ids": ids}))
            ids = frame["ids"].to_numpy()
        pieces.append(ids)

    for block in _blocks(documents.read()):
        waiting.append(encoder.encode(block).ids)
        size += len(waiting[-1])
        while size >= 2 * PIECE_IDS:
            ids = np.concatenate(waiting)
            keep(ids[:PIECE_IDS].copy())
            waiting, size = [ids[PIECE_IDS:].copy()], size - PIECE_IDS
    if size < 2:
        raise DataError(f"{documents.name} has {size} tokens of running text; expected more")
    keep(np.concatenate(waiting))
    return tuple(pieces)


def _kept(store: PoolCache, key: str) -> tuple[np.ndarray, ...] | None:
    """All pieces from the cache; None where one is missing."""
    index = store.get(_key(key, "pieces"))
    if index is None:
        return None
    pieces = []
    for number, size in enumerate(index["ids"].to_list()):
        frame = store.get(_key(key, number))
        if frame is None or frame.height != size:
            return None
        pieces.append(frame["ids"].to_numpy())
    return tuple(pieces)


def _key(key: str, name: str | int) -> str:
    return hashlib.sha256(f"{key} {name}".encode()).hexdigest()


def _blocks(documents: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for document in documents:
        block.append(document)
        size += len(document)
        if size >= _BLOCK_CHARACTERS:
            yield block
            block, size = [], 0
    if block:
        yield block


def _code_digest() -> str:
    """Of the files that make ids of text."""
    package = Path(__file__).parent
    return _digest_of_code(package / f"{name}.py" for name in ("encode", "running_text"))


def _digest_of_code(paths: Iterable[Path]) -> str:
    return combine_digests([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths])
