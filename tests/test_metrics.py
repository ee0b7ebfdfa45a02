"""Metrics against examples worked by hand."""

import pytest

from flan.v1 import example_pb2
from flan_evaluator.errors import EvaluationError
from flan_evaluator.metrics import NAMES, Answer, measure

CLASSIFICATION = example_pb2.ANSWER_KIND_CLASSIFICATION
MULTIPLE_CHOICE = example_pb2.ANSWER_KIND_MULTIPLE_CHOICE
SPAN = example_pb2.ANSWER_KIND_SPAN
FREE_TEXT = example_pb2.ANSWER_KIND_FREE_TEXT


def scores(names, kind, answers):
    return {named.metric: named.score for named in measure(names, kind, answers)}


def chosen(prediction, reference, options=("no", "yes")):
    return Answer(prediction, (reference,), options)


def written(prediction, *references):
    return Answer(prediction, references)


def test_accuracy_is_the_share_of_equal_answers_with_its_chance_level():
    answers = [
        chosen("yes", "yes"),
        chosen("no", "yes"),
        chosen("b", "b", ("a", "b", "c", "d")),
        chosen("no", "no"),
    ]

    score = scores(["accuracy"], CLASSIFICATION, answers)["accuracy"]

    assert (score.value, score.n, score.num_unscored) == (75.0, 4, 0)
    assert score.chance == pytest.approx(100 * (1 / 2 + 1 / 2 + 1 / 4 + 1 / 2) / 4)


def test_any_of_several_right_options_is_right_and_raises_the_chance_level():
    answers = [Answer("the lamp", ("lamp", "the lamp"), ("lamp", "the lamp", "door", "key"))]

    score = scores(["accuracy"], MULTIPLE_CHOICE, answers)["accuracy"]

    assert (score.value, score.chance) == (100.0, 50.0)


def test_unscored_is_not_wrong():
    answers = [chosen("yes", "yes"), chosen(None, "yes"), Answer("yes", (), ("no", "yes"))]

    score = scores(["accuracy"], CLASSIFICATION, answers)["accuracy"]

    assert (score.value, score.n, score.num_unscored) == (100.0, 1, 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [CLASSIFICATION, FREE_TEXT])
