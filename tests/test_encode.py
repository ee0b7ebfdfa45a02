"""Ids are SentencePiece's own, of any text, with any model, whatever was encoded before."""

import gc
import io
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flan_datagen import encode
from flan_datagen.catalog import load_catalog
from flan_datagen.encode import Encoder
from flan_datagen.face import Faces
from flan_datagen.pool import Pools
from flan_datagen.render import Renderer, Shelf
from flan_datagen.sources import open_source
from flan_shared.spec import TemplatePolicy
from flan_shared.tokenizer import Tokenizer, train

DATA = Path(__file__).parents[2] / "shared" / "data"
CATALOG = load_catalog()
WINDOW = 4096
ALPHABETS = (
    "ab c.,'",
    " \n\t\r\u00a0\u2002\u3000\u2028\x85",
    "▁ \na",
    "\0\x01\x1f\x7f\ufeff\u200b\u200c\u200d\u2060\u00ad",
    "e\u0301n\u0303a\u0308\u1100\u1161ﬁ½Å①",
    "日本語のテキスト。中文",
    "Приве́т, мир!",
    "👩‍👩‍👧🏽❤️🇩🇪\U0010ffff\ufffd",
    "سلام नमस्ते",
    "<s></s><unk><pad><0x0A>ab",
    "019 8.5%-:/",
)
SPOTS = [
    "", " ", "  ", "\n", "\n\n", " \n ", "\n a", "a\n", "a \n\n  b ", "▁", "▁▁a ▁b▁", "0 ▁", "\0", "a\0b\0\n",
    "\r\n\r\n", "a\u00a0b \u00a0 c", "e\u0301 \u0301e\n\u0301", "ﬁ ½ Å", "日本語の\n日本語の 日本語の",
    "👩‍👩‍👧 👩‍👩‍👧", "</s> <unk> <0x0A> <s>", "...!!!??? --- 1999-2000 (3.5%)", "\U0010ffff\ufffd\ufeff",
    "x" * 5000, "日" * 3000, " " * 3000, "\n" * 3000, "ab " * 2000,
]  # fmt: skip


