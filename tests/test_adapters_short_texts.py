"""Source rows in, canonical rows out: NLI, paraphrase, sentiment, commonsense and coreference."""

from pathlib import Path

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog, options_block
from flan_datagen.sources import FolderSource

DATA = Path(__file__).parents[2] / "shared" / "data"
CLUSTERS = {"nli", "paraphrase", "sentiment", "commonsense", "coreference"}
ENTRIES = [entry for entry in load_catalog().values() if entry.cluster in CLUSTERS]
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
    ],
)
def test_labels_count_the_options_in_the_order_of_the_dataset(dataset, answers):
    entry = load_catalog()[dataset]
    texts = {name: "Some text." for name, kind in entry.columns.items() if kind == pl.String}
    rows = adapt(dataset, *(texts | {"label": label} for label in range(len(answers))), part=entry.parts[0])
    assert [row["answer"] for row in rows] == answers
    assert rows[0]["options"] == answers


def test_anli_breaks_lines_where_the_page_did():
    (row,) = adapt("anli", {"premise": "How to nap<br>Lie down.", "hypothesis": "h", "label": 0}, part="r3")
    assert row["premise"] == "How to nap\nLie down."


def test_qqp_quotes_are_single():
    (row,) = adapt("qqp", {"question1": 'What is ""it""?', "question2": "Why?", "label": 0})
    assert row["question1"] == 'What is "it"?'


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


# Rows of the real train files that are no examples: neutral tweets.
LEFT_OUT = {"sentiment140": 118}


@real_rows
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_real_rows_are_all_sound(entry):
    source = FolderSource(DATA)
    parts = [part for part in entry.parts if source.has(entry, part, "train")]
    assert parts == list(entry.parts)
    for part in parts:
        frame = source.read(entry, part, "train")
        rows = entry.adapt(frame, part)
        assert frame.height - rows.height == LEFT_OUT.get(entry.id, 0)
        assert rows["defect"].null_count() == rows.height


@real_rows
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_real_rows_read_well_in_every_template(entry):
    source, part = FolderSource(DATA), entry.parts[-1]
    rows = entry.adapt(source.read(entry, part, "train").head(40), part)
    for row in rows.to_dicts():
        values = {name: row[name] for name in (*entry.fields, "answer")} | {
            "options": options_block(row["options"])
        }
        for template in entry.templates:
            inputs, targets = template.render(values)
            assert inputs.strip() == inputs
            assert targets.strip() == targets != ""
            if not template.turned_around:
                assert targets in row["options"]
                assert inputs.endswith(f"- {row['options'][-1]}")
            for (_, name), (literal, _) in zip(template.input_parts, template.input_parts[1:], strict=False):
                both = values[name][-1] + literal[:1]
                assert not (both[0] in ".,;:?!" and both[1:] in tuple(".,;:?!")), (name, both)
