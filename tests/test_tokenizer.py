"""The tokenizer: ids the system counts on, newlines that survive, the same bytes for the same text."""

import pytest
import sentencepiece

from flan_shared.tokenizer import Tokenizer, TokenizerError, train

TEXT = [f"The red lamp {i} is in the kitchen.\nDoes it follow?" for i in range(300)]
OPTIONS = "Premise: a lamp\n\nOPTIONS:\n- yes\n- it is not possible to tell\n- no"


@pytest.fixture(scope="module")
def tokenizer():
    return train(TEXT, 400)


@pytest.mark.parametrize(
    "text", [OPTIONS, "  two  spaces ", "\n\n", "naïve 日本語 \t tab", "{braces} <unk> </s>", ""]
)
def test_text_comes_back_as_it_was(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text


def test_a_newline_is_one_piece_of_its_own(tokenizer):
    (newline,) = {i for i in tokenizer.encode(["a\nb"])[0] if tokenizer.decode([i]) == "\n"}
    assert tokenizer.encode([OPTIONS])[0].count(newline) == 5


def test_special_ids_are_never_encoded(tokenizer):
    assert min(i for ids in tokenizer.encode([OPTIONS, "日本 <pad></s>"]) for i in ids) > 2


def test_the_same_text_gives_the_same_file(tokenizer):
    assert train(TEXT, 400).digest == tokenizer.digest


def test_a_file_round_trip_keeps_the_digest(tokenizer, tmp_path):
    (tmp_path / "t.model").write_bytes(tokenizer.model)
    assert Tokenizer.load(tmp_path / "t.model").digest == tokenizer.digest


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TokenizerError, match=r"nowhere\.model cannot be read: No such file"):
        Tokenizer.load(tmp_path / "nowhere.model")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "t.model").write_bytes(b"not a model")
    with pytest.raises(TokenizerError, match="is not a SentencePiece model"):
        Tokenizer.load(tmp_path / "t.model")


def test_a_model_with_sentencepiece_defaults_is_refused(tmp_path):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=str(tmp_path / "d"), vocab_size=100, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    with pytest.raises(TokenizerError, match=r"has pad, eos, unk = \(-1, 2, 0\); expected \(0, 1, 2\)"):
        Tokenizer.load(tmp_path / "d.model")


@pytest.mark.parametrize(("texts", "size"), [([], 400), (["\n"], 400), (TEXT, 100)])
def test_what_cannot_be_trained_is_one_line(texts, size):
    with pytest.raises(TokenizerError) as caught:
        train(texts, size)
    assert "\n" not in str(caught.value)
