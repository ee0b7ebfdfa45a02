"""Source rows in, canonical rows out: what real rows of the closed-book sets hold beside the plain case."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog


def adapt(dataset: str, *rows: dict, part: str = "") -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, part).to_dicts()


def trivia(question: str = "Which river is it?", **answer) -> dict:
    """A row with all columns of the Hub, evidence left empty as in the configurations without context."""
    whole = {
        "aliases": ["River Don", "The Don"],
        "normalized_aliases": ["river don", "don"],
        "matched_wiki_entity_name": "",
        "normalized_matched_wiki_entity_name": "",
        "normalized_value": "don",
        "type": "WikipediaEntity",
        "value": "The Don",
    }
    return {
        "question": question,
        "question_id": "tc_1",
        "question_source": "http://a.example/",
        "entity_pages": {"doc_source": [], "filename": [], "title": [], "wiki_context": []},
        "search_results": {"description": [], "filename": [], "rank": [], "title": [], "url": []},
        "answer": whole | answer,
    }


def test_trivia_qa_takes_the_hubs_columns():
    (row,) = adapt("trivia_qa", trivia())
    assert (row["question"], row["answer"]) == ("Which river is it?", "The Don")
    assert row["references"] == ["The Don", "River Don"]
    assert row["defect"] is None


def test_trivia_qa_rows_whose_answer_is_hidden_are_left_out():
    rows = adapt("trivia_qa", trivia(), trivia(value="<unk>", aliases=[], normalized_value="<unk>"))
    assert [row["row"] for row in rows] == [0]


def test_trivia_qa_without_an_answer_is_a_defect():
    _, row = adapt("trivia_qa", trivia(), trivia(value=None, aliases=None))
    assert (row["defect"], row["references"]) == ("answer is empty", [])


@pytest.mark.parametrize(
    ("stored", "question"),
    [
        ('"""Blue Moon"" was sung by whom?"', '"Blue Moon" was sung by whom?'),
        ('"By whom is ""Blue Moon"""', 'By whom is "Blue Moon"'),
        ('"Blue Moon" is a song by whom?', '"Blue Moon" is a song by whom?'),
        (
            "Which herb has &, \u00e9 and \u2018quotes\u2019?",
            "Which herb has &, \u00e9 and \u2018quotes\u2019?",
        ),
    ],
)
def test_trivia_qa_quotes(stored, question):
    assert adapt("trivia_qa", trivia(stored))[0]["question"] == question


def test_natural_questions_blank_answers_are_no_references():
    rows = adapt(
        "natural_questions",
        {"question": "how many", "answer": ["11 ", "", "11"]},
        {"question": "how many", "answer": None},
    )
    assert rows[0]["references"] == ["11"]
    assert rows[1]["defect"] == "answer is empty"


def test_arc_parts_are_configurations_of_one_repository():
    hubs = [part.hub for part in load_catalog()["arc"].members]
    assert [hub.config for hub in hubs] == ["ARC-Challenge", "ARC-Easy"]
    assert {hub.repository for hub in hubs} == {"allenai/ai2_arc"}


def test_arc_takes_labels_of_any_kind_in_any_order():
    texts = ["iron", "gold", "tin", "zinc"]
    rows = adapt(
        "arc",
        {
            "id": "a",
            "question": "Which?",
            "choices": {"text": texts, "label": list("BADC")},
            "answerKey": "D",
        },
        {
            "id": "b",
            "question": "Which?",
            "choices": {"text": texts, "label": list("1234")},
            "answerKey": " 4",
        },
        part="easy",
    )
    assert [row["answer"] for row in rows] == ["tin", "zinc"]


def test_arc_option_without_text_is_a_defect():
    choices = {"text": ["iron", "", "tin", "zinc"], "label": list("ABCD")}
    (row,) = adapt("arc", {"question": "Which?", "choices": choices, "answerKey": "A"}, part="challenge")
    assert row["defect"] == "option 2 of 4 is empty"
