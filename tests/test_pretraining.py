"""Running text as examples: T5's recipe, nothing lost, the same bytes from any order, one line for bad text."""

from importlib.resources import files
from pathlib import Path

import folders
import numpy as np
import polars as pl
import pytest
from lines import made
from specs import small_spec

from flan_datagen import keyed, running_text
from flan_datagen.describe import describe_mixture
from flan_datagen.embedded import EmbeddedSource
from flan_datagen.embedded.text import passages
from flan_datagen.packing import Budget
from flan_datagen.pool import Pools
from flan_datagen.pretraining import segment_length
from flan_datagen.running_text import NUM_PASSAGES, TokenizedText, open_text
from flan_datagen.sources import open_source
from flan_datagen.span_corruption import Noise, corrupt
from flan_datagen.window import WindowMaker
from flan_shared.errors import DataError, SpecError
from flan_shared.spec import PrefixLM, load_spec
from flan_shared.tokenizer import EOS_ID, train
from flan_trainer.expand import expand, expand_prefix_lm

T5 = Noise(0.15, 3.0)
SPAN_CORRUPTION = {
    "mixture": "{}",
    "pretraining": "{objective: span_corruption}",
    "tokenizer.extra_ids": "100",
}
PREFIX_LM = SPAN_CORRUPTION | {"pretraining": "{objective: prefix_lm}"}
DECODER = {"model": "{preset: prefix-lm-tiny}"}
KINDS = {
    "span_corruption": SPAN_CORRUPTION,
    "prefix_lm": PREFIX_LM,
    "span_corruption of a prefix LM": SPAN_CORRUPTION | DECODER,
    "prefix_lm of a prefix LM": PREFIX_LM | DECODER,
    "after a prompt": SPAN_CORRUPTION | {"prompt.length": "7", "start.source": "checkpoint"},
}


@pytest.fixture(scope="module")
def documents():
    return list(passages(0, 600))


@pytest.fixture(scope="module")
def pieces(documents):
    return train(documents, 900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, documents):
    """A data folder with running text."""
    path = tmp_path_factory.mktemp("text")
    folders.write(path, "rte", "validation", folders.rows("rte", 30))
    write_text(path, "a.txt", "\n\n".join(documents))
    return path


def write_text(folder: Path, name: str, content: str) -> Path:
    path = folder / "text" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def spec_of(pieces, overrides):
    return small_spec(overrides).with_tokenizer(pieces.digest, pieces.vocab_size)


def maker_of(folder, pieces, overrides, cache=None):
    return WindowMaker(spec_of(pieces, overrides), Pools(open_source(str(folder)), cache=cache), pieces)


def examples_of(batches):
    """Inputs and targets without EOS, as lists."""
    for batch in batches:
        tokens, start = batch.tokens.tolist(), 0
        for length_in, length_out in zip(batch.input_lengths, batch.target_lengths, strict=True):
            inputs, targets = tokens[start : start + length_in], tokens[start + length_in :][:length_out]
            assert inputs[-1] == targets[-1] == EOS_ID
            start += length_in + length_out
            yield inputs[:-1], targets[:-1]


def spliced(inputs, targets, num_pieces):
    """The text of an example: each sentinel of the inputs replaced by what follows it in the targets."""
    spans, found = {}, []
    for token in targets:
        if token >= num_pieces:
            found = spans.setdefault(token, [])
        else:
            found.append(token)
    assert list(spans) == [token for token in inputs if token >= num_pieces]
    return [each for token in inputs for each in spans.get(token, [token])]


