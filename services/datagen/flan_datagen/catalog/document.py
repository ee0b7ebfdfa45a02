"""Reading YAML by hand-written rules: every fault is a `CatalogError` of one line that names the place."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from flan_datagen.catalog.errors import CatalogError

NAME = re.compile(r"[a-z][a-z0-9_]*")


class Place:
    """Puts the place before the message of a CatalogError that passes."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, err: BaseException | None, trace: object) -> None:
        if isinstance(err, CatalogError):
            raise CatalogError(f"{self._where}: {err}") from err


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """No key twice. libyaml reads the catalog in a tenth of the time; not every build has it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, *, where: str) -> Any:
    """The document in `text`.

    Raises:
      CatalogError: it is not YAML.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise CatalogError(f"{where}{line} is not YAML: {getattr(err, 'problem', None) or err}") from err


def check_keys(mapping: Any, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    """All of `required`, and nothing that is in neither."""
    if not isinstance(mapping, dict):
        raise CatalogError(f"found {mapping!r}; expected the keys {', '.join(required)}")
    for key in mapping:
        if key not in (*required, *optional):
            raise CatalogError(f"{key!r} is not a key here; known: {', '.join((*required, *optional))}")
    for key in required:
        if key not in mapping:
            raise CatalogError(f"{key} is missing")


def text(mapping: dict, key: str) -> str:
    """A text that is not blank."""
    value = mapping[key]
    if not isinstance(value, str):
        raise CatalogError(f"{key} is {value!r}; expected text (put it in quotes)")
    if not value.strip():
        raise CatalogError(f"{key} is empty")
    return value


def texts(mapping: dict, key: str) -> tuple[str, ...]:
    """One text or more, no two alike."""
    for value in items(mapping, key):
        if not isinstance(value, str) or not value.strip():
            raise CatalogError(f"{key} has {value!r}; expected text (put it in quotes)")
    check_twice(mapping[key], key)
    return tuple(mapping[key])


def text_or_texts(mapping: dict, key: str) -> tuple[str, ...]:
    """A text alone, or a list of them; none where the key is missing."""
    if key not in mapping:
        return ()
    return (text(mapping, key),) if isinstance(mapping[key], str) else texts(mapping, key)


def items(mapping: dict, key: str) -> list:
    """A list with something in it."""
    value = mapping[key]
    if not isinstance(value, list) or not value:
        raise CatalogError(f"{key} is {value!r}; expected a list with something in it")
    return value


def one_of(mapping: dict, key: str, accepted: Sequence[str]) -> str:
    """One of `accepted`."""
    if mapping[key] not in accepted:
        raise CatalogError(f"{key} is {mapping[key]!r}; expected one of {', '.join(accepted)}")
    return mapping[key]


def positive(mapping: dict, key: str) -> int:
    """An integer of at least 1."""
    value = mapping[key]
    if type(value) is not int or value < 1:
        raise CatalogError(f"{key} is {value!r}; expected an integer of at least 1")
    return value


def check_twice(names: Sequence[str], what: str) -> None:
    """No name twice."""
    for name in names:
        if names.count(name) > 1:
            raise CatalogError(f"{what} has {name!r} more than once")


def marked(names: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names without their trailing question mark, and those that had one."""
    names = tuple(names)
    bare = tuple(str(name).removesuffix("?") for name in names)
    return bare, frozenset(b for b, name in zip(bare, names, strict=True) if b != name)
