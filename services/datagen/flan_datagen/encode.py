"""Texts to token ids, each distinct word once; exactly SentencePiece's ids.

BPE merges neighbours wherever the vocabulary has what they make, best score first. Between two characters that stand
beside each other in no piece nothing is ever merged, so what stands before cannot change what stands after: a text
may be cut there, and its ids are those of the words in between, one after another. FLAN's texts repeat their words
(templates, options, common words), so words are told apart by a categorical column, new ones are encoded, and the
ids of all are gathered:

    text   "So red?\\nSo"                      SentencePiece reads "▁So▁red?\\nSo"
    words  " So"  " red"  "?"  "\\n"  "So"
    ids     5      9 7     3    4     6        the ids of the text: 5 9 7 3 4 6

Words are remembered from call to call, up to a bound; no result depends on what is remembered. With a model for which
the argument does not hold, whole texts are encoded (`may_be_cut`): cut at spaces, unigram models differed in 2 of 3000
long texts, where rounded sums of scores decide between "... ." and ". ...", and models with SentencePiece's defaults in
200, where spaces are dropped. Of our own models nothing is left to fall back on. Cutting at spaces alone would leave
half as many new words again in a window of real rows, and those take most of the time (bench/encode.py).
"""

import dataclasses
import itertools

import numpy as np
import polars as pl
from sentencepiece import sentencepiece_model_pb2

from flan_shared.line.batch import token_dtype
from flan_shared.tokenizer import Tokenizer

_MARK, _NEWLINE = "▁", ord("\n")
_Piece = sentencepiece_model_pb2.ModelProto.SentencePiece
_SMALL_BYTES = 4096
"""Less text is encoded whole: setting up takes longer."""
_CHUNK = 32
"""New words in one string: a string for each takes a fifth longer where no word comes again."""
_UNKNOWN = -1
_MOST_WORDS = 2**19
_MOST_BYTES = 2**25


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Token ids of texts, end to end.

    Attributes:
      ids: uint16 or uint32[num_tokens], without EOS.
      offsets: where those of each text begin, and the end, int64[num_texts + 1].
    """

    ids: np.ndarray
    offsets: np.ndarray


class Encoder:
    """Encodes with one tokenizer; for one thread at a time.

    Attributes:
      by_words: whether texts are cut; else they are encoded whole.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dtype: np.dtype | None = None,
        most_words: int = _MOST_WORDS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """Args:
        tokenizer: whose ids.
        dtype: of the ids, where others than the tokenizer's will stand beside them; None: as narrow as its own.
        most_words: words that are remembered at most from one call to the next.
        most_bytes: their bytes at most, of UTF-8 and of ids.
        """
        model = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.model)
        self.by_words = may_be_cut(model)
        self._tokenizer = tokenizer
        self._dtype = token_dtype(tokenizer.vocab_size) if dtype is None else dtype
        self._most = (most_words, most_bytes)
        if self.by_words:
            self._cuts = _Cuts(model)
            self._words = _Words(tokenizer, self._dtype)

    @property
    def num_words(self) -> int:
        """Words that are remembered."""
        return self._words.num_words if self.by_words else 0

    def encode(self, texts: list[str] | pl.Series) -> Encoded:
        """Ids of each text: those of `Tokenizer.encode`."""
        texts = pl.Series("texts", texts, pl.String)
        sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
        if not self.by_words or sizes.sum() < _SMALL_BYTES:
            ids, lengths = _flat(self._tokenizer.encode(texts.to_list()), self._dtype)
            return Encoded(ids, _ends(lengths))
        words, ends = self._cuts.words(texts, sizes)
        ids, word_ends = self._words.encode(words)
        if self._words.exceed(*self._most):
            self._words = _Words(self._tokenizer, self._dtype)
        return Encoded(ids, word_ends[ends])


def may_be_cut(model: sentencepiece_model_pb2.ModelProto) -> bool:
    """Whether a text may be cut between characters that no piece has together, and its ids stay the same.

    So it is where
    * the model is BPE (a unigram model sums and rounds scores over the whole text),
    * its normaliser makes each space a mark, puts one mark before the text, and changes nothing else,
    * unknown characters become bytes (else those beside each other become one),
    * no piece is unused (one is taken apart as it was last put together, anywhere in the text),
    * the newline is a piece by definition and in no other, so that one can stand between words.
    """
    trainer, normaliser = model.trainer_spec, model.normalizer_spec
    return (
        trainer.model_type == sentencepiece_model_pb2.TrainerSpec.BPE
        and trainer.byte_fallback
        and not trainer.treat_whitespace_as_suffix
        and not normaliser.precompiled_charsmap
        and not normaliser.remove_extra_whitespaces
        and normaliser.add_dummy_prefix
        and normaliser.escape_whitespaces
        and all(piece.type != _Piece.UNUSED for piece in model.pieces)
        and [(piece.piece, piece.type) for piece in model.pieces if "\n" in piece.piece]
        == [("\n", _Piece.USER_DEFINED)]
    )


