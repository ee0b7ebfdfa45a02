"""How-to guides: the steps of a script in order, with hints between them that a summary leaves out."""

from flan_datagen.embedded import world
from flan_datagen.embedded.draw import Draw
from flan_datagen.embedded.facts import capital
from flan_datagen.embedded.scripts import SCRIPTS

_HINTS = (
    "Take your time.",
    "Be careful with this part.",
    "This takes about {number} minutes.",
    "Ask {p} for help if it is too hard for you.",
    "Most people in {town} do this {day}.",
    "It is best to do this in the {place}.",
    "You can have some {food} while you wait.",
    "Wear your {colour} coat so that your clothes stay clean.",
)
_OPENINGS = (
    "{wish} is not as hard as it seems.",
    "{p} from {town} shows how it is done.",
    "All you need is time.",
)
_FIRST = ("First, {step}.", "To begin, {step}.", "{Step}.")
_NEXT = ("Then {step}.", "After that, {step}.", "Now {step}.", "{Step}.")
_NUMBERS = ("two", "three", "five", "ten", "fifteen", "twenty", "thirty")
_WHEN = ("on Sundays", "in the morning", "after work", "once a week", "before lunch")
_IRREGULAR = {"goes": "go", "does": "do", "ties": "tie", "lies": "lie", "has": "have", "is": "be"}


def imperative(step: str) -> str:
    """A step of a script, which tells of somebody, as a guide says it: "mixes flour" becomes "mix flour"."""
    verb, _, rest = step.partition(" ")
    if verb in _IRREGULAR:
        verb = _IRREGULAR[verb]
    elif verb.endswith("ies"):
        verb = verb[:-3] + "y"
    elif verb.endswith(("xes", "shes", "ches", "sses", "zzes")):
        verb = verb[:-2]
    else:
        verb = verb[:-1]
    return f"{verb} {rest}" if rest else verb


def guide(draw: Draw) -> tuple[str, str]:
    """A guide of this split and its summary: the steps alone, one sentence each."""

    def make() -> tuple[str, str]:
        script = draw.pick(SCRIPTS)
        count = draw.between(2, min(4, len(script.steps)))
        start = draw.below(len(script.steps) - count + 1)
        steps = [imperative(step) for step in script.steps[start : start + count]]
        sentences = []
        if draw.chance(0.5):
            sentences.append(_hint(draw, draw.pick(_OPENINGS), script.name))
        for number, step in enumerate(steps):
            form = draw.pick(_NEXT if number else _FIRST)
            sentences.append(form.format(step=step, Step=capital(step)))
            if draw.chance(0.6):
                sentences.append(_hint(draw, draw.pick(_HINTS), script.name))
        return " ".join(sentences), " ".join(f"{capital(step)}." for step in steps)

    return draw.owned(make, lambda made: made[0])


def _hint(draw: Draw, form: str, name: str) -> str:
    return form.format(
        wish=name,
        number=draw.pick(_NUMBERS),
        p=draw.pick(world.PEOPLE),
        town=draw.pick(world.TOWNS),
        place=draw.pick(world.PLACES),
        food=draw.pick(world.FOODS),
        colour=draw.pick(world.COLOURS),
        day=draw.pick(_WHEN),
    )
