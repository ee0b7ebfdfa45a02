"""Everyday things done step by step: the order of a short series of actions.

Steps are in the present tense without their subject, so that they end a sentence such as "Then she".
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
)
