"""The catalog: what a file may say, the template language, and the rules that all entries share."""

import re
import time
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flan_datagen.adapters import find_adapter
from flan_datagen.catalog import CatalogError, Template, load_catalog, options_block, parse_entries
from flan_shared.errors import DataError
from flan_shared.holdout import CLUSTERS

CATALOG = load_catalog()
each_entry = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.id)

SOUND = """\
cluster: nli
title: Natural language inference
datasets:
  - id: rte
    name: RTE
    hub: {repository: aps/super_glue, config: rte}
    licence: unknown
    commercial_use: unknown
    answer_kind: classification
    metrics: [accuracy]
    columns: {premise: string, hypothesis: string, label: integer}
    labels: {label: [entailment, not_entailment]}
    fields: [premise, hypothesis]
    options: ["yes", "no"]
    bare: "{premise} {hypothesis}"
    splits: {train: train, dev: train, dev_rows: 200, test: [validation]}
    templates:
      - inputs: "{premise} So {hypothesis}\\n{options}"
        targets: "{answer}"
      - inputs: "{premise} ({answer})"
        targets: "{hypothesis}"
        turned_around: true
"""


def test_a_sound_file_gives_its_entries():
    (entry,) = parse_entries(SOUND, where="nli.yaml")
    part = entry.part("")
    assert (entry.id, entry.cluster, entry.parts, part.options) == ("rte", "nli", ("",), ("yes", "no"))
    assert part.columns["label"] == pl.Int64
    assert part.labels == {"label": {0: "entailment", 1: "not_entailment"}}
    assert part.folders == ("rte",)
    assert (part.hub.repository, part.hub.config) == ("aps/super_glue", "rte")
    assert entry.heading == "[Natural language inference: RTE]"
    assert [template.turned_around for template in entry.templates] == [False, True]
    assert (part.splits.dev_rows, part.splits.test) == (200, ("validation",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{premise} So",
            "{premisse} So",
            "template 0: inputs uses the unknown field {premisse}; known: premise",
        ),
        ("\\n{options}", "", "template 0: inputs does not show {options}"),
        ("\\n{options}", "\\n{options}.", "template 0: {options} is not the last thing in inputs"),
        ("\\n{options}", " {options}", "template 0: {options} does not begin a line"),
        ('"{answer}"', '"{hypothesis}"', "template 0: inputs shows {hypothesis}, which targets asks for"),
        ('"{answer}"', '"yes"', "template 0: targets does not use {answer}"),
        ('"{answer}"', '"It is {answer}"', "template 0: targets is 'It is {answer}'"),
        ('"{answer}"', '""', "template 0: targets is empty"),
        ("So {hypothesis}", "So {hypothesis", "template 0: inputs has braces that do not pair"),
        ("So {hypothesis}", "So {hypothesis!r}", "template 0: inputs has a format on {hypothesis}"),
        (
            "({answer})",
            "({answer})\\n{options}",
            "template 1: inputs shows {options}, but turned_around is set",
        ),
        ("turned_around: true", "turned_round: true", "template 1: 'turned_round' is not a key here"),
        ("turned_around: true", "turned_around: maybe", "template 1: turned_around is 'maybe'"),
        ("licence: unknown", "license: unknown", "'license' is not a key here; known: id, name"),
        ("    licence: unknown\n", "", "licence is missing"),
        ('["yes", "no"]', "[yes, no]", "options has True; expected text"),
        ('options: ["yes", "no"]', "parts: [r1]", "answer_kind is classification and options has 0 texts"),
        ("{premise} {hypothesis}", "{premise} {answer}", "bare: uses {answer}; known: premise, hypothesis"),
        (
            "[entailment, not_entailment]",
            "[entailment]",
            "labels: label has 1 names, but there are 2 options",
        ),
        ("labels: {label:", "labels: {gold:", "labels: 'gold' is not a column here; known: premise"),
        (
            "commercial_use: unknown",
            "commercial_use: perhaps",
            "commercial_use is 'perhaps'; expected one of",
        ),
        ("config: rte}", "subset: rte}", "hub: 'subset' is not a key here; known: repository, config"),
        ("dev: train, ", "", "splits: train, dev and dev_rows belong together"),
        (
            "test: [validation]",
            "test: [train]",
            "splits: test_rows says how many training rows are set aside",
        ),
        ("[accuracy]", "[accurracy]", "metrics has 'accurracy'; expected some of accuracy"),
        ("label: integer", "label: int", "'int' is not a column type; expected string, integer"),
        ("dev_rows: 200", "dev_rows: 0", "splits: dev_rows is 0; expected an integer of at least 1"),
        ("[premise, hypothesis]", "[premise, hypothesis, answer]", "fields has 'answer', which is reserved"),
        ("name: RTE", "name: RTE\n    name: rte", "'name' is given twice"),
        ("cluster: nli", "cluster: inference", "cluster is 'inference'; expected one of nli"),
    ],
)
def test_a_fault_names_file_dataset_template_and_remedy(old, new, message):
    assert SOUND.count(old) == 1
    with pytest.raises(CatalogError) as caught:
        parse_entries(SOUND.replace(old, new), where="nli.yaml")
    assert str(caught.value).startswith("nli.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_templates_of_one_text_are_refused_whatever_their_spacing_and_case():
    again = SOUND.replace(
        '      - inputs: "{premise} ({answer})"\n',
        '      - inputs: "{premise}  SO\\n {hypothesis}\\n{options}"\n',
    )
    again = again.replace('targets: "{hypothesis}"\n        turned_around: true', 'targets: "{answer}"')
    with pytest.raises(
        CatalogError, match=r"rte: template 1: inputs has the text of template 0; write another"
    ):
        parse_entries(again, where="nli.yaml")


def test_an_ordinary_template_after_a_turned_around_one_is_refused():
    late = SOUND + '      - inputs: "{hypothesis}\\n{options}"\n        targets: "{answer}"\n'
    with pytest.raises(CatalogError, match=r"rte: template 1 is turned around, but an ordinary one follows"):
        parse_entries(late, where="nli.yaml")


def test_a_dataset_given_twice_is_refused():
    twice = SOUND + SOUND.split("datasets:\n")[1]
    with pytest.raises(CatalogError, match="dataset has 'rte' more than once"):
        parse_entries(twice, where="nli.yaml")


def test_translation_may_ask_for_a_field():
    pair = """\
cluster: translation
title: Translation
datasets:
  - {id: ab, name: A, licence: unknown, commercial_use: unknown, answer_kind: free_text, metrics: [bleu],
     columns: {a: string}, fields: [a, b], bare: "{a}",
     splits: {train: train, dev: train, dev_rows: 1, test: [test]},
     templates: [{inputs: "{a} in B?", targets: "{answer}"}, {inputs: "{b} in A?", targets: "{a}"}]}
"""
    assert [t.turned_around for t in parse_entries(pair, where="x")[0].templates] == [False, False]
    with pytest.raises(CatalogError, match="targets does not use"):
        parse_entries(pair.replace("translation", "summarization"), where="x")


# The rules that all entries share.


def test_entries_stand_in_the_order_of_the_clusters():
    clusters = [entry.cluster for entry in CATALOG.values()]
    assert clusters == sorted(clusters, key=CLUSTERS.index)
    assert set(clusters) == set(CLUSTERS)


def test_the_catalog_loads_in_a_moment():
    began = time.perf_counter()
    load_catalog.__wrapped__()
    assert time.perf_counter() - began < 0.6


@each_entry
def test_every_dataset_has_ten_templates_of_which_at_most_three_turn_around(entry):
    for part in entry.members:
        turned = [entry.templates[index].turned_around for index in part.templates]
        assert len(turned) >= 10
        assert sum(turned) <= 3
        assert turned == sorted(turned)


@each_entry
def test_every_dataset_has_an_adapter_and_uses_all_its_fields(entry):
    assert callable(find_adapter(entry.cluster, entry.id))
    for part in entry.members:
        templates = [entry.templates[index] for index in part.templates]
        used = {name for t in templates for name in (*t.input_fields, *t.target_fields)}
        assert set(part.fields) <= used


@each_entry
def test_options_end_every_template_that_is_scored_on_them_and_no_other(entry):
    for part in entry.members:
        for template in (entry.templates[index] for index in part.templates):
            shown = template.inputs.endswith("\n{options}")
            assert shown == (part.has_options and not template.turned_around), template.inputs
            assert template.inputs.count("{options}") == shown, template.inputs


@each_entry
def test_the_answer_is_asked_for_and_not_shown(entry):
    for template in entry.templates:
        if not template.turned_around:
            assert "answer" not in template.input_fields, template.inputs
            assert template.targets == "{answer}" or entry.cluster == "translation", template.inputs
        assert not set(template.input_fields) & set(template.target_fields), template.inputs


@each_entry
def test_texts_are_typed_with_care(entry):
    for text in (text for template in entry.templates for text in (template.inputs, template.targets)):
        assert text == text.strip()
        assert not re.search(r"[^\S\n]\n|[^\S\n]{2}|\t|\n{3}", text), f"stray white space in {text!r}"
        plain = text.replace("...", "…")
        assert not re.search(r"[,;:?!]{2}|\.[.,;:?!]| [,;:?!]", plain), f"doubled punctuation in {text!r}"
        assert text.count('"') % 2 == 0, f"a quote is open in {text!r}"


def test_there_are_62_datasets_in_12_clusters_as_in_the_paper():
    counts = Counter(entry.cluster for entry in CATALOG.values())
    assert counts == {
        **{
            "nli": 7,
            "commonsense": 4,
            "sentiment": 4,
            "paraphrase": 4,
            "closed_book_qa": 3,
            "struct_to_text": 4,
        },
        **{"reading_comprehension": 5, "reading_comprehension_commonsense": 2, "coreference": 3, "misc": 7},
        **{"summarization": 11, "translation": 8},
    }
    assert sum(counts.values()) == 62


@each_entry
def test_classes_have_label_names_and_every_column_of_labels_is_read(entry):
    for part in entry.members:
        assert set(part.labels) <= set(part.columns)
        if part.answer_kind == "classification" and pl.Boolean not in part.columns.values():
            assert part.labels or entry.id == "stsb", "a label without a name cannot be checked"


# Parts: what differs, and what is shared.


PARTS = SOUND.replace(
    "    splits:",
    """\
    parts:
      one: {}
      two:
        options: ["true", "false"]
        folders: [rte/two, two]
        templates:
          - inputs: "{hypothesis}? {premise}\\n{options}"
            targets: "{answer}"
    splits:""",
)


def test_a_part_has_what_it_overrides_and_shares_the_rest():
    (entry,) = parse_entries(PARTS, where="x")
    one, two = entry.members
    assert (one.templates, two.templates) == ((0, 1), (2,))
    assert (one.options, two.options) == (("yes", "no"), ("true", "false"))
    assert (one.folders, two.folders) == (("rte/one",), ("rte/two", "two"))
    assert one.columns == two.columns


def test_a_fault_of_a_part_is_named_with_it():
    with pytest.raises(
        CatalogError, match=r"x, dataset rte: part two, template 2: inputs uses .*\{hypotesis\}"
    ):
        parse_entries(PARTS.replace("{hypothesis}? ", "{hypotesis}? "), where="x")


# A user's own folder.


MINE = SOUND.replace("id: rte", "id: mine").replace(
    "    splits:", "    adapter: {premise: text_a, hypothesis: \"text_b || '.'\"}\n    splits:"
)
MINE = MINE.replace(
    "columns: {premise: string, hypothesis: string", "columns: {text_a: string, text_b: string"
)


def test_a_folder_of_catalog_files_stands_beside_the_package_s(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    catalog = load_catalog(tmp_path)
    assert len(catalog) == len(CATALOG) + 1
    frame = pl.DataFrame({"text_a": ["It rained."], "text_b": ["It was wet"], "label": ["entailment"]})
    (row,) = catalog["mine"].adapt(frame, "").to_dicts()
    assert (row["premise"], row["hypothesis"], row["answer"]) == ("It rained.", "It was wet.", "yes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: mine", "id: rte", "dataset 'rte' of cluster 'nli' is already in 'nli'; give it another id"),
        (
            "premise: text_a",
            "premisse: text_a",
            "adapter gives 'premisse'; expected some of premise, hypothesis",
        ),
        ("premise: text_a", "premise: text_a +", "adapter.premise is 'text_a +', which is no SQL expression"),
    ],
)
def test_a_fault_of_a_user_s_file_is_one_line(tmp_path, old, new, message):
    (tmp_path / "mine.yaml").write_text(MINE.replace(old, new))
    with pytest.raises(CatalogError) as caught:
        load_catalog(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_expression_over_a_missing_column_is_an_error_of_the_data(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE.replace("premise: text_a", "premise: text_z"))
    frame = pl.DataFrame({"text_a": ["It rained."], "text_b": ["It was wet"], "label": [0]})
    with pytest.raises(DataError, match=r"'mine': adapter.premise, text_z, does not hold for the columns"):
        load_catalog(tmp_path)["mine"].adapt(frame, "")


def test_a_catalog_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"has no \*\.yaml file"):
        load_catalog(tmp_path)
    with pytest.raises(CatalogError, match="does not exist"):
        load_catalog(tmp_path / "nowhere")


