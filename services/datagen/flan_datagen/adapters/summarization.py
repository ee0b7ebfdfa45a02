"""Texts and what they come down to: mails, articles, chats, debates, reviews; and AG News, which is classified."""

import polars as pl

from flan_datagen.adapters.markup import without_entities
from flan_shared.errors import DataError

_PLACES = (
    r"(?:\b(?:(?:d['’])?\p{Lu}[\w.'’/&-]*|\d{1,2}|d[aeo]s?|del|la|las|los|el|es|al|am|of|the|on|in|near|and|upon)\b"
    r"\.?\s*,?\s*)"
)
_CNN = r"\(\s*(?i:cnn)[^()]{0,30}\)\s*"
_DATELINE = (
    r"^\s*(?:"
    # LONDON, England (Reuters) --
    rf"{_PLACES}{{0,8}}\(\s*(?:(?i:cnn)|[\p{{Lu}}\d])[^()]{{0,39}}\)\s*(?:--+|—|–|―)"
    # LONDON (Reuters) - : a hyphen alone may as well come after a name's parenthesis.
    rf"|{_PLACES}{{0,8}}\(\s*(?i:cnn[^()]{{0,30}}|reuters|ap|afp|associated press)\s*\)\s*-\s"
    # Washington (CNN)The, but not: Cable News Network (CNN) said
    rf"|{_PLACES}{{1,8}}{_CNN}(?P<first>[\"“‘'`$£€]*\s*[\p{{Lu}}\d])"
    rf"|{_CNN}"
    # LONDON, England --
    r"|\p{Lu}{3,}(?:\s\p{Lu}{2,}){0,3}\s*,\s*(?:\p{Lu}[\w.'’-]*\s){1,3}--"
    r")\s*"
)
"""Where, and from whom, an article comes, at its beginning.

The paper's code splits at the separator and keeps what stands before it; meant is what comes after.
"""

_NOTED_DATELINE = (
    r"(?s)^(?P<note>\s*\(?(?i:editor['’]s note)\s*:.*?[.!?][\"”’')]*\s+)"
    rf"{_PLACES}{{0,8}}{_CNN}(?:--+|—|–)?\s*"
)
"""The dateline that comes after an editor's note; the note stays."""

_MEDIA = r"(?i)<[a-z]+(?:_[a-z]+)*>"
"""SAMSum's placeholder for a picture, a link and the like: `<file_photo>`. A heart, `<3`, is none."""

_LOST_NUMBERS = {
    "34": '"',
    "36": "$",
    "38": "&",
    "39": "'",
    "145": "‘",
    "146": "’",
    "147": "“",
    "148": "”",
    "150": " – ",
    "151": " – ",
    "160": " ",
    "163": "£",
    "8211": " – ",
    "8212": " – ",
    "8216": "‘",
    "8217": "’",
    "8220": "“",
    "8221": "”",
}
_LOST_NAMES = {
    "quot": '"',
    "amp": "&",
    "lt": " <",
    "gt": " >",
    "nbsp": " ",
    "hellip": "…",
    "mdash": " – ",
    "ndash": " – ",
    "rsquo": "’",
    "lsquo": "‘",
    "rdquo": "”",
    "ldquo": "“",
}
"""AG News has lost the `&` of most HTML entities to a space: `the country #39;s first`.

Numbers 145 to 151 are of Windows-1252, as the wires wrote them.
"""

_INLINE_TAG = r"(?i)</?(?:a|b|i|em|strong|font|span)(?:\s[^<>]*)?>"
_TAG = r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>"
"""Not a ticker symbol: `Inc. <ABC.N>`."""

_BOILERPLATE = (
    r"(?im)^(?:share this with|email|facebook|messenger|twitter|pinterest|whatsapp|linkedin|copy this link"
    r"|these are external links and will open in a new window"
    r"|media playback is (?:not supported|unsupported) on (?:this|your) device)$\n*"
)
"""Lines of the BBC's page around an article."""

_ITEMS = 10
"""How many arguments or reviews are listed, as in the paper's data."""


