"""The languages of the embedded corpus: sentences with known translations, and that forms fit each other."""

import re
from collections import Counter

import pytest

from flan_datagen.embedded import DATASETS
from flan_datagen.embedded.danish import DANISH
from flan_datagen.embedded.tongues import ENGLISH, Meaning
from flan_datagen.embedded.tongues_agglutinative import FINNISH, TURKISH
from flan_datagen.embedded.tongues_romance import FRENCH, SPANISH
from flan_datagen.embedded.tongues_slavic import CZECH, RUSSIAN


def rows(dataset: str):
    for split, num_rows in (("train", 1704), ("validation", 204), ("test", 204)):
        frame = DATASETS[dataset].frame(seed=0, name=dataset, part="", split=split, num_rows=num_rows)
        yield from frame.iter_rows(named=True)


LAMP = Meaning("where", noun="lamp", colour="red", word="in the kitchen")
RING = Meaning("colour", noun="ring", colour="white")
BUYS = Meaning("gets", who="Vera", noun="vase", colour="blue", verb="buys")
FISH = Meaning("food", who="Ben", verb="buys", word="fish")
LIVES = Meaning("town", who="Dina", word="Norvik")
DOG = Meaning("pet", who="Otto", word="dog")
TRAIN_RIDE = Meaning("travel", who="Karl", word="train")
BORN = Meaning("month", who="Ida", word="May")
TABLE = Meaning("material", noun="table", word="wood")
COOK = Meaning("job", who="Lena", word="cook")
OWNS = Meaning("owner", who="Emil", noun="cup")


@pytest.mark.parametrize(
    ("tongue", "meaning", "sentence"),
    [
        (ENGLISH, LAMP, "the red lamp is in the kitchen"),
        (ENGLISH, BUYS, "Vera buys a blue vase"),
        (FRENCH, LAMP, "la lampe rouge est dans la cuisine"),
        (FRENCH, RING, "la bague est blanche"),
        (FRENCH, BUYS, "Vera achète un vase bleu"),
        (FRENCH, FISH, "Ben achète du poisson"),
        (FRENCH, LIVES, "Dina habite à Norvik"),
        (FRENCH, BORN, "Ida est née en mai"),
        (FRENCH, TABLE, "la table est en bois"),
        (FRENCH, COOK, "Lena est cuisinière"),
        (FRENCH, OWNS, "la tasse appartient à Emil"),
        (SPANISH, LAMP, "la lámpara roja está en la cocina"),
        (SPANISH, RING, "el anillo es blanco"),
        (SPANISH, BUYS, "Vera compra un jarrón azul"),
        (SPANISH, DOG, "Otto tiene un perro"),
        (SPANISH, TRAIN_RIDE, "Karl va al trabajo en tren"),
        (SPANISH, BORN, "Ida nació en mayo"),
        (SPANISH, TABLE, "la mesa es de madera"),
        (CZECH, LAMP, "červená lampa je v kuchyni"),
        (CZECH, RING, "prsten je bílý"),
        (CZECH, BUYS, "Vera kupuje modrou vázu"),
        (CZECH, FISH, "Ben kupuje rybu"),
        (CZECH, LIVES, "Dina bydlí ve městě Norvik"),
        (CZECH, DOG, "Otto má psa"),
        (CZECH, TRAIN_RIDE, "Karl jezdí do práce vlakem"),
        (CZECH, BORN, "Ida se narodila v květnu"),
        (CZECH, TABLE, "stůl je ze dřeva"),
        (RUSSIAN, LAMP, "красная лампа находится на кухне"),
        (RUSSIAN, RING, "кольцо белое"),
        (RUSSIAN, BUYS, "Вера покупает синюю вазу"),
        (RUSSIAN, FISH, "Бен покупает рыбу"),
        (RUSSIAN, LIVES, "Дина живёт в городе Норвик"),
        (RUSSIAN, DOG, "у Отто есть собака"),
        (RUSSIAN, TRAIN_RIDE, "Карл ездит на работу на поезде"),
        (RUSSIAN, BORN, "Ида родилась в мае"),
        (RUSSIAN, TABLE, "стол сделан из дерева"),
        (RUSSIAN, COOK, "Лена — повар"),
        (RUSSIAN, OWNS, "чашка принадлежит Эмилю"),
        (TURKISH, LAMP, "kırmızı lamba mutfakta"),
        (TURKISH, RING, "yüzük beyaz"),
        (TURKISH, BUYS, "Vera mavi bir vazo satın alıyor"),
        (TURKISH, FISH, "Ben balık satın alıyor"),
        (TURKISH, LIVES, "Dina Norvik'te yaşıyor"),
        (TURKISH, DOG, "Otto'nun bir köpeği var"),
        (TURKISH, TRAIN_RIDE, "Karl işe trenle gidiyor"),
        (TURKISH, BORN, "Ida mayıs ayında doğdu"),
        (TURKISH, OWNS, "fincan Emil'e ait"),
        (DANISH, LAMP, "den røde lampe er i køkkenet"),
        (DANISH, RING, "ringen er hvid"),
        (DANISH, BUYS, "Vera køber en blå vase"),
        (DANISH, FISH, "Ben køber fisk"),
        (DANISH, TRAIN_RIDE, "Karl tager toget på arbejde"),
        (DANISH, TABLE, "bordet er lavet af træ"),
        (FINNISH, LAMP, "punainen lamppu on keittiössä"),
        (FINNISH, RING, "sormus on valkoinen"),
        (FINNISH, BUYS, "Vera ostaa sinisen maljakon"),
        (FINNISH, FISH, "Ben ostaa kalaa"),
        (FINNISH, LIVES, "Dina asuu Norvikissa"),
        (FINNISH, DOG, "Otolla on koira"),
        (FINNISH, TRAIN_RIDE, "Karl menee töihin junalla"),
        (FINNISH, BORN, "Ida syntyi toukokuussa"),
        (FINNISH, TABLE, "pöytä on tehty puusta"),
        (FINNISH, OWNS, "kuppi kuuluu Emilille"),
    ],
)
def test_languages_say_it_right(tongue, meaning, sentence):
    assert tongue.say(meaning) == sentence


