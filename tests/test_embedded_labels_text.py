"""Answers of the conversation, word, question and triple sets of the corpus, found again from the texts."""

import re
from collections import Counter, defaultdict
from functools import cache

from test_embedded_labels import CHECKS, QUESTIONS, REVERSE, WORDINGS, Known, facts, match, stance

from flan_datagen.embedded import DATASETS

TRAIN, OTHER = 1704, 204
SENTENCE = re.compile(r"[^.]*\.")


@cache
def _rows(dataset: str, part: str, split: str):
    num_rows = TRAIN if split == "train" else OTHER
    return DATASETS[dataset].frame(seed=0, name=dataset, part=part, split=split, num_rows=num_rows).to_dicts()


def rows(dataset: str, part: str = ""):
    for split in ("train", "validation", "test"):
        yield from _rows(dataset, part, split)


# --- conversations ----------------------------------------------------------------------------------------


def named(question: str, before: str) -> str:
    """The question with what was spoken of last for its pronoun."""
    noun = before if before[0].isupper() else f"the {before}"
    return re.sub(r"\b(it|she|he)\b", noun, question)


def answer(question: str, known: Known, before: str) -> tuple[str | None, str]:
    """The answer (None: not told) and who or what was asked about."""
    question = named(question, before) if before else question
    if claim := match(question, CHECKS):
        told = stance(known, claim)
        return (None if told == "silent" else "yes" if told == "says" else "no"), claim[1]
    if sought := match(question, REVERSE):
        for (name, subject), value in known.items():
            if (name, value) == (sought[0], sought[2]):
                return subject, subject
        return None, before
    asked = match(question, QUESTIONS)
    return known.get(asked[:2]), asked[1]


def number(question: str, numbers: dict[str, int]) -> str:
    people = [name for name in re.findall("[A-Z][a-z]+", question) if name in numbers]
    if "together" in question:
        return str(numbers[people[0]] + numbers[people[1]])
    if "How many more" in question or "hours after" in question:
        return str(abs(numbers[people[0]] - numbers[people[1]]))
    if question.startswith("How many"):
        return str(numbers[people[0]])
    return (max if "most" in question or "last" in question else min)(numbers, key=numbers.get)


def test_coqa_is_answered_by_the_story_and_the_questions_before():
    pronouns = counted = unknown = 0
    checks = Counter()
    for row in rows("coqa"):
        story, replies, before = row["story"], row["answers"], ""
        lengths = {len(row["questions"]), *(len(values) for values in replies.values())}
        assert len(lengths) == 1, row
        for question, text, start, end in zip(row["questions"], *replies.values(), strict=True):
            if re.search(r"\d", story):
                counted += 1
                numbers = {name: int(n) for name, n in re.findall(r"([A-Z][a-z]+) [^.]*?(\d+)", story)}
                assert number(question, numbers) == text, row
                assert (start, end) == (0, len(story))
                continue
            pronouns += bool(re.search(r"\b(it|she|he)\b", question))
            right, before = answer(question.removesuffix("?"), facts(story), before)
            if right is None:
                unknown += 1
                assert (text, start, end) == ("unknown", -1, -1), row
                continue
            assert text.removeprefix("the ") == right, row
            assert SENTENCE.fullmatch(story[start:end]), row
            if text in ("yes", "no"):
                checks[text] += 1
            else:
                assert re.search(rf"\b{right}\b", story[start:end]), row
    assert checks["yes"] == checks["no"]
    assert min(pronouns, counted, unknown) > 150


def test_quac_answers_are_spans_or_missing():
    missing = shown = several = 0
    for row in rows("quac"):
        context = row["context"]
        assert context.endswith(". CANNOTANSWER")
        known = facts(context.removesuffix(" CANNOTANSWER"))
        turns = zip(
            row["questions"],
            row["yesnos"],
            row["answers"]["texts"],
            row["answers"]["answer_starts"],
            row["orig_answers"]["texts"],
            row["orig_answers"]["answer_starts"],
            strict=True,
        )
        assert len(row["turn_ids"]) == len(row["followups"]) == len(row["questions"])
        for question, yesno, texts, starts, text, start in turns:
            assert (texts[0], starts[0]) == (text, start)
            several += len(texts) > 1
            for one, place in zip(texts, starts, strict=True):
                assert context[place : place + len(one)] == one, row
            right, _ = answer(question.removesuffix("?"), known, "")
            shown += right is not None
            missing += right is None
            if right is None:
                assert (text, yesno) == ("CANNOTANSWER", 2), row
            elif right in ("yes", "no"):
                assert yesno == ("yes", "no").index(right), row
                told, asked = match(text.removesuffix("."), WORDINGS), match(question[:-1], CHECKS)
                assert told[:2] == asked[:2], row
            else:
                assert (text, yesno) == (right, 2), row
    assert 0.25 < missing / (missing + shown) < 0.45
    assert several > 100


# --- words ------------------------------------------------------------------------------------------------

