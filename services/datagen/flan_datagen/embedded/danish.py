"""Danish, and the lines of English and Danish that text is restored in: names, capitals and all kinds of marks."""

from collections.abc import Callable, Iterator
from typing import ClassVar

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.rows import Row, Turn
from flan_datagen.embedded.tongues import ENGLISH, PLACES, TOWNS, Meaning, Tongue, listed, meaning, table


class _Danish(Tongue):
    """Nouns are (alone, with "the" at its end, whether neuter), colours (common, neuter, after "the")."""

    # A comma parts main clauses before "and", too.
    code, link = "da", ", og "
    nouns = table(
        ("lamp", "lampe", "lampen", False),
        ("box", "kasse", "kassen", False),
        ("chair", "stol", "stolen", False),
        ("cup", "kop", "koppen", False),
        ("ball", "bold", "bolden", False),
        ("clock", "ur", "uret", True),
        ("bell", "klokke", "klokken", False),
        ("basket", "kurv", "kurven", False),
        ("bottle", "flaske", "flasken", False),
        ("table", "bord", "bordet", True),
        ("vase", "vase", "vasen", False),
        ("ladder", "stige", "stigen", False),
        ("spoon", "ske", "skeen", False),
        ("bowl", "skål", "skålen", False),
        ("plate", "tallerken", "tallerkenen", False),
        ("tray", "bakke", "bakken", False),
        ("mask", "maske", "masken", False),
        ("ring", "ring", "ringen", False),
        ("comb", "kam", "kammen", False),
        ("frame", "ramme", "rammen", False),
        ("horn", "horn", "hornet", True),
        ("drum", "tromme", "trommen", False),
        ("wheel", "hjul", "hjulet", True),
    )
    colours = table(
        ("red", "rød", "rødt", "røde"),
        ("blue", "blå", "blåt", "blå"),
        ("green", "grøn", "grønt", "grønne"),
        ("yellow", "gul", "gult", "gule"),
        ("black", "sort", "sort", "sorte"),
        ("white", "hvid", "hvidt", "hvide"),
        ("brown", "brun", "brunt", "brune"),
        ("grey", "grå", "gråt", "grå"),
        ("pink", "lyserød", "lyserødt", "lyserøde"),
        ("purple", "lilla", "lilla", "lilla"),
    )
    verbs: ClassVar = {
        "gets": {"buys": "køber", "has": "har", "sees": "ser"},
        "food": {"eats": "spiser", "buys": "køber"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "i køkkenet, i hallen, på loftet, i kælderen, i soveværelset, på kontoret, i garagen, på biblioteket, "
            "i haven, i laden, i butikken, i studiet, i tårnet, i hytten",
        ),
        "material": listed(world.MATERIALS, "træ, glas, jern, sten, ler, papir, sølv, plastik"),
        "job": listed(
            "baker, teacher, doctor, farmer, painter, singer, nurse, cook, writer, judge, pilot, tailor",
            "bager, lærer, læge, landmand, maler, sanger, sygeplejerske, kok, forfatter, dommer, pilot, "
            "skrædder",
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "suppe, ris, brød, ost, fisk, kage, honning, salat, pasta, frugt, kød, marmelade, smør",
        ),
        "town": TOWNS,
        "pet": listed(
            world.PETS,
            "en kat, en hund, en kanin, en papegøje, en ged, en and, en hest, en mus, en slange, en høne",
        ),
        "travel": listed(
            world.VEHICLES,
            "bussen, toget, sporvognen, båden, cyklen, bilen, taxaen, færgen",
        ),
        "month": listed(
            world.MONTHS,
            "januar, februar, marts, april, maj, juni, juli, august, september, oktober, november, december",
        ),
    }

    def _the(self, m: Meaning) -> str:
        noun, the_noun, neuter = self.nouns[m.noun]
        if not m.colour:
            return the_noun
        return f"{'det' if neuter else 'den'} {self.colours[m.colour][2]} {noun}"

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} er {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} er lavet af {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        _, the_noun, neuter = self.nouns[m.noun]
        return f"{the_noun} er {self.colours[m.colour][neuter]}"

    def owner(self, m: Meaning) -> str:
        return f"{self._the(m)} tilhører {m.who}"

    def gets(self, m: Meaning) -> str:
        noun, _, neuter = self.nouns[m.noun]
        some = f"{'et' if neuter else 'en'} {self.colours[m.colour][neuter]} {noun}"
        return f"{m.who} {self.verbs['gets'][m.verb]} {some}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} er {self.words['job'][m.word]}"

    def food(self, m: Meaning) -> str:
        return f"{m.who} {self.verbs['food'][m.verb]} {self.words['food'][m.word]}"

    def town(self, m: Meaning) -> str:
        return f"{m.who} bor i {m.word}"

    def pet(self, m: Meaning) -> str:
        return f"{m.who} har {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} tager {self.words['travel'][m.word]} på arbejde"

    def month(self, m: Meaning) -> str:
        return f"{m.who} blev født i {self.words['month'][m.word]}"


DANISH = _Danish()

_DAYS = listed(world.DAYS, "mandag, tirsdag, onsdag, torsdag, fredag, lørdag, søndag")
_Line = tuple[str, str]
"""English and Danish."""


def _clause(draw: Draw, frame: str | None = None) -> _Line:
    said = meaning(draw, DANISH, frame)
    return ENGLISH.say(said), DANISH.say(said)


def _plain(draw: Draw) -> _Line:
    en, da = _clause(draw)
    return f"{capital(en)}.", f"{capital(da)}."


def _two(draw: Draw) -> _Line:
    (en, da), (en_too, da_too) = _clause(draw), _clause(draw)
    link = draw.pick(((", and ", ", og "), (", but ", ", men "), ("; ", "; ")))
    return f"{capital(en)}{link[0]}{en_too}.", f"{capital(da)}{link[1]}{da_too}."


def _quoted(draw: Draw) -> _Line:
    who, (en, da) = draw.pick(world.PEOPLE), _clause(draw)
    if draw.chance(0.5):
        return f'"{capital(en)}," says {who}.', f'"{capital(da)}," siger {who}.'
    return f'{who} says: "{capital(en)}."', f'{who} siger: "{capital(da)}."'


def _greeted(draw: Draw) -> _Line:
    who, (en, da) = draw.pick(world.PEOPLE), _clause(draw)
    return f"Hello, {who}! {capital(en)}.", f"Hej, {who}! {capital(da)}."


def _replied(draw: Draw) -> _Line:
    en, da = _clause(draw)
    yes = draw.pick((("Yes", "Ja"), ("No", "Nej")))
    return f"{yes[0]}, {en}.", f"{yes[1]}, {da}."


def _several(draw: Draw) -> _Line:
    one, two, three = draw.several(world.PEOPLE, 3)
    town = draw.pick(world.TOWNS)
    return f"{one}, {two} and {three} live in {town}.", f"{one}, {two} og {three} bor i {town}."


def _asked(draw: Draw) -> _Line:
    who, town = draw.pick(world.PEOPLE), draw.pick(world.TOWNS)
    woman = who in world.WOMEN
    en = f"Where does {who} live? {'She' if woman else 'He'} lives in {town}."
    return en, f"Hvor bor {who}? {'Hun' if woman else 'Han'} bor i {town}."


def _owned(draw: Draw) -> _Line:
    # Names in "s" and "x" take another ending.
    who = draw.pick([name for name in world.PEOPLE if name[-1] not in "sx"])
    noun, colour = draw.pick(tuple(DANISH.nouns)), draw.pick(tuple(DANISH.colours))
    word, _, neuter = DANISH.nouns[noun]
    return f"{who}'s {noun} is {colour}.", f"{who}s {word} er {DANISH.colours[colour][neuter]}."


def _dated(draw: Draw) -> _Line:
    who, town, day = draw.pick(world.PEOPLE), draw.pick(world.TOWNS), draw.pick(world.DAYS)
    hour = draw.between(1, 12)
    return (
        f"On {day}, at {hour} o'clock, {who} travels to {town}.",
        f"På {_DAYS[day]} klokken {hour} rejser {who} til {town}.",
    )


_FORMS: tuple[Callable[[Draw], _Line], ...] = (
    *(_plain, _two, _quoted, _two, _quoted),
    *(_greeted, _replied, _several, _asked, _owned, _dated),
)


def fix_punct(turn: Turn) -> Iterator[Row]:
    """One line; the adapter makes the three damaged forms of it."""
    draw = turn.draw
    en, da = draw.owned(lambda: draw.pick(_FORMS)(draw), lambda made: made[0])
    yield {"translation": {"en": en, "da": da}}
