"""The project's tokenizers for transformers: a SentencePiece BPE model as the tokenizer.json of its `tokenizers`.

transformers reads any spiece.model of a T5 folder as a unigram model, which T5's is; from one of BPE it makes other
ids, without a word. Written here are the same ids: SentencePiece joins, leftmost first, the two neighbours whose
joined piece has the best score, and a list of merges in the order of scores says just that.
"""

import itertools
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from flan_shared.tokenizer import EOS_ID, PAD_ID, UNK_ID

_SPACE = "\u2581"


def is_unigram(model: bytes) -> bool:
    """Whether transformers reads this SentencePiece model as it is meant."""
    return _parsed(model).trainer_spec.model_type == sentencepiece_model_pb2.TrainerSpec.UNIGRAM


def tokenizer_json(model: bytes, extra_ids: int) -> dict[str, Any] | None:
    """The content of tokenizer.json; None for models other than those of `flan_shared.tokenizer.train`.

    Args:
      model: of SentencePiece.
      extra_ids: ids after the pieces; the last one is sentinel 0.
    """
    parsed = _parsed(model)
    normalizer, trainer = parsed.normalizer_spec, parsed.trainer_spec
    if not (
        trainer.model_type == sentencepiece_model_pb2.TrainerSpec.BPE
        and trainer.byte_fallback
        and not trainer.treat_whitespace_as_suffix
        and not normalizer.precompiled_charsmap
        and not normalizer.remove_extra_whitespaces
        and normalizer.add_dummy_prefix
        and normalizer.escape_whitespaces
    ):
        return None
    pieces = [piece.piece for piece in parsed.pieces]
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    scores = {piece.piece: piece.score for piece in parsed.pieces if piece.type == kinds.NORMAL}
    symbols = [piece.piece for piece in parsed.pieces if piece.type == kinds.USER_DEFINED]
    sentinels = [f"<extra_id_{n}>" for n in reversed(range(extra_ids))]
    merges = [
        (-score, [piece[:split], piece[split:]])
        for piece, score in scores.items()
        for split in range(1, len(piece))
        if piece[:split] in scores and piece[split:] in scores
    ]
    special = [(i, pieces[i]) for i in (PAD_ID, EOS_ID, UNK_ID)]
    special += [(len(pieces) + n, name) for n, name in enumerate(sentinels)]
    eos = pieces[EOS_ID]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": name, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            for i, name in special
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": _SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
            ],
        },
        # After the text was normalised as a whole: as added tokens they would each begin a text anew.
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"String": symbol}, "behavior": "Isolated", "invert": False}
                for symbol in symbols
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": eos, "type_id": 0}}],
            "pair": [
                part
                for name in "AB"
                for part in (
                    {"Sequence": {"id": name, "type_id": 0}},
                    {"SpecialToken": {"id": eos, "type_id": 0}},
                )
            ],
            "special_tokens": {eos: {"id": eos, "ids": [EOS_ID], "tokens": [eos]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": pieces[UNK_ID],
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {piece: i for i, piece in enumerate(itertools.chain(pieces, sentinels))},
            "merges": [merge for _, merge in sorted(merges)],
        },
    }


def tokenizer_config(model: bytes, extra_ids: int) -> dict[str, Any]:
    """The content of tokenizer_config.json beside `tokenizer_json`."""
    pieces = _parsed(model).pieces
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": pieces[PAD_ID].piece,
        "eos_token": pieces[EOS_ID].piece,
        "unk_token": pieces[UNK_ID].piece,
        "extra_ids": extra_ids,
        "clean_up_tokenization_spaces": False,
    }


def _parsed(model: bytes) -> Any:
    return sentencepiece_model_pb2.ModelProto.FromString(model)