@pytest.mark.parametrize(
    ("tongue", "whole"),
    [
        (SPANISH, "El anillo es blanco e Ida nació en mayo."),
        (RUSSIAN, "Кольцо белое, и Ида родилась в мае."),
        (FINNISH, "Sormus on valkoinen, ja Ida syntyi toukokuussa."),
        (CZECH, "Prsten je bílý a Ida se narodila v květnu."),
        (TURKISH, "Yüzük beyaz ve Ida mayıs ayında doğdu."),
    ],
)
def test_two_sentences_are_joined_as_the_language_does(tongue, whole):
    assert tongue.join([tongue.say(RING), tongue.say(BORN)]) == whole


def sentences(dataset: str, code: str) -> list[str]:
    return [row["translation"][code] for row in rows(dataset)]


@pytest.mark.parametrize(
    ("dataset", "code", "feminine", "masculine"),
    [
        (
            "wmt14_enfr",
            "fr",
            r"\b(?:la|une) \w+ (?:est )?(?:bleu|vert|noir|blanc|gris|violet)\b",
            r"\b(?:le|un) \w+ (?:est )?(?:bleue|verte|noire|blanche|grise|violette)\b",
        ),
        (
            "para_crawl_enes",
            "es",
            r"\b(?:la|una) \w+ (?:es )?(?:rojo|amarillo|negro|blanco|morado)\b",
            r"\b(?:el|un) \w+ (?:es )?(?:roja|amarilla|negra|blanca|morada)\b",
        ),
        (
            "wmt16_csen",
            "cs",
            r"\b\w+[ýé] \w+a\b(?! [a-z]+ě)|\b\w+a je \w+[ýé]\b",
            r"\b\w+á (?:stůl|míč|zvon|košík|šálek|talíř|rám)\b",
        ),
        (
            "wmt16_ruen",
            "ru",
            r"\b\w+(?:ый|ий|ое|ее) \w+[ау]\b|\b\w+а \w+(?:ый|ий|ое|ее)\b",
            r"\b\w+(?:ая|яя|ую|юю) (?:стул|стол|мяч|кольцо|колесо|поднос)\b",
        ),
    ],
)
def test_adjectives_agree_with_their_nouns(dataset, code, feminine, masculine):
    for sentence in sentences(dataset, code):
        assert not re.search(feminine, sentence, re.IGNORECASE), sentence
        assert not re.search(masculine, sentence, re.IGNORECASE), sentence


