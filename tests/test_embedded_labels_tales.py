"""Labels of the embedded corpus's stories, moods, pronouns and clozes, found again from the texts.

The readers know what words mean, and nothing of the generator.
"""

import re
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise

import polars as pl
from test_embedded_labels_short import frame, rows
from test_embedded_labels_summaries import EVENTS

from flan_datagen.embedded.rows import OTHER_ROWS, TRAIN_ROWS

# --- stories ---------------------------------------------------------------------------------------------

FEELINGS = {
    "happy": "won a big prize|found the ring|got a letter from|new bike|won the match",
    "sad": "favourite ring|lost the match|moved far away|got no presents|Nobody came to the party",
    "tired": "whole night|walked for ten|heavy boxes|could not sleep|ran up the hill",
    "afraid": "strange noise|big dog|alone in the forest|saw a snake|very high bridge",
}
EFFECTS = {
    **{"dropped the": "into pieces", "ball flew": "broken glass", "out in the rain": "came home wet"},
    **{
        "rained for a": "river was full",
        "gave water to the .* every": "grew tall",
        "Nobody gave": "dried up",
    },
    **{"washed the dirty": "clean again", "through the mud": "were dirty", "nothing all day": "two plates"},
    **{"ate far too": "pain in", "in the hot sun": "drank a lot", "worked all night": "slept until"},
    **{"did not ring": "woke up too", "missed the": "walk to work", "snow on": "one hour late"},
    **{"bad cold": "stayed in bed", "from the ladder": "broken leg", "no fuel": "stopped on the road"},
    **{
        "over a nail": "flat tyre",
        "lamp in the": "was dark",
        "ten candles": "light in",
        "window of": "very cold",
    },
    **{
        "lit a fire": "nice and warm",
        "snowman": "melted",
        "night was very": "ice on the",
        "forgot the": "burned",
    },
    **{"too much salt": "wanted to eat", "gate of the barn": "ran away", "stranger": "to bark"},
    **{
        "trumpet": "neighbours",
        "too loud": "silence",
        "lost .* purse": "could not pay",
        "sold the old": "more money",
    },
    **{
        "lost the key": "front door",
        "studied hard": "passed",
        "never opened": "failed",
        "fastest": "first prize",
    },
    **{"stopped working": "repair shop", "had grown": "barber", "had a birthday": "presents"},
}


def in_form(endings: list[str]) -> dict[str, str] | None:
    """The four forms of a step, if the endings are nothing else."""
    if len({ending.split(" ", 1 + ending.startswith("to "))[-1] for ending in endings}) > 1:
        return None
    (to,) = (ending for ending in endings if ending.startswith("to "))
    (ing,) = (ending for ending in endings if ending.split()[0].endswith("ing"))
    base = to.removeprefix("to ")
    (third,) = set(endings) - {to, ing, base}
    assert third.split()[0].endswith("s")
    return {"third": third, "base": base, "ing": ing, "to": to}


@cache
def followers() -> dict[str, set[str]]:
    """What is done after what, as HellaSwag's rows tell it where no order is asked for."""
    found = defaultdict(set)
    for row in rows("hellaswag"):
        if (forms := in_form(row["endings"])) and not re.search(r"\bthey\b", row["ctx"], re.IGNORECASE):
            done = re.findall(r"\bS?[Hh]e ([^.]+)\.", row["ctx_a"])
            for one, two in pairwise((*done, forms["third"].removesuffix("."))):
                found[one].add(two)
    return found


