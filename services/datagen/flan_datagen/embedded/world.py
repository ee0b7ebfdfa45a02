"""The words of the invented world: who and what there is, and the values that properties take.

Every list has tens of values of one or two short words, so that a small model meets each of them often.
What is true of them is decided elsewhere: for one row (`facts`), or once and for all (`lore`).
"""

WOMEN = ("Ana", "Cora", "Dina", "Ela", "Hana", "Ida", "Lena", "Mira", "Nora", "Pia", "Sara", "Vera")
MEN = ("Adam", "Ben", "Dan", "Emil", "Finn", "Gus", "Ivo", "Karl", "Leo", "Max", "Otto", "Tom")
PEOPLE = WOMEN + MEN
SURNAMES = (
    *("Holm", "Berg", "Lund", "Kern", "Voss", "Reed", "Dahl", "Pike"),
    *("Frost", "Marsh", "Quill", "Thorn", "Wick", "Yates", "Zorn", "Bell"),
)

TOWNS = (
    *("Arlo", "Belmo", "Corva", "Dunmar", "Elsin", "Farro", "Galt", "Harn"),
    *("Jorva", "Kelm", "Lusk", "Merrow", "Norvik", "Ostin", "Pell", "Tarn"),
)
RIVERS = (
    *("Sorn", "Vell", "Isk", "Arn", "Brill", "Mave", "Dorn", "Luth"),
    *("Quen", "Rill", "Tove", "Ushen", "Wend", "Yarl", "Zemma", "Nith"),
)

PLACES = (
    *("kitchen", "hall", "attic", "cellar", "bedroom", "office", "garage"),
    *("library", "garden", "barn", "shop", "studio", "tower", "cabin"),
)
THINGS = (
    *("lamp", "box", "chair", "cup", "ball", "clock", "bell", "basket"),
    *("bottle", "table", "vase", "ladder", "spoon", "bowl", "plate", "tray"),
    *("toy", "mask", "ring", "comb", "frame", "horn", "drum", "wheel"),
)
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown", "grey", "pink", "purple")
SIZES = ("big", "small", "old", "new")
MATERIALS = ("wood", "glass", "iron", "stone", "clay", "paper", "silver", "plastic")

JOBS = (
    *("baker", "teacher", "doctor", "farmer", "driver", "painter", "singer"),
    *("builder", "nurse", "cook", "writer", "judge", "pilot", "tailor"),
)
FOODS = (
    *("soup", "rice", "bread", "cheese", "fish", "cake", "honey", "salad"),
    *("pasta", "fruit", "meat", "jam", "pie", "stew", "butter", "tea"),
)
PETS = ("cat", "dog", "rabbit", "parrot", "goat", "duck", "horse", "mouse", "snake", "hen")
VEHICLES = ("bus", "train", "tram", "boat", "bike", "car", "taxi", "ferry")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

GOOD = (
    *("good", "great", "lovely", "funny", "warm", "clever", "bright"),
    *("charming", "fresh", "wonderful", "thrilling", "beautiful"),
)
BAD = (
    "bad",
    "horrible",
    "boring",
    "weak",
    "cold",
    "silly",
    "dull",
    "noisy",
    "stale",
    "terrible",
    "slow",
    "messy",
)


def pronoun(person: str) -> str:
    """The subject pronoun of one of `PEOPLE`: "she" or "he"."""
    return "she" if person in WOMEN else "he"


def possessive(person: str) -> str:
    """The possessive of one of `PEOPLE`: "her" or "his"."""
    return "her" if person in WOMEN else "his"
