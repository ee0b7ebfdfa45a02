"""Labels of the embedded corpus's remarks and news items, found again from the texts.

The readers know which words make a mood or a topic and which of them count, and nothing of the generator.
"""

import re
from collections import Counter
from functools import cache

import polars as pl
import pytest

from flan_datagen.embedded import DATASETS
from flan_datagen.embedded.rows import OTHER_ROWS, TRAIN_ROWS

COLUMNS = {"sst2": "sentence", "ag_news": "text"}


@cache
def frame(dataset: str, split: str) -> pl.DataFrame:
    num_rows = TRAIN_ROWS if split == "train" else OTHER_ROWS
    return DATASETS[dataset].frame(seed=0, name=dataset, part="", split=split, num_rows=num_rows)


def rows(dataset: str):
    for split in ("train", "validation", "test"):
        for row in frame(dataset, split).to_dicts():
            yield row[COLUMNS[dataset]], row["label"]


@pytest.mark.parametrize("dataset", COLUMNS)
def test_classes_are_even(dataset):
    for split in ("train", "validation", "test"):
        counts = Counter(frame(dataset, split)["label"])
        assert len(counts) == {"sst2": 2, "ag_news": 4}[dataset]
        assert len(set(counts.values())) == 1, counts


@pytest.mark.parametrize("dataset", COLUMNS)
def test_texts_of_a_test_are_new(dataset):
    train, *others = (
        set(frame(dataset, split)[COLUMNS[dataset]]) for split in ("train", "validation", "test")
    )
    assert not any(train & other for other in others)


# --- remarks ---------------------------------------------------------------------------------------------

GOOD = r"good|great|lovely|funny|warm|clever|bright|charming|fresh|wonderful|thrilling|beautiful"
ANY = rf"{GOOD}|bad|horrible|boring|weak|cold|silly|dull|noisy|stale|terrible|slow|messy"
COUNTS = (
    rf"all in all the \w+ is (?P<said>{ANY})\b",
    rf"for me the [\w ]+ is (?P<said>{ANY})\b",
    rf"more of a (?P<said>{ANY}) \w+ than",
    rf"less of a (?P<denied>{ANY}) \w+ than",
    rf"nobody can say that .* is (?P<denied>{ANY})$",
    rf"everybody can say that .* is (?P<said>{ANY})$",
    rf"it is wrong to call .* (?P<denied>{ANY})$",
    rf"it is right to call .* (?P<said>{ANY})$",
    rf"not a (?:{ANY}) \w+ , but a (?P<said>{ANY}) one$",
    rf"far from (?:{ANY}) , the [\w ]+ is (?P<said>{ANY})$",
    rf"is never (?:{ANY}) and the [\w ]+ is (?P<said>{ANY})$",
    rf"(?:feared|hoped for) a (?:{ANY}) \w+ and got a (?P<said>{ANY}) one$",
    rf"could be (?:{ANY}) and is (?P<said>{ANY})$",
)
"""Where words of both moods may stand: the one that counts."""
NUM_PLACED = 8
"""The first of these: without its place the same words would mean the other mood."""


def praises(word: str) -> bool:
    return word in GOOD.split("|")


def test_remarks_praise_or_blame():
    mixed = placed = 0
    for sentence, label in rows("sst2"):
        text = sentence.removesuffix(" ")
        found = [(number, hit) for number, form in enumerate(COUNTS) if (hit := re.search(form, text))]
        moods = {praises(word) for word in re.findall(rf"\b(?:{ANY})\b", text)}
        mixed += len(moods) == 2
        if found:
            ((number, hit),) = found
            groups = hit.groupdict()
            mood = praises(groups["said"]) if groups.get("said") else not praises(groups["denied"])
            placed += number < NUM_PLACED
        else:
            (mood,) = moods
        assert mood == label, text
    total = TRAIN_ROWS + 2 * OTHER_ROWS
    assert mixed / total > 0.6
    assert 0.2 < placed / total < 0.3


# --- news ------------------------------------------------------------------------------------------------

TOPICS = (
    r"peace|[Vv]ote|President|[Bb]order|Minister|minister|government|Soldiers|leaders|parliament|rebels",
    r"final|Coach|coach|wins gold|[Ss]triker|draws with|scored|fans|runner|players|\bcup\b|season",
    r"Bank|\bbank\b|company|[Ss]hares|[Oo]il|[Ff]actory|profits|firm|stock|investors",
    r"planet|computer|[Pp]robe|software|Study|researchers|chip|satellite|internet",
)
"""Words of what happens, by topic."""
HEARD = (
    r"(?<!^)\b(\w+ \w+|The \w+ of \w+|\w+ in \w+|The head of an oil company) "
    r"(heard of|read about|was told of) it\b.*"
)
BESIDE = (
    r"^(?:While|On the day that|Just after) [^,]*, ",
    r", (?:while|on the day that|just after) .*?(?= (?:It was|Nobody|\w+ was the first|The people)\b|$)",
)


def test_news_are_of_the_topic_of_what_happened():
    passing = beside = 0
    for text, label in rows("ag_news"):
        known = re.sub(HEARD, "", text)
        passing += known != text
        news = re.sub(BESIDE[1], "", re.sub(BESIDE[0], "", known))
        beside += news != known
        assert [topic for topic, words in enumerate(TOPICS) if re.search(words, news)] == [label], text
    total = TRAIN_ROWS + 2 * OTHER_ROWS
    assert 0.36 < passing / total < 0.47
    assert 0.2 < beside / total < 0.3