# The template language.


def test_a_template_without_its_options_ends_with_its_text():
    template = Template.parse("{a}\n\nIs it so?\n\n{options}", "{answer}").without_options()
    assert template.render({"a": "x", "answer": "y"}) == ("x\n\nIs it so?", "y")
    assert template.inputs == "{a}\n\nIs it so?"


def test_a_heading_is_put_in_as_it_is():
    assert Template.parse("{a}", "{answer}").after("[{x}]").render({"a": "1", "answer": ""})[0] == "[{x}] 1"


def test_doubled_braces_are_braces_and_values_are_put_in_as_they_are():
    template = Template.parse("{{{word}}} and {{}}", "{answer}")
    assert template.render({"word": "{answer}", "answer": "a{b"}) == ("{{answer}} and {}", "a{b")


@given(st.lists(st.tuples(st.text(), st.sampled_from(["one", "two"])), min_size=1), st.text(), st.text())
def test_rendering_puts_each_value_between_the_literals(pieces, one, two):
    values = {"one": one, "two": two}
    text = "".join(literal.replace("{", "{{").replace("}", "}}") + f"{{{name}}}" for literal, name in pieces)
    inputs, _ = Template.parse(text, "x").render(values)
    assert inputs == "".join(literal + values[name] for literal, name in pieces)


def test_options_block_is_the_suffix_of_the_paper():
    assert options_block(["yes", "no"]) == "OPTIONS:\n- yes\n- no"
