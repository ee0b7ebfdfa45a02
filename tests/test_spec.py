"""The run spec: what it takes, what it refuses and with which words, and what names a run."""

import pytest
import yaml
from specs import small_spec

from flan_shared.errors import SpecError
from flan_shared.spec import load_spec, parse_spec


def test_the_canonical_form_reads_back_to_the_same_run():
    spec = small_spec()
    assert parse_spec(spec.canonical()) == spec
    assert parse_spec(spec.canonical()).run_id == spec.run_id


def test_defaults_written_out_name_the_same_run():
    assert small_spec({"mixture.cap": "30000", "loss": "{z_loss: 1e-4}"}).digest == small_spec().digest


def test_every_field_changes_the_digest():
    assert small_spec({"seed": "8"}).digest != small_spec().digest
    assert small_spec({"evaluation.rows": "9"}).digest != small_spec().digest


def test_the_order_of_clusters_does_not_change_the_datasets():
    spec = small_spec()
    assert parse_spec(spec.canonical()).trained_datasets == spec.trained_datasets


def test_exponents_are_numbers_as_in_yaml_1_2():
    assert small_spec({"optimizer.learning_rate": "1e-3"}).optimizer.learning_rate == 0.001


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train.stepz": "3"}, r"train\.stepz is not a field .* known here: engine, microbatches, steps"),
        ({"train.steps": "ten"}, r'train\.steps is "ten"; it should be a valid integer'),
        ({"train.steps": "1.5"}, r"train\.steps is 1\.5; it should be a valid integer"),
        ({"train.steps": "0"}, r"train\.steps is 0; it should be greater than or equal to 1"),
        ({"templates.turned_around": "3"}, r"templates\.turned_around is 3; it should be a valid boolean"),
        ({"name": "My Run"}, r'name is "My Run"; .*\[a-z0-9\._-\]'),
        ({"lengths.inputs": "3"}, r"lengths\.inputs is 3; it should be greater than or equal to 16"),
        ({"lengths.targets": "1"}, r"lengths\.targets is 1"),
        ({"heldout": "{nlj: [rte]}"}, r"heldout\.nlj .*'nli'"),
        ({"heldout": "{nli: []}"}, r"heldout\.nli is \[\]"),
        (
            {"mixture.datasets.nli": "[snli]"},
            r"mixture\.datasets\.nli trains on snli, but 'nli' is held out",
        ),
        (
            {"mixture.datasets.paraphrase": "[mrpc]"},
            r"mixture\.datasets\.paraphrase trains on mrpc, .* too close to the held-out cluster 'nli'",
        ),
        ({"mixture.datasets.sentiment": "[sst2, sst2]"}, r"mixture\.datasets lists 'sst2' more than once"),
        (
            {"schedule": "{name: linear, warmup_steps: 12}"},
            r"schedule\.warmup_steps is 12, but a linear schedule ends at train\.steps = 12",
        ),
        (
            {"model.preset": "t5-1.2-tiny"},
            r"model\.preset is 't5-1\.2-tiny'; known: t5-1\.1-tiny, .*flan-137b",
        ),
        (
            {"model": "{preset: prefix-lm-tiny, num_encoder_layers: 2}"},
            r"model\.num_encoder_layers is not a field .* known here: .*num_layers, preset",
        ),
        ({"model.vocab_size": "599"}, r"model\.vocab_size is 599, but the tokenizer has 600 ids"),
        (
            {"train.microbatches": "3"},
            r"train\.microbatches is 3; expected a divisor of packing\.batch_rows, 4",
        ),
        ({"pretraining.objective": "prefix_lm"}, r"pretraining takes the place of mixture\.datasets"),
        ({"mixture.datasets": "{}"}, r"mixture\.datasets is empty; list datasets .* or give pretraining"),
        (
            {"mixture.datasets": "{}", "pretraining.objective": "span_corruption"},
            r"tokenizer\.extra_ids is 0; span corruption needs an id for each span",
        ),
        ({"prompt.length": "5"}, r"start\.source is scratch; a prompt is trained on top of a checkpoint"),
        ({"train.steps": "[1" + ", 1" * 99 + "]"}, r"train\.steps is \[1, 1.{50,60}…; it should be"),
        ({"seed.x": "1"}, r"'seed' has no fields of its own"),
    ],
)
def test_a_fault_is_one_line_that_names_field_and_value(overrides, message):
    with pytest.raises(SpecError, match=message) as caught:
        small_spec(overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named():
    with pytest.raises(SpecError, match="seed is missing"):
        parse_spec("name: x")


def test_a_key_given_twice_is_refused():
    with pytest.raises(SpecError, match="'seed' is given twice"):
        parse_spec("name: x\nseed: 1\nseed: 2")


@pytest.mark.parametrize("text", ["", "- a\n- b", "name: [", "42"])
def test_what_is_no_mapping_is_refused(text):
    with pytest.raises(SpecError, match="the run spec"):
        parse_spec(text)


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"missing\.yaml cannot be read: No such file"):
        load_spec(tmp_path / "missing.yaml")


def test_a_spec_is_pinned_to_one_tokenizer():
    pinned = small_spec().with_tokenizer("a" * 64, 512)
    assert pinned.tokenizer.vocab_size == 512
    assert pinned.run_id != small_spec().run_id
    assert pinned.with_tokenizer("a" * 64, 512) == pinned
    with pytest.raises(SpecError, match=r"tokenizer\.digest"):
        pinned.with_tokenizer("b" * 64, 512)


def test_a_preset_is_its_sizes_and_what_is_given_goes_over_them():
    by_name = small_spec({"model": "{preset: prefix-lm-tiny, num_layers: 2}"})
    assert (by_name.model.family, by_name.model.emb_dim, by_name.model.num_layers) == ("prefix_lm", 256, 2)
    written_out = small_spec({"model": yaml.safe_dump(by_name.model.model_dump(mode="json"))})
    assert by_name.digest == written_out.digest


def test_a_tokenizer_file_with_more_pieces_than_the_model_has_rows_is_refused():
    with pytest.raises(SpecError, match=r"model\.vocab_size is 610, but the tokenizer file has 620 pieces"):
        small_spec({"model.vocab_size": "610"}).with_tokenizer("0" * 64, 620)
