"""Rows of question answering sets in, canonical rows out: closed book, reading comprehension, with commonsense."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog, options_block


def adapt(dataset: str, rows: list[dict], part: str = "") -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, part).to_dicts()


def lettered(key: str, texts: list[str], labels: str | None = None, **columns: str) -> dict:
    """A row with `choices` and `answerKey`."""
    labels = list(labels or "ABCDEFGH"[: len(texts)])
    return {**columns, "choices": {"text": texts, "label": labels}, "answerKey": key}


METALS = ["iron", "gold", "tin", "zinc"]


def test_arc_key_is_looked_up_among_the_labels_of_its_row():
    letter, digit = adapt(
        "arc",
        [
            lettered("C", METALS, question="Which metal is it?"),
            lettered("2", METALS, labels="1234", question="Which metal is it?"),
        ],
        "easy",
    )
    assert (letter["answer"], digit["answer"]) == ("tin", "gold")
    assert letter["options"] == METALS


def test_arc_rows_without_exactly_four_options_are_left_out():
    rows = adapt(
        "arc",
        [
            lettered("A", METALS[:3], question="Three?"),
            lettered("B", METALS, question="Four?"),
            lettered("E", [*METALS, "lead"], question="Five?"),
        ],
        "challenge",
    )
    assert [(row["row"], row["question"]) for row in rows] == [(1, "Four?")]


def test_arc_key_that_is_none_of_the_labels_is_a_defect_and_no_key_is_unlabelled():
    (row,) = adapt(
        "arc",
        [lettered("E", METALS, question="Which?"), lettered("", METALS, question="Which?")],
        "easy",
    )
    assert row["defect"] == "label 'E' names none of the 4 options"


@pytest.mark.parametrize(
    "asked", ["who built the old bridge", "who built the old bridge ?", "who built the old bridge?"]
)
def test_natural_questions_end_with_one_question_mark(asked):
    (row,) = adapt("natural_questions", [{"question": asked, "answer": ["a mason"]}])
    assert row["question"] == "who built the old bridge?"


def test_natural_questions_target_is_the_first_answer_and_all_are_references():
    (row,) = adapt("natural_questions", [{"question": "how many", "answer": ["11", "eleven"]}])
    assert (row["answer"], row["references"]) == ("11", ["11", "eleven"])


def test_natural_questions_without_a_question_or_an_answer_are_defects():
    blank, unanswered = adapt(
        "natural_questions", [{"question": " ", "answer": ["x"]}, {"question": "why", "answer": []}]
    )
    assert (blank["defect"], unanswered["defect"]) == ("field 'question' is empty", "answer is empty")


def test_trivia_qa_is_scored_against_value_and_aliases():
    answer = {
        "value": "The Tin Drum",
        "aliases": ["Tin Drum", "The Tin Drum"],
        "normalized_value": "tin drum",
    }
    (row,) = adapt("trivia_qa", [{"question": "Which novel has a drummer?", "answer": answer}])
    assert row["answer"] == "The Tin Drum"
    assert row["references"] == ["The Tin Drum", "Tin Drum"]


def test_trivia_qa_question_that_was_quoted_for_csv_is_read_back():
    answer = {"value": "x", "aliases": ["x"]}
    quoted, plain = adapt(
        "trivia_qa",
        [
            {"question": '"Who sang ""Blue Moon""?"', "answer": answer},
            {"question": '"Blue Moon" was sung by whom?', "answer": answer},
        ],
    )
    assert quoted["question"] == 'Who sang "Blue Moon"?'
    assert plain["question"] == '"Blue Moon" was sung by whom?'


def test_boolq_true_is_yes():
    yes, no = adapt(
        "boolq",
        [
            {"question": "is tin a metal", "answer": True, "passage": "Tin is a metal."},
            {"question": "is tin a gas", "answer": False, "passage": "Tin is a metal."},
        ],
    )
    assert (yes["answer"], no["answer"]) == ("yes", "no")
    assert yes["question"] == "is tin a metal?"


def test_drop_target_is_the_first_span_and_all_are_references():
    spans = {"spans": ["3", "three", "3"], "types": ["number", "span", "number"]}
    (row,) = adapt("drop", [{"passage": "A text.", "question": "How many?", "answers_spans": spans}])
    assert (row["answer"], row["references"]) == ("3", ["3", "three"])


def test_multirc_candidate_is_shown_and_its_label_asked_for():
    (row,) = adapt(
        "multirc",
        [{"paragraph": "It rained.", "question": "Why was it wet?", "answer": "rain", "label": 1}],
    )
    assert (row["candidate"], row["answer"]) == ("rain", "yes")


def test_openbookqa_shows_the_gold_fact_as_a_sentence_before_the_question():
    (row,) = adapt(
        "openbookqa", [lettered("A", METALS, question_stem="A nail is made of", fact1="nails rust")]
    )
    assert row["item"] == "Nails rust.\nA nail is made of"
    assert row["question"] == "A nail is made of"


def test_openbookqa_without_facts_shows_the_question_alone():
    (row,) = adapt("openbookqa", [lettered("A", METALS, question_stem="A nail is made of")])
    assert row["item"] == "A nail is made of"


def squad_row(texts: list[str]) -> dict:
    """A SQuAD row with these answers."""
    return {
        "title": "Old_Bridge",
        "context": "A mason built it.",
        "question": "Who built it?",
        "answers": {"text": texts, "answer_start": [0] * len(texts)},
    }


def test_squad_v2_question_without_an_answer_is_unanswerable():
    answered, unanswered = adapt("squad", [squad_row(["A mason", "mason", "A mason"]), squad_row([])], "v2")
    assert answered["references"] == ["A mason", "mason"]
    assert (unanswered["answer"], unanswered["references"]) == ("unanswerable", ["unanswerable"])
    assert unanswered["defect"] is None


def test_squad_v1_question_without_an_answer_is_a_defect():
    _, unanswered = adapt("squad", [squad_row(["A mason"]), squad_row([])], "v1")
    assert unanswered["defect"] == "answer is empty"


def test_squad_title_has_spaces_for_underscores():
    (row,) = adapt("squad", [squad_row(["A mason"])], "v1")
    assert row["title"] == "Old Bridge"


def test_every_squad_template_says_what_to_reply_without_an_answer():
    for template in load_catalog()["squad"].templates:
        if not template.turned_around:
            assert "unanswerable" in template.inputs


def test_cosmos_qa_options_are_its_four_columns_and_unlabelled_rows_are_left_out():
    row = {"context": "It was hot.", "question": "Why?", **{f"answer{i}": f"reason {i}" for i in range(4)}}
    (labelled,) = adapt("cosmos_qa", [{**row, "label": -1}, {**row, "label": 2}])
    assert labelled["row"] == 1
    assert labelled["answer"] == "reason 2"
    assert options_block(labelled["options"]).splitlines()[-1] == "- reason 3"
