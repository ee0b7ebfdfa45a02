"""Turkish and Finnish. Endings follow the vowels before them; names with uncertain ones are left out."""

from typing import ClassVar

from flan_datagen.embedded import world
from flan_datagen.embedded.tongues import PLACES, Meaning, Tongue, listed, table

_BACK, _ROUND = "aıou", "ouöü"


def _last_vowel(name: str) -> str:
    return next(letter for letter in reversed(name.lower()) if letter in "aeiıoöuü")


class _Turkish(Tongue):
    """Nouns do not change here; an object without article stays as it is."""

    code, link = "tr", " ve "
    # Written otherwise than spoken, so that the ending is not sure.
    people = tuple(name for name in world.PEOPLE if name not in ("Gus", "Max"))
    nouns = listed(
        world.THINGS[:21] + world.THINGS[22:],
        "lamba, kutu, sandalye, fincan, top, saat, çan, sepet, şişe, masa, vazo, merdiven, kaşık, kâse, tabak, "
        "tepsi, oyuncak, maske, yüzük, tarak, çerçeve, davul, tekerlek",
    )
    colours = listed(world.COLOURS, "kırmızı, mavi, yeşil, sarı, siyah, beyaz, kahverengi, gri, pembe, mor")
    verbs: ClassVar = {
        "gets": {"buys": "satın alıyor", "sees": "görüyor", "wants": "istiyor"},
        "food": {"buys": "satın alıyor", "wants": "istiyor"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "mutfakta, salonda, tavan arasında, bodrumda, yatak odasında, ofiste, garajda, kütüphanede, bahçede, "
            "ahırda, dükkânda, stüdyoda, kulede, kulübede",
        ),
        "material": listed(
            world.MATERIALS, "tahtadan, camdan, demirden, taştan, kilden, kâğıttan, gümüşten, plastikten"
        ),
        "job": listed(
            "baker, teacher, doctor, farmer, driver, painter, singer, nurse, cook, writer, judge, pilot, tailor",
            "fırıncı, öğretmen, doktor, çiftçi, şoför, ressam, şarkıcı, hemşire, aşçı, yazar, yargıç, pilot, "
            "terzi",
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter, tea",
            "çorba, pirinç, ekmek, peynir, balık, kek, bal, salata, makarna, meyve, et, reçel, tereyağı, çay",
        ),
        "town": {town: town for town in world.TOWNS if town != "Merrow"},
        "pet": listed(
            world.PETS,
            "kedisi, köpeği, tavşanı, papağanı, keçisi, ördeği, atı, faresi, yılanı, tavuğu",
        ),
        "travel": listed(
            world.VEHICLES,
            "otobüsle, trenle, tramvayla, tekneyle, bisikletle, arabayla, taksiyle, feribotla",
        ),
        "month": listed(
            world.MONTHS,
            "ocak, şubat, mart, nisan, mayıs, haziran, temmuz, ağustos, eylül, ekim, kasım, aralık",
        ),
    }

    def _the(self, m: Meaning) -> str:
        noun = self.nouns[m.noun]
        return f"{self.colours[m.colour]} {noun}" if m.colour else noun

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} {self.words['material'][m.word]} yapılmış"

    def colour(self, m: Meaning) -> str:
        return f"{self.nouns[m.noun]} {self.colours[m.colour]}"

    def owner(self, m: Meaning) -> str:
        link = "y" if m.who[-1] in "aeiou" else ""
        vowel = "a" if _last_vowel(m.who) in _BACK else "e"
        return f"{self._the(m)} {m.who}'{link}{vowel} ait"

    def gets(self, m: Meaning) -> str:
        verb = self.verbs["gets"][m.verb]
        return f"{m.who} {self.colours[m.colour]} bir {self.nouns[m.noun]} {verb}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} {self.words['job'][m.word]}"

    def food(self, m: Meaning) -> str:
        return f"{m.who} {self.words['food'][m.word]} {self.verbs['food'][m.verb]}"

    def town(self, m: Meaning) -> str:
        hard = "t" if m.word[-1] in "çfhkpsşt" else "d"
        vowel = "a" if _last_vowel(m.word) in _BACK else "e"
        return f"{m.who} {m.word}'{hard}{vowel} yaşıyor"

    def pet(self, m: Meaning) -> str:
        last = _last_vowel(m.who)
        vowel = ("u" if last in _ROUND else "ı") if last in _BACK else ("ü" if last in _ROUND else "i")
        link = "n" if m.who[-1] in "aeiou" else ""
        return f"{m.who}'{link}{vowel}n bir {self.words['pet'][m.word]} var"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} işe {self.words['travel'][m.word]} gidiyor"

    def month(self, m: Meaning) -> str:
        return f"{m.who} {self.words['month'][m.word]} ayında doğdu"


