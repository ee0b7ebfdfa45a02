"""Windows from draws to batches: every draw is accounted for, lengths hold, the task survives."""

import folders
import numpy as np
import pytest
from lines import made, pinned, window_maker

from flan_datagen.catalog import load_catalog, options_block
from flan_datagen.encode import Encoder
from flan_datagen.fit import Prompt, cut_at_word, fit_inputs
from flan_datagen.pool import Pools
from flan_datagen.sources import open_source
from flan_datagen.window import WindowMaker
from flan_shared.errors import DataError, SpecError
from flan_shared.tokenizer import EOS_ID
from flan_trainer.expand import expand_prefix_lm

PREFIX_LM = {"model": "{preset: prefix-lm-tiny}"}
PROMPT = {"prompt.length": "9", "start.source": "checkpoint"}


def examples(window):
    """Ids of the input and of the target of every example."""
    for batch in window.shards[0]:
        ends = np.cumsum(batch.input_lengths + batch.target_lengths)
        cuts = np.stack([ends - batch.target_lengths, ends], axis=1).ravel()[:-1]
        split = [ids.tolist() for ids in np.split(batch.tokens, cuts)]
        yield from zip(split[::2], split[1::2], strict=True)


def texts(tokenizer, window):
    """Inputs and targets of every example of a window, EOS cut off."""
    for batch in window.shards[0]:
        tokens, start = batch.tokens.tolist(), 0
        for length_in, length_out in zip(batch.input_lengths, batch.target_lengths, strict=True):
            inputs, targets = tokens[start : start + length_in], tokens[start + length_in :][:length_out]
            assert inputs[-1] == targets[-1] == EOS_ID
            start += length_in + length_out
            yield tokenizer.decode(inputs[:-1]), tokenizer.decode(targets[:-1])


def counts(window):
    """drawn, trained, dropped, quarantined of a window."""
    batches = window.shards[0]
    return tuple(
        sum(getattr(batch, name) for batch in batches)
        for name in ("drawn", "num_examples", "dropped", "quarantined")
    )


def test_examples_are_templates_of_the_datasets_filled_with_rows(data_folder, tokenizer):
    maker = window_maker(pinned(tokenizer), data_folder, tokenizer)
    catalog = load_catalog()
    expected = {}
    for name in ("sst2", "copa", "boolq", "e2e_nlg"):
        pool = Pools(open_source(str(data_folder))).train(catalog[name], seed=7, cap=10**6)
        for row in pool.frame.to_dicts():
            for template in catalog[name].templates:
                inputs, targets = template.render({**row, "options": options_block(row["options"])})
                # Turned-around templates may ask everyone the same.
                expected.setdefault(inputs, set()).add(targets)
    # A prompt over 128 tokens is shortened and so not among them; this folder has few of those.
    pairs = list(texts(tokenizer, maker.make(0)))
    found = [targets in expected[inputs] for inputs, targets in pairs if inputs in expected]
    assert all(found)
    assert len(found) > 0.9 * len(pairs)


def test_each_example_names_the_cluster_of_its_dataset(data_folder, tokenizer):
    maker = window_maker(pinned(tokenizer), data_folder, tokenizer)
    catalog, clusters = load_catalog(), pinned(tokenizer).trained_clusters
    window = maker.make(0, num_shards=2)
    said = np.concatenate([batch.clusters for batches in window.shards for batch in batches])
    found = {clusters[number]: count for number, count in enumerate(np.bincount(said)) if count}
    assert found == {catalog[name].cluster: tally["examples"] for name, tally in window.tallies.items()}
    for batches in zip(*window.shards, strict=True):
        assert {batch.num_rows for batch in batches} == {sum(len(batch.row_examples) for batch in batches)}


def test_every_draw_is_accounted_for(data_folder, tokenizer):
    maker = window_maker(pinned(tokenizer), data_folder, tokenizer)
    for window in range(6):
        drawn, trained, dropped, quarantined = counts(maker.make(window))
        assert drawn == trained + dropped + quarantined
        assert abs(drawn - 64) <= 4