def aeslc(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The mail in one line, as the paper has it: the source breaks lines at sentences, not where the writer did."""
    return frame.select("row", email=_in_one_line("email_body"), answer=_in_one_line("subject_line"))


def ag_news(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Headline and description are one text on the Hub, and stay so: nothing marks where one ends."""
    text = without_entities("text")
    for number, character in _LOST_NUMBERS.items():
        text = text.str.replace_all(f"(?:&| ?)#{number};", character.replace("$", "$$"))
    for name, character in _LOST_NAMES.items():
        text = text.str.replace_all(f"(?:&|^| ){name};", character)
    # A backslash stands for a line break, or before a dollar sign.
    text = text.str.replace_all(r"\\\$", "$$").str.replace_all(r"\\+", " ")
    text = text.str.replace_all(_INLINE_TAG, "").str.replace_all(_TAG, " ")
    return frame.select("row", "label", text=_in_one_line(text))


def cnn_dailymail(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The article without its dateline. Highlights keep their line breaks, which ROUGE-Lsum goes by."""
    article = _lines("article").str.replace(_DATELINE, "${first}").str.replace(_NOTED_DATELINE, "${note}")
    return frame.select("row", article=article, answer=_lines("highlights"))


def gigaword(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Rows with an unknown word, or a digit, which the source masks, are left out, as in the paper."""
    masked = pl.any_horizontal(
        pl.col(name).str.contains(r"UNK|<unk>|#").fill_null(value=False) for name in ("document", "summary")
    )
    return frame.filter(~masked).select("row", document=_lines("document"), answer=_lines("summary"))


def multi_news(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Documents with a blank line between them, and inside of them one line a paragraph.

    The raw files write line breaks as NEWLINE_CHAR; the Hub's loader has put them back. Some documents are
    empty, and older versions have a separator after the last one.
    """
    document = pl.element().str.strip_chars().str.replace_all(r"\s*\n\s*", "\n")
    documents = (
        _lines(pl.col("document").str.replace_all("NEWLINE_CHAR", "\n", literal=True))
        .str.split("|||||")
        .list.eval(document.filter(document != ""))
        .list.join("\n\n")
    )
    return frame.select("row", documents=documents, answer=_lines("summary"))


def newsroom(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Pages without a title there are a few."""
    return frame.select("row", article=_lines("text"), title=_in_one_line("title"), answer=_lines("summary"))


def opin_idebate(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The claim that an argument of several sentences makes."""
    return frame.select(
        "row",
        debate=_in_one_line("_debate_name"),
        arguments=_numbered("_argument_sentences"),
        answer=_in_one_line("_claim"),
    )


def opin_rotten_tomatoes(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """What critics of a film agree on."""
    return frame.select(
        "row",
        movie=_in_one_line("_movie_name"),
        reviews=_numbered("_critics"),
        answer=_untagged(_in_one_line("_critic_consensus")),
    )


def samsum(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """One message a line, without media."""
    dialogue = _lines(pl.col("dialogue").str.replace_all(_MEDIA, " "))
    return frame.select("row", dialogue=dialogue, answer=_lines("summary"))


def wiki_lingua_en(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """A how-to, from the columns of GEM or from those of the original.

    GEM has a row for each section. The original has one for each article; it stays one, its sections joined, so
    that `row` names one example and no article lies on both sides of a split.

    Raises:
      DataError: no text in the columns of either form.
    """
    if frame.height and all(
        frame[name].null_count() == frame.height for name in ("source", "target", "article")
    ):
        raise DataError(
            "dataset 'wiki_lingua_en' has nothing in the columns 'source' and 'target' (GEM), nor in 'article' "
            f"(original); found: {', '.join(frame.columns)}"
        )
    sections = {
        name: pl.col("article")
        .struct.field(name)
        .list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
        .list.join("\n\n")
        for name in ("document", "summary")
    }
    return frame.select(
        "row",
        article=_lines(pl.coalesce("source", sections["document"])),
        answer=_lines(pl.coalesce("target", sections["summary"])),
        references=pl.col("references").list.eval(_lines(pl.element())),
    )


def xsum(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """The article without what the page around it says; the Hub's copy has lost most of that already."""
    document = _lines("document").str.replace_all(_BOILERPLATE, "")
    return frame.select("row", article=document, answer=_lines("summary"))


def _column(text: str | pl.Expr) -> pl.Expr:
    return pl.col(text) if isinstance(text, str) else text


def _in_one_line(text: str | pl.Expr) -> pl.Expr:
    return _column(text).str.replace_all(r"\s+", " ")


def _lines(text: str | pl.Expr) -> pl.Expr:
    """The same lines, whatever ends them, without white space around them."""
    return (
        _column(text)
        .str.replace_all(r"\r\n?", "\n")
        .str.replace_all(r"[^\S\n]+", " ")
        .str.replace_all(r" ?\n ?", "\n")
        .str.replace_all(r"\n{3,}", "\n\n")
    )


def _untagged(text: pl.Expr) -> pl.Expr:
    """Film titles are in italics here and there."""
    return text.str.replace_all(_INLINE_TAG, "")


def _numbered(column: str) -> pl.Expr:
    """The first texts of a sequence of keys and values, one a line: "1. So.", "2. Thus."."""
    text = _untagged(_in_one_line(pl.element())).str.strip_chars()
    texts = pl.col(column).struct.field("value").list.eval(text.filter(text != "")).list.head(_ITEMS)
    numbered = pl.format("{}. {}", pl.int_range(1, pl.len() + 1), pl.element())
    return texts.list.eval(numbered).list.join("\n")
