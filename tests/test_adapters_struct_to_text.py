"""Data-to-text sets in the forms that test_adapters_text_to_text.py has not: DART, and the originals of GEM's."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_shared.errors import DataError


def adapt(dataset: str, *rows: dict) -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, "").to_dicts()


CREW = [["Ann_Lee", "BIRTH_YEAR", "1931"], ["Ann_Lee", "ROLE", "pilot"]]


def test_dart_of_gem_has_one_text_a_row():
    row = {"tripleset": CREW, "target": "Ann Lee, born in 1931, is a pilot.", "target_sources": ["x"]}
    train, test = adapt(
        "dart", {**row, "references": []}, {**row, "references": ["Ann Lee is a pilot born in 1931."]}
    )
    assert train["triples"] == "Ann Lee, BIRTH YEAR, 1931; Ann Lee, ROLE, pilot"
    assert train["references"] == ["Ann Lee, born in 1931, is a pilot."]
    assert test["references"] == ["Ann Lee, born in 1931, is a pilot.", "Ann Lee is a pilot born in 1931."]


def test_dart_of_the_original_has_all_texts_in_a_row():
    texts = ["Ann Lee is a pilot.", "A pilot is Ann Lee."]
    (row,) = adapt(
        "dart",
        {
            "tripleset": CREW,
            "subtree_was_extended": False,
            "annotations": {"source": ["a", "b"], "text": texts},
        },
    )
    assert (row["answer"], row["references"]) == (texts[0], texts)


def test_dart_cells_that_are_about_the_table_are_no_text():
    cells = [
        ["[TABLECONTEXT]", "[TITLE]", "Crew of 1960"],
        ["[TABLECONTEXT]", "NAME", " Ann "],
        ["Ann", "AGE", ""],
    ]
    (row,) = adapt("dart", {"tripleset": cells, "target": "Ann was in the crew of 1960.", "references": []})
    assert row["triples"] == "TITLE, Crew of 1960; NAME, Ann; Ann, AGE"


def test_dart_without_any_text_is_refused():
    with pytest.raises(
        DataError, match="nothing in any of the columns target, annotations; found: tripleset"
    ):
        adapt("dart", {"tripleset": CREW})


def test_e2e_of_the_original_has_its_text_in_another_column():
    (row,) = adapt(
        "e2e_nlg", {"meaning_representation": "name[The Lamp]", "human_reference": "It is The Lamp."}
    )
    assert (row["attributes"], row["answer"]) == ("name = The Lamp", "It is The Lamp.")


def test_web_nlg_of_the_original_takes_the_first_spelling_of_the_triples():
    (row,) = adapt(
        "web_nlg_en",
        {
            "category": "Bridge",
            "modified_triple_sets": {
                "mtriple_set": [["Old_Bridge | length | 12.5", "Old_Bridge | town | Rome"], ["x | y | z"]]
            },
            "lex": {"lid": ["1", "2"], "text": ["One text.", "Another text."], "lang": ["en", "en"]},
        },
    )
    assert row["triples"] == "Old Bridge, length, 12.5; Old Bridge, town, Rome"
    assert (row["answer"], row["references"]) == ("One text.", ["One text.", "Another text."])