@pytest.fixture
def damaged(tmp_path):
    """A folder in which every third sst2 row has a defect that a look at the row finds."""
    folders.write_all(tmp_path)
    rows = folders.rows("sst2", 60)
    for number, row in enumerate(rows):
        if number % 6 == 0:
            row["label"] = 7
        if number % 6 == 3:
            row["sentence"] = "  "
    folders.write(tmp_path, "sst2", "train", rows)
    return tmp_path


def test_defective_rows_are_set_aside_with_their_cause_and_counted(damaged, tokenizer):
    maker = window_maker(pinned(tokenizer), damaged, tokenizer)
    windows = [maker.make(window) for window in range(4)]
    causes = {(row.dataset, row.cause) for window in windows for row in window.quarantined}
    assert causes == {
        ("sst2", "label 7 is not one of 0 to 1 (negative, positive)"),
        ("sst2", "field 'sentence' is empty"),
    }
    for window in windows:
        drawn, trained, dropped, quarantined = counts(window)
        assert quarantined == len(window.quarantined)
        assert drawn == trained + dropped + quarantined
    assert {row.row.split("/")[0] for window in windows for row in window.quarantined} == {"train"}


def test_a_window_of_defective_rows_only_is_one_batch_without_rows(tmp_path, tokenizer):
    folders.write_all(tmp_path)
    rows = [{**row, "label": 9 if number % 6 else 0} for number, row in enumerate(folders.rows("sst2", 60))]
    folders.write(tmp_path, "sst2", "train", rows)
    spec = pinned(tokenizer, {"mixture.datasets": "{sentiment: [sst2]}", "packing.window": "4"})
    maker = window_maker(spec, tmp_path, tokenizer)
    window = next(window for window in map(maker.make, range(20)) if not window.num_examples)
    (batch,) = window.shards[0]
    assert (batch.end, batch.num_examples, batch.drawn, batch.quarantined) == (True, 0, 4, 4)


def test_a_dataset_without_a_sound_row_is_refused(tmp_path, tokenizer):
    folders.write_all(tmp_path)
    folders.write(tmp_path, "sst2", "train", [{**row, "label": 9} for row in folders.rows("sst2", 60)])
    with pytest.raises(
        DataError, match=r"'sst2' has no sound train row among 48 in .*: label 9 is not one of 0 to 1"
    ):
        window_maker(pinned(tokenizer), tmp_path, tokenizer)


def test_the_digest_is_that_of_the_rows_in_use(tmp_path, tokenizer):
    folders.write_all(tmp_path)
    pools = Pools(open_source(str(tmp_path)))
    before = WindowMaker(pinned(tokenizer), pools, tokenizer)
    folders.write(tmp_path, "sst2", "train", folders.rows("sst2", 60, offset=500))
    again = WindowMaker(pinned(tokenizer), pools, tokenizer)
    fresh = window_maker(pinned(tokenizer), tmp_path, tokenizer)
    assert (before.source_digest, made(before, range(1))) == (again.source_digest, made(again, range(1)))
    assert before.source_digest != fresh.source_digest


def test_long_prompts_keep_their_options_and_their_end(tmp_path, tokenizer):
    folders.write_all(tmp_path)
    rows = folders.rows("boolq", 60)
    for row in rows:
        row["passage"] = row["passage"] + " The market is far from the harbour and the tower." * 20
    folders.write(tmp_path, "boolq", "train", rows)
    spec = pinned(
        tokenizer,
        {
            "mixture.datasets": "{reading_comprehension: [boolq]}",
            "templates.turned_around": "false",
            "lengths.inputs": "120",
        },
    )
    window = window_maker(spec, tmp_path, tokenizer).make(0)
    pairs = list(texts(tokenizer, window))
    assert len(pairs) == 64
    assert all(inputs.endswith("OPTIONS:\n- no\n- yes") for inputs, _ in pairs)
    assert all(length <= 120 for batch in window.shards[0] for length in batch.input_lengths)