def reference(text, key, noise, first_sentinel):
    """One text, step by step."""
    num_noise = min(max(round(len(text) * noise.density), 1), len(text) - 1)
    num_spans = min(max(round(num_noise / noise.mean_span_length), 1), num_noise, len(text) - num_noise)

    def runs(num_items, number):
        lengths, needed = [1], num_spans - 1
        for gap in range(num_items - 1):
            left = num_items - 1 - gap
            if keyed.hashes(key, np.array([number + gap]))[0] % np.uint64(left) < needed:
                lengths.append(1)
                needed -= 1
            else:
                lengths[-1] += 1
        return lengths

    inputs, targets, place = [], [], 0
    for span, (taken, kept) in enumerate(
        zip(runs(num_noise, 0), runs(len(text) - num_noise, num_noise), strict=True)
    ):
        inputs += [*text[place : place + kept], first_sentinel - span]
        targets += [first_sentinel - span, *text[place + kept : place + kept + taken]]
        place += kept + taken
    return inputs, targets


# --- spans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [T5, Noise(0.5, 1.0), Noise(0.9, 1.0), Noise(0.3, 8.0), Noise(0.01, 3.0)])
def test_spans_are_taken_out_as_one_by_one(noise):
    lengths = np.array([2, 3, 4, 5, 7, 10, 20, 64, 100, 211, 2, 9])
    tokens = np.random.default_rng(0).integers(3, 500, lengths.sum()).astype(np.uint16)
    keys = keyed.hashes(keyed.key(1, "test"), np.arange(len(lengths)))
    done = corrupt(tokens, lengths, keys, noise=noise, first_sentinel=999)
    num_noise, num_spans = noise.counts(lengths)
    ends, ins, outs = (np.cumsum(each) for each in (lengths, done.input_lengths, done.target_lengths))
    for text, length in enumerate(lengths):
        words = tokens[ends[text] - length : ends[text]].tolist()
        inputs = done.inputs[ins[text] - done.input_lengths[text] : ins[text]].tolist()
        targets = done.targets[outs[text] - done.target_lengths[text] : outs[text]].tolist()
        assert (inputs, targets) == reference(words, keys[text], noise, 999)
        assert spliced(inputs, targets, 500) == words
        # Text begins and noise ends, and every span is marked on both sides.
        assert inputs[0] == words[0]
        assert inputs[-1] >= 500
        assert sum(token >= 500 for token in inputs) == num_spans[text]
        assert len(targets) == num_noise[text] + num_spans[text]


def test_the_share_of_noise_is_the_density_and_spans_have_their_mean_length():
    lengths = np.arange(2, 3000)
    num_noise, num_spans = T5.counts(lengths)
    assert np.abs(num_noise - np.maximum(lengths * 0.15, 1)).max() <= 1
    assert np.abs(num_spans - np.maximum(num_noise / 3, 1)).max() <= 1
    assert (num_noise[566], num_spans[566]) == (85, 28)


def test_all_cuts_are_equally_likely():
    # 12 tokens, of which 6 are noise in 3 spans: 10 ways to cut the noise, 10 to cut the rest.
    num = 20_000
    tokens = np.tile(np.arange(3, 15, dtype=np.uint16), num)
    keys = keyed.hashes(keyed.key(2, "test"), np.arange(num))
    done = corrupt(tokens, np.full(num, 12), keys, noise=Noise(0.5, 2.0), first_sentinel=99)
    ways, counts = np.unique(done.inputs.reshape(num, -1), axis=0, return_counts=True)
    assert len(ways) == 100
    assert counts.min() > 200 - 75
    assert counts.max() < 200 + 75


@pytest.mark.parametrize(
    ("budget", "sentinels", "length"),
    [
        # 568 and 114 are what T5's random_spans_helper gives for 512.
        (Budget(512, 114), 100, 568),
        (Budget(512, 128), 100, 568),
        (Budget(512, 113), 100, 563),
        (Budget(512, 3), 100, 9),
        (Budget(512, 2), 100, 0),
        (Budget.together(640), 100, 580),
        (Budget(4096, 1024), 100, 2009),
    ],
)
def test_the_longest_text_fills_the_row(budget, sentinels, length):
    assert T5.longest_text(budget, sentinels=sentinels) == length

    def fits(text):
        num_noise, num_spans = (int(each[0]) for each in T5.counts(np.array([text])))
        inputs, targets = text - num_noise + num_spans + 1, num_noise + num_spans + 1
        if budget.targets is None:
            return inputs + targets <= budget.inputs
        return inputs <= budget.inputs and targets <= budget.targets and num_spans <= sentinels

    assert length == 0 or fits(length)
    assert not any(fits(text) for text in range(max(length, 1) + 1, 2 * length + 20))