def test_one_of_two_endings_follows():
    asked = Counter()
    for row in rows("story_cloze"):
        told = [row[f"input_sentence_{number}"] for number in range(1, 5)]
        endings = [row[f"sentence_quiz{number}"] for number in (1, 2)]
        right, wrong = endings[:: 1 if row["answer_right_ending"] == 1 else -1]
        if found := re.fullmatch(r"(\w+) was (happy|sad|tired|afraid)\.", right):
            asked["mood"] += 1
            (news,) = (one for one in told if re.search(FEELINGS[found[2]], one))
            assert found[1] in news, row
        elif re.match(r"S?[Hh]e \w+s\b", right) and not re.search("|".join(EFFECTS), told[3]):
            asked["step"] += 1
            last = re.sub(r"^\w+ ", "", told[3]).removesuffix(".")
            ends = [re.sub(r"^S?[Hh]e ", "", ending).removesuffix(".") for ending in (right, wrong)]
            assert ends[0] in followers()[last], row
            assert ends[1] not in followers()[last], row
        else:
            asked["effect"] += 1
            (effect,) = (EFFECTS[cause] for cause in EFFECTS if re.search(cause, told[3]))
            assert effect in right, row
            assert effect not in wrong, row
    assert set(asked.values()) == {(TRAIN_ROWS + OTHER_ROWS) // 3}


def test_endings_of_one_step_differ_in_form_and_one_form_fits():
    fitting = {
        "she": "third",
        "he": "third",
        "they": "base",
        "will": "base",
        "to": "base",
        "busy": "ing",
        "fun": "ing",
    }
    fitting |= dict.fromkeys(("wants", "want", "decides", "decide"), "to")
    asked, single = Counter(), 0
    for row in rows("hellaswag"):
        if forms := in_form(row["endings"]):
            form = fitting[row["ctx"].split()[-1]]
            assert row["endings"][int(row["label"])] == forms[form], row
            asked[form] += 1
            single += row["ctx_b"].startswith("First")
    assert asked.total() == (TRAIN_ROWS + OTHER_ROWS) // 3
    assert min(asked.values()) > 0.8 * max(asked.values())
    assert single > 50


# --- moods -----------------------------------------------------------------------------------------------

GOOD = "good|great|lovely|funny|warm|clever|bright|charming|fresh|wonderful|thrilling|beautiful"
BAD = "bad|horrible|boring|weak|cold|silly|dull|noisy|stale|terrible|slow|messy"
ANY = f"{GOOD}|{BAD}"
NOT_MEANT = (
    rf"not an? ({ANY}) day|would be ({ANY}) but|says .*? is ({ANY}) ,|not ({ANY}) at all|calls .*? ({ANY})\."
)
"""What was denied, expected, or said by others."""
BAD_NEWS = (
    r"one hour late|worst|^have to work|do not want it to be|lost my|is broken again|not well|did not come|"
    r"did not sleep|nobody liked|\w forgot my|have to leave .* do not want|^no \w+ left|^failed|did not win|"
    r"cannot find|so sad today|feel ill now"
)
GOOD_NEWS = (
    r"right on time|best|do not have to work|really want it|love my|not broken any|well again|\w came to see|"
    r"did sleep|everybody liked|did not forget|do not have to leave|was \w+ left|did not fail|did win|at last|"
    r"so happy today|am fine now"
)


def side(text: str, bad: str, good: str) -> int:
    """0 or 1, as all that is said points to."""
    words = re.sub(NOT_MEANT, "", text)
    found = [bool(re.search(rf"{cues}|\b(?:{mood})\b", words)) for cues, mood in ((bad, BAD), (good, GOOD))]
    if re.search(NOT_MEANT, text) and not any(found):
        denied = re.search(rf"not (?:an? )?({ANY})\b", text)[1]
        return int(denied in BAD.split("|"))
    assert sum(found) == 1, text
    return int(found[1])


def test_tweets_are_glad_or_not():
    for row in rows("sentiment140"):
        text = re.sub(r"^(@\w+ hi ! |@\w+ |ok , |so (?!happy|sad)|well , |just saying : )", "", row["text"])
        text = re.sub(r"( #\w+| http://\S+| &amp; that is all| \.\.\.| ?!+|\.)$", "", text)
        parts = re.split(r"\. | and (?!do not)| , (?!to me|so |feel|am )", text)
        moods = {side(part, BAD_NEWS, GOOD_NEWS) for part in parts}
        assert moods == {int(row["sentiment"] == 4)}, row


def test_tweets_look_like_those_of_the_source():
    days = defaultdict(set)
    for row in rows("sentiment140"):
        weekday, month, day, _, zone, year = row["date"].split()
        assert (zone, year) == ("UTC", "2009")
        days[month, int(day)].add(weekday)
    assert days["May", 25] == {"Mon"}
    assert all(len(found) == 1 for found in days.values())
    assert set(frame("sentiment140", "", "train")["query"]) == {"NO_QUERY"}
    assert "NO_QUERY" not in set(frame("sentiment140", "", "test")["query"])


BAD_VISIT = (
    r"Nobody smiled|never answered|wait one hour|higher|They forgot|not clean|in tears|not say sorry|to leave after|"
    r"no taste|too little|had no \w+ left|could not finish|not sleep|was broken|no \w+ for breakfast|asked for our|"
    r"broke after a|would not take|not have one|paid more"
)
GOOD_VISIT = (
    r"Everybody smiled|answered all|not have to wait|lower|did not forget|was clean|told us to go|said sorry|stay all|"
    r"a fine taste|enough|my favourite|asked for more|slept well|was new|was \w+ for breakfast|asked for another|"
    r"has never broken|back at once|more than one|paid less"
)
BAD_VERDICT = r"not go there again|not worth|should stay away|cannot tell|[Oo]ne star|not happy"
GOOD_VERDICT = r"will go there again|was worth|should not stay away|can only tell|[Ff]ive stars|were happy"


def test_visits_are_praised_or_not():
    mixed = framed = 0
    for row in rows("yelp_polarity"):
        text = row["text"].replace("\\n\\n", " ").replace('\\""', "").replace(". I call it", "; I call it")
        text = re.sub(r"calls the \w+ \w+; I call", "I call", text)
        verdict = [bool(re.search(words, text)) for words in (BAD_VERDICT, GOOD_VERDICT)]
        said = re.split(r"(?<=\.) ", text)[1:]
        if own := [one for one in said if re.match("(Today I write|I tell you|I will say): ", one)]:
            (other,) = set(said) - set(own)
            assert re.match(r"(Last year I wrote|\w+ told me|\w+ will say): ", other), row
            moods = [side(one, BAD_VISIT, GOOD_VISIT) for one in (*own, other)]
            assert moods == [row["label"], 1 - row["label"]], row
            framed += 1
            continue
        if any(verdict):
            said.pop()
        moods = [side(one, BAD_VISIT, GOOD_VISIT) for one in said]
        if any(verdict):
            assert verdict == [not row["label"], bool(row["label"])], row
            mixed += len(set(moods)) > 1
        else:
            assert set(moods) == {row["label"]}, row
    assert all(0.2 < number / (TRAIN_ROWS + OTHER_ROWS) < 0.3 for number in (mixed, framed))


# --- pronouns --------------------------------------------------------------------------------------------

# What was told, what then is said of the first of the two, and what of the second one.
ENDINGS = (
    ("gave the", "did not need", "had asked"),
    ("thanked", "had got help", "had given"),
    ("sold the", "needed money", "wanted to have"),
    ("lent the", "got it back", "gave it back"),
    ("won the race", "faster", "slower"),
    ("asked .* about", "wanted to know", "knew a lot"),
    ("is taller", "can reach", "cannot reach"),
    ("is stronger", "can lift", "cannot lift"),
    ("took the .* away", "had it now", "had lost it"),
    ("taught", "good teacher", "wanted to learn"),
    ("works at night", "in the day", "at night"),
    ("had money and", "bought", "could not buy"),
    ("was hungry", "ate", "did not eat"),
    ("visited", "to see a friend", "had sent"),
    ("broke the", "to pay", "a new one"),
    ("was older", "went to work", "to school"),
    ("hid the", "knew where", "could not find"),
    ("did not fit", "too big", "too small"),
    ("stood on", "on top", "below"),
    ("was heavy", "hard to lift", "easy to lift"),
    ("cost more", "was new", "old and used"),
    ("was broken and", "had to be repaired", "could be used"),
    ("was wet", "in the rain", "in the house"),
    ("was full and", "nothing more", "there was room"),
)


def meant(text: str) -> tuple[str, list[str]]:
    """Whom the pronoun means, and the two it may mean, in small letters."""
    sentence = text.removesuffix(".").split(". ")[-1]
    told, ending = re.fullmatch(r"(.*?)(?: because|, so|, and) (.*)", sentence).groups()
    (which,) = ({first: 0, second: 1} for start, first, second in ENDINGS if re.search(start, told))
    (place,) = {place for words, place in which.items() if re.search(rf"\b{words}", ending)}
    two = re.findall(r"\b[A-Z][a-z]+\b", told)
    if two[0] == "The":
        two = re.findall(r"\b[Tt]he [a-z]+", told)
    return two[place].lower(), [name.lower() for name in two]


def test_a_pronoun_means_the_span_or_not():
    passages = 0
    for row in rows("wsc", "wsc"):
        words = row["text"].split()
        for number in (1, 2):
            text, start = row[f"span{number}_text"], row[f"span{number}_index"]
            assert " ".join(words[start : start + len(text.split())]).rstrip(",.") == text, row
        assert row["span2_text"] in ("he", "she", "it")
        right, two = meant(row["text"])
        assert row["span1_text"].lower() in two
        assert (row["span1_text"].lower() == right) == row["label"], row
        passages += ". " in row["text"]
    assert 0.28 < passages / (TRAIN_ROWS + OTHER_ROWS) < 0.39


def test_a_pronoun_means_one_of_two_options():
    test = frame("wsc", "wsc273", "test")
    assert test.schema["options"] == pl.List(pl.String)
    for row in test.to_dicts():
        text, pronoun = row["text"], row["pronoun"]
        assert re.match(rf"{pronoun}\b", text[row["pronoun_loc"] :]), row
        assert text[row["quote_loc"] :] == row["quote"] + "."
        assert row["quote_loc"] <= row["pronoun_loc"]
        right, two = meant(text)
        assert sorted(option.lower() for option in row["options"]) == sorted(two)
        assert row["options"][row["label"]].lower() == right, row


# --- clozes ----------------------------------------------------------------------------------------------


def gists(passage: str) -> set[str]:
    """What the events of a passage come down to."""
    found = set()
    for sentence in passage.removesuffix(".").split(". "):
        for form, gist in EVENTS.items():
            if hit := re.fullmatch(form, sentence):
                named = hit.groupdict()
                values = [named[name] for name in sorted(named)] if named else hit.groups()
                found.add(gist.format(*values).lower())
    return found


def test_a_cloze_s_answers_complete_the_gist_of_the_passage():
    slots = Counter()
    for row in rows("record"):
        body, *highlights = row["passage"].split("\n@highlight\n")
        assert highlights
        query = row["query"]
        for name in (entity for entity in row["entities"] if " " in entity):
            body, query = (text.replace(name, name.replace(" ", "_")) for text in (body, query))
        told = gists(body)
        completed = {name: query.replace("@placeholder", name.replace(" ", "_")) for name in row["entities"]}
        right = [name for name, text in completed.items() if text.lower() in told]
        assert right == row["answers"][:1], row
        for more in row["answers"][1:]:
            assert right[0].endswith(f" {more}")
        assert 3 <= len(row["entities"]) == len(set(row["entities"]))
        slots[len(row["answers"])] += 1
    assert slots[1] > slots[2] > 50


def test_entities_of_a_cloze_are_where_they_are_said_to_be():
    for row in rows("record"):
        spans = row["entity_spans"]
        assert set(spans["text"]) == set(row["entities"]) >= set(row["answers"])
        assert spans["start"] == sorted(spans["start"])
        for text, start, end in zip(spans["text"], spans["start"], spans["end"], strict=True):
            assert row["passage"][start:end] == text
        body = row["passage"].partition("\n@highlight\n")[0]
        assert all(entity in body for entity in row["entities"])
        assert row["query"].count("@placeholder") == 1
