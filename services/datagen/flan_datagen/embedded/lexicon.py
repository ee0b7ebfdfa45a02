"""English words of the world with German and Romanian ones, in the forms that the sentences need."""

from typing import NamedTuple


class Noun(NamedTuple):
    """A thing. `article` is German der, die or das; `ro_the` carries the Romanian article at its end."""

    en: str
    article: str
    de: str
    ro: str
    ro_the: str
    ro_feminine: bool


class Word(NamedTuple):
    """A word or phrase in the one form in which it is used."""

    en: str
    de: str
    ro: str


class Gendered(NamedTuple):
    """A word with a form for him and one for her."""

    en: str
    de: tuple[str, str]
    ro: tuple[str, str]


NOUNS = (
    Noun("lamp", "die", "Lampe", "lampă", "lampa", True),
    Noun("box", "die", "Kiste", "cutie", "cutia", True),
    Noun("chair", "der", "Stuhl", "scaun", "scaunul", False),
    Noun("cup", "die", "Tasse", "ceașcă", "ceașca", True),
    Noun("ball", "der", "Ball", "minge", "mingea", True),
    Noun("clock", "die", "Uhr", "ceas", "ceasul", False),
    Noun("bell", "die", "Glocke", "clopot", "clopotul", False),
    Noun("basket", "der", "Korb", "coș", "coșul", False),
    Noun("bottle", "die", "Flasche", "sticlă", "sticla", True),
    Noun("table", "der", "Tisch", "masă", "masa", True),
    Noun("vase", "die", "Vase", "vază", "vaza", True),
    Noun("ladder", "die", "Leiter", "scară", "scara", True),
    Noun("spoon", "der", "Löffel", "lingură", "lingura", True),
    Noun("bowl", "die", "Schüssel", "castron", "castronul", False),
    Noun("plate", "der", "Teller", "farfurie", "farfuria", True),
    Noun("tray", "das", "Tablett", "tavă", "tava", True),
    Noun("toy", "das", "Spielzeug", "jucărie", "jucăria", True),
    Noun("mask", "die", "Maske", "mască", "masca", True),
    Noun("ring", "der", "Ring", "inel", "inelul", False),
    Noun("comb", "der", "Kamm", "pieptene", "pieptenele", False),
    Noun("frame", "der", "Rahmen", "ramă", "rama", True),
    Noun("horn", "das", "Horn", "corn", "cornul", False),
    Noun("drum", "die", "Trommel", "tobă", "toba", True),
    Noun("wheel", "das", "Rad", "roată", "roata", True),
)

COLOURS = (
    Gendered("red", ("rot", "rote"), ("roșu", "roșie")),
    Gendered("blue", ("blau", "blaue"), ("albastru", "albastră")),
    Gendered("green", ("grün", "grüne"), ("verde", "verde")),
    Gendered("yellow", ("gelb", "gelbe"), ("galben", "galbenă")),
    Gendered("black", ("schwarz", "schwarze"), ("negru", "neagră")),
    Gendered("white", ("weiß", "weiße"), ("alb", "albă")),
    Gendered("brown", ("braun", "braune"), ("maro", "maro")),
    Gendered("grey", ("grau", "graue"), ("gri", "gri")),
    Gendered("pink", ("rosa", "rosa"), ("roz", "roz")),
    Gendered("purple", ("lila", "lila"), ("mov", "mov")),
)
"""German: alone and before a noun with its article; Romanian: he and she."""