def test_turkish_and_finnish_endings_follow_the_vowels():
    vowels = 0
    for sentence in sentences("wmt16_tren", "tr"):
        for name, ending in re.findall(r"(\w+)'(\w+)", sentence):
            last = [letter for letter in name.lower() if letter in "aeiou"][-1]
            fits = {"a": "aı", "o": "au", "u": "au", "e": "ei", "i": "ei"}[last]
            assert all(letter in fits for letter in ending if letter in "aeıiuü"), sentence
            vowels += 1
    for sentence in sentences("wmt16_fien", "fi"):
        for stem in re.findall(r"\b(?:polku)?(\w+)(?:ssä|llä)\b", sentence):
            assert not re.search("[aou]", stem.lower()), sentence
            vowels += 1
    assert vowels > 500


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        *(("wmt14_enfr", "fr"), ("para_crawl_enes", "es"), ("wmt16_csen", "cs"), ("wmt16_tren", "tr")),
        *(("wmt16_fien", "fi"), ("fix_punct", "da")),
    ],
)
def test_names_are_on_both_sides(dataset, code):
    """In the letters in which a name stands before any ending."""
    for row in rows(dataset):
        en, other = row["translation"]["en"], row["translation"][code]
        for name in re.findall(r"\b(?:Ana|Ben|Cora|Dan|Leo|Max|Mira|Arlo|Galt|Pell|Tarn)\b", en):
            assert name in other, row
        assert en[0] in '"' or en[0].isupper()
        assert other[0] in '"' or other[0].isupper()
        assert en[-1] == other[-1]


def test_lines_to_restore_have_capitals_and_marks():
    marks = Counter()
    for row in rows("fix_punct"):
        en, da = row["translation"]["en"], row["translation"]["da"]
        assert re.match(r'"?[A-Z].*[.!?]"?$', en), row
        marks.update(set(re.findall(r"[^\w\s]", en)))
        for adjective, noun in re.findall(r"\bd(?:en|et) (\w+) (\w+)", da):
            assert adjective[-1] == "e" or adjective in ("blå", "grå", "lilla"), (adjective, noun, da)
        assert not re.search(r"\bet \w+[^t\Wa] (?:ur|bord|hjul|horn)\b", da), da
    assert all(marks[mark] > 50 for mark in ".,;:!?'\"")


def test_closed_book_words_are_those_of_the_translations():
    found: dict[tuple[str, str], str] = {}
    forms = {
        ("wmt16_deen", "de"): r"(?:^|und )(?:der|die|das) (\w+) ist (?!aus|in|im|auf)\w+(?:\.| und)",
        ("para_crawl_enes", "es"): r"(?:^| y )(?:el|la) (\w+) es (?!de )\w+(?:\.| y)",
        ("wmt16_fien", "fi"): r"^(\w+) on (?!tehty)\w+(?:nen|reä|sta|kea|maa|tti)\.$",
    }
    names = {"de": "German", "es": "Spanish", "fi": "Finnish"}
    for (dataset, code), form in forms.items():
        for row in rows(dataset):
            # One statement about a colour.
            en = re.fullmatch(r"The (\w+) is \w+\.", row["translation"]["en"])
            other = re.search(form, row["translation"][code], re.IGNORECASE)
            if en and other:
                found[names[code], en[1]] = other[1]
    asked = Counter()
    for row in rows("natural_questions"):
        question, text = row["question"], row["answer"][0]
        language = re.search("German|Spanish|Finnish", question)
        if not language:
            continue
        words = {noun: en for (name, noun), en in found.items() if name == language[0]}
        back = {en.lower(): noun for noun, en in words.items()}
        for word in re.findall(r"\w+", question):
            if text.lower() in back and word == back[text.lower()]:
                asked["forward"] += 1
                assert words[word].lower() == text.lower(), row
            elif word.lower() in back and text == back[word.lower()]:
                asked["back"] += 1
        asked["all"] += 1
    assert asked["forward"] + asked["back"] > 0.9 * asked["all"] > 200
