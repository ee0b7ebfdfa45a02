"""Everyday things done step by step: the order of a short series of actions.

Steps are in the present tense without their subject, so that they end a sentence such as "Then she". Of a step
there are four forms, each of which is right after other words (`FRAMES`).
"""

from typing import NamedTuple


class Script(NamedTuple):
    """An activity: its name, the wish it starts from, and its steps in order."""

    name: str
    wish: str
    steps: tuple[str, ...]


SCRIPTS = (
    Script(
        "Baking bread",
        "bake bread",
        (
            "mixes flour and water",
            "adds salt and yeast",
            "forms a round loaf",
            "puts the loaf in the oven",
            "takes the hot bread out",
        ),
    ),
    Script(
        "Washing clothes",
        "wash some clothes",
        (
            "collects the dirty clothes",
            "fills the machine with clothes and soap",
            "starts the machine",
            "hangs the wet clothes on a line",
            "folds the dry clothes",
        ),
    ),
    Script(
        "Planting a tree",
        "plant a tree",
        (
            "chooses a place in the garden",
            "digs a deep hole",
            "sets the young tree in the hole",
            "fills the hole with earth",
            "pours water around the tree",
        ),
    ),
    Script(
        "Making tea",
        "make tea",
        (
            "fills the kettle",
            "boils the water",
            "puts a tea bag in a cup",
            "pours the hot water over the tea bag",
            "drinks the tea slowly",
        ),
    ),
    Script(
        "Sending a letter",
        "send a letter",
        (
            "takes a sheet of paper",
            "writes a few lines to a friend",
            "puts the sheet in an envelope",
            "writes the address on the envelope",
            "drops the letter in the post box",
        ),
    ),
    Script(
        "Painting a wall",
        "paint a wall",
        (
            "moves the furniture away",
            "covers the floor with paper",
            "opens a tin of paint",
            "spreads the paint on the wall",
            "lets the paint dry",
        ),
    ),
    Script(
        "Going fishing",
        "go fishing",
        (
            "walks down to the lake",
            "fixes a worm on the hook",
            "throws the line in the water",
            "waits until a fish bites",
            "pulls the fish out",
        ),
    ),
    Script(
        "Taking a train",
        "take the train",
        (
            "goes to the station",
            "buys a ticket",
            "waits at the platform",
            "gets on the train",
            "looks for a free seat",
        ),
    ),
    Script(
        "Visiting a doctor",
        "see a doctor",
        (
            "calls to get an appointment",
            "sits down in the waiting room",
            "tells the doctor about the pain",
            "gets a note for some medicine",
            "buys the medicine",
        ),
    ),
    Script(
        "Changing a tyre",
        "change a tyre",
        (
            "stops at the side of the road",
            "lifts the car with a jack",
            "takes the flat tyre off",
            "puts the spare tyre on",
            "lowers the car again",
        ),
    ),
    Script(
        "Borrowing a book",
        "borrow a book",
        (
            "walks into the library",
            "searches the shelves",
            "finds an interesting book",
            "shows the library card",
            "carries the book home",
        ),
    ),
    Script(
        "Having dinner out",
        "have dinner in a restaurant",
        (
            "asks for a table",
            "reads the menu",
            "orders a meal",
            "eats the meal",
            "pays the bill",
        ),
    ),
    Script(
        "Cleaning a window",
        "clean the window",
        (
            "fills a bucket with water",
            "adds some soap",
            "washes the glass",
            "wipes the glass with a dry towel",
            "empties the bucket",
        ),
    ),
    Script(
        "Building a fire",
        "make a fire",
        (
            "gathers dry wood",
            "lays the wood on a heap",
            "lights a match",
            "holds the match to the wood",
            "warms both hands at the fire",
        ),
    ),
    Script(
        "Mending a shirt",
        "mend a shirt",
        (
            "looks for the hole in the shirt",
            "chooses a thread of the same colour",
            "pulls the thread through a needle",
            "sews up the hole",
            "cuts off the end of the thread",
        ),
    ),
    Script(
        "Cooking soup",
        "cook soup",
        (
            "washes the vegetables",
            "cuts the vegetables",
            "throws the vegetables into hot water",
            "tastes the soup",
            "fills two bowls with soup",
        ),
    ),
    Script(
        "Taking a photo",
        "take a photo",
        (
            "gets out the camera",
            "asks the children to stand together",
            "looks through the camera",
            "presses the button",
            "shows the photo to the children",
        ),
    ),
    Script(
        "Washing a dog",
        "wash the dog",
        (
            "calls the dog",
            "puts the dog in the bath",
            "rubs soap on the dog",
            "rinses off the soap",
            "dries the dog with a towel",
        ),
    ),
)


class Frame(NamedTuple):
    """Words that stand before a step, for one and for several, and the only form of it that is right after them."""

    one: str
    several: str
    form: int


THIRD, BASE, ING, TO = range(4)
FRAMES = (
    Frame("", "", THIRD),
    Frame(" will", " will", BASE),
    Frame(" has to", " have to", BASE),
    Frame(" is busy", " are busy", ING),
    Frame(" has fun", " have fun", ING),
    Frame(" wants", " want", TO),
    Frame(" decides", " decide", TO),
)
"""With several the first one takes `BASE`."""

_BASES = {
    "goes": "go",
    "mixes": "mix",
    "searches": "search",
    "washes": "wash",
    "presses": "press",
    "fixes": "fix",
}
_DOUBLED = ("cut", "dig", "drop", "get", "let", "put", "rub", "set", "sit", "stop")


def forms(step: str) -> tuple[str, str, str, str]:
    """The step as `THIRD`, `BASE`, `ING` and `TO`.

    >>> forms("digs a deep hole")
    ('digs a deep hole', 'dig a deep hole', 'digging a deep hole', 'to dig a deep hole')
    """
    verb, rest = step.split(" ", 1)
    base = _BASES.get(verb) or (verb[:-3] + "y" if verb.endswith("ies") else verb[:-1])
    stem = base + base[-1] if base in _DOUBLED else base.removesuffix("e")
    return step, f"{base} {rest}", f"{stem}ing {rest}", f"to {base} {rest}"