# --- windows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_is_the_whole_text_once(kind, folder, pieces, documents):
    maker = maker_of(folder, pieces, KINDS[kind] | {"packing.window": "1"})
    spec = maker.spec
    text = [token for ids in pieces.encode(documents) for token in ids]
    num = -(-len(text) // segment_length(spec))
    assert maker.num_rows == num
    segments = [text[i * len(text) // num : (i + 1) * len(text) // num] for i in range(num)]
    found = []
    for window in range(num):
        ((inputs, targets),) = examples_of(maker.make(window).shards[0])
        if spec.prompt:
            assert inputs[:7] == list(range(spec.vocab_size, spec.vocab_size + 7))
            inputs = inputs[7:]
        if spec.pretraining.objective == "prefix_lm":
            assert inputs
            assert targets
            found.append(inputs + targets)
        else:
            assert targets[0] == pieces.vocab_size + 99
            found.append(spliced(inputs, targets, pieces.vocab_size))
    assert found != segments
    assert sorted(found) == sorted(segments)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_keep_their_budget_and_every_draw_is_an_example(kind, folder, pieces):
    maker = maker_of(folder, pieces, KINDS[kind])
    lengths = maker.spec.lengths
    for window in map(maker.make, range(3)):
        assert window.num_examples == 64
        for batch in window.shards[0]:
            assert (batch.drawn, batch.dropped, batch.quarantined) == (batch.num_examples, 0, 0)
            if isinstance(maker.spec.model, PrefixLM):
                expand_prefix_lm(batch, rows=4, length=lengths.inputs + lengths.targets)
            else:
                expand(batch, rows=4, inputs=lengths.inputs, targets=lengths.targets)
        assert set(window.tallies) == {"text"}
        tally = window.tallies["text"]
        assert tally["examples"] == 64
        assert tally["input_tokens"] + tally["target_tokens"] == window.num_tokens


@pytest.mark.parametrize("kind", list(KINDS)[:4])
def test_rows_are_full(kind, folder, pieces):
    maker = maker_of(folder, pieces, KINDS[kind])
    window, lengths = maker.make(0), maker.spec.lengths
    rows = sum(len(batch.row_examples) for batch in window.shards[0])
    fraction = window.num_tokens / (rows * (lengths.inputs + lengths.targets))
    # A prefix of every length up to the whole input fills no encoder.
    assert fraction > (0.79 if kind == "prefix_lm" else 0.95)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_pure(kind, folder, pieces, tmp_path):
    one, other = (maker_of(folder, pieces, KINDS[kind], cache) for cache in (None, tmp_path))
    other.make(5)
    assert made(one, range(3)) == made(other, range(3))
    whole = sorted(examples_of(one.make(1).shards[0]))
    assert sorted(example for shard in one.make(1, 2).shards for example in examples_of(shard)) == whole


def test_what_comes_again_has_other_noise(folder, pieces):
    maker = maker_of(folder, pieces, SPAN_CORRUPTION | {"packing.window": "1"})
    first, second = ({}, {})
    for epoch, found in enumerate((first, second)):
        for window in range(epoch * maker.num_rows, (epoch + 1) * maker.num_rows):
            ((inputs, targets),) = examples_of(maker.make(window).shards[0])
            found[tuple(spliced(inputs, targets, pieces.vocab_size))] = inputs
    assert first.keys() == second.keys()
    assert sum(first[text] == second[text] for text in first) < 0.1 * len(first)
    assert list(first) != list(second)


def test_splits_of_a_prefix_lm_are_of_every_size(folder, pieces):
    maker = maker_of(folder, pieces, PREFIX_LM | DECODER)
    sizes = np.concatenate(
        [batch.input_lengths for window in range(8) for batch in maker.make(window).shards[0]]
    )
    assert np.abs(np.histogram(sizes, 4, (2, 160))[0] / len(sizes) - 0.25).max() < 0.08


def test_a_mixture_of_text_is_described_as_one_unit(folder, pieces):
    pools = Pools(open_source(str(folder)))
    spec = small_spec(SPAN_CORRUPTION)
    (unit,) = describe_mixture(spec, pools, pieces).units
    assert (unit.dataset, unit.cluster, unit.share, unit.token_share) == ("text", "", 1.0, 1.0)
    assert unit.rows == unit.pool_rows > 100
    assert unit.input_tokens + unit.target_tokens > 150
    assert not describe_mixture(spec, pools, None).units[0].rows


def test_the_digest_is_that_of_the_text(folder, pieces, tmp_path):
    before = maker_of(folder, pieces, SPAN_CORRUPTION).source_digest
    assert maker_of(folder, pieces, PREFIX_LM).source_digest == before
    folders.write(tmp_path, "rte", "validation", folders.rows("rte", 30))
    write_text(tmp_path, "a.txt", (folder / "text" / "a.txt").read_text() + "\n\nThe end.")
    assert maker_of(tmp_path, pieces, SPAN_CORRUPTION).source_digest != before


# --- sources ----------------------------------------------------------------------------------------------


def read(folder):
    return list(open_text(str(folder)).read())


def test_documents_are_read_from_all_forms_in_order_of_names(tmp_path):
    write_text(tmp_path, "b.txt", "one\ntwo \n \n\nthree\n")
    write_text(tmp_path, "c.txt", "\n\nfour\nfive\n\n")
    write_text(
        tmp_path, "a.jsonl", '{"text": "six", "url": 1}\n\n{"text": null}\n{"text": "seven\\neight"}\n'
    )
    write_text(tmp_path, "README.md", "nothing")
    pl.DataFrame({"text": ["nine", None, " "], "n": [1, 2, 3]}).write_parquet(tmp_path / "text" / "d.parquet")
    assert read(tmp_path) == ["six", "seven\neight", "one\ntwo ", "three", "four", "five", "nine"]


def test_the_embedded_text_is_what_flan_corpus_writes(tmp_path):
    embedded = list(open_text("embedded").read())
    assert len(embedded) == NUM_PASSAGES
    write_text(tmp_path, "corpus.txt", "".join(f"{passage}\n" for passage in embedded))
    assert read(tmp_path) == embedded


def test_the_first_source_with_text_gives_it(tmp_path):
    folders.write(tmp_path, "rte", "validation", folders.rows("rte", 30))
    assert open_text(f"hub,{tmp_path},embedded").name == "embedded"
    write_text(tmp_path, "a.txt", "one")
    assert open_text(f"hub,{tmp_path},embedded").name == f"{tmp_path}/text"


def test_a_sample_is_of_all_parts_of_the_text(documents):
    size = sum(map(len, documents))
    assert running_text.sample(documents, size) == documents
    for share in (2, 10):
        some = running_text.sample(iter(documents), size // share)
        assert size / share / 3 < sum(map(len, some)) <= size / share
        places = [documents.index(document) for document in some]
        assert places == sorted(places)
        assert min(places) < 100
        assert max(places) > 500


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"caf\xe9", r"a\.txt cannot be read: it is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', r"a\.jsonl, line 2: expected a JSON object such as"),
        ("a.jsonl", b"[1\n", r"a\.jsonl, line 1: expected a JSON object such as"),
        ("a.parquet", b"PAR1 no more", r"a\.parquet cannot be read: "),
        ("a.txt", b" \n\n", r"text has 0 tokens of running text"),
    ],
)
def test_text_that_cannot_be_read_is_named(name, content, message, tmp_path, pieces):
    write_text(tmp_path, name, "").write_bytes(content)
    with pytest.raises(DataError, match=message):
        TokenizedText(open_text(str(tmp_path)), pieces)


def test_a_parquet_file_without_texts_is_named(tmp_path):
    for frame, message in (
        (pl.DataFrame({"body": ["a"]}), "has columns body; expected 'text'"),
        (pl.DataFrame({"text": [1]}), "has values of type int64 in column 'text'; expected strings"),
    ):
        frame.write_parquet(write_text(tmp_path, "a.parquet", ""))
        with pytest.raises(DataError, match=message):
            read(tmp_path)


def test_text_that_changes_while_it_is_read_is_refused(tmp_path, pieces):
    path = write_text(tmp_path, "a.txt", "one two three")
    documents = open_text(str(tmp_path))

    def changing():
        yield from documents.read()
        path.write_text("something else")

    with pytest.raises(DataError, match="changed while it was read; start again"):
        TokenizedText(running_text.RunningDocuments(documents.name, changing, documents.digest), pieces)


def test_a_run_that_text_cannot_serve_is_refused(folder, data_folder, pieces):
    with pytest.raises(DataError, match=r"has no running text; expected files \*\.txt, "):
        maker_of(data_folder, pieces, SPAN_CORRUPTION)
    with pytest.raises(SpecError, match=r"licences is commercial, but the licence of \S+ is not known"):
        maker_of(folder, pieces, SPAN_CORRUPTION | {"licences": "commercial"})
    with pytest.raises(SpecError, match="leaves no room for span_corruption of 4 tokens"):
        maker_of(folder, pieces, SPAN_CORRUPTION | {"lengths.targets": "2"})


def test_ids_are_kept_in_pieces_and_found_again(folder, pieces, documents, tmp_path, monkeypatch):
    monkeypatch.setattr(running_text, "PIECE_IDS", 1000)
    monkeypatch.setattr(running_text, "_BLOCK_CHARACTERS", 700)
    text = open_text(str(folder))
    whole = np.concatenate([np.array(ids) for ids in pieces.encode(documents)])
    first = TokenizedText(text, pieces, tmp_path)
    assert {len(piece) for piece in first.pieces[:-1]} == {1000}
    assert 1000 <= len(first.pieces[-1]) < 2000

    def unread():
        raise AssertionError("the text was read again")

    again = running_text.RunningDocuments(text.name, unread, text.digest)
    for kept in (first, TokenizedText(again, pieces, tmp_path), TokenizedText(text, pieces)):
        assert np.array_equal(np.concatenate(kept.pieces), whole)
        segments = running_text.Segments(kept, 37)
        ids, lengths = segments.take(np.arange(len(segments)))
        assert np.array_equal(ids, whole)
        assert 2 <= lengths.min() <= lengths.max() <= 37
        # One by one and in another order they are the same.
        ends = np.cumsum(lengths)
        for number in (len(segments) - 1, 0, 28):
            assert (
                segments.take(np.array([number]))[0].tolist()
                == whole[ends[number] - lengths[number] : ends[number]].tolist()
            )
    next(path for path in tmp_path.glob("*.arrow") if path.stat().st_size > 2000).write_bytes(b"damaged")
    assert np.array_equal(np.concatenate(TokenizedText(text, pieces, tmp_path).pieces), whole)


def test_the_packaged_spec_keeps_the_rows_it_is_judged_by_out_of_its_text():
    spec = load_spec(str(files("flan_cli") / "specs" / "pretrain.yaml"))
    texts = [passage.lower() for passage in open_text("embedded").read()]
    whole, pools = "\n".join(texts), Pools(EmbeddedSource())
    checked = 0
    for dataset in spec.heldout_datasets:
        entry = pools.catalog[dataset]
        for row in pools.test(entry).frame.to_dicts():
            fields = [" ".join(row[name].split()).lower() for name in entry.fields if row[name]]
            checked += 1
            longest = max(fields, key=len)
            if longest in whole:
                assert not [text for text in texts if all(field in text for field in fields)]
    assert checked > 800
