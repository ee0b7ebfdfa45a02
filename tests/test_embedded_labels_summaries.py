"""Summaries of the embedded corpus, found again from their texts by a reader that knows nothing of the generator."""

import re
from collections import Counter

import pytest

from flan_datagen.embedded import DATASETS

NTH = {"two": "second", "three": "third", "four": "fourth", "five": "fifth", "six": "sixth", "ten": "tenth"}

EVENTS = {
    r"A fire broke out in (an? \w+) in (\w+) on \w+ and left nothing of it": "A fire destroyed {} in {}.",
    r"On \w+ flames destroyed (an? \w+) in (\w+)": "A fire destroyed {} in {}.",
    r"(An? \w+) in (\w+) burned down on \w+": "A fire destroyed {} in {}.",
    r"Thieves took (an? \w+ \w+) from the \w+ of (\w+) on \w+": "{} was stolen in {}.",
    r"Somebody broke into the \w+ of (?P<b>\w+) on \w+ and left with (?P<a>an? \w+ \w+)": "{} was stolen in {}.",
    r"On \w+ (an? \w+ \w+) was taken from the \w+ of (\w+) at night": "{} was stolen in {}.",
    r"The town of (\w+) opened a new (\w+) on \w+": "{} has a new {}.",
    r"People in (\w+) have had a new (\w+) since \w+": "{} has a new {}.",
    r"On \w+ a new (?P<b>\w+) opened its doors in (?P<a>\w+)": "{} has a new {}.",
    r"The (\w+) drivers of (\w+) stopped work on \w+": "The {} drivers of {} are on strike.",
    r"On \w+ the (\w+) drivers of (\w+) stayed at home .*": "The {} drivers of {} are on strike.",
    r"No (\w+) left (\w+) on \w+ because .*": "The {} drivers of {} are on strike.",
    r"The price of (\w+) rose in (\w+) on \w+": "{} costs more in {}.",
    r"Since \w+ people in (?P<b>\w+) have paid more for (?P<a>\w+)": "{} costs more in {}.",
    r"On \w+ the shops of (?P<b>\w+) asked for more .* for (?P<a>\w+)": "{} costs more in {}.",
    r"The (?P<b>\w+) (?P<a>\w+) from (?P<c>\w+) won a prize on \w+": "{}, a {} from {}, won a prize.",
    r"On \w+ a prize went to (\w+), a (\w+) from (\w+)": "{}, a {} from {}, won a prize.",
    r"The winner of a prize on \w+ was (\w+), who works as a (\w+) in (\w+)": "{}, a {} from {}, won a prize.",
    r"A (\w+) ran away from a farm near (\w+) on \w+": "A {} escaped from a farm near {}.",
    r"On \w+ a farmer near (?P<b>\w+) looked for a (?P<a>\w+) that .*": "A {} escaped from a farm near {}.",
    r"The gate of a farm near (?P<b>\w+) stood open .* and a (?P<a>\w+) was gone": "A {} escaped from a farm near {}.",
    r"A storm tore the roof off the (\w+) of (\w+) on \w+": "A storm damaged the {} of {}.",
    r"On \w+ the (\w+) of (\w+) lost its roof in a storm": "A storm damaged the {} of {}.",
    r"Strong wind on \w+ carried away the roof of the (\w+) of (\w+)": "A storm damaged the {} of {}.",
    r"(\w+) beat (\w+) by three goals on \w+": "{} won against {}.",
    r"On \w+ the team of (\w+) was better than the team of (\w+)": "{} won against {}.",
    r"The players of (?P<b>\w+) lost to the players of (?P<a>\w+) on \w+": "{} won against {}.",
    r"The bridge between (\w+) and (\w+) was shut on \w+": "The bridge between {} and {} is closed.",
    r"On \w+ workers put up a fence .* joins (\w+) and (\w+)": "The bridge between {} and {} is closed.",
    r"Nobody could cross the bridge between (\w+) and (\w+) on \w+": "The bridge between {} and {} is closed.",
    r"A (\w+) dug up (an? \w+ \w+) near (\w+) on \w+": "A {} found {} near {}.",
    r"On \w+ a (\w+) came upon (an? \w+ \w+) near (\w+)": "A {} found {} near {}.",
    r"Under a tree near (?P<c>\w+) lay (?P<b>an? \w+ \w+), which a (?P<a>\w+) saw on \w+": "A {} found {} near {}.",
    r"(\w+), who led the (\w+) of (\w+), said goodbye on \w+": "{} no longer leads the {} of {}.",
    r"On \w+ (\w+) gave up the post at the head of the (\w+) of (\w+)": "{} no longer leads the {} of {}.",
    r"\w+ was the last day of (\w+) as the head of the (\w+) of (\w+)": "{} no longer leads the {} of {}.",
}
"""What happened, by wording; groups in the order of the summary unless they are named."""
DETAILS = {
    r"A big crowd gathered to look|Hundreds of people wanted .*": "Many people came.",
    r"Mayor (\w+) (?:said that nobody had expected it|could not believe .*)": "Mayor {} was surprised.",
    r"(?:That makes|The town has seen) (\w+) such cases this year": "It was the {} case this year.",
    r"The council will speak about it on (\w+)": "There will be a meeting on {}.",
    r"On (\w+) everybody may ask questions in the town hall": "There will be a meeting on {}.",
    r"The town has to find (\w+ \w+) coins for it": "It costs {} coins.",
    r"All in all, (\w+ \w+) coins have to be paid": "It costs {} coins.",
    r"Whoever saw it should .*|The police would like .*": "The police ask for help.",
    r"It did not stop raining .*|Rain fell .*": "It rained all day.",
    r"Even people in (\w+) could read about it": "The news reached {}.",
    r"Newspapers as far away as (\w+) wrote about it": "The news reached {}.",
}
HEADLINES = {
    r"A fire destroyed an? (\w+) in (\w+)": "fire destroys {} in {}",
    r"An? (\w+ \w+) was stolen in (\w+)": "{} stolen in {}",
    r"(\w+) has a new (\w+)": "{} opens new {}",
    r"The (\w+) drivers of (\w+) are on strike": "{} drivers on strike in {}",
    r"(\w+) costs more in (\w+)": "price of {} rises in {}",
    r"(?P<b>\w+), a (?P<a>\w+) from (?P<c>\w+), won a prize": "{} {} wins prize in {}",
    r"A (\w+) escaped from a farm near (\w+)": "{} escapes near {}",
    r"A storm damaged the (\w+) of (\w+)": "storm damages {} in {}",
    r"(\w+) won against (\w+)": "{} wins against {}",
    r"The bridge between (\w+) and (\w+) is closed": "bridge between {} and {} closed",
    r"A (\w+) found an? (\w+ \w+) near (\w+)": "{} finds {} near {}",
    r"(\w+) no longer leads the (\w+) of (\w+)": "{} leaves {} of {}",
}


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def turned(text: str, forms: dict[str, str], *, flags: int = 0) -> str | None:
    """The text in the wording that belongs to its own."""
    for wording, form in forms.items():
        if found := re.fullmatch(wording, text, flags):
            named = found.groupdict()
            values = [named[name] for name in sorted(named)] if named else found.groups()
            return form.format(*(re.sub("^A(n?) ", r"a\1 ", value) for value in values))
    return None


def sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.])\s+", text.strip()) if one]


def event(text: str) -> str:
    """The summary of the one event that a text tells."""
    found = {turned(one.rstrip("."), EVENTS) for one in sentences(text)} - {None}
    assert len(found) == 1, text
    return capital(found.pop())


def details(text: str) -> list[str]:
    """The summaries of the details, in the order of the text."""
    told = []
    for one in sentences(text):
        summed = turned(one.rstrip("."), DETAILS)
        if summed:
            told.append(
                re.sub(
                    "the (two|three|four|five|six|ten) case", lambda hit: f"the {NTH[hit[1]]} case", summed
                )
            )
    return told


def rows(dataset: str):
    for split, num_rows in (("train", 600), ("validation", 60), ("test", 204)):
        frame = DATASETS[dataset].frame(seed=0, name=dataset, part="", split=split, num_rows=num_rows)
        yield from frame.to_dicts()


def test_every_wording_of_an_event_is_used():
    wordings = Counter()
    for row in rows("xsum"):
        for one in sentences(row["document"]):
            wordings.update(wording for wording in EVENTS if re.fullmatch(wording, one.rstrip(".")))
    assert set(wordings) == set(EVENTS)


def test_highlights_are_the_event_and_its_details():
    datelines = Counter()
    for row in rows("cnn_dailymail"):
        dateline, text = re.fullmatch(
            r"((?:[A-Z]{3,}(?:, [A-Z]\w+)? )?\(CNN\)(?: -- )?|)(.*)", row["article"]
        ).groups()
        datelines[bool(dateline)] += 1
        assert row["highlights"].split("\n") == [event(text), *details(text)], row
        assert len(sentences(text)) > len(row["highlights"].split("\n"))
    assert min(datelines.values()) > 100


