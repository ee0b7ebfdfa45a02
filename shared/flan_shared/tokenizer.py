"""The tokenizer: a SentencePiece model with the ids that the rest of the system counts on.

pad 0, eos 1, unk 2, no bos, byte fallback, and the newline as a piece of its own. SentencePiece's defaults
have no pad, and its normaliser folds newlines into spaces: an OPTIONS block would not survive.
"""

import hashlib
import io
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import sentencepiece

from flan_shared.errors import FlanError

PAD_ID = 0
EOS_ID = 1
UNK_ID = 2


class TokenizerError(FlanError):
    """A tokenizer file that cannot be read, used or made."""


class Tokenizer:
    """A loaded SentencePiece model."""

    def __init__(self, model: bytes, *, where: str = "the tokenizer") -> None:
        """Args:
          model: content of a SentencePiece model file.
          where: its name, for messages.

        Raises:
          TokenizerError: not a SentencePiece model, or one with other special ids.
        """
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as err:
            raise TokenizerError(
                f"{where} is not a SentencePiece model; make one with `flan tokenizer train`"
            ) from err
        ids = (self._processor.pad_id(), self._processor.eos_id(), self._processor.unk_id())
        if ids != (PAD_ID, EOS_ID, UNK_ID):
            raise TokenizerError(
                f"{where} has pad, eos, unk = {ids}; expected {(PAD_ID, EOS_ID, UNK_ID)}: "
                "train it with `flan tokenizer train`"
            )

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Reads a model file.

        Raises:
          TokenizerError: it cannot be read, or `__init__` refuses it.
        """
        try:
            return cls(Path(path).read_bytes(), where=f"tokenizer {path}")
        except OSError as err:
            raise TokenizerError(f"tokenizer {path} cannot be read: {err.strerror}") from err

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the model file, lower-case hex."""
        return hashlib.sha256(self.model).hexdigest()

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return self._processor.vocab_size()

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, without EOS; one batched call on SentencePiece's own threads."""
        return self._processor.encode(texts)

    def decode(self, ids: list[int]) -> str:
        """Text of `ids`; special ids give nothing, nor do those of no piece: sentinels, rows that only pad a table."""
        return self._processor.decode([i for i in ids if UNK_ID < i < self.vocab_size])


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Trains a BPE model on `texts`; the same texts give the same bytes.

    Args:
      texts: running text; may hold newlines.
      vocab_size: pieces at most; fewer where the text does not carry as many.

    Raises:
      TokenizerError: no text, or a size that cannot hold the special pieces, the bytes and the characters.
    """
    sentences = [line for text in texts for line in text.split("\n") if line.strip()]
    if not sentences:
        raise TokenizerError("there is no text to train a tokenizer on")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=0.9995,
            pad_id=PAD_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            bos_id=-1,
            user_defined_symbols=["\n"],
            # Identity: NFKC would change what the datasets hold; runs of spaces and the ends are kept.
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=65_536,
            num_threads=os.cpu_count() or 1,
            minloglevel=2,
        )
    except RuntimeError as err:
        reason = str(err).splitlines()[-1].strip()
        raise TokenizerError(
            f"no tokenizer of {vocab_size} pieces can be trained on this text: {reason}"
        ) from err
    return Tokenizer(model.getvalue(), where="the trained tokenizer")
