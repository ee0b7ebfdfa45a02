"""Czech and Russian. Nouns have a gender and an accusative, adjectives agree with them."""

from typing import ClassVar

from flan_datagen.embedded import world
from flan_datagen.embedded.tongues import PLACES, Meaning, Tongue, listed, table

_M, _F, _N = 0, 1, 2
_ACCUSATIVE = 3
"""Place of a colour's feminine accusative; the other genders have their nominative there, for things."""


class _Slavic(Tongue):
    """Nouns are (nominative, accusative, gender), colours (masculine, feminine, neuter, feminine accusative)."""

    def _the(self, m: Meaning) -> str:
        noun, _, gender = self.nouns[m.noun]
        return f"{self.colours[m.colour][gender]} {noun}" if m.colour else noun

    def _object(self, m: Meaning) -> str:
        _, noun, gender = self.nouns[m.noun]
        return f"{self.colours[m.colour][_ACCUSATIVE if gender == _F else gender]} {noun}"

    def gets(self, m: Meaning) -> str:
        return f"{self._name(m.who)} {self.verbs['gets'][m.verb]} {self._object(m)}"

    def food(self, m: Meaning) -> str:
        return f"{self._name(m.who)} {self.verbs['food'][m.verb]} {self.words['food'][m.word]}"

    def _name(self, who: str) -> str:
        return who


def _colours(english: str, stems: str, endings: tuple[str, str, str, str]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(stem + ending for ending in endings)
        for name, stem in zip(english.split(), stems.split(), strict=True)
    }