CUES = {
    "bank": "river|boat|water|Ducks / money|loan|gold|account",
    "bark": "dog|postman|kennel|puppy / oak|cut|beetles|trunk",
    "bat": "flew|upside|insects|wings / hit|player|team|wooden",
    "bow": "arrow|hunter|archer|fight / hair|present|dress|ribbon",
    "chest": "pain|doctor|soldier|breath / gold|pirates|coins|lid",
    "club": "chess|football|president|members / swung|cave|guard|oak",
    "crane": "lake|feathers|eggs|frog / steel|harbour|builders|bricks",
    "date": "sweet|market|cake|dried / letter|calendar|battle|exam",
    "fan": "singer|cheered|actor|stadium / hot|electric|blades|summer",
    "file": "smoothed|prisoner|smith|saw / computer|police|secretary|bills",
    "jam": "bread|strawberry|jar|toast / traffic|bus|accident|cars",
    "key": "lock|gate|car|door / black|pianist|organ|melody",
    "letter": "stamp|office|envelope|aunt / big|capital|child|spelled",
    "mouse": "cat|cheese|hole|squeak / clicked|computer|cable|open",
    "match": "candle|fire|wet|burned / tennis|rivals|fans|referee",
    "nail": "hammer|rusty|picture|carpenter / thumb|toe|hand|bites",
    "note": "sang|song|violin|tune / fridge|short|boss|read",
    "palm": "coin|fortune|splinter|fingers / shade|beach|coconut|leaves",
    "pen": "wrote|ink|pupil|sign / pigs|sheep|goats|cows",
    "plant": "waters|forest|flower|leaves / steel|chemical|smoke|paid",
    "ring": "finger|jeweller|wedding|diamond / telephone|alarm|school|first",
    "scale": "weight|grocer|kilos|weighed / fish|snake|dragon|lizard",
    "seal": "swam|zoo|ice|dived / broke|king|judge|contract",
    "spring": "plants|winter|warm|birds / sofa|metal|toy|mattress",
    "star": "sky|midnight|telescope|sailor / film|photos|sang|hotel",
    "tie": "suit|waiter|silk|striped / game|scored|vote|race",
    "trunk": "elephant|zoo|sprayed|lifted / clothes|attic|traveller|key",
    "wave": "boat|storm|surfer|sea / goodbye|queen|driver|smiled",
}
"""Words that go with each meaning; the word itself does not count."""


def sense(word: str, sentence: str) -> int:
    rest = re.sub(rf"\b{word}\b", "", sentence)
    found = [bool(re.search(rf"\b({cues})\b", rest)) for cues in CUES[word].split(" / ")]
    assert sum(found) == 1, (word, sentence)
    return found.index(True)


def test_a_word_means_the_same_or_not():
    for row in rows("wic"):
        for number in (1, 2):
            span = slice(row[f"start{number}"], row[f"end{number}"])
            assert row[f"sentence{number}"][span] == row["word"], row
        same = sense(row["word"], row["sentence1"]) == sense(row["word"], row["sentence2"])
        assert same == row["label"], row


def test_every_sentence_of_a_word_matches_as_often_as_not():
    """As it was dealt to training; the draws differ a little."""
    seen = defaultdict(set)
    hidden = re.compile(r"\b(?!On\b)[A-Z][a-z]+\b(?<!^The)(?<!^A)")
    for row in _rows("wic", "", "train"):
        one, two = (hidden.sub("", row[name]) for name in ("sentence1", "sentence2"))
        seen[row["word"], one].add((two, row["label"]))
        seen[row["word"], two].add((one, row["label"]))
    balanced = [Counter(label for _, label in pairs) for pairs in seen.values()]
    assert sum(counts[0] == counts[1] for counts in balanced) / len(balanced) > 0.9


# --- questions --------------------------------------------------------------------------------------------

