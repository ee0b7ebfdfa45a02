"""Metrics that belong to one dataset: CoQA, QuAC, ReCoRD, MultiRC, DROP, and what the catalog names."""

import pytest

from flan.v1 import example_pb2
from flan_datagen.catalog import load_catalog
from flan_evaluator.metrics import NAMES, Answer, measure
from flan_evaluator.metrics.coqa import turns_of

CLASSIFICATION = example_pb2.ANSWER_KIND_CLASSIFICATION
MULTIPLE_CHOICE = example_pb2.ANSWER_KIND_MULTIPLE_CHOICE
SPAN = example_pb2.ANSWER_KIND_SPAN
FREE_TEXT = example_pb2.ANSWER_KIND_FREE_TEXT


def scores(name, kind, answers):
    return {named.metric: named.score for named in measure([name], kind, answers)}


def written(prediction, *references):
    return Answer(prediction, references)


def test_every_metric_of_the_catalog_is_known():
    assert {name for entry in load_catalog().values() for name in entry.metrics} <= set(NAMES)


@pytest.mark.parametrize(
    ("prediction", "turns"),
    [
        ("1. white\n2. in a barn\n3. no", ["white", "in a barn", "no"]),
        # A tokenizer that knows no line ends; another bracket; numbers inside answers.
        ("1. white 2. in a barn 3. no", ["white", "in a barn", "no"]),
        ("1) white 2) in 12.5 s 3) 2.", ["white", "in 12.5 s", "2."]),
        # One is missing; an order of its own; more than was asked; nothing.
        ("1. white 3. no", ["white", None, "no"]),
        ("2. in a barn 1. white", ["white", None, None]),
        ("1. white 2. in a barn 3. no 4. yes", ["white", "in a barn", "no 4. yes"]),
        ("1. 2. 3.", ["", "", ""]),
        ("", [None, None, None]),
    ],
)
def test_a_numbered_list_is_read_by_its_numbers(prediction, turns):
    assert turns_of(prediction, 3) == turns


def test_coqa_scores_every_turn_against_its_own_answer():
    answers = [written("1. white 2. in barn 4. no", "1. white\n2. in a red barn\n3. no\n4. yes")]

    found = scores("coqa", FREE_TEXT, answers)

    # 1; 2 shared words of 2 and 3; missing; wrong. "no" at the wrong number earns nothing.
    assert found["f1"].value == pytest.approx(100 * (1 + 0.8) / 4)
    assert found["exact_match"].value == 25
    assert (found["f1"].n, found["f1"].num_unscored) == (4, 0)


def test_coqa_leaves_out_each_reference_once():
    # Against the others of (cat, cat, red cat): "red cat" gets F1 1, 1 and 2/3; exact match 1, 1 and 0.
    found = scores("coqa", FREE_TEXT, [written("1. red cat", "1. cat", "1. cat", "1. red cat")])

    assert found["f1"].value == pytest.approx(100 * (1 + 1 + 2 / 3) / 3)
    assert found["exact_match"].value == pytest.approx(200 / 3)


def test_coqa_counts_unscored_turns_apart():
    answers = [written("1. a cat", "1. a cat"), written(None, "1. yes\n2. no"), written("a cat", "a cat")]

    found = scores("coqa", FREE_TEXT, answers)["f1"]

    assert (found.value, found.n, found.num_unscored) == (100, 1, 3)


def test_quac_goes_by_the_vote_on_whether_there_is_an_answer():
    unknown = "CANNOTANSWER"
    answers = [
        written(unknown, unknown, unknown, "in Rome"),
        written("in Rome", unknown, "in Rome"),
        written(unknown, unknown, "in Rome", "in Rome"),
        written("in Rome", unknown, "in Rome", "in Rome"),
    ]

    found = scores("quac", SPAN, answers)

    assert found["f1"].values == found["exact_match"].values == (100, 0, 0, 100)


