"""Identifiers of the form that sources give their rows."""

from flan_datagen.embedded.draw import Draw

_DIGITS = "0123456789abcdef"


def uuid(draw: Draw) -> str:
    """Thirty-two digits in five groups."""
    return "-".join("".join(draw.pick(_DIGITS) for _ in range(size)) for size in (8, 4, 4, 4, 12))