def test_targets_are_cut_at_the_end_and_keep_eos(data_folder, tokenizer):
    spec = pinned(tokenizer, {"lengths.targets": "4", "mixture.datasets": "{struct_to_text: [e2e_nlg]}"})
    window = window_maker(spec, data_folder, tokenizer).make(0)
    assert max(length for batch in window.shards[0] for length in batch.target_lengths) == 4
    assert counts(window)[2] == 0


def test_what_did_not_fit_is_counted_by_dataset(tmp_path, tokenizer):
    folders.write_all(tmp_path)
    rows = folders.rows("boolq", 60)
    for row in rows[::2]:
        row["passage"] = row["passage"] + " The market is far from the harbour and the tower." * 20
    folders.write(tmp_path, "boolq", "train", rows)
    spec = pinned(tokenizer, {"lengths.targets": "12", "templates.turned_around": "false"})
    window = window_maker(spec, tmp_path, tokenizer).make(0)
    tallies = window.tallies
    assert 0 < tallies["boolq"]["shortened"] < tallies["boolq"]["examples"]
    assert not tallies["sst2"]["shortened"]
    assert tallies["e2e_nlg"]["cut"]
    assert not tallies["sst2"]["cut"]
    for count, total in (
        ("examples", window.num_examples),
        ("quarantined", 0),
        ("dropped", 0),
    ):
        assert sum(tally[count] for tally in tallies.values()) == total
    num_tokens = sum(tally["input_tokens"] + tally["target_tokens"] for tally in tallies.values())
    assert num_tokens == window.num_tokens


def test_exemplars_stand_before_the_query_and_go_first_when_it_is_long(data_folder, tokenizer):
    entry = load_catalog()["sst2"]
    rows = Pools(open_source(str(data_folder))).train(entry, seed=0, cap=10**6).frame.to_dicts()
    template = entry.templates[0]
    values = [{**row, "options": options_block(row["options"])} for row in rows[:4]]
    exemplars = tuple("\n".join(template.render(value)) for value in values[1:])
    few, zero = Prompt(template, values[0], exemplars), Prompt(template, values[0])
    assert few.inputs().endswith(zero.inputs())
    assert few.inputs().count("OPTIONS:") == 4
    budget = len(tokenizer.encode([few.inputs(num_shots=1)])[0]) + 1
    fitted = [fit_inputs([few], Encoder(tokenizer), length)[0] for length in (budget, budget - 1)]
    assert [tokenizer.decode(ids.tolist()) for ids in fitted] == [few.inputs(num_shots=1), zero.inputs()]


def test_few_shot_windows_are_pure_too(data_folder, tokenizer):
    spec = pinned(tokenizer, {"templates.num_shots": "2", "lengths.inputs": "256"})
    one, other = (window_maker(spec, data_folder, tokenizer) for _ in range(2))
    other.make(5)
    assert made(one, range(2)) == made(other, range(2))


@pytest.mark.parametrize("prompt", [{}, PROMPT], ids=["", "after a prompt"])
def test_inputs_and_targets_of_a_prefix_lm_share_one_budget(prompt, data_folder, tokenizer):
    one, other = (
        window_maker(pinned(tokenizer, PREFIX_LM | prompt), data_folder, tokenizer) for _ in range(2)
    )
    apart = window_maker(pinned(tokenizer, prompt), data_folder, tokenizer)
    other.make(5)
    assert made(one, range(2)) == made(other, range(2))
    rows, rows_apart = 0, 0
    for window, window_apart in zip(map(one.make, range(4)), map(apart.make, range(4)), strict=True):
        assert sorted(examples(window)) == sorted(examples(window_apart))
        assert counts(window) == counts(window_apart)
        for batch in window.shards[0]:
            # Raises for a row that is longer.
            features = expand_prefix_lm(batch, rows=4, length=128 + 32)
            assert (features["decoder_target_tokens"] > 0).sum() == len(batch.tokens)
            assert batch.input_lengths.max() <= 128
            assert batch.target_lengths.max() <= 32
        rows += sum(len(batch.row_examples) for batch in window.shards[0])
        rows_apart += sum(len(batch.row_examples) for batch in window_apart.shards[0])
    # The budget that is not scarce is room for the other one.
    assert rows < rows_apart