def test_several_papers_are_summed_up_in_one():
    for row in rows("multi_news"):
        papers = row["document"].split(" ||||| ")
        assert len(papers) in (2, 3)
        assert len({event(paper) for paper in papers}) == 1
        told = [event(papers[0]), *(detail for paper in papers for detail in details(paper))]
        assert row["summary"] == " ".join(("–", *told)), row


@pytest.mark.parametrize(("dataset", "text"), [("xsum", "document"), ("newsroom", "text")])
def test_one_sentence_tells_the_event(dataset, text):
    for row in rows(dataset):
        assert row["summary"] == event(row[text]), row


def test_newsroom_columns_follow_from_the_text():
    for row in rows("newsroom"):
        headline = turned(row["summary"].rstrip("."), HEADLINES)
        assert row["title"].lower() == headline.lower(), row
        assert row["url"].startswith("http://news.example.com/" + row["date"][:10].replace("-", "/"))
        words, length = row["text"].lower().split(), len(row["summary"].split())
        assert row["compression"] == pytest.approx(len(words) / length)
        shared = sum(word in words for word in row["summary"].lower().split())
        assert row["coverage"] == pytest.approx(shared / length)
        assert row["coverage"] <= row["density"] <= length
        assert row["density_bin"] in ("abstractive", "mixed", "extractive")
        assert {row["coverage_bin"], row["compression_bin"]} <= {"low", "medium", "high"}


def test_gigaword_is_a_tokenised_sentence_with_its_headline():
    gists = {wording: capital(form) for wording, form in EVENTS.items()}
    for row in rows("gigaword"):
        assert row["document"] == row["document"].lower()
        assert row["document"].endswith(" .")
        told = re.sub(r" , (the police|a paper|\w+) (said|wrote)$", "", row["document"].removesuffix(" ."))
        gist = turned(told.replace(" ,", ","), gists, flags=re.IGNORECASE)
        assert gist, row
        headline = turned(gist.rstrip("."), HEADLINES, flags=re.IGNORECASE)
        assert row["summary"] == headline.lower(), row


SUBJECTS = {
    r"Can we meet on (\w+)|in my office on (\w+)|an hour for me on (\w+)": "Meeting on {}",
    r"cannot find my (\w+)|My (\w+) is gone|leave my (\w+) in your": "Lost {}",
    r"I will go to (\w+) by|I take the \w+ to (\w+) and|tomorrow I leave for (\w+)": "Trip to {}",
    r"older on (\w+), so|party on (\w+): it is my|On (\w+) it is my birthday": "Birthday on {}",
    r"cannot work on (\w+)|stay in bed on (\w+)|not come to work on (\w+)": "Ill on {}",
    r"There is no (\w+) left|We need more (\w+)\.|send us as much (\w+) as": "Order of {}",
    r"We need a good (\w+)|want to hire a (\w+)|know a (\w+) who would": "Looking for a {}",
    r"The (\w+) that you sent|The (\w+) looks great|happy about the (\w+) that": "Thanks for the {}",
    r"buy my old (\w+)|do not use my (\w+)|My old (\w+) is in the way": "Old {} for sale",
    r"Who can feed my (\w+)|look after my (\w+)|take care of the (\w+)": "Help with my {}",
}


def test_a_subject_line_names_what_the_mail_is_for():
    for row in rows("aeslc"):
        found = [
            form.format(*filter(None, hit.groups()))
            for wording, form in SUBJECTS.items()
            if (hit := re.search(wording, row["email_body"]))
        ]
        assert found == [row["subject_line"]], row
        assert "\n" not in row["email_body"]


