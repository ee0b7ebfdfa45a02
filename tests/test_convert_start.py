"""What a run starts from: any form of checkpoint, if it is of the run's network, vocabulary and tokenizer."""

import json
import re

import folders_of_checkpoints as folders
import pytest
import specs

from flan.v1 import checkpoint_pb2
from flan_shared.checkpoint import describe, flatten, parameters_digest, save_parameters
from flan_shared.errors import CheckpointError
from flan_shared.spec import RunSpec
from flan_trainer.convert import load_start, read_checkpoint, write_checkpoint
from flan_trainer.convert.start import described_by, with_tokenizer
from flan_trainer.engines.folder import write_checkpoint as save_checkpoint

FIELDS = {
    "model.num_encoder_layers": "2",
    "model.num_decoder_layers": "3",
    "model.head_dim": "4",
    "model.mlp_dim": "24",
    "model.vocab_size": "640",
    "start.source": "checkpoint",
}


def run_of(**overrides: str) -> RunSpec:
    given = {name.replace("__", "."): value for name, value in overrides.items()}
    return specs.small_spec(FIELDS | given)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Of the network of `run_of()`."""
    folder = tmp_path_factory.mktemp("source")
    return folders.source_of(folders.GATED.model_copy(update={"vocab_size": 640}), folder)


@pytest.fixture(scope="module")
def folder(source):
    """`source` in every form."""
    for form in ("flan", "hf", "t5x"):
        write_checkpoint(source, form, source.path / form)
    return source.path


@pytest.mark.parametrize("form", ["flan", "hf", "t5x"])
@pytest.mark.parametrize("scan_layers", ["false", "true"])
def test_a_run_starts_from_any_form_unscanned(form, scan_layers, folder, source):
    params = load_start(folder / form, run_of(start__digest=source.digest, model__scan_layers=scan_layers))
    assert parameters_digest(params) == source.digest


def test_a_run_starts_from_what_a_trainer_saved_and_published(source, tokenizer, tmp_path):
    run = run_of().with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    (tmp_path / "spec.json").write_text(run.canonical())
    (tmp_path / "tokenizer.model").write_bytes(tokenizer.model)
    saved = save_checkpoint(
        tmp_path / "checkpoints",
        step=8,
        spec_digest=run.digest,
        cursor={},
        keep=1,
        write_items=lambda path: save_parameters(path / "params", source.params),
    )
    published = tmp_path / "store" / "8"
    save_parameters(published / "params", source.params)
    (published / "tokenizer.model").write_bytes(tokenizer.model)
    manifest = checkpoint_pb2.CheckpointManifest(
        run=run.run_id, step=8, spec_digest=run.digest, spec=run.canonical(), parameters_digest=source.digest,
        parameters=describe(source.params),
    )  # fmt: skip
    (published / "manifest.pb").write_bytes(manifest.SerializeToString())
    for path in (saved, tmp_path, tmp_path / "checkpoints", published):
        found = read_checkpoint(path)
        assert (found.digest, found.step, found.tokenizer) == (source.digest, 8, tokenizer.model)
        assert found.activations_known
        assert parameters_digest(load_start(path, run)) == source.digest
    manifest.parameters_digest = "0" * 64
    (published / "manifest.pb").write_bytes(manifest.SerializeToString())
    with pytest.raises(
        CheckpointError, match=f"parameters have the digest {source.digest}, but it says 0000"
    ):
        read_checkpoint(published)


def test_a_saved_checkpoint_without_its_run_is_read_by_its_parameters_alone(source, tmp_path):
    save_parameters(tmp_path / "checkpoint_3" / "params", source.params)
    found = read_checkpoint(tmp_path / "checkpoint_3")
    assert (found.digest, found.step, found.activations_known) == (source.digest, 3, False)


@pytest.mark.parametrize(
    ("form", "overrides", "message"),
    [
        ("hf", {"model__emb_dim": "32"}, "(checkpoint against run): emb_dim 16 against 32;"),
        (
            "t5x",
            {"model__num_heads": "4", "model__head_dim": "2"},
            "num_heads 2 against 4; head_dim 4 against 2;",
        ),
        ("flan", {"model__num_decoder_layers": "2"}, "num_decoder_layers 3 against 2;"),
        ("t5x", {"model__logits_via_embedding": "true"}, "logits_via_embedding False against True;"),
        ("t5x", {"model__mlp_activations": "[relu]"}, "mlp_activations gelu linear against relu;"),
        (
            "hf",
            {"model__mlp_activations": "[silu, linear]"},
            "mlp_activations gelu linear against silu linear;",
        ),
        (
            "hf",
            {"model__vocab_size": "null"},
            "rows, but the run's model has 600 (tokenizer: 600 pieces and 0 extra ids); set model.vocab_size to 640",
        ),
        (
            "flan",
            {"model__vocab_size": "null", "tokenizer__extra_ids": "100"},
            "model has 700 (tokenizer: 600 pieces and 100 extra ids); give the run the checkpoint's",
        ),
        (
            "t5x",
            {"start__digest": "ab" * 32},
            f"but start.digest of the run is {'ab' * 32}; give that checkpoint",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_with_both_sides(form, overrides, message, folder):
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        load_start(folder / form, run_of(**overrides))
    assert "\n" not in str(caught.value)
    assert str(folder / form) in str(caught.value)


def test_activations_that_a_folder_does_not_tell_are_taken_from_the_run(folder, source):
    run = run_of(model__mlp_activations="[silu, linear]")
    assert parameters_digest(load_start(folder / "t5x", run)) == source.digest
    not_pinned = run_of(
        model__mlp_activations="[silu, linear]", model__vocab_size="null", tokenizer__vocab_size="900"
    )
    described = described_by(read_checkpoint(folder / "t5x"), not_pinned)
    assert described.model.mlp_activations == ("silu", "linear")
    assert described.model.vocab_size == 640


def test_another_family_is_refused(folder):
    model = '{"family": "prefix_lm", "emb_dim": 16}'
    with pytest.raises(CheckpointError, match="family t5_1_1 against prefix_lm"):
        load_start(folder / "t5x", specs.small_spec({"model": model}))


def test_a_run_with_another_tokenizer_is_refused(source, tokenizer, tmp_path):
    write_checkpoint(with_tokenizer(source, tokenizer), "flan", tmp_path / "flan")
    run = run_of(tokenizer__digest="cd" * 32)
    expected = f"was made with the tokenizer {tokenizer.digest}, but the run has {'cd' * 32}; give the run"
    with pytest.raises(CheckpointError, match=expected):
        load_start(tmp_path / "flan", run)
    fitting = run_of().with_tokenizer(tokenizer.digest, tokenizer.vocab_size)
    assert flatten(load_start(tmp_path / "flan", fitting)).keys() == flatten(source.params).keys()


def test_a_tokenizer_with_more_pieces_than_rows_is_refused(tokenizer, tmp_path):
    small = folders.source_of(folders.GATED, tmp_path)
    with pytest.raises(
        CheckpointError, match="has an embedding of 320 rows, but the tokenizer has 600 pieces"
    ):
        with_tokenizer(small, tokenizer)


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_checkpoint_is_said(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=f"{name} is not a "):
        load_start(tmp_path / name, run_of())


def test_the_document_of_an_imported_checkpoint_can_be_pasted_into_a_run_spec(folder, source):
    document = json.loads((folder / "flan" / "model.json").read_text())
    run = specs.small_spec({"model": json.dumps(document["model"])})
    assert parameters_digest(load_start(folder / "flan", run)) == document["parameters_digest"]