PLACES = (
    Word("in the kitchen", "in der Küche", "în bucătărie"),
    Word("in the hall", "in der Halle", "în hol"),
    Word("in the attic", "auf dem Dachboden", "în pod"),
    Word("in the cellar", "im Keller", "în pivniță"),
    Word("in the bedroom", "im Schlafzimmer", "în dormitor"),
    Word("in the office", "im Büro", "în birou"),
    Word("in the garage", "in der Garage", "în garaj"),
    Word("in the library", "in der Bibliothek", "în bibliotecă"),
    Word("in the garden", "im Garten", "în grădină"),
    Word("in the barn", "in der Scheune", "în hambar"),
    Word("in the shop", "im Laden", "în magazin"),
    Word("in the studio", "im Studio", "în studio"),
    Word("in the tower", "im Turm", "în turn"),
    Word("in the cabin", "in der Hütte", "în cabană"),
)
MATERIALS = (
    Word("wood", "Holz", "lemn"),
    Word("glass", "Glas", "sticlă"),
    Word("iron", "Eisen", "fier"),
    Word("stone", "Stein", "piatră"),
    Word("clay", "Ton", "lut"),
    Word("paper", "Papier", "hârtie"),
    Word("silver", "Silber", "argint"),
    Word("plastic", "Plastik", "plastic"),
)
FOODS = (
    Word("soup", "Suppe", "supă"),
    Word("rice", "Reis", "orez"),
    Word("bread", "Brot", "pâine"),
    Word("cheese", "Käse", "brânză"),
    Word("fish", "Fisch", "pește"),
    Word("cake", "Kuchen", "tort"),
    Word("honey", "Honig", "miere"),
    Word("salad", "Salat", "salată"),
    Word("pasta", "Nudeln", "paste"),
    Word("fruit", "Obst", "fructe"),
    Word("meat", "Fleisch", "carne"),
    Word("jam", "Marmelade", "gem"),
    Word("stew", "Eintopf", "tocană"),
    Word("butter", "Butter", "unt"),
)
FOOD_VERBS = (
    Word("eats", "isst", "mănâncă"),
    Word("buys", "kauft", "cumpără"),
    Word("wants", "möchte", "vrea"),
)
THING_VERBS = (
    Word("buys", "kauft", "cumpără"),
    Word("has", "hat", "are"),
    Word("needs", "braucht", "are nevoie de"),
    Word("sees", "sieht", "vede"),
)
PETS = (
    Word("a cat", "eine Katze", "o pisică"),
    Word("a dog", "einen Hund", "un câine"),
    Word("a rabbit", "ein Kaninchen", "un iepure"),
    Word("a parrot", "einen Papagei", "un papagal"),
    Word("a goat", "eine Ziege", "o capră"),
    Word("a duck", "eine Ente", "o rață"),
    Word("a horse", "ein Pferd", "un cal"),
    Word("a mouse", "eine Maus", "un șoarece"),
    Word("a snake", "eine Schlange", "un șarpe"),
    Word("a hen", "ein Huhn", "o găină"),
)
VEHICLES = (
    Word("bus", "dem Bus", "autobuzul"),
    Word("train", "dem Zug", "trenul"),
    Word("tram", "der Straßenbahn", "tramvaiul"),
    Word("boat", "dem Boot", "barca"),
    Word("bike", "dem Fahrrad", "bicicleta"),
    Word("car", "dem Auto", "mașina"),
    Word("taxi", "dem Taxi", "taxiul"),
    Word("ferry", "der Fähre", "feribotul"),
)
MONTHS = (
    Word("January", "Januar", "ianuarie"),
    Word("February", "Februar", "februarie"),
    Word("March", "März", "martie"),
    Word("April", "April", "aprilie"),
    Word("May", "Mai", "mai"),
    Word("June", "Juni", "iunie"),
    Word("July", "Juli", "iulie"),
    Word("August", "August", "august"),
    Word("September", "September", "septembrie"),
    Word("October", "Oktober", "octombrie"),
    Word("November", "November", "noiembrie"),
    Word("December", "Dezember", "decembrie"),
)
JOBS = (
    Gendered("baker", ("Bäcker", "Bäckerin"), ("brutar", "brutăreasă")),
    Gendered("teacher", ("Lehrer", "Lehrerin"), ("profesor", "profesoară")),
    Gendered("doctor", ("Arzt", "Ärztin"), ("doctor", "doctoriță")),
    Gendered("farmer", ("Bauer", "Bäuerin"), ("fermier", "fermieră")),
    Gendered("driver", ("Fahrer", "Fahrerin"), ("șofer", "șoferiță")),
    Gendered("painter", ("Maler", "Malerin"), ("pictor", "pictoriță")),
    Gendered("singer", ("Sänger", "Sängerin"), ("cântăreț", "cântăreață")),
    Gendered("builder", ("Bauarbeiter", "Bauarbeiterin"), ("constructor", "constructoare")),
    Gendered("cook", ("Koch", "Köchin"), ("bucătar", "bucătăreasă")),
    Gendered("writer", ("Schriftsteller", "Schriftstellerin"), ("scriitor", "scriitoare")),
    Gendered("judge", ("Richter", "Richterin"), ("judecător", "judecătoare")),
    Gendered("tailor", ("Schneider", "Schneiderin"), ("croitor", "croitoreasă")),
)
"""He and she."""
