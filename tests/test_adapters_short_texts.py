"""Source rows in, canonical rows out: NLI, paraphrase, sentiment, commonsense and coreference."""

from pathlib import Path

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog, options_block
from flan_datagen.sources import FolderSource
from flan_shared.errors import DataError

DATA = Path(__file__).parents[2] / "shared" / "data"
CLUSTERS = {"nli", "paraphrase", "sentiment", "commonsense", "coreference"}
PARTS = [
    (entry, part) for entry in load_catalog().values() if entry.cluster in CLUSTERS for part in entry.members
]
IDS = ["/".join(filter(None, (entry.id, part.name))) for entry, part in PARTS]
real_rows = pytest.mark.skipif(not DATA.is_dir(), reason="real rows: ../shared/data is absent")


def adapt(dataset: str, *rows: dict, part: str = "") -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, part).to_dicts()


@pytest.mark.parametrize(
    ("dataset", "answers"),
    [
        ("anli", ["Yes", "It's impossible to say", "No"]),
        ("cb", ["Yes", "No", "It's impossible to say"]),
        ("mnli", ["yes", "it is not possible to tell", "no"]),
        ("snli", ["yes", "it is not possible to tell", "no"]),
        ("rte", ["yes", "no"]),
        ("qnli", ["yes", "no"]),
        ("wnli", ["no", "yes"]),
        ("mrpc", ["no", "yes"]),
        ("qqp", ["no", "yes"]),
        ("imdb", ["negative", "positive"]),
        ("sst2", ["negative", "positive"]),
        ("yelp_polarity", ["negative", "positive"]),
        ("paws_wiki", ["no", "yes"]),
    ],
)
def test_labels_count_the_options_in_the_order_of_the_dataset(dataset, answers):
    entry = load_catalog()[dataset]
    part = entry.members[0]
    texts = {name: "Some text." for name, kind in part.columns.items() if kind == pl.String}
    rows = adapt(dataset, *(texts | {"label": label} for label in range(len(answers))), part=part.name)
    assert [row["answer"] for row in rows] == answers
    assert rows[0]["options"] == answers


@pytest.mark.parametrize(
    ("dataset", "labels", "answers"),
    [
        ("rte", ["entailment", "not_entailment"], ["yes", "no"]),
        ("wnli", ["not_entailment", "entailment"], ["no", "yes"]),
        ("cb", ["contradiction", "neutral"], ["No", "It's impossible to say"]),
        ("imdb", ["neg", "pos"], ["negative", "positive"]),
        ("yelp_polarity", ["1", "2"], ["negative", "positive"]),
        ("paws_wiki", ["0", "1"], ["no", "yes"]),
    ],
)
def test_label_names_in_place_of_numbers_mean_the_same(dataset, labels, answers):
    entry = load_catalog()[dataset]
    texts = {name: "Some text." for name, kind in entry.members[0].columns.items() if kind == pl.String}
    assert [row["answer"] for row in adapt(dataset, *(texts | {"label": x} for x in labels))] == answers


def test_anli_rounds_have_splits_of_their_own_on_the_hub_and_folders_of_their_own_elsewhere():
    splits = load_catalog()["anli"].part("r2").splits
    assert splits.train == ("train_r2", "train")
    assert splits.dev == ("dev_r2", "validation")
    assert splits.test[:2] == ("test_r2", "test")


def test_mnli_mismatched_is_only_tested_on():
    entry = load_catalog()["mnli"]
    assert entry.part("mismatched").splits.train == ()
    assert entry.part("mismatched").splits.test == ("validation_mismatched",)
    assert entry.part("matched").splits.train == ("train",)


def test_anli_breaks_lines_where_the_page_did():
    (row,) = adapt("anli", {"premise": "How to nap<br>Lie down.", "hypothesis": "h", "label": 0}, part="r3")
    assert row["premise"] == "How to nap\nLie down."


def test_qqp_quotes_are_single():
    (row,) = adapt("qqp", {"question1": 'What is ""it""?', "question2": "Why?", "label": 0})
    assert row["question1"] == 'What is "it"?'


def test_paws_sentences_stay_tokenised():
    tokens = {"sentence1": "Ann 's dog bit Bo .", "sentence2": "Bo bit Ann 's `` dog '' ."}
    (row,) = adapt("paws_wiki", {"id": 7, **tokens, "label": 0})
    assert (row["sentence1"], row["sentence2"], row["answer"]) == (*tokens.values(), "no")