class _Czech(_Slavic):
    code, link = "cs", " a "
    nouns = table(
        ("lamp", "lampa", "lampu", _F),
        ("box", "krabice", "krabici", _F),
        ("chair", "židle", "židli", _F),
        ("cup", "šálek", "šálek", _M),
        ("ball", "míč", "míč", _M),
        ("bell", "zvon", "zvon", _M),
        ("basket", "košík", "košík", _M),
        ("bottle", "láhev", "láhev", _F),
        ("table", "stůl", "stůl", _M),
        ("vase", "váza", "vázu", _F),
        ("ladder", "žebřík", "žebřík", _M),
        ("spoon", "lžíce", "lžíci", _F),
        ("bowl", "mísa", "mísu", _F),
        ("plate", "talíř", "talíř", _M),
        ("tray", "tác", "tác", _M),
        ("toy", "hračka", "hračku", _F),
        ("mask", "maska", "masku", _F),
        ("ring", "prsten", "prsten", _M),
        ("comb", "hřeben", "hřeben", _M),
        ("frame", "rám", "rám", _M),
        ("drum", "buben", "buben", _M),
        ("wheel", "kolo", "kolo", _N),
    )
    colours = _colours(
        "red blue green yellow black white brown grey pink purple",
        "červen modr zelen žlut čern bíl hněd šed růžov fialov",
        ("ý", "á", "é", "ou"),
    )
    verbs: ClassVar = {
        "gets": {"buys": "kupuje", "has": "má", "sees": "vidí", "needs": "potřebuje", "wants": "chce"},
        "food": {"eats": "jí", "buys": "kupuje", "wants": "chce"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "v kuchyni, v hale, na půdě, ve sklepě, v ložnici, v kanceláři, v garáži, v knihovně, na zahradě, "
            "ve stodole, v obchodě, ve studiu, ve věži, v chatě",
        ),
        "material": listed(
            world.MATERIALS, "ze dřeva, ze skla, ze železa, z kamene, z hlíny, z papíru, ze stříbra, z plastu"
        ),
        "job": table(
            ("baker", "pekař", "pekařka"),
            ("teacher", "učitel", "učitelka"),
            ("doctor", "lékař", "lékařka"),
            ("farmer", "farmář", "farmářka"),
            ("driver", "řidič", "řidička"),
            ("painter", "malíř", "malířka"),
            ("singer", "zpěvák", "zpěvačka"),
            ("cook", "kuchař", "kuchařka"),
            ("writer", "spisovatel", "spisovatelka"),
            ("judge", "soudce", "soudkyně"),
            ("pilot", "pilot", "pilotka"),
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "polévku, rýži, chléb, sýr, rybu, dort, med, salát, těstoviny, ovoce, maso, marmeládu, máslo",
        ),
        "town": {town: town for town in world.TOWNS},
        "pet": listed(world.PETS, "kočku, psa, králíka, papouška, kozu, kachnu, koně, myš, hada, slepici"),
        "travel": listed(
            world.VEHICLES, "autobusem, vlakem, tramvají, lodí, na kole, autem, taxíkem, trajektem"
        ),
        "month": listed(
            world.MONTHS,
            "v lednu, v únoru, v březnu, v dubnu, v květnu, v červnu, v červenci, v srpnu, v září, v říjnu, "
            "v listopadu, v prosinci",
        ),
    }

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} je {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} je {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        noun, _, gender = self.nouns[m.noun]
        return f"{noun} je {self.colours[m.colour][gender]}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} je {self.words['job'][m.word][m.who in world.WOMEN]}"

    def town(self, m: Meaning) -> str:
        # The word for town takes the ending, so that the name keeps its form.
        return f"{m.who} bydlí ve městě {m.word}"

    def pet(self, m: Meaning) -> str:
        return f"{m.who} má {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} jezdí do práce {self.words['travel'][m.word]}"

    def month(self, m: Meaning) -> str:
        born = "narodila" if m.who in world.WOMEN else "narodil"
        return f"{m.who} se {born} {self.words['month'][m.word]}"


_NAMES = {
    **{"Ana": ("Ана", "Аны", "Ане"), "Cora": ("Кора", "Коры", "Коре"), "Dina": ("Дина", "Дины", "Дине")},
    **{"Ela": ("Эла", "Элы", "Эле"), "Hana": ("Хана", "Ханы", "Хане"), "Ida": ("Ида", "Иды", "Иде")},
    **{"Lena": ("Лена", "Лены", "Лене"), "Mira": ("Мира", "Миры", "Мире"), "Nora": ("Нора", "Норы", "Норе")},
    **{"Pia": ("Пия", "Пии", "Пие"), "Sara": ("Сара", "Сары", "Саре"), "Vera": ("Вера", "Веры", "Вере")},
    **{"Adam": ("Адам", "Адама", "Адаму"), "Ben": ("Бен", "Бена", "Бену"), "Dan": ("Дан", "Дана", "Дану")},
    **{"Emil": ("Эмиль", "Эмиля", "Эмилю"), "Finn": ("Финн", "Финна", "Финну")},
    **{"Gus": ("Гус", "Гуса", "Гусу"), "Ivo": ("Иво", "Иво", "Иво"), "Karl": ("Карл", "Карла", "Карлу")},
    **{"Leo": ("Лео", "Лео", "Лео"), "Max": ("Макс", "Макса", "Максу"), "Otto": ("Отто", "Отто", "Отто")},
    "Tom": ("Том", "Тома", "Тому"),
}
"""Nominative, genitive and dative."""


class _Russian(_Slavic):
    # A comma parts main clauses before "and", too.
    code, link = "ru", ", и "
    nouns = table(
        ("lamp", "лампа", "лампу", _F),
        ("box", "коробка", "коробку", _F),
        ("chair", "стул", "стул", _M),
        ("cup", "чашка", "чашку", _F),
        ("ball", "мяч", "мяч", _M),
        ("bell", "колокол", "колокол", _M),
        ("basket", "корзина", "корзину", _F),
        ("bottle", "бутылка", "бутылку", _F),
        ("table", "стол", "стол", _M),
        ("vase", "ваза", "вазу", _F),
        ("ladder", "лестница", "лестницу", _F),
        ("spoon", "ложка", "ложку", _F),
        ("bowl", "миска", "миску", _F),
        ("plate", "тарелка", "тарелку", _F),
        ("tray", "поднос", "поднос", _M),
        ("toy", "игрушка", "игрушку", _F),
        ("mask", "маска", "маску", _F),
        ("ring", "кольцо", "кольцо", _N),
        ("comb", "расчёска", "расчёску", _F),
        ("frame", "рамка", "рамку", _F),
        ("drum", "барабан", "барабан", _M),
        ("wheel", "колесо", "колесо", _N),
    )
    colours: ClassVar = {
        **_colours(
            "red green yellow black white brown grey purple",
            "красн зелён жёлт чёрн бел коричнев сер фиолетов",
            ("ый", "ая", "ое", "ую"),
        ),
        **_colours("pink", "розов", ("ый", "ая", "ое", "ую")),
        "blue": ("синий", "синяя", "синее", "синюю"),
    }
    verbs: ClassVar = {
        "gets": {"buys": "покупает", "sees": "видит"},
        "food": {"eats": "ест", "buys": "покупает"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "на кухне, в зале, на чердаке, в подвале, в спальне, в кабинете, в гараже, в библиотеке, в саду, "
            "в сарае, в магазине, в студии, в башне, в хижине",
        ),
        "material": listed(
            world.MATERIALS, "дерева, стекла, железа, камня, глины, бумаги, серебра, пластика"
        ),
        "job": table(
            ("baker", "пекарь", "пекарь"),
            ("teacher", "учитель", "учительница"),
            ("doctor", "врач", "врач"),
            ("farmer", "фермер", "фермер"),
            ("driver", "водитель", "водитель"),
            ("painter", "художник", "художница"),
            ("singer", "певец", "певица"),
            ("builder", "строитель", "строитель"),
            ("cook", "повар", "повар"),
            ("writer", "писатель", "писательница"),
            ("judge", "судья", "судья"),
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "суп, рис, хлеб, сыр, рыбу, торт, мёд, салат, макароны, фрукты, мясо, варенье, масло",
        ),
        "town": listed(
            world.TOWNS,
            "Арло, Белмо, Корва, Дунмар, Элсин, Фарро, Галт, Харн, Йорва, Келм, Луск, Мерроу, Норвик, Остин, "
            "Пелл, Тарн",
        ),
        "pet": listed(world.PETS, "кошка, собака, кролик, попугай, коза, утка, лошадь, мышь, змея, курица"),
        "travel": listed(
            world.VEHICLES,
            "на автобусе, на поезде, на трамвае, на лодке, на велосипеде, на машине, на такси, на пароме",
        ),
        "month": listed(
            world.MONTHS,
            "январе, феврале, марте, апреле, мае, июне, июле, августе, сентябре, октябре, ноябре, декабре",
        ),
    }

    def _name(self, who: str) -> str:
        return _NAMES[who][0]

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} находится {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        made = ("сделан", "сделана", "сделано")[self.nouns[m.noun][2]]
        return f"{self._the(m)} {made} из {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        noun, _, gender = self.nouns[m.noun]
        return f"{noun} {self.colours[m.colour][gender]}"

    def owner(self, m: Meaning) -> str:
        return f"{self._the(m)} принадлежит {_NAMES[m.who][2]}"

    def job(self, m: Meaning) -> str:
        return f"{self._name(m.who)} — {self.words['job'][m.word][m.who in world.WOMEN]}"

    def town(self, m: Meaning) -> str:
        return f"{self._name(m.who)} живёт в городе {self.words['town'][m.word]}"

    def pet(self, m: Meaning) -> str:
        return f"у {_NAMES[m.who][1]} есть {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{self._name(m.who)} ездит на работу {self.words['travel'][m.word]}"

    def month(self, m: Meaning) -> str:
        born = "родилась" if m.who in world.WOMEN else "родился"
        return f"{self._name(m.who)} {born} в {self.words['month'][m.word]}"


CZECH, RUSSIAN = _Czech(), _Russian()
