"""Rows in, canonical rows out: mails, articles, debates and reviews, each to what they come down to."""

import polars as pl
import pytest

from flan_datagen.catalog import load_catalog
from flan_shared.errors import DataError


def adapt(dataset: str, *rows: dict) -> list[dict]:
    """Canonical rows of source rows."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return load_catalog()[dataset].adapt(frame, "").to_dicts()


def sequence(form: str, *values: str | None) -> dict | list[dict]:
    """Keys and values in either form in which files hold a sequence of structs."""
    pairs = [{"key": str(key), "value": value} for key, value in enumerate(values)]
    if form == "list of structs":
        return pairs
    return {"key": [pair["key"] for pair in pairs], "value": [pair["value"] for pair in pairs]}


FORMS = ("struct of lists", "list of structs")


def test_aeslc_mail_is_one_line():
    (row,) = adapt(
        "aeslc",
        {"email_body": "Ann,\nthe bridge is shut.\r\n\r\n  Ben\n", "subject_line": " Bridge\tshut "},
    )
    assert (row["email"], row["answer"]) == ("Ann, the bridge is shut. Ben", "Bridge shut")
    assert row["references"] == ["Bridge shut"]


def test_aeslc_mail_without_a_subject_is_a_defect():
    (row,) = adapt("aeslc", {"email_body": "The bridge is shut.", "subject_line": " "})
    assert row["defect"] == "answer is empty"


@pytest.mark.parametrize("label", range(4))
def test_ag_news_classes_are_in_the_source_s_order(label):
    (row,) = adapt("ag_news", {"text": "A headline", "label": label})
    assert row["answer"] == ("World", "Sports", "Business", "Science/Tech")[label]


def test_ag_news_classes_may_be_written_in_the_source_s_words():
    rows = adapt("ag_news", *({"text": "A headline", "label": name} for name in ("Sci/Tech", "World")))
    assert [row["answer"] for row in rows] == ["Science/Tech", "World"]


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("Shares of Lamps Inc. &lt;LMP.N&gt; fell", "Shares of Lamps Inc. <LMP.N> fell"),
        ('Lamps Co. &lt;A HREF="http://x.test"&gt;LMP.N&lt;/A&gt;, a maker', "Lamps Co. LMP.N, a maker"),
        ("Lamps &lt;p&gt;&lt;/p&gt;grow", "Lamps grow"),
        ("One  #145;two #146;&#151;three&nbsp;four", "One ‘two’ – three four"),
        (r"First\second\\third", "First second third"),
    ],
)
def test_ag_news_wire_marks_become_text(stored, text):
    (row,) = adapt("ag_news", {"text": stored, "label": 2})
    assert row["text"] == text


@pytest.mark.parametrize(
    "dateline",
    [
        "(CNN Student News) -- ",
        "(InStyle.com) -- ",
        "NEW YORK (CNNMoney) -- ",
        "Rio de Janeiro (CNN) -- ",
        "L'Aquila, Italy (CNN) --",
        "On the Long River, Mississippi (CNN) --- ",
        "Washington, D.C. (CNN) – ",
        "Washington (CNN)",
        "LONDON (Reuters) - ",
        "MOSCOW, Aug 5 (Reuters) - ",
        "LONDON, England -- ",
        "London , England ( CNN ) -- ",
        "(CNN)\u00a0",
    ],
)
def test_cnn_datelines_of_many_kinds_are_left_out(dateline):
    story = "The bridge was shut (again) on Monday -- and stayed shut."
    (row,) = adapt("cnn_dailymail", {"article": dateline + story, "highlights": "Bridge shut ."})
    assert row["article"] == story


@pytest.mark.parametrize(
    "article",
    [
        "Ann Mason (right) -- who built the bridge -- is 50.",
        "Cable News Network (CNN) said the bridge was shut.",
        "The Old Bridge -- shut since May -- is open.",
        "In 2013 (the year of the flood) -- it was shut.",
        "By . Ann Mason . PUBLISHED: . 14:11 EST, 25 October 2013 . | . The bridge is shut .",
    ],
)
def test_cnn_articles_without_a_dateline_stay_whole(article):
    (row,) = adapt("cnn_dailymail", {"article": article, "highlights": "Bridge shut ."})
    assert row["article"] == article


def test_cnn_dateline_after_an_editor_s_note_is_left_out_and_the_note_kept():
    note = "Editor's note: Ann Mason builds bridges. The views are hers."
    story = "The bridge (CNN) is shut."
    (row,) = adapt(
        "cnn_dailymail",
        {"article": f"{note} OSLO, Norway (CNN) -- {story}", "highlights": "Bridge shut ."},
    )
    assert row["article"] == f"{note} {story}"


def test_cnn_quotation_after_a_dateline_keeps_its_mark():
    (row,) = adapt("cnn_dailymail", {"article": 'London (CNN)"We won," Ann said.', "highlights": "Won ."})
    assert row["article"] == '"We won," Ann said.'


def test_gigaword_leaves_out_rows_with_masked_words_or_digits():
    rows = adapt(
        "gigaword",
        {"document": "the UNK is shut .", "summary": "shut"},
        {"document": "the bridge is shut .", "summary": "<unk> shut"},
        {"document": "## bridges are shut .", "summary": "bridges shut"},
        {"document": "the old bridge -lrb- built of stone -rrb- is shut .", "summary": "bridge shut"},
        {"document": None, "summary": "bridge shut"},
    )
    assert [row["row"] for row in rows] == [3, 4]
    assert rows[0]["document"] == "the old bridge -lrb- built of stone -rrb- is shut ."
    assert rows[1]["defect"] == "field 'document' is empty"


def test_multi_news_documents_are_apart_by_a_blank_line_and_none_is_empty():
    (row,) = adapt(
        "multi_news",
        {
            "document": "A bridge \n \n was shut. ||||| \n ||||| Ann shut it. NEWLINE_CHAR Why? |||||",
            "summary": "– Ann shut a bridge.",
        },
    )
    assert row["documents"] == "A bridge\nwas shut.\n\nAnn shut it.\nWhy?"
    assert row["answer"] == "– Ann shut a bridge."


def test_multi_news_without_any_document_is_a_defect():
    (row,) = adapt("multi_news", {"document": " ||||| \n", "summary": "A bridge."})
    assert row["defect"] == "field 'documents' is empty"


def test_newsroom_paragraphs_stay_and_a_title_may_be_missing():
    rows = adapt(
        "newsroom",
        {"text": "One.\r\n\r\n\r\nTwo. ", "summary": "Both.", "title": "A\n bridge", "density": 1.5},
        {"text": "One.", "summary": "Both.", "title": None, "density": 1.5},
    )
    assert [(row["article"], row["title"]) for row in rows] == [("One.\n\nTwo.", "A bridge"), ("One.", "")]
    assert [row["defect"] for row in rows] == [None, None]
    assert adapt("newsroom", {"text": "One.", "summary": "Both."})[0]["title"] == ""


@pytest.mark.parametrize("form", FORMS)
def test_idebate_arguments_are_a_numbered_list(form):
    (row,) = adapt(
        "opin_idebate",
        {
            "_debate_name": "This house would shut bridges",
            "_debate_id": "7",
            "_claim": "Bridges are\nold.",
            "_claim_id": "7_1",
            "_argument_sentences": sequence(form, " Stone\nbreaks. ", "", None, "Rain falls."),
        },
    )
    assert row["debate"] == "This house would shut bridges"
    assert row["arguments"] == "1. Stone breaks.\n2. Rain falls."
    assert row["answer"] == "Bridges are old."


@pytest.mark.parametrize("form", FORMS)
def test_idebate_claim_without_arguments_is_a_defect(form):
    rows = [
        {"_debate_name": "Bridges", "_claim": "They are old.", "_argument_sentences": sequence(form, *texts)}
        for texts in (["So."], [], [" "])
    ]
    defects = [row["defect"] for row in adapt("opin_idebate", *rows)]
    assert defects == [None, *["field 'arguments' is empty"] * 2]


@pytest.mark.parametrize("form", FORMS)
def test_rotten_tomatoes_lists_the_first_ten_reviews(form):
    reviews = [f"Review {number}." for number in range(1, 13)]
    (row,) = adapt(
        "opin_rotten_tomatoes",
        {
            "_movie_name": "The Bridge",
            "_movie_id": "bridge",
            "_critics": sequence(form, *reviews),
            "_critic_consensus": "<em>The Bridge</em> holds.",
        },
    )
    assert row["movie"] == "The Bridge"
    assert row["reviews"] == "\n".join(f"{number}. Review {number}." for number in range(1, 11))
    assert row["answer"] == "The Bridge holds."


def test_samsum_media_in_capitals_go_and_blank_messages_are_no_reason_to_stop():
    (row,) = adapt("samsum", {"dialogue": "Ann: <FILE_PHOTO>\nBen: <3 <3", "summary": "Ann sends a photo."})
    assert row["dialogue"] == "Ann:\nBen: <3 <3"


def test_wiki_lingua_takes_the_columns_of_gem():
    (row,) = adapt(
        "wiki_lingua_en",
        {
            "gem_id": "1",
            "source": "Wash it.\r\nThen dry it.",
            "target": "Wash. Dry.",
            "references": ["Wash. Dry.", "Clean it."],
        },
    )
    assert (row["article"], row["answer"]) == ("Wash it.\nThen dry it.", "Wash. Dry.")
    assert row["references"] == ["Wash. Dry.", "Clean it."]


@pytest.mark.parametrize("form", FORMS)
def test_wiki_lingua_joins_the_sections_of_the_original(form):
    sections = [
        {"section_name": "First", "document": "Wash it.", "summary": "Wash."},
        {"section_name": "Second", "document": " ", "summary": ""},
        {"section_name": "Third", "document": "Dry it.", "summary": "Dry."},
    ]
    article = (
        sections
        if form == "list of structs"
        else {name: [section[name] for section in sections] for name in sections[0]}
    )
    (row,) = adapt("wiki_lingua_en", {"url": "https://x.test", "article": article})
    assert (row["article"], row["answer"]) == ("Wash it.\n\nDry it.", "Wash.\n\nDry.")


def test_wiki_lingua_without_the_columns_of_either_form_is_an_error():
    with pytest.raises(DataError, match=r"nothing in the columns 'source' and 'target' .* nor in 'article'"):
        adapt("wiki_lingua_en", {"text": "Wash it.", "short": "Wash."})


def test_xsum_article_is_without_the_page_around_it():
    (row,) = adapt(
        "xsum",
        {
            "document": "Share this with\nEmail\nMedia playback is not supported on this device\n"
            "The bridge is shut.\r\nEmail us.\nFacebook\n",
            "summary": "A bridge is shut.",
            "id": "1",
        },
    )
    assert (row["article"], row["answer"]) == ("The bridge is shut.\nEmail us.", "A bridge is shut.")


@pytest.mark.parametrize("column", ["document", "summary"])
def test_xsum_row_without_a_text_is_a_defect(column):
    (row,) = adapt("xsum", {"document": "The bridge is shut.", "summary": "Shut."} | {column: None})
    assert row["defect"] == {"document": "field 'article' is empty", "summary": "answer is empty"}[column]