def test_a_prompt_stands_before_every_input_and_counts(data_folder, tokenizer):
    shots = {"templates.num_shots": "2"}
    spec = pinned(tokenizer, PROMPT | shots | {"lengths.inputs": "137"})
    bare = window_maker(pinned(tokenizer, shots), data_folder, tokenizer)
    asked = window_maker(spec, data_folder, tokenizer)
    first = spec.vocab_size
    for window in range(3):
        plain, prompted = bare.make(window), asked.make(window)
        assert sorted(examples(prompted)) == sorted(
            ([*range(first, first + 9), *inputs], targets) for inputs, targets in examples(plain)
        )
        assert sum(tally["shortened"] for tally in prompted.tallies.values())
        assert 128 < max(len(inputs) for inputs, _ in examples(prompted)) <= 137
        assert prompted.num_tokens == plain.num_tokens + 9 * plain.num_examples
        num_tokens = sum(
            tally["input_tokens"] + tally["target_tokens"] for tally in prompted.tallies.values()
        )
        assert num_tokens == prompted.num_tokens


@pytest.mark.parametrize(("rows", "width"), [(2**16 - 9, 2), (2**16 - 8, 4)])
def test_ids_are_as_wide_as_the_last_one_of_the_prompt(rows, width, data_folder, tokenizer):
    spec = pinned(tokenizer, PROMPT | {"model.vocab_size": str(rows)})
    window = window_maker(spec, data_folder, tokenizer).make(0)
    assert {batch.tokens.dtype.itemsize for batch in window.shards[0]} == {width}
    assert all(inputs[:9] == list(range(rows, rows + 9)) for inputs, _ in examples(window))


def test_words_are_never_cut():
    text = "the red lamp"
    assert [cut_at_word(text, n) for n in (20, 11, 8, 7, 4, 3, 2, 0)] == [
        "the red lamp", "the red", "the red", "the red", "the", "the", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"lengths.inputs": "16"},
            r"lengths\.inputs is 16; the instructions alone of dataset '\w+' take \d+",
        ),
        (
            PROMPT | {"lengths.inputs": "25"},
            r"lengths\.inputs is 25; the instructions alone .* take \d+ tokens beside the 9 of the prompt: give",
        ),
        (
            PROMPT | {"prompt.length": "127"},
            r"prompt\.length is 127, but lengths\.inputs, which counts the prompt, is 128: no text would fit",
        ),
        (
            {"mixture.datasets.sentiment": "[sst3]"},
            r"mixture\.datasets\.sentiment names 'sst3'; the catalog has",
        ),
        (
            {"mixture.datasets.misc": "[drop]"},
            r"names 'drop', which belongs to 'reading_comprehension'; move it",
        ),
    ],
)
def test_a_spec_that_the_catalog_cannot_serve_is_refused(overrides, message, data_folder, tokenizer):
    with pytest.raises(SpecError, match=message):
        window_maker(pinned(tokenizer, overrides), data_folder, tokenizer)


def test_a_dataset_without_files_is_named(data_folder, tokenizer):
    spec = pinned(tokenizer, {"mixture.datasets.misc": "[cola]"})
    with pytest.raises(DataError, match="dataset 'cola' has no train rows in"):
        window_maker(spec, data_folder, tokenizer)


def test_development_rows_are_the_same_for_every_seed_and_never_trained_on(data_folder):
    entry = load_catalog()["sst2"]
    pools = Pools(open_source(str(data_folder)))
    dev = {row["row"] for row in pools.dev(entry).frame.to_dicts()}
    assert len(dev) == 12  # a fifth of 60, because 200 are not there
    for seed in (1, 2):
        train = [row["row"] for row in pools.train(entry, seed=seed, cap=10**6).frame.to_dicts()]
        assert sorted([*train, *dev]) == list(range(60))
    first, second = (pools.train(entry, seed=seed, cap=10).frame["row"].to_list() for seed in (1, 2))
    assert len(first) == 10
    assert first != second