@pytest.mark.parametrize(
    ("score", "answer"), [(0.0, "0"), (0.5, "0"), (1.5, "2"), (2.5, "2"), (3.5, "4"), (3.8, "4"), (5.0, "5")]
)
def test_stsb_score_is_the_nearest_integer_and_a_tie_is_even(score, answer):
    (row,) = adapt("stsb", {"sentence1": "a", "sentence2": "b", "label": score})
    assert row["answer"] == answer


def test_stsb_score_off_the_scale_is_a_defect_and_minus_one_is_unlabelled():
    texts = {"sentence1": "a", "sentence2": "b"}
    (row,) = adapt("stsb", texts | {"label": -1.0}, texts | {"label": 7.2})
    assert row["defect"] == "label '7.2' names none of the 6 options (0, 1, 2, 3, 4, 5)"


def test_imdb_breaks_become_one_line_break():
    (row,) = adapt("imdb", {"text": "Good.<br /><br />Very good.", "label": 1})
    assert row["review"] == "Good.\nVery good."


def test_sentiment140_leaves_neutral_tweets_out_and_knows_no_other_number():
    tweets = [{"text": f"R&amp;R {number}", "sentiment": number} for number in (0, 2, 4, 3)]
    rows = adapt("sentiment140", *tweets)
    assert [(row["row"], row["answer"]) for row in rows] == [(0, "negative"), (2, "positive"), (3, "")]
    assert rows[0]["tweet"] == "R&R 0"
    assert rows[2]["defect"] == "label '3' names none of the 2 options (negative, positive)"


@pytest.mark.parametrize(
    ("stored", "review"),
    [
        (r'They call it \""fresh\"". It is not.', 'They call it "fresh". It is not.'),
        ('They call it ""fresh"".', 'They call it "fresh".'),
        (r"They call it \"fresh\".", 'They call it "fresh".'),
        (r'\""Wow\""', '"Wow"'),
        (r"Good food.\n\nBad chairs.\n", "Good food.\n\nBad chairs."),
        ("Caf\u00e9 & bar, 5$ a cup :/", "Caf\u00e9 & bar, 5$ a cup :/"),
    ],
)
def test_yelp_reviews_are_unescaped(stored, review):
    (row,) = adapt("yelp_polarity", {"text": stored, "label": 1})
    assert (row["review"], row["answer"], row["defect"]) == (review, "positive", None)


def test_yelp_labels_counted_from_one_are_refused():
    with pytest.raises(DataError, match="the labels are 1 to 2; expected 0"):
        adapt("yelp_polarity", {"text": "Bad.", "label": 1}, {"text": "Good.", "label": 2})


def copa(question: str) -> dict:
    choices = {"choice1": "Clouds came.", "choice2": "It got wet."}
    return {"premise": "It rained.", **choices, "question": question, "label": 1}


def test_copa_asks_for_the_cause_or_the_effect():
    cause, effect = adapt("copa", copa("cause"), copa("effect"))
    assert (cause["opening"], effect["opening"]) == ("It rained because", "It rained, so")
    assert (cause["query"], effect["query"]) == ("Why did this happen?", "What happened next?")
    assert effect["options"] == ["Clouds came.", "It got wet."]
    assert effect["answer"] == "It got wet."


def test_copa_question_of_another_kind_is_a_defect():
    assert adapt("copa", copa("reason"))[0]["defect"] == "field 'kind' is empty"


def hellaswag(label: str, **columns) -> dict:
    sound = {
        "ctx": "He runs. He",
        "activity_label": "Running",
        "endings": ["sits.", "stops.", "eats.", "flies."],
    }
    return sound | {"label": label} | columns


def test_hellaswag_labels_are_text_and_empty_where_hidden():
    rows = adapt("hellaswag", hellaswag("1"), hellaswag(""), hellaswag("4"), hellaswag("two"))
    assert [(row["row"], row["answer"]) for row in rows] == [(0, "stops."), (2, ""), (3, "")]
    assert rows[1]["defect"] == "label '4' names none of the 4 options"


def test_hellaswag_marks_become_prose():
    (row,) = adapt(
        "hellaswag",
        hellaswag(
            "0",
            ctx="[header] How to knit [title] Get some wool. [step] Any will do.",
            endings=["[substeps] Ask for help. [title] Knit.", "b", "c", "d"],
        ),
    )
    assert row["context"] == "How to knit. Get some wool. Any will do."
    assert row["answer"] == "Ask for help. Knit."


@pytest.mark.parametrize(
    ("marked", "prose"),
    [
        ("[title] Buy wool. [step] Any will do.", "Buy wool. Any will do."),
        ('She says "go!" [title] Then run.', 'She says "go!" Then run.'),
        ("[header] [title] Knit a cap. [step] [substeps] Begin.", "Knit a cap. Begin."),
        ("Fold it [once] and [2] wait.", "Fold it [once] and [2] wait."),
    ],
)
def test_hellaswag_marks_leave_no_trace(marked, prose):
    (row,) = adapt("hellaswag", hellaswag("0", ctx=marked))
    assert row["context"] == prose