def special_model(texts, **options) -> Tokenizer:
    """Trained by SentencePiece with other options than `flan tokenizer train` has."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in texts for line in text.split("\n") if line.strip()),
        model_writer=model, hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
        **{"model_type": "bpe", "vocab_size": 600, **options},
    )  # fmt: skip
    return Tokenizer(model.getvalue())


# What `train` gives SentencePiece, for models that differ in one thing.
OWN = {
    "byte_fallback": True,
    "user_defined_symbols": ["\n"],
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
}
CUT = {
    "pieces over spaces": {**OWN, "split_by_whitespace": False},
    "pieces of spaces": {**OWN, "allow_whitespace_only_pieces": True},
    "pieces over scripts and numbers": {**OWN, "split_by_unicode_script": False, "split_by_number": False},
    "other pieces by definition": {**OWN, "user_defined_symbols": ["\n", "ab", "b c", "<s>", "語の", "a▁"]},
    "whole characters only by bytes": {**OWN, "character_coverage": 0.98},
}
WHOLE = {
    "SentencePiece's defaults": {"model_type": "unigram"},
    "BPE behind NFKC": {**OWN, "normalization_rule_name": "nmt_nfkc"},
    "spaces dropped": {**OWN, "remove_extra_whitespaces": True},
    "unknown characters": {**OWN, "byte_fallback": False},
    "marks after words": {**OWN, "treat_whitespace_as_suffix": True},
    "no mark before a text": {**OWN, "add_dummy_prefix": False},
    "newlines in pieces": {**OWN, "user_defined_symbols": ["\n", "\n\n"]},
    "no newline": {**OWN, "user_defined_symbols": ["ab"]},
    "unigram": {**OWN, "model_type": "unigram"},
}


@pytest.fixture(scope="module")
def corpus():
    """Text to train on: embedded rows, and all that is to be fuzzed, often enough to become pieces."""
    pools = Pools(open_source("embedded"))
    texts = []
    for name in ("rte", "squad", "e2e_nlg", "wmt16_deen", "common_gen", "imdb"):
        frame = pools.train(CATALOG[name], seed=1, cap=400).frame
        texts += [text for field in CATALOG[name].fields for text in frame[field].to_list() if text]
    odd = [alphabet.replace("\0", "") for alphabet in ALPHABETS]
    return texts + [f"{a}{b} {b}{a}" for a in odd for b in odd] * 3


@pytest.fixture(scope="module")
def encoders(corpus):
    """By size of the vocabulary; they remember words from test to test."""
    return {size: Encoder(train(corpus, size)) for size in (600, 2000, 8000)}


@pytest.fixture(autouse=True)
def _small_texts_are_cut_too(monkeypatch):
    monkeypatch.setattr(encode, "_SMALL_BYTES", 1)


def assert_equal(encoder: Encoder, texts: list[str]) -> None:
    expected = encoder._tokenizer.encode(texts)
    found = encoder.encode(texts)
    assert found.offsets[0] == 0
    assert np.array_equal(np.diff(found.offsets), [len(ids) for ids in expected])
    assert np.array_equal(found.ids, np.fromiter(itertools.chain.from_iterable(expected), np.int64))


def odd_texts():
    ours = st.sampled_from(ALPHABETS).flatmap(lambda alphabet: st.text(alphabet, max_size=30))
    any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    return st.lists(st.lists(st.one_of(ours, any_text), max_size=5).map("".join), max_size=8)


@pytest.mark.parametrize("size", [600, 2000, 8000])
def test_odd_texts(encoders, size):
    assert encoders[size].by_words
    assert_equal(encoders[size], SPOTS)
    assert_equal(encoders[size], SPOTS[::-1])
    for text in SPOTS:
        assert_equal(encoders[size], [text])
        assert_equal(encoders[size], ["", text, "", text])


@pytest.mark.parametrize("size", [600, 2000, 8000])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=odd_texts())
def test_any_unicode(encoders, size, texts):
    assert_equal(encoders[size], texts)


@pytest.mark.parametrize("name", CUT)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=odd_texts())
def test_any_unicode_where_other_pieces_decide_the_cuts(special, name, texts):
    assert special(name).by_words
    assert_equal(special(name), texts)


@pytest.mark.parametrize("name", WHOLE)
def test_a_model_that_looks_at_more_than_words_encodes_whole_texts(special, corpus, name):
    assert not special(name).by_words
    assert_equal(special(name), [*SPOTS, *corpus[:500]])


@pytest.fixture(scope="module")
def special(corpus):
    made = {}

    def get(name):
        if name not in made:
            made[name] = Encoder(special_model(corpus, **{**CUT, **WHOLE}[name]))
        return made[name]

    return get


def test_a_text_is_cut_wherever_no_piece_has_both_characters(encoders):
    encoder = encoders[8000]
    texts = pl.Series(["a lamp, a lamp.\n\na", "", "a"])
    words, ends = encoder._cuts.words(texts, texts.str.len_bytes().to_numpy().astype(np.int64))
    assert words.to_list() == [" a", " lamp", ",", " a", " lamp", ".", "\n", "\n", "a", " a"]
    assert ends.tolist() == [0, 9, 9, 10]


def test_no_text_has_no_ids(encoders):
    for texts in ([], [""], ["", ""], pl.Series([], dtype=pl.String)):
        found = encoders[600].encode(texts)
        assert len(found.ids) == 0
        assert found.offsets.tolist() == [0] * (len(texts) + 1)


def test_a_column_is_as_good_as_a_list(encoders, corpus):
    listed, column = encoders[2000].encode(corpus), encoders[2000].encode(pl.Series("any", corpus))
    assert np.array_equal(listed.ids, column.ids)
    assert np.array_equal(listed.offsets, column.offsets)


def test_ids_are_as_narrow_as_on_the_wire(encoders, corpus):
    assert encoders[8000].encode(corpus[:9]).ids.dtype == np.uint16
    assert encoders[8000].encode(corpus[:9]).offsets.dtype == np.int64


@pytest.mark.parametrize("bounds", [{"most_words": 50}, {"most_bytes": 500}, {"most_words": 0}])
def test_what_is_remembered_is_bounded_and_changes_nothing(encoders, corpus, bounds):
    encoder = Encoder(encoders[2000]._tokenizer, **bounds)
    for start in range(0, 1000, 100):
        assert_equal(encoder, corpus[start : start + 100])
        assert not encoder._words.exceed(**{"most_words": 10**9, "most_bytes": 10**9, **bounds})


def test_a_word_is_learnt_once(encoders, corpus):
    encoder = Encoder(encoders[2000]._tokenizer)
    assert_equal(encoder, corpus[:200])
    known = encoder.num_words
    gc.collect()
    assert_equal(encoder, corpus[199::-1])
    assert encoder.num_words == known > 100
    assert_equal(encoder, corpus[200:400])
    assert encoder.num_words > known


def test_small_and_large_calls_agree(encoders, corpus, monkeypatch):
    monkeypatch.setattr(encode, "_SMALL_BYTES", 4096)
    small = np.concatenate([encoders[8000].encode([text]).ids for text in corpus[:300]])
    assert np.array_equal(small, encoders[8000].encode(corpus[:300]).ids)


def rendered(pool, *, seed):
    """Every row of a pool under one of its templates."""
    faces = Faces.of(pool, TemplatePolicy())
    rows = np.flatnonzero(faces.count > 0)
    face = faces.draw(rows, np.random.default_rng(seed).integers(0, 2**63, len(rows)).astype(np.uint64))
    renderer = Renderer([Shelf(pool, faces.all)], seed=seed)
    for start in range(0, len(rows), WINDOW):
        part = slice(start, start + WINDOW)
        texts = renderer.render(np.zeros_like(rows[part]), face[part], rows[part], rows[part])
        yield from (texts.inputs, texts.targets)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["embedded", str(DATA)], ids=["embedded corpus", "real rows"])
def test_every_row_of_every_dataset_as_an_example(data, corpus):
    if data != "embedded" and not DATA.is_dir():
        pytest.skip("real rows: ../shared/data is absent")
    pools = Pools(open_source(data))
    present = [entry for entry in CATALOG.values() if pools.available(entry)]
    texts = []
    for entry in present:
        frame = pools.train(entry, seed=1, cap=100).frame
        texts += [text for field in entry.fields for text in frame[field].to_list() if text]
    encoder = Encoder(train(texts, 8000))
    assert encoder.by_words
    for entry in present:
        for pool in (pools.train(entry, seed=1, cap=10**6), pools.test(entry)):
            for texts in rendered(pool, seed=len(pool)):
                assert_equal(encoder, texts.to_list())
