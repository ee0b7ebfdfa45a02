"""What follows from what: causes with their effects, and events with the feelings they leave.

Links that could be taken for one another share a field; a wrong choice always comes from another field, so
that one choice is clearly the likelier. `{p}` is a person, `{he}` and `{his}` the person's
pronouns, the other slots have a few values each.
"""

from typing import NamedTuple

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital


class Link(NamedTuple):
    """A cause and its effect, as whole sentences with slots."""

    field: str
    cause: str
    effect: str


_SLOTS = {
    "glass": ("cup", "vase", "plate", "bottle", "bowl"),
    "baked": ("bread", "cake", "pie", "meat", "fish"),
    "animal": ("goat", "horse", "rabbit", "dog", "hen"),
    "plant": ("flowers", "roses", "beans", "herbs"),
    "machine": ("clock", "lamp", "radio", "camera"),
    "vehicle": ("bus", "train", "tram", "ferry"),
    "rail": ("train", "tram"),
    "room": ("kitchen", "bedroom", "office", "studio", "library"),
    "exam": ("test", "exam", "course"),
    "thing": ("table", "chair", "drum", "mask", "basket"),
}

LINKS = (
    Link("break", "{p} dropped the {glass} on the stone floor.", "The {glass} broke into pieces."),
    Link("break", "A ball flew against the window.", "There was broken glass on the floor."),
    Link("water", "{p} went out in the rain without a coat.", "{p} came home wet."),
    Link("water", "It rained for a whole week.", "The river was full of water."),
    Link("water", "Nobody gave water to the {plant}.", "The {plant} dried up and died."),
    Link("water", "{p} gave water to the {plant} every day.", "The {plant} grew tall."),
    Link("water", "{p} washed the dirty {thing}.", "The {thing} was clean again."),
    Link("water", "{p} walked through the mud.", "The shoes of {p} were dirty."),
    Link("hunger", "{p} had eaten nothing all day.", "{p} ate two plates of food."),
    Link("hunger", "{p} ate far too much {baked}.", "{p} had a pain in {his} stomach."),
    Link("thirst", "{p} walked for hours in the hot sun.", "{p} drank a lot of water."),
    Link("day", "{p} worked all night.", "{p} slept until noon."),
    Link("day", "The alarm clock did not ring.", "{p} woke up too late."),
    Link("day", "{p} missed the {vehicle}.", "{p} had to walk to work."),
    Link("day", "There was snow on the tracks.", "The {rail} came one hour late."),
    Link("day", "{p} caught a bad cold.", "{p} stayed in bed and took medicine."),
    Link("day", "{p} fell from the ladder.", "{p} had a broken leg."),
    Link("day", "The car of {p} had no fuel.", "The car stopped on the road."),
    Link("day", "{p} rode {his} bike over a nail.", "The bike had a flat tyre."),
    Link("room", "The lamp in the {room} went out.", "It was dark in the {room}."),
    Link("room", "{p} lit ten candles in the {room}.", "There was light in the {room}."),
    Link("room", "{p} left the window of the {room} open in winter.", "The {room} became very cold."),
    Link("room", "{p} lit a fire in the {room}.", "The {room} became nice and warm."),
    Link("room", "The sun shone on the snowman.", "The snowman melted."),
    Link("room", "The night was very cold.", "There was ice on the lake."),
    Link("cooking", "{p} forgot the {baked} in the oven.", "The {baked} was burned and black."),
    Link("cooking", "{p} put too much salt in the soup.", "Nobody wanted to eat the soup."),
    Link("noise", "{p} left the gate of the barn open.", "The {animal} ran away."),
    Link("noise", "A stranger came to the door at night.", "The dog began to bark."),
    Link("noise", "{p} played the trumpet at midnight.", "The neighbours were angry."),
    Link("noise", "The class became too loud.", "The teacher asked for silence."),
    Link("loss", "{p} lost {his} purse in the market.", "{p} could not pay."),
    Link("loss", "{p} sold the old {thing}.", "{p} had more money than before."),
    Link("loss", "{p} lost the key of the house.", "{p} could not open the front door."),
    Link("school", "{p} studied hard for the {exam}.", "{p} passed the {exam}."),
    Link("school", "{p} never opened {his} school books.", "{p} failed the {exam}."),
    Link("sport", "{p} was the fastest runner of the race.", "{p} got the first prize."),
    Link("repair", "The {machine} of {p} stopped working.", "{p} took the {machine} to the repair shop."),
    Link("hair", "The hair of {p} had grown too long.", "{p} went to the barber."),
    Link("party", "{p} had a birthday.", "Many friends brought presents."),
)

NEWS = {
    "happy": (
        "{p} won a big prize.",
        "{p} found the ring that {he} had lost.",
        "{p} got a letter from a dear friend.",
        "{p} got a new bike as a present.",
        "The team of {p} won the match.",
    ),
    "sad": (
        "{p} lost {his} favourite ring.",
        "The team of {p} lost the match.",
        "The best friend of {p} moved far away.",
        "{p} got no presents this year.",
        "Nobody came to the party of {p}.",
    ),
    "tired": (
        "{p} worked the whole night.",
        "{p} walked for ten hours.",
        "{p} carried heavy boxes all day.",
        "{p} could not sleep last night.",
        "{p} ran up the hill ten times.",
    ),
    "afraid": (
        "{p} heard a strange noise in the dark.",
        "A big dog ran after {p}.",
        "{p} was alone in the forest at night.",
        "{p} saw a snake under the bed.",
        "{p} stood on a very high bridge in a storm.",
    ),
}
"""What happened to somebody, by the feeling that it leaves."""


def slots(draw: Draw, person: str) -> dict[str, str]:
    """A value for every slot."""
    values = {name: draw.pick(choices) for name, choices in _SLOTS.items()}
    return values | {"p": person, "he": world.pronoun(person), "his": world.possessive(person)}


def fill(template: str, values: dict[str, str]) -> str:
    """A sentence with its slots filled."""
    return capital(template.format_map(values))
