"""Rows in, canonical rows out: data to text, summaries, translation, and the miscellaneous cluster."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog


def adapt(dataset: str, *rows: dict) -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, "").to_dicts()


def test_common_gen_concepts_are_a_comma_list_and_the_target_is_one_of_the_references():
    (row,) = adapt(
        "common_gen",
        {"concepts": ["dog", "ball"], "target": "A dog has a ball.", "references": ["A ball and a dog."]},
    )
    assert row["concepts"] == "dog, ball"
    assert row["references"] == ["A dog has a ball.", "A ball and a dog."]


def test_common_gen_without_a_column_of_references_has_the_target_alone():
    (row,) = adapt("common_gen", {"concepts": ["dog", "ball"], "target": "A dog has a ball."})
    assert row["references"] == ["A dog has a ball."]


def test_e2e_attributes_are_written_name_equals_value():
    (row,) = adapt(
        "e2e_nlg",
        {
            "meaning_representation": "name[The Lamp], customer rating[3 out of 5], priceRange[less than £20]",
            "target": "The Lamp is cheap.",
            "references": [],
        },
    )
    assert row["attributes"] == "name = The Lamp, customer rating = 3 out of 5, priceRange = less than £20"


def test_web_nlg_triples_have_commas_inside_and_semicolons_between():
    (row,) = adapt(
        "web_nlg_en",
        {
            "input": ["Old_Bridge | builtBy | Ann_Mason", "Old_Bridge | length | 12.5"],
            "target": "Ann Mason built the Old Bridge, 12.5 metres long.",
            "references": [],
        },
    )
    assert row["triples"] == "Old Bridge, builtBy, Ann Mason; Old Bridge, length, 12.5"


def test_cola_zero_is_unacceptable():
    bad, good = adapt("cola", {"sentence": "Dog the.", "label": 0}, {"sentence": "A dog ran.", "label": 1})
    assert (bad["answer"], good["answer"]) == ("unacceptable", "acceptable")


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (r"b'Solve 2*x = 4 for x.\n'", "Solve 2*x = 4 for x."),
        ('b"What is x\'s value?\\n"', "What is x's value?"),
        (r"b'What is x\'s value?\n'", "What is x's value?"),
        ("Solve 2*x = 4 for x.\n", "Solve 2*x = 4 for x."),
        ("b = 2", "b = 2"),
    ],
)
def test_math_text_is_taken_out_of_printed_bytes(stored, text):
    (row,) = adapt("math_dataset", {"question": stored, "answer": r"b'-2\n'"})
    assert (row["question"], row["answer"]) == (text, "-2")


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("Town #39;s  #39;old #39; bridge  quot;shut quot;", "Town's 'old' bridge \"shut\""),
        (r"Shares fall \$2 at H amp;K\after  #36;9 rise", "Shares fall $2 at H&K after $9 rise"),
        ('Maker &lt;A HREF="http://x.test"&gt;MKR.N&lt;/A&gt; grows', "Maker MKR.N grows"),
        ("Research & development &amp; sales", "Research & development & sales"),
    ],
)
def test_ag_news_markup_becomes_text(stored, text):
    (row,) = adapt("ag_news", {"text": stored, "label": 2})
    assert (row["text"], row["answer"]) == (text, "Business")


def test_ag_news_label_outside_the_list_is_a_defect():
    (row,) = adapt("ag_news", {"text": "A headline", "label": 4})
    assert row["defect"] == "label 4 is not one of 0 to 3 (World, Sports, Business, Science/Tech)"


@pytest.mark.parametrize(
    "dateline",
    [
        "(CNN) -- ",
        "(CNN)",
        "( cnn ) ",
        "Rome (CNN) ",
        "LONDON, England (Reuters) -- ",
        "ST. LOUIS (AP) — ",
        "",
    ],
)
def test_cnn_article_begins_after_its_dateline(dateline):
    story = "The bridge was shut (again) on Monday -- and stayed shut."
    (row,) = adapt("cnn_dailymail", {"article": dateline + story, "highlights": "Bridge shut ."})
    assert row["article"] == story


def test_cnn_article_keeps_parentheses_that_are_no_dateline():
    story = "Ann Mason (right) built the bridge -- in a year."
    (row,) = adapt("cnn_dailymail", {"article": story, "highlights": "Bridge built ."})
    assert row["article"] == story


def test_cnn_highlights_keep_their_lines():
    (row,) = adapt("cnn_dailymail", {"article": "A story.", "highlights": "One .\nTwo ."})
    assert row["answer"] == "One .\nTwo ."


def test_samsum_has_one_message_a_line_without_media():
    (row,) = adapt(
        "samsum",
        {
            "dialogue": "Ann: look <file_photo> here\r\nBen: love it <3 \r\nAnn: <file_gif>",
            "summary": "Ben likes it.",
        },
    )
    assert row["dialogue"] == "Ann: look here\nBen: love it <3\nAnn:"


@pytest.mark.parametrize(
    ("dataset", "code", "language"),
    [
        ("wmt14_enfr", "fr", "french"),
        ("wmt16_csen", "cs", "czech"),
        ("wmt16_deen", "de", "german"),
        ("wmt16_roen", "ro", "romanian"),
        ("wmt16_ruen", "ru", "russian"),
        ("wmt16_tren", "tr", "turkish"),
    ],
)
def test_translation_sides_are_named_by_language_and_go_both_ways(dataset, code, language):
    (row,) = adapt(dataset, {"translation": {code: " x ", "en": "y"}})
    assert (row[language], row["english"], row["answer"]) == ("x", "y", "x")
    rendered = {
        t.render(row | {"options": ""}) for t in load_catalog()[dataset].templates if not t.turned_around
    }
    assert {targets for _, targets in rendered} == {"x", "y"}


def test_translation_without_one_side_is_a_defect():
    (row,) = adapt("wmt16_deen", {"translation": {"de": "", "en": "The lamp is red."}})
    assert row["defect"] == "field 'german' is empty"
