"""French and Spanish. Nouns have their two articles, adjectives follow in the noun's gender."""

from typing import ClassVar

from flan_datagen.embedded import world
from flan_datagen.embedded.tongues import PLACES, TOWNS, Meaning, Tongue, listed, table


class _Romance(Tongue):
    """Nouns are (with "the", with "a", whether feminine), colours and jobs (his, hers)."""

    def _the(self, m: Meaning) -> str:
        the, _, feminine = self.nouns[m.noun]
        return f"{the} {self.colours[m.colour][feminine]}" if m.colour else the

    def gets(self, m: Meaning) -> str:
        _, some, feminine = self.nouns[m.noun]
        return f"{m.who} {self.verbs['gets'][m.verb]} {some} {self.colours[m.colour][feminine]}"

    def food(self, m: Meaning) -> str:
        return f"{m.who} {self.verbs['food'][m.verb]} {self.words['food'][m.word]}"


class _French(_Romance):
    code, link = "fr", " et "
    nouns = table(
        ("lamp", "la lampe", "une lampe", True),
        ("box", "la boîte", "une boîte", True),
        ("chair", "la chaise", "une chaise", True),
        ("cup", "la tasse", "une tasse", True),
        ("ball", "le ballon", "un ballon", False),
        ("clock", "l'horloge", "une horloge", True),
        ("bell", "la cloche", "une cloche", True),
        ("basket", "le panier", "un panier", False),
        ("bottle", "la bouteille", "une bouteille", True),
        ("table", "la table", "une table", True),
        ("vase", "le vase", "un vase", False),
        ("ladder", "l'échelle", "une échelle", True),
        ("spoon", "la cuillère", "une cuillère", True),
        ("bowl", "le bol", "un bol", False),
        ("plate", "l'assiette", "une assiette", True),
        ("tray", "le plateau", "un plateau", False),
        ("toy", "le jouet", "un jouet", False),
        ("mask", "le masque", "un masque", False),
        ("ring", "la bague", "une bague", True),
        ("comb", "le peigne", "un peigne", False),
        ("frame", "le cadre", "un cadre", False),
        ("drum", "le tambour", "un tambour", False),
        ("wheel", "la roue", "une roue", True),
    )
    colours = table(
        ("red", "rouge", "rouge"),
        ("blue", "bleu", "bleue"),
        ("green", "vert", "verte"),
        ("yellow", "jaune", "jaune"),
        ("black", "noir", "noire"),
        ("white", "blanc", "blanche"),
        ("brown", "marron", "marron"),
        ("grey", "gris", "grise"),
        ("pink", "rose", "rose"),
        ("purple", "violet", "violette"),
    )
    verbs: ClassVar = {
        "gets": {"buys": "achète", "has": "a", "sees": "voit", "wants": "veut"},
        "food": {"eats": "mange", "buys": "achète", "wants": "veut"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "dans la cuisine, dans le hall, dans le grenier, dans la cave, dans la chambre, dans le bureau, "
            "dans le garage, dans la bibliothèque, dans le jardin, dans la grange, dans le magasin, "
            "dans le studio, dans la tour, dans la cabane",
        ),
        "material": listed(world.MATERIALS, "bois, verre, fer, pierre, argile, papier, argent, plastique"),
        "job": table(
            ("baker", "boulanger", "boulangère"),
            ("teacher", "enseignant", "enseignante"),
            ("doctor", "médecin", "médecin"),
            ("farmer", "agriculteur", "agricultrice"),
            ("painter", "peintre", "peintre"),
            ("singer", "chanteur", "chanteuse"),
            ("nurse", "infirmier", "infirmière"),
            ("cook", "cuisinier", "cuisinière"),
            ("writer", "écrivain", "écrivaine"),
            ("judge", "juge", "juge"),
            ("pilot", "pilote", "pilote"),
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "de la soupe, du riz, du pain, du fromage, du poisson, du gâteau, du miel, de la salade, des pâtes, "
            "des fruits, de la viande, de la confiture, du beurre",
        ),
        "town": TOWNS,
        "pet": listed(
            world.PETS,
            "un chat, un chien, un lapin, un perroquet, une chèvre, un canard, un cheval, une souris, "
            "un serpent, une poule",
        ),
        "travel": listed(
            world.VEHICLES,
            "en bus, en train, en tram, en bateau, à vélo, en voiture, en taxi, en ferry",
        ),
        "month": listed(
            world.MONTHS,
            "janvier, février, mars, avril, mai, juin, juillet, août, septembre, octobre, novembre, décembre",
        ),
    }

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} est {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} est en {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        the, _, feminine = self.nouns[m.noun]
        return f"{the} est {self.colours[m.colour][feminine]}"

    def owner(self, m: Meaning) -> str:
        return f"{self._the(m)} appartient à {m.who}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} est {self.words['job'][m.word][m.who in world.WOMEN]}"

    def town(self, m: Meaning) -> str:
        return f"{m.who} habite à {m.word}"

    def pet(self, m: Meaning) -> str:
        return f"{m.who} a {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} va au travail {self.words['travel'][m.word]}"

    def month(self, m: Meaning) -> str:
        born = "née" if m.who in world.WOMEN else "né"
        return f"{m.who} est {born} en {self.words['month'][m.word]}"


class _Spanish(_Romance):
    code, link = "es", " y "
    nouns = table(
        ("lamp", "la lámpara", "una lámpara", True),
        ("box", "la caja", "una caja", True),
        ("chair", "la silla", "una silla", True),
        ("cup", "la taza", "una taza", True),
        ("ball", "la pelota", "una pelota", True),
        ("clock", "el reloj", "un reloj", False),
        ("bell", "la campana", "una campana", True),
        ("basket", "la cesta", "una cesta", True),
        ("bottle", "la botella", "una botella", True),
        ("table", "la mesa", "una mesa", True),
        ("vase", "el jarrón", "un jarrón", False),
        ("ladder", "la escalera", "una escalera", True),
        ("spoon", "la cuchara", "una cuchara", True),
        ("bowl", "el cuenco", "un cuenco", False),
        ("plate", "el plato", "un plato", False),
        ("tray", "la bandeja", "una bandeja", True),
        ("toy", "el juguete", "un juguete", False),
        ("mask", "la máscara", "una máscara", True),
        ("ring", "el anillo", "un anillo", False),
        ("comb", "el peine", "un peine", False),
        ("frame", "el marco", "un marco", False),
        ("drum", "el tambor", "un tambor", False),
        ("wheel", "la rueda", "una rueda", True),
    )
    colours = table(
        ("red", "rojo", "roja"),
        ("blue", "azul", "azul"),
        ("green", "verde", "verde"),
        ("yellow", "amarillo", "amarilla"),
        ("black", "negro", "negra"),
        ("white", "blanco", "blanca"),
        ("brown", "marrón", "marrón"),
        ("grey", "gris", "gris"),
        ("pink", "rosa", "rosa"),
        ("purple", "morado", "morada"),
    )
    verbs: ClassVar = {
        "gets": {"buys": "compra", "has": "tiene", "sees": "ve", "needs": "necesita", "wants": "quiere"},
        "food": {"eats": "come", "buys": "compra", "wants": "quiere"},
    }
    words: ClassVar = {
        "where": listed(
            PLACES,
            "en la cocina, en el vestíbulo, en el desván, en el sótano, en el dormitorio, en la oficina, "
            "en el garaje, en la biblioteca, en el jardín, en el granero, en la tienda, en el estudio, "
            "en la torre, en la cabaña",
        ),
        "material": listed(
            world.MATERIALS, "madera, vidrio, hierro, piedra, arcilla, papel, plata, plástico"
        ),
        "job": table(
            ("baker", "panadero", "panadera"),
            ("teacher", "profesor", "profesora"),
            ("doctor", "médico", "médica"),
            ("farmer", "agricultor", "agricultora"),
            ("driver", "conductor", "conductora"),
            ("painter", "pintor", "pintora"),
            ("singer", "cantante", "cantante"),
            ("nurse", "enfermero", "enfermera"),
            ("cook", "cocinero", "cocinera"),
            ("writer", "escritor", "escritora"),
            ("judge", "juez", "jueza"),
        ),
        "food": listed(
            "soup, rice, bread, cheese, fish, cake, honey, salad, pasta, fruit, meat, jam, butter",
            "sopa, arroz, pan, queso, pescado, pastel, miel, ensalada, pasta, fruta, carne, mermelada, "
            "mantequilla",
        ),
        "town": TOWNS,
        "pet": listed(
            world.PETS,
            "un gato, un perro, un conejo, un loro, una cabra, un pato, un caballo, un ratón, una serpiente, "
            "una gallina",
        ),
        "travel": listed(
            world.VEHICLES,
            "en autobús, en tren, en tranvía, en barco, en bicicleta, en coche, en taxi, en ferri",
        ),
        "month": listed(
            world.MONTHS,
            "enero, febrero, marzo, abril, mayo, junio, julio, agosto, septiembre, octubre, noviembre, "
            "diciembre",
        ),
    }

    def join(self, sentences: list[str]) -> str:
        # Before the sound of "i" the word for "and" is "e".
        whole = sentences[0]
        for sentence in sentences[1:]:
            whole += (" e " if sentence.startswith("I") else " y ") + sentence
        return super().join([whole])

    def where(self, m: Meaning) -> str:
        return f"{self._the(m)} está {self.words['where'][m.word]}"

    def material(self, m: Meaning) -> str:
        return f"{self._the(m)} es de {self.words['material'][m.word]}"

    def colour(self, m: Meaning) -> str:
        the, _, feminine = self.nouns[m.noun]
        return f"{the} es {self.colours[m.colour][feminine]}"

    def owner(self, m: Meaning) -> str:
        return f"{self._the(m)} pertenece a {m.who}"

    def job(self, m: Meaning) -> str:
        return f"{m.who} es {self.words['job'][m.word][m.who in world.WOMEN]}"

    def town(self, m: Meaning) -> str:
        return f"{m.who} vive en {m.word}"

    def pet(self, m: Meaning) -> str:
        return f"{m.who} tiene {self.words['pet'][m.word]}"

    def travel(self, m: Meaning) -> str:
        return f"{m.who} va al trabajo {self.words['travel'][m.word]}"

    def month(self, m: Meaning) -> str:
        return f"{m.who} nació en {self.words['month'][m.word]}"


FRENCH, SPANISH = _French(), _Spanish()
