"""Source rows in, canonical rows out: sentence pairs, in the forms of the Hub and of TFDS."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_shared.errors import DataError

LANGUAGES = {
    "para_crawl_enes": ("es", "spanish"),
    "wmt14_enfr": ("fr", "french"),
    "wmt16_csen": ("cs", "czech"),
    "wmt16_deen": ("de", "german"),
    "wmt16_fien": ("fi", "finnish"),
    "wmt16_roen": ("ro", "romanian"),
    "wmt16_ruen": ("ru", "russian"),
    "wmt16_tren": ("tr", "turkish"),
}


def adapt(dataset: str, *rows: dict) -> list[dict]:
    """Canonical rows of source rows."""
    return load_catalog()[dataset].adapt(pl.DataFrame(list(rows), infer_schema_length=None), "").to_dicts()


def test_every_pair_of_the_cluster_is_here():
    assert {entry.id for entry in load_catalog().values() if entry.cluster == "translation"} == set(LANGUAGES)


@pytest.mark.parametrize("dataset", LANGUAGES)
@pytest.mark.parametrize("nested", [True, False])
def test_both_forms_give_the_same_fields(dataset, nested):
    code, language = LANGUAGES[dataset]
    pair = {code: " „x” {y}\r\n z\u2028w ", "en": "The lamp\nis  red."}
    (row,) = adapt(dataset, {"translation": pair} if nested else pair)
    assert (row[language], row["english"]) == ("„x” {y} z w", "The lamp is  red.")
    assert row["answer"] == row[language]
    assert (row["references"], row["options"], row["defect"]) == ([row["answer"]], [], None)


@pytest.mark.parametrize("dataset", LANGUAGES)
def test_templates_go_both_ways_and_the_bare_row_into_the_other_language(dataset):
    code, language = LANGUAGES[dataset]
    entry = load_catalog()[dataset]
    (row,) = adapt(dataset, {"translation": {"en": "y1", code: "x1"}})
    ways = set()
    for template in entry.templates:
        inputs, targets = template.render(row | {"options": ""})
        if template.turned_around:
            assert targets == language.capitalize()
        else:
            ways.add(("y1" in inputs, "x1" in inputs, targets))
    assert ways == {(True, False, "x1"), (False, True, "y1")}
    assert entry.part("").bare.render(row) == ("y1", "x1")
    assert entry.heading.endswith(f" to {language.capitalize()}]")


@pytest.mark.parametrize("missing", [None, "", " \n"])
def test_a_side_without_text_is_a_defect(missing):
    sound = {"translation": {"fi": "Lamppu on punainen.", "en": "The lamp is red."}}
    no_finnish = {"translation": {"fi": missing, "en": "The lamp is red."}}
    rows = adapt("wmt16_fien", sound, no_finnish, {"translation": None})
    assert [row["defect"] for row in rows] == [None, "field 'finnish' is empty", "field 'english' is empty"]


def test_another_pair_is_an_error():
    with pytest.raises(
        DataError, match="column 'translation': found struct<de: string, en: string>, expected"
    ):
        adapt("wmt14_enfr", {"translation": {"de": "x", "en": "y"}})


def test_a_renamed_column_is_an_error():
    with pytest.raises(
        DataError, match=r"nothing in a column 'translation' .* or in 'en' and 'es'.*found: pair"
    ):
        adapt("para_crawl_enes", {"pair": {"es": "x", "en": "y"}})


def test_no_rows_are_no_error():
    frame = pl.DataFrame(schema={"translation": pl.Struct({"en": pl.String, "fr": pl.String})})
    assert load_catalog()["wmt14_enfr"].adapt(frame, "").height == 0