class _Finnish(Tongue):
    """Nouns and colours are (nominative, accusative)."""

    # A comma parts main clauses before "and", too.
    code, link = "fi", ", ja "
    nouns = table(
        ("lamp", "lamppu", "lampun"),
        ("box", "laatikko", "laatikon"),
        ("chair", "tuoli", "tuolin"),
        ("cup", "kuppi", "kupin"),
        ("ball", "pallo", "pallon"),
        ("clock", "kello", "kellon"),
        ("basket", "kori", "korin"),
        ("bottle", "pullo", "pullon"),
        ("table", "pöytä", "pöydän"),
        ("vase", "maljakko", "maljakon"),
        ("spoon", "lusikka", "lusikan"),
        ("bowl", "kulho", "kulhon"),
        ("plate", "lautanen", "lautasen"),
        ("tray", "tarjotin", "tarjottimen"),
        ("toy", "lelu", "lelun"),
        ("mask", "naamio", "naamion"),
        ("ring", "sormus", "sormuksen"),
        ("comb", "kampa", "kamman"),
        ("frame", "kehys", "kehyksen"),
        ("drum", "rumpu", "rummun"),
        ("wheel", "pyörä", "pyörän"),
    )
    colours = table(
        ("red", "punainen", "punaisen"),
        ("blue", "sininen", "sinisen"),
        ("green", "vihreä", "vihreän"),
        ("yellow", "keltainen", "keltaisen"),
        ("black", "musta", "mustan"),
        ("white", "valkoinen", "valkoisen"),
        ("brown", "ruskea", "ruskean"),
        ("grey", "harmaa", "harmaan"),
        ("pink", "vaaleanpunainen", "vaaleanpunaisen"),
        ("purple", "violetti", "violetin"),
    )
    verbs: ClassVar = {
        "gets": {"buys": "ostaa", "sees": "näkee", "wants": "haluaa"},
        "food": {"eats": "syö", "buys": "ostaa", "wants": "haluaa"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "keittiössä, eteisessä, ullakolla, kellarissa, makuuhuoneessa, toimistossa, autotallissa, "
            "kirjastossa, puutarhassa, ladossa, kaupassa, studiossa, tornissa, mökissä",
        ),
        "material": listed(
            world.MATERIALS, "puusta, lasista, raudasta, kivestä, savesta, paperista, hopeasta, muovista"
        ),
        "job": listed(
            "baker, teacher, doctor, farmer, driver, painter, singer, nurse, cook, writer, judge, pilot, tailor",
            "leipuri, opettaja, lääkäri, maanviljelijä, kuljettaja, maalari, laulaja, sairaanhoitaja, kokki, "
            "kirjailija, tuomari, lentäjä, räätäli",
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "keittoa, riisiä, leipää, juustoa, kalaa, kakkua, hunajaa, salaattia, pastaa, hedelmiä, lihaa, "
            "hilloa, voita",
        ),
        "town": table(
            *(("Arlo", "Arlossa"), ("Belmo", "Belmossa"), ("Corva", "Corvassa"), ("Dunmar", "Dunmarissa")),
            *(("Elsin", "Elsinissä"), ("Farro", "Farrossa"), ("Galt", "Galtissa"), ("Harn", "Harnissa")),
            *(("Jorva", "Jorvassa"), ("Kelm", "Kelmissä"), ("Lusk", "Luskissa"), ("Norvik", "Norvikissa")),
            *(("Ostin", "Ostinissa"), ("Pell", "Pellissä"), ("Tarn", "Tarnissa")),
        ),
        "pet": listed(
            world.PETS, "kissa, koira, kani, papukaija, vuohi, ankka, hevonen, hiiri, käärme, kana"
        ),
        "travel": listed(
            world.VEHICLES,
            "bussilla, junalla, raitiovaunulla, veneellä, polkupyörällä, autolla, taksilla, lautalla",
        ),
        "month": listed(
            world.MONTHS,
            "tammikuussa, helmikuussa, maaliskuussa, huhtikuussa, toukokuussa, kesäkuussa, heinäkuussa, "
            "elokuussa, syyskuussa, lokakuussa, marraskuussa, joulukuussa",
        ),
    }

    def _the(self, m: Meaning) -> str:
        noun, _ = self.nouns[m.noun]
        return f"{self.colours[m.colour][0]} {noun}" if m.colour else noun

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} on {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} on tehty {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        return f"{self.nouns[m.noun][0]} on {self.colours[m.colour][0]}"

    def owner(self, m: Meaning) -> str:
        return f"{self._the(m)} kuuluu {_stem(m.who)}lle"

    def gets(self, m: Meaning) -> str:
        things = f"{self.colours[m.colour][1]} {self.nouns[m.noun][1]}"
        return f"{m.who} {self.verbs['gets'][m.verb]} {things}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} on {self.words['job'][m.word]}"

    def food(self, m: Meaning) -> str:
        return f"{m.who} {self.verbs['food'][m.verb]} {self.words['food'][m.word]}"

    def town(self, m: Meaning) -> str:
        return f"{m.who} asuu {self.words['town'][m.word]}"

    def pet(self, m: Meaning) -> str:
        ending = "lla" if any(letter in "aou" for letter in m.who.lower()) else "llä"
        return f"{_stem(m.who)}{ending} on {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} menee töihin {self.words['travel'][m.word]}"

    def month(self, m: Meaning) -> str:
        return f"{m.who} syntyi {self.words['month'][m.word]}"


def _stem(name: str) -> str:
    """What a name's endings are put to: Ana-, Beni-, Oto-."""
    if name == "Otto":
        return "Oto"
    return name if name[-1] in "aeiou" else f"{name}i"


TURKISH, FINNISH = _Turkish(), _Finnish()