def story(right: int | None, **columns) -> dict:
    told = ["Ann lost her cat.", "She looked for it. ", "It was not there.", "She heard a meow."]
    sentences = {f"input_sentence_{number}": text for number, text in enumerate(told, 1)}
    quiz = {"sentence_quiz1": "It sat in a tree.", "sentence_quiz2": "She sold her car."}
    return {"story_id": "x1", **sentences, **quiz, "answer_right_ending": right, **columns}


def test_story_cloze_joins_the_sentences_and_counts_the_endings_from_one():
    first, second = adapt("story_cloze", story(1), story(2))
    assert first["context"] == "Ann lost her cat. She looked for it. It was not there. She heard a meow."
    assert first["options"] == ["It sat in a tree.", "She sold her car."]
    assert (first["answer"], second["answer"]) == ("It sat in a tree.", "She sold her car.")


def test_story_cloze_without_an_ending_is_left_out_and_a_third_is_a_defect():
    rows = adapt("story_cloze", story(None), story(3), story(0), story(2))
    assert [row["row"] for row in rows] == [1, 2, 3]
    assert rows[0]["defect"] == "label '3' names none of the 2 options"
    assert rows[1]["defect"] == "label '0' names none of the 2 options"


@pytest.mark.parametrize("text", [None, "", " "])
def test_story_cloze_without_one_of_its_sentences_is_a_defect(text):
    _, row = adapt("story_cloze", story(1), story(1, input_sentence_3=text))
    assert row["defect"] == "field 'context' is empty"


def winogrande(answer: str, sentence: str = "Ann thanked Bo because _ had helped.") -> dict:
    return {"sentence": sentence, "option1": "Ann", "option2": "Bo", "answer": answer}


def test_winogrande_moves_what_follows_the_blank_into_the_options():
    (row,) = adapt("winogrande", winogrande("2"))
    assert row["start"] == "Ann thanked Bo because"
    assert row["sentence"] == "Ann thanked Bo because ____ had helped."
    assert row["options"] == ["Ann had helped.", "Bo had helped."]
    assert row["answer"] == "Bo had helped."


def test_winogrande_counts_from_one_and_hides_with_an_empty_text():
    rows = adapt("winogrande", winogrande("1"), winogrande(""), winogrande("0"))
    assert [row["row"] for row in rows] == [0, 2]
    assert rows[1]["defect"] == "label '0' names none of the 2 options"


def test_winogrande_sentence_without_a_blank_is_a_defect():
    assert (
        adapt("winogrande", winogrande("1", "Nothing is missing."))[0]["defect"] == "option 1 of 2 is empty"
    )


# Rows of the real files that are no examples: neutral tweets.
LEFT_OUT = {("sentiment140", "train"): 118, ("sentiment140", "test"): 21}


def real_frames(entry, part):
    """Split and rows of what the folder has of a part."""
    source = FolderSource(DATA)
    frames = [
        (split, source.read(entry, part.name, split))
        for split in part.splits.names
        if source.has(entry, part.name, split)
    ]
    if not frames:
        pytest.skip(f"real rows: {entry.id} {part.name} is not among them")
    return frames


@real_rows
@pytest.mark.parametrize(("entry", "part"), PARTS, ids=IDS)
def test_real_rows_are_all_sound(entry, part):
    for split, frame in real_frames(entry, part):
        rows = entry.adapt(frame, part.name)
        assert frame.height - rows.height == LEFT_OUT.get((entry.id, split), 0)
        assert rows["defect"].null_count() == rows.height


@real_rows
@pytest.mark.parametrize(("entry", "part"), PARTS, ids=IDS)
def test_real_rows_read_well_in_every_template(entry, part):
    _, frame = real_frames(entry, part)[0]
    for row in entry.adapt(frame.head(40), part.name).to_dicts():
        values = {name: row[name] for name in (*part.fields, "answer")} | {
            "options": options_block(row["options"])
        }
        for template in (entry.templates[number] for number in part.templates):
            inputs, targets = template.render(values)
            assert inputs.strip() == inputs
            assert targets.strip() == targets != ""
            if not template.turned_around:
                assert targets in row["options"]
                assert inputs.endswith(f"- {row['options'][-1]}")
            for (_, name), (literal, _) in zip(template.input_parts, template.input_parts[1:], strict=False):
                both = values[name][-1] + literal[:1]
                assert not (both[0] in ".,;:?!" and both[1:] in tuple(".,;:?!")), (name, both)