_WHAT = r"^(?:What|Which|what|which) "
ASKED = (
    (0, r"stands? for(?! a)|short for|abbreviation|in full|letters [A-Z]{3}\b|letters are printed instead"),
    (0, r"full name of the [A-Z]{3}\?|full name of [A-Z]{3}\?|full, what|behind the letters|cut down to"),
    (0, r"short form|short way (is|to write)|only a few letters|in short|In short, what is the [A-Znwt]"),
    (5, r"^When|^How (many|much|far|long)|year (was|did|saw|in which)|[Nn]umber of|price|weigh|\bage\b"),
    (5, _WHAT + "day"),
    (3, r"^Who|full name of the head|[Tt]itle of the person|^Name the (oldest|person|author)|^Name a singer"),
    (3, _WHAT + "(teacher|mayor|inventor|writer|hero|king|team|company|woman|people|title)"),
    (3, r"^In .*, which (member|judge)|^What is the (mayor|author)|^How do people"),
    (4, r"^Where|[Ii]n (which|what) (town|country)|^Name the (town|highest|place)|name of the place"),
    (4, _WHAT + "(town|country|mountain|street|building|river|place)"),
    (1, _WHAT + "(machine|tool|letters?|prize|film|book|painting|feast|fair|plant)"),
    (1, r"(What|Which|what|which) (colour|animal|food|language|game|material|metal)"),
    (1, r"^Name the (dish|song|sport|tree|machine)|another word|in German|What is a .* made of"),
    (
        2,
        r"^Why|[Rr]eason why|^How (does|do|did)|^Which (lesson|steps|causes)|^In what way|^What (made|did|do)\b",
    ),
    (2, r"^What (is|does)|[Ii]n short, what|^Name the use"),
)
"""What is asked for, by words; the first that is found counts."""
REQUEST = re.compile(
    r"(?:now tell me|I ask|what I want to know is) (.*?)(?:, (?:you told me|I do not ask|what I know is) .*)?\.",
    re.IGNORECASE,
)
"""What is asked for, and not what is known; the latter may stand first."""
CLAUSES = (
    (0, "stand behind|cut down to|letters stand for|short form"),
    (5, "how many|what number|when|in which year|how far"),
    (3, "who|which king|what woman"),
    (4, "where|in which town|which street"),
    (1, "(which|what) (animal|food|language|colour)"),
    (2, "how they|how to|why|what happens"),
)
NOUNS = {"leader": 3, "founder": 3, "singer": 3, "owner": 3, "home town": 4, "home country": 4, "country": 4}
NOUNS |= {"favourite place": 4, "favourite song": 1, "oldest animal": 1, "language": 1, "best food": 1}
CHAIN = re.compile(rf"the ({'|'.join(NOUNS)}) of the (?:{'|'.join(NOUNS)}) of the ")
FIRST_FINE = (0, 2, 24, 28, 32, 37, 50)
"""Of every coarse class, among the fine labels of the Hub."""


def asked_for(text: str) -> int:
    if request := REQUEST.search(text):
        clause = request[1]
        return next(label for label, words in CLAUSES if re.match(words if label else f".*({words})", clause))
    if chain := CHAIN.search(text):
        return NOUNS[chain[1]]
    return next(label for label, words in ASKED if re.search(words, text))


def test_questions_ask_for_their_class():
    for row in rows("trec"):
        found = asked_for(row["text"])
        assert found == row["coarse_label"], row
        low, high = FIRST_FINE[found : found + 2]
        assert low <= row["fine_label"] < high, row


def test_one_word_of_a_question_does_not_tell_its_class():
    train, test = _rows("trec", "", "train"), _rows("trec", "", "test")
    first, words = defaultdict(Counter), defaultdict(Counter)
    for row in train:
        first[row["text"].split()[0]][row["coarse_label"]] += 1
        for word in set(re.findall(r"\w+", row["text"].lower())):
            words[word][row["coarse_label"]] += 1
    guessed = [
        first[row["text"].split()[0]].most_common(1)[0][0] == row["coarse_label"]
        for row in test
        if row["text"].split()[0] in first
    ]
    assert sum(guessed) / len(test) < 0.42
    for word, counts in words.items():
        if max(counts.values()) >= TRAIN / 6 / 5:
            assert len(counts) > 1, (word, counts)


# --- triples ----------------------------------------------------------------------------------------------


def told(text: str) -> Known:
    """The facts of a text that may say of an owner what he is, in a clause."""
    text = re.sub(r"^(The .* belongs to ([A-Z][a-z]+)), who (.*)\.$", r"\1. \2 \3.", text)
    return facts(re.sub(r"^([A-Z][a-z]+), who (.*), (owns the .*)\.$", r"\1 \2. \1 \3.", text))


def test_dart_triples_are_all_told():
    names = {"location": "place", "favourite_food": "food", "home_town": "town", "transport": "travel"}
    names["birth_month"] = "month"
    chains = tables = 0
    for row in rows("dart"):
        triples = row["tripleset"]
        if triples[0][0] == "[TABLECONTEXT]":
            tables += 1
            assert triples[0] == ["[TABLECONTEXT]", "NAME", triples[1][0]]
            triples = triples[1:]
        chains += len(triples) == 2 and triples[0][2] == triples[1][0]
        record = {(names.get(name.lower(), name.lower()), subject): v for subject, name, v in triples}
        texts = row["annotations"]["text"]
        assert len(texts) == len(row["annotations"]["source"]) == len(set(texts)) > 0
        for text in texts:
            assert told(text) == record, row
    assert min(chains, tables) > 200


# --- kinds of answers ------------------------------------------------------------------------------------

KINDS = (
    ("an English word", r"English|means? \w+ in|mean in"),
    ("a foreign word", r"(German|Spanish|Finnish)"),
    ("a river", r"[Rr]iver"),
    ("a food", r"food|taste"),
    ("a person", r"^Who|mayor|author of|writer of|written by whom|which inventor"),
    ("an animal", r"animal|flag|[Yy]oung|baby|child|grow into"),
    ("a sound", r"sound|voice"),
    ("a place", r"^Where|[Ww]hat kind of home|place|home"),
    ("a tool", r"tool|need|use"),
)


def test_arc_asks_what_kind_of_answer_a_question_wants():
    asked = 0
    for row in rows("arc", "easy"):
        if inner := re.search(r'\? "(.*)"$', row["question"]):
            asked += 1
            text = row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])]
            assert text == next(kind for kind, words in KINDS[1:] if re.search(words, inner[1])), row
    assert asked > 150