class _Cuts:
    """Where texts may be cut."""

    def __init__(self, model: sentencepiece_model_pb2.ModelProto) -> None:
        """Of a model that `may_be_cut`."""
        matched = (_Piece.NORMAL, _Piece.USER_DEFINED)
        pieces = "\0".join(piece.piece for piece in model.pieces if piece.type in matched)
        # free[b, a]: whether between bytes a and b is a place between characters that no piece has together. Where no
        # piece has the last byte of the one before the first byte of the other, none has the characters.
        free = np.ones((256, 256), bool)
        free[0x80:0xC0] = False
        found = np.frombuffer(pieces.replace(_MARK, " ").encode(), np.uint8)
        free[found[1:], found[:-1]] = False
        # A space becomes the mark, and a text may hold the mark itself: what stands beside one, stands beside both.
        space, (first, *_, last) = ord(" "), _MARK.encode()
        free[first] &= free[space]
        free[:, last] &= free[:, space]
        free[_NEWLINE] = free[:, _NEWLINE] = True
        self._free = free.ravel()

    def words(self, texts: pl.Series, sizes: np.ndarray) -> tuple[pl.Series, np.ndarray]:
        """Words of texts, end to end: String[num_words]; the end of each text's, 0 first, int64[num_texts + 1].

        Args:
          texts: not all empty.
          sizes: bytes of each, int64[num_texts].
        """
        # A text begins with a mark, but where there is no text there is no mark either.
        begins = _ends(sizes + (sizes > 0))
        # The space at the end is where the next text would begin.
        joined = b" " + texts.filter(sizes > 0).str.join(" ").cast(pl.Binary).item() + b" "
        # Every two bytes beside each other as one number.
        pairs = np.ndarray(begins[-1], "<u2", joined, strides=(1,))
        cut = np.take(self._free, pairs)
        cut[begins[begins > 0] - 1] = True
        ends = np.flatnonzero(cut) + 1
        lengths = np.diff(ends, prepend=0)
        words = pl.lit(joined).bin.slice(pl.lit(pl.Series(ends - lengths)), pl.lit(pl.Series(lengths)))
        return pl.select(words.cast(pl.String)).to_series(), np.searchsorted(ends, begins, side="right")


class _Words:
    """The ids of every word seen; a word's number as a category is its place here."""

    def __init__(self, tokenizer: Tokenizer, dtype: np.dtype) -> None:
        self._tokenizer = tokenizer
        # A name of its own, for there is one mapping in a process for each; it lives as long as a column of it.
        self._dtype = pl.Categorical(pl.Categories.random("flan_datagen.encode"))
        self._keep = pl.Series("words", [], self._dtype)
        self._ids = np.zeros(0, dtype)
        self._starts = np.zeros(0, np.int32)
        self._lengths = np.zeros(0, np.int32)
        self._num_bytes = 0
        *mark, self._newline = tokenizer.encode(["\n"])[0]
        self._mark_length = len(mark)

    def encode(self, words: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Ids of words, end to end; where each word's begin, and the end, int64[num_words + 1]."""
        numbers = words.cast(self._dtype).to_physical().to_numpy().astype(np.int64)
        if numbers.max() >= self.num_words:
            self._make_room(numbers.max() + 1)
        lengths = self._lengths[numbers]
        if lengths.min() == _UNKNOWN:
            self._learn(words, numbers, np.flatnonzero(lengths == _UNKNOWN))
            lengths = self._lengths[numbers]
        ends = _ends(lengths)
        places = np.repeat(self._starts[numbers] - ends[:-1], lengths)
        places += np.arange(len(places))
        return self._ids[places], ends

    @property
    def num_words(self) -> int:
        """How many have a place."""
        return len(self._lengths)

    def exceed(self, most_words: int, most_bytes: int) -> bool:
        """Whether there is more than that."""
        return self.num_words > most_words or self._num_bytes + self._ids.nbytes > most_bytes

    def _make_room(self, num_words: int) -> None:
        more = np.full(num_words - self.num_words, _UNKNOWN, np.int32)
        self._starts = np.concatenate([self._starts, more])
        self._lengths = np.concatenate([self._lengths, more])

    def _learn(self, words: pl.Series, numbers: np.ndarray, unknown: np.ndarray) -> None:
        """Encodes the words at the places `unknown`: many in a string, each after a newline."""
        # Any one place of those that a word stands at.
        place = np.full(self.num_words, _UNKNOWN)
        place[numbers[unknown]] = unknown
        learnt = np.flatnonzero(place != _UNKNOWN)
        words = words[place[learnt]]
        filled = pl.concat(
            [pl.select("\n" + words).to_series(), pl.Series([None] * (-len(words) % _CHUNK), dtype=pl.String)]
        )
        strings = filled.reshape((-1, _CHUNK)).arr.join("", ignore_nulls=True)
        ids, _ = _flat(self._tokenizer.encode(strings.to_list()), self._ids.dtype)
        # The newline before a word comes after those before earlier words and those that are words.
        is_newline = (words == "\n").to_numpy()
        before = np.flatnonzero(ids == self._newline)[
            np.arange(len(words)) + np.cumsum(is_newline) - is_newline
        ]
        lengths = np.diff(before, append=len(ids)) - 1
        # Every string begins with a mark, which is none of the word's at the end of the string before.
        lengths[_CHUNK - 1 : -1 : _CHUNK] -= self._mark_length
        self._starts[learnt] = before + 1 + len(self._ids)
        self._ids = np.concatenate([self._ids, ids])
        self._lengths[learnt] = lengths
        self._num_bytes += int(words.str.len_bytes().sum())


def _flat(ids: list[list[int]], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Lists end to end, and their lengths, int64[num_lists]."""
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    return np.fromiter(itertools.chain.from_iterable(ids), dtype, lengths.sum()), lengths


def _ends(lengths: np.ndarray) -> np.ndarray:
    """Where runs of these lengths begin, and the end, int64[n + 1]."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