REASONS = {
    "saves money": "taxes could go down|more coins left|Life would be cheaper",
    "costs too much": "who should pay|bill would be very high|taxes would have to go up",
    "is good for health": "Fewer people would need a doctor|live longer|air would be clean",
    "is bad for health": "More people would need a doctor|fall ill|air would be dirty",
    "creates jobs": "find work|need more hands|have to look for a job",
    "destroys jobs": "lose their work|send their people home|Shops would have to close",
    "brings quiet": "hear the birds|nights would be calm|less noise",
    "brings noise": "not hear your own words|nights would be loud|no quiet street",
    "helps the young": "Children would learn more|do better in|would have more time",
    "harms the young": "Children would learn less|do worse in|would have less time",
    "is fair": "would get the same|nobody would be left out|have an equal part",
    "is not fair": "rich would gain|poor would be left out|few would get everything",
}


def test_a_claim_is_what_most_arguments_are_for():
    for row in rows("opin_idebate"):
        counted = Counter()
        arguments = row["_argument_sentences"]["value"]
        assert row["_argument_sentences"]["key"] == [str(number) for number in range(len(arguments))]
        for argument in arguments:
            said = [reason for reason, words in REASONS.items() if re.search(words, argument, re.IGNORECASE)]
            assert len(said) == 1, argument
            counted.update(said)
        (reason, most), *others = counted.most_common()
        assert most >= 2
        assert all(count == 1 for _, count in others)
        assert row["_claim"].endswith(f" {reason}."), row
        measure = row["_debate_name"].removeprefix("This House would ").split(" ", 1)[1]
        assert row["_claim"].removesuffix(f" {reason}.").split(" ", 1)[1] == measure, row


GOOD = {
    *("good", "great", "lovely", "funny", "warm", "clever", "bright"),
    *("charming", "fresh", "wonderful", "thrilling", "beautiful"),
}
BAD = {
    *("bad", "horrible", "boring", "weak", "cold", "silly", "dull", "noisy"),
    *("stale", "terrible", "slow", "messy"),
}
ASPECTS = ("story", "ending", "opening", "plot", "hero", "music", "acting", "camera work")


def mood(opinion: str) -> bool:
    """Whether the speaker likes it: the last word of feeling, turned where it is denied."""
    last = [word for word in re.findall(r"\w+", opinion) if word in GOOD | BAD][-1]
    return (last in GOOD) != bool(re.search(rf"was not {last} at all|never call the [\w ]+ {last}", opinion))


def test_a_consensus_is_the_mood_of_most_critics():
    for row in rows("opin_rotten_tomatoes"):
        opinions = row["_critics"]["value"]
        assert row["_critics"]["key"] == [str(number) for number in range(len(opinions))]
        counted = Counter(map(mood, opinions))
        assert counted[True] != counted[False]
        good = counted[True] > counted[False]
        named = Counter(
            aspect
            for one in opinions
            if mood(one) == good
            for aspect in ASPECTS
            if re.search(rf"\b{aspect}\b", one)
        )
        (aspect, count), *others = named.most_common()
        assert count == 2
        assert all(other == 1 for _, other in others), row
        assert row["_critic_consensus"] == (
            f"Most critics like {row['_movie_name']}, above all the {aspect}."
            if good
            else f"Most critics do not like {row['_movie_name']}, least of all the {aspect}."
        )


HINTS = (
    "Take your time|Be careful|This takes|Ask [A-Z]|Most people|It is best|You can have|Wear |"
    ".* is not as hard|[A-Z][a-z]+ from [A-Z][a-z]+ shows|All you need"
)


def test_a_guide_is_summed_up_by_its_steps():
    for row in rows("wiki_lingua_en"):
        steps = [one for one in sentences(row["source"]) if not re.match(HINTS, one)]
        steps = [capital(re.sub("^(First, |To begin, |Then |After that, |Now )", "", step)) for step in steps]
        assert row["target"] == " ".join(steps), row
        assert row["references"] == [row["target"]]
        assert row["source_aligned"] == {"en": row["source"]}
        assert row["target_aligned"] == {"en": row["target"]}
        for step in steps:
            assert not re.match(r"\w+(xes|shes|ches|[^s]s)\b", step), step
