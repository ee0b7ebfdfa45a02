"""Rows of coreference sets in, canonical rows out: DPR, Winogrande and both parts of WSC."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog


def adapt(dataset: str, *rows: dict, part: str = "") -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, part).to_dicts()


def schema(text: str, pronoun: str, options: list[str], label: int = 0, **columns: object) -> dict:
    """A row of wsc273; the pronoun is where the text first has it as a word."""
    return {
        "text": text,
        "pronoun": pronoun,
        "pronoun_loc": f" {text} ".index(f" {pronoun} "),
        "quote": "",
        "quote_loc": 0,
        "options": options,
        "label": label,
        "source": "",
        **columns,
    }


def completions(*rows: dict) -> list[dict]:
    """Canonical rows of wsc273."""
    return adapt("wsc", *rows, part="wsc273")


def test_dpr_options_are_its_candidates():
    row = {
        "sentence": "The mason paid the smith because he worked.",
        "pronoun": "he",
        "candidates": ["The mason", "the smith"],
        "label": 1,
    }
    (adapted,) = adapt("dpr", row)
    assert (adapted["options"], adapted["answer"]) == (["The mason", "the smith"], "the smith")


def test_winogrande_options_hold_what_follows_the_blank():
    row = {"sentence": "Ann thanked Bo because _ had helped.", "option1": "Ann", "option2": "Bo"}
    solved, hidden = {**row, "answer": "2"}, {**row, "answer": ""}
    (adapted,) = adapt("winogrande", solved, hidden)
    assert adapted["start"] == "Ann thanked Bo because"
    assert adapted["sentence"] == "Ann thanked Bo because ____ had helped."
    assert adapted["options"] == ["Ann had helped.", "Bo had helped."]
    assert adapted["answer"] == "Bo had helped."


def test_winogrande_sentence_that_begins_with_its_blank_is_sound():
    row = {"sentence": "_ paid Ann, who had won.", "option1": "Cid", "option2": "Bo", "answer": "1"}
    (adapted,) = adapt("winogrande", row)
    assert (adapted["start"], adapted["answer"]) == ("...", "Cid paid Ann, who had won.")
    assert adapted["defect"] is None


def test_wsc_asks_whether_the_pronoun_means_the_noun():
    row = {
        "text": "The mason paid the smith because he had worked.",
        "span1_index": 0,
        "span2_index": 6,
        "span1_text": "The mason",
        "span2_text": "he",
        "idx": 0,
    }
    no, yes = adapt("wsc", {**row, "label": 0}, {**row, "label": 1}, {**row, "label": -1}, part="wsc")
    assert (no["noun"], no["pronoun"]) == ("The mason", "he")
    assert (no["answer"], yes["answer"]) == ("no", "yes")
    assert no["options"] == ["no", "yes"]


def test_wsc273_text_is_cut_at_the_pronoun():
    (row,) = completions(
        schema("The masons paid the smiths since they were rich.", "they", ["The masons", "The smiths"])
    )
    assert row["start"] == "The masons paid the smiths since"
    assert row["gapped"] == "The masons paid the smiths since ____ were rich."
    assert row["options"] == ["the masons were rich.", "the smiths were rich."]
    assert row["answer"] == "the masons were rich."


def test_wsc273_location_counts_characters():
    (row,) = completions(schema("Zoë paid Ann since she could.", "she", ["Zoë", "Ann"], 1))
    assert (row["start"], row["answer"]) == ("Zoë paid Ann since", "Ann could.")


@pytest.mark.parametrize(
    ("text", "pronoun", "option", "written"),
    [
        ("Bo paid because he could.", "he", "Bo", "Bo could."),
        ("Bo paid. He was glad.", "He", "the mason", "The mason was glad."),
        ("Bo saw a mason, and he ran.", "he", "A mason", "a mason ran."),
        ("Fresh fish ate worms, and they were good.", "they", "Worms", "worms were good."),
        ("Bo lifted the boy onto his bed.", "his", "The boy", "the boy's bed."),
        ("Bo sat on her bed.", "her", "Ann's", "Ann's bed."),
        ("Ann called, and Bo saw her .", "her", "Ann", "Ann ."),
    ],
)
def test_wsc273_option_reads_as_the_pronoun_did(text, pronoun, option, written):
    (row,) = completions(schema(text, pronoun, [option, "Theo"]))
    assert row["options"][0] == written


def test_wsc273_pronoun_that_is_elsewhere_is_a_defect():
    row = schema("Bo paid because he could.", "he", ["Bo", "Ann"], pronoun_loc=3)
    assert completions(row)[0]["defect"] == "field 'gapped' is empty"


def test_wsc273_is_for_evaluation_only():
    splits = load_catalog()["wsc"].part("wsc273").splits
    assert (splits.train, splits.dev, splits.test) == ((), (), ("test",))


def test_a_name_inside_another_word_stays_a_name():
    text = "Ann planned a party for Sue, and she was glad."
    (row,) = adapt(
        "wsc",
        {
            "text": text,
            "pronoun": "she",
            "pronoun_loc": text.index("she"),
            "options": ["Ann", "Sue"],
            "label": 0,
        },
        part="wsc273",
    )
    assert row["options"] == ["Ann was glad.", "Sue was glad."]