def test_nothing_to_score_has_n_zero(name, kind):
    for score in scores([name], kind, [written(None, "red")]).values():
        assert (score.value, score.n, score.num_unscored) == (0.0, 0, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_blank_reference_accepts_nothing(name):
    for score in scores([name], FREE_TEXT, [written("red", " "), written("", "", "\n")]).values():
        assert (score.value, score.n, score.num_unscored) == (0.0, 0, 2)


@pytest.mark.parametrize(
    "name", sorted(set(NAMES) - {"bleu", "coqa", "matthews", "multirc", "pearson", "spearman"})
)
def test_each_example_has_its_own_score_and_their_mean_is_the_value(name):
    answers = [
        written("a red lamp", "a red lamp"),
        written(None, "red"),
        written("door", "red door", "door key"),
    ]

    for score in scores([name], FREE_TEXT, answers).values():
        assert score.values[1] is None
        assert score.value == pytest.approx((score.values[0] + score.values[2]) / 2)
        assert (score.n, score.num_unscored) == (2, 1)


@pytest.mark.parametrize(
    "name", ["accuracy", "exact_match", "trivia_qa", "drop", "quac", "rouge", "edit_distance"]
)
def test_an_answer_that_is_its_reference_is_best_and_an_empty_one_is_worst(name):
    for text in ("Zürich", "東京 3", "½ cup", "naïve café – “yes”", "red 🙂 lamp"):
        right, wrong = (scores([name], FREE_TEXT, [written(said, text)]) for said in (text, ""))
        kinds = [kind for kind in right if kind not in ("rouge2", "edit_distance")]
        assert [right[kind].value for kind in kinds] == pytest.approx([100] * len(kinds))
        assert [wrong[kind].value for kind in kinds] == [0] * len(kinds)


def test_bleu_tells_how_it_was_computed():
    answers = [written("it rains", "it rains"), written("a lamp", "a lamp", "the lamp")]

    signature = scores(["bleu"], FREE_TEXT, answers)["bleu"].signature

    assert signature.startswith("nrefs:var|case:mixed|eff:no|tok:intl|smooth:exp|version:")


@pytest.mark.parametrize("name", ["f1", "exact_match", "trivia_qa", "drop"])
def test_an_empty_answer_is_not_a_reference_of_articles(name):
    for score in scores(
        [name], SPAN, [written(" ", "The"), written("the", "The"), written("the", "A")]
    ).values():
        assert score.values == (0, 100, 100)


def test_two_metrics_of_one_name_are_refused():
    with pytest.raises(EvaluationError, match="drop, f1 give 'f1' twice"):
        measure(["drop", "f1"], SPAN, [written("a", "a")])


def test_a_silent_model_is_wrong_not_unscored():
    score = scores(["exact_match"], SPAN, [written("", "red"), written("red", "red")])["exact_match"]

    assert (score.value, score.n, score.num_unscored) == (50.0, 2, 0)


@pytest.mark.parametrize(
    ("prediction", "references", "exact_match", "f1"),
    [
        ("The Lamp!", ["lamp"], 100, 100),
        ("an apple", ["the apple"], 100, 100),
        # 2 shared words of 2 predicted and 3 expected: 2 * 2 / 5.
        ("red lamp", ["big red lamp"], 0, 80),
        # The best reference counts: 2 * 1 / 3 with the second.
        ("red", ["green", "red lamp"], 0, 200 / 3),
        # Words are a bag: "red" is shared once. 2 * 1 / 3.
        ("red red", ["red"], 0, 200 / 3),
        # Nothing is left of either; nothing is left of one.
        ("the", ["a"], 100, 100),
        ("the", ["lamp"], 0, 0),
    ],
)
def test_exact_match_and_token_f1_after_squad_normalisation(prediction, references, exact_match, f1):
    made = scores(["f1", "exact_match"], SPAN, [written(prediction, *references)])

    assert made["exact_match"].value == exact_match
    assert made["f1"].value == pytest.approx(f1)


def test_f1_of_two_classes_is_that_of_the_second():
    # "yes": 2 right, 1 predicted wrongly, 1 missed: 2 * 2 / (3 + 3).
    answers = [
        chosen("yes", "yes"),
        chosen("yes", "yes"),
        chosen("yes", "no"),
        chosen("no", "yes"),
        chosen("no", "no"),
    ]

    score = scores(["f1", "accuracy"], CLASSIFICATION, answers)["f1"]

    assert score.value == pytest.approx(200 / 3)
    # A uniform guess tends to precision 3/5 and recall 1/2.
    assert score.chance == pytest.approx(100 * 2 * 0.6 * 0.5 / 1.1)


def test_f1_of_three_classes_is_their_mean():
    options = ("entailment", "contradiction", "neutral")
    answers = [
        chosen("entailment", "entailment", options),
        chosen("entailment", "contradiction", options),
        chosen("contradiction", "contradiction", options),
        chosen("neutral", "neutral", options),
    ]

    # entailment 2*1/(2+1), contradiction 2*1/(1+2), neutral 1.
    assert scores(["f1"], CLASSIFICATION, answers)["f1"].value == pytest.approx(100 * (2 / 3 + 2 / 3 + 1) / 3)


def test_rouge_takes_the_best_reference_by_type():
    # With the second reference: 3 of 4 words each way; bigrams "the cat", "cat sat" of 3 each way.
    made = scores(["rouge"], FREE_TEXT, [written("the cat sat down", "a dog", "the cat sat up")])

    assert made["rouge1"].value == pytest.approx(75)
    assert made["rouge2"].value == pytest.approx(200 / 3)
    assert made["rougeLsum"].value == pytest.approx(75)


def test_rouge_lsum_ends_sentences_at_full_stops():
    # As one sequence only half of the words would be common in order; sentence by sentence all are.
    made = scores(["rouge"], FREE_TEXT, [written("It rains. We go home.", "We go home. It rains.")])

    assert made["rougeLsum"].value == pytest.approx(100)


def test_bleu_is_the_corpus_score_of_sacrebleu():
    # 4-gram precisions 5/6, 4/5, 3/4, 2/3 and no brevity penalty: their geometric mean is (1/3) ** (1/4).
    answers = [written("the cat is on the mat", "the cat is on the rug")]

    assert scores(["bleu"], FREE_TEXT, answers)["bleu"].value == pytest.approx(100 * (1 / 3) ** 0.25)


def test_bleu_takes_any_number_of_references_an_example():
    answers = [
        written("the cat is on the mat", "a dog", "the cat is on the mat"),
        written("it rains a lot today", "it rains a lot today"),
    ]

    assert scores(["bleu"], FREE_TEXT, answers)["bleu"].value == pytest.approx(100)


def test_pearson_reads_answers_as_numbers_and_leaves_out_others():
    options = tuple("012345")
    answers = [chosen(p, r, options) for p, r in (("1", "1"), ("2", "3"), ("4", "2"))]

    score = scores(["pearson"], CLASSIFICATION, [*answers, written("high", "3")])["pearson"]

    # Deviations (-4, -1, 5) / 3 and (-1, 1, 0): covariance 3/3, norms sqrt(42)/3 and sqrt(2).
    assert score.value == pytest.approx(100 * 1 / ((42**0.5 / 3) * 2**0.5))
    assert (score.n, score.num_unscored) == (3, 1)


def test_pearson_of_a_constant_answer_has_no_value():
    score = scores(["pearson"], CLASSIFICATION, [chosen("3", "1"), chosen("3", "5")])["pearson"]

    assert (score.n, score.num_unscored) == (0, 2)


def test_the_first_metric_is_the_main_one():
    named = measure(["rouge", "bleu"], FREE_TEXT, [written("a lamp", "a lamp")])

    assert [each.metric for each in named] == ["rouge1", "rouge2", "rougeL", "rougeLsum", "bleu"]
    assert [each.main for each in named] == [True, False, False, False, False]


def test_an_unknown_metric_is_named():
    with pytest.raises(EvaluationError, match="'meteor' is not known"):
        measure(["meteor"], FREE_TEXT, [written("a", "a")])


def test_spearman_goes_by_ranks_and_pearson_by_values():
    answers = [written(str(p), str(r)) for p, r in ((1, 1), (2, 4), (3, 9), (4, 100))]
    found = scores(["pearson", "spearman"], FREE_TEXT, answers)
    assert found["spearman"].value == pytest.approx(100)
    assert 70 < found["pearson"].value < 90


def test_edit_distance_counts_words_and_minds_their_case():
    answers = [written("The cat sat", "the cat sat down"), written("a b", "a b")]
    found = scores(["edit_distance"], FREE_TEXT, answers)
    # Two of four words differ; and none of two.
    assert found["edit_similarity"].value == pytest.approx(75)
    assert found["edit_distance"].value == pytest.approx(1)
    assert next(iter(found)) == "edit_similarity"
