"""AG News, CNN/DailyMail and SAMSum."""

import polars as pl

from flan_datagen.adapters.markup import without_entities

_DATELINE = (
    r"^\s*(?:\p{Lu}[\w.'’-]*\s*,?\s*){0,6}"  # places, perhaps: LONDON, England
    r"\(\s*(?:(?i:cnn)[^()]{0,30}\)\s*(?:--|—|–)?|[^()]{1,40}\)\s*(?:--|—|–))\s*"
)
"""`LONDON, England (Reuters) -- `, `(CNN) -- ` or `(CNN)` at the beginning of an article.

The paper's code splits at the separator and keeps what stands before it; meant is what comes after.
"""

_MEDIA = r"<[a-z]+(?:_[a-z]+)*>"
"""SAMSum's placeholder for a picture, a link and the like: `<file_photo>`. A heart, `<3`, is none."""

_LOST_ENTITIES = (
    (r" ?#39;", "'"),
    (r" ?#34;", '"'),
    (r"(?:^| )quot;", '"'),
    (r"(?:^| )amp;", "&"),
    (r"(?:^| )lt;", " <"),
    (r"(?:^| )gt;", " >"),
    (r"(?:^| )nbsp;", " "),
    (r"(?:^| )hellip;", "…"),
    (r" ?#36;", "$"),
    (r" ?#146;", "’"),
    (r" ?#147;", "“"),
    (r" ?#148;", "”"),
    (r" ?#151;", " – "),
)
"""AG News has lost the `&` of most HTML entities to a space: `the country #39;s first`."""


def ag_news(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Headline and description are one text on the Hub, and stay so: nothing marks where one ends."""
    text = without_entities("text").str.replace_all(r"<[^<>]*>", " ")
    for entity, character in _LOST_ENTITIES:
        text = text.str.replace_all(entity, character.replace("$", "$$"))
    # A backslash stands for a line break, or before a dollar sign.
    text = text.str.replace_all(r"\\\$", "$$").str.replace_all(r"\\+", " ")
    return frame.select("row", "label", text=text.str.replace_all(r"\s+", " "))


def cnn_dailymail(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The article without its dateline. Highlights keep their line breaks, which ROUGE-Lsum goes by."""
    return frame.select("row", article=pl.col("article").str.replace(_DATELINE, ""), answer="highlights")


def samsum(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """One message a line, without media."""
    dialogue = (
        pl.col("dialogue")
        .str.replace_all(r"\r\n?", "\n")
        .str.replace_all(_MEDIA, " ")
        .str.replace_all(r"[^\S\n]+", " ")
        .str.replace_all(r" *\n *", "\n")
    )
    return frame.select("row", dialogue=dialogue, answer="summary")
