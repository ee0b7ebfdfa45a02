"""COPA, HellaSwag, PIQA and StoryCloze."""

import polars as pl

from flan_datagen.adapters.label import label_columns


def copa(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """`query` asks for the cause or the effect; `opening` is the premise as the start of a longer sentence.

    "It rained." with question "effect" gives the opening "It rained, so", with "cause" "It rained because".
    """
    kind = pl.col("question").str.strip_chars()
    return frame.select(
        "row",
        "premise",
        "label",
        kind=pl.when(kind.is_in(["cause", "effect"])).then(kind),
        query=kind.replace_strict(
            {"cause": "Why did this happen?", "effect": "What happened next?"}, default=None
        ),
        opening=pl.col("premise").str.strip_chars().str.strip_chars_end(".")
        + kind.replace_strict({"cause": " because", "effect": ", so"}, default=None),
        options=pl.concat_list("choice1", "choice2"),
    )


def hellaswag(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Labels are texts, empty in the test split; the marks of wikiHow pages become plain prose."""
    return frame.select(
        "row",
        context=_without_marks(pl.col("ctx")),
        activity="activity_label",
        options=pl.col("endings").list.eval(_without_marks(pl.element())),
        **label_columns("label", {str(index): index for index in range(4)}),
    )


def piqa(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.select("row", "goal", "label", options=pl.concat_list("sol1", "sol2"))


def story_cloze(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The right ending is counted from 1; a story that lacks one of its four sentences is a defect."""
    sentences = [pl.col(f"input_sentence_{number}").str.strip_chars() for number in range(1, 5)]
    return frame.select(
        "row",
        context=pl.concat_str([pl.when(text != "").then(text) for text in sentences], separator=" "),
        options=pl.concat_list("sentence_quiz1", "sentence_quiz2"),
        **label_columns("answer_right_ending", {"1": 0, "2": 1}),
    )


def _without_marks(text: pl.Expr) -> pl.Expr:
    """[header], [title], [step] and [substeps] taken out.

    A title ends no sentence in the source, nor does what stands before it, so a full stop is put there:
    "[header] How to knit [title] Get wool. [step] Any will do." is "How to knit. Get wool. Any will do."
    """
    return (
        text.str.replace_all(r"\[(?:header|step|substeps)\]", " ")
        .str.replace_all(r"([.!?:][\"')\]]*)\s*\[title\]", "$1")
        .str.replace_all(r"(\S)\s*\[title\]", "$1.")
        .str.replace_all("[title]", " ", literal=True)
        .str.replace_all(r"\s{2,}", " ")
        .str.strip_chars()
    )