def test_quac_leaves_out_each_reference_once():
    # Against (red cat), then (cat): "cat" gets 2/3, then 1. The people agree with 2/3.
    found = scores("quac", SPAN, [written("cat", "cat", "red cat")])

    assert found["f1"].value == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert found["exact_match"].value == 100


def test_quac_does_not_judge_where_people_disagree():
    found = scores("quac", SPAN, [written("cat", "cat", "dog"), written("cat", "cat")])["f1"]

    assert (found.values, found.n, found.num_unscored) == ((None, 100), 1, 1)


OPTIONS = ("Rome was shut.", "the city of Rome was shut.", "Ann Lee was shut.")


@pytest.mark.parametrize(
    ("prediction", "f1", "exact_match"),
    [
        ("Rome was shut.", 100, 100),
        # The rest of the query earns nothing.
        ("Ann Lee was shut.", 0, 0),
    ],
)
def test_record_compares_entities(prediction, f1, exact_match):
    found = scores("record", MULTIPLE_CHOICE, [Answer(prediction, OPTIONS[:2], OPTIONS)])

    assert (found["f1"].value, found["exact_match"].value) == (f1, exact_match)
    assert found["exact_match"].chance == pytest.approx(200 / 3)


def test_record_gives_part_of_an_entity_its_part():
    options = ("Rome is shut.", "Port of Rome is shut.")

    found = scores("record", MULTIPLE_CHOICE, [Answer(options[0], options[1:], options)])

    # "Rome" and "Port of Rome": 1 shared word of 1 and 3. As the options stand, it would be 6/8.
    assert found["f1"].value == pytest.approx(50)


def test_record_never_takes_a_whole_option_off():
    options = ("York", "New York")

    assert scores("record", MULTIPLE_CHOICE, [Answer("York", ("York",), options)])["f1"].value == 100


def candidate(prediction, reference, group):
    return Answer(prediction, (reference,), ("no", "yes"), group)


def test_multirc_wants_every_candidate_of_a_question():
    answers = [
        candidate("yes", "yes", "q1"),
        candidate("no", "no", "q1"),
        candidate("yes", "yes", "q2"),
        candidate("yes", "no", "q2"),
    ]

    found = scores("multirc", CLASSIFICATION, answers)

    # "yes": 2 right of 3 said and 2 asked for.
    assert found["f1"].value == pytest.approx(80)
    assert (found["exact_match"].value, found["exact_match"].n) == (50, 2)
    assert found["exact_match"].chance == 25


def test_multirc_leaves_out_questions_with_an_unscored_candidate():
    answers = [
        candidate("yes", "yes", "q1"),
        candidate("no", "no", "q1"),
        candidate("yes", "yes", "q2"),
        candidate(None, "no", "q2"),
        candidate("yes", "yes", None),
    ]

    found = scores("multirc", CLASSIFICATION, answers)

    assert (found["exact_match"].value, found["exact_match"].n, found["exact_match"].num_unscored) == (
        100,
        1,
        2,
    )
    assert (found["f1"].n, found["f1"].num_unscored) == (4, 1)


@pytest.mark.parametrize(
    ("prediction", "reference", "f1"),
    [
        ("1,000 yards", "1000 yards", 100),
        ("an apple", "the apple", 100),
        ("the", "a", 100),
        ("three", "3", 0),
    ],
)
def test_drop_edges(prediction, reference, f1):
    assert scores("drop", SPAN, [written(prediction, reference)])["f1"].value == f1


def test_trivia_qa_parts_words_at_signs_and_squad_joins_them():
    answers = [written("rock-n-roll", "rock n roll")]

    assert scores("trivia_qa", FREE_TEXT, answers)["exact_match"].value == 100
    assert scores("exact_match", FREE_TEXT, answers)["exact_match"].value == 0


def test_signs_of_mathematics_need_accuracy():
    answers = [written("5", "-5"), written("35", "3.5"), written("-a*b", "-a*b")]

    assert scores("accuracy", FREE_TEXT, answers)["accuracy"].values == (0, 0, 100)
