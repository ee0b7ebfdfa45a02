"""Reads catalog files: YAML in, checked `Entry` objects out.

Every fault is found at load, not when a row meets it: an unknown key, a field that does not exist, options that
are missing or shown twice, two templates of one text. The message names file, dataset and template.
"""

import functools
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from flan_datagen.catalog.columns import parse_type
from flan_datagen.catalog.entry import ANSWER_KINDS, CLASSIFICATION, METRICS, Entry, Splits
from flan_datagen.catalog.errors import CatalogError
from flan_datagen.catalog.template import ANSWER, OPTIONS, Template
from flan_shared.holdout import CLUSTERS

_REQUIRED = (
    "id",
    "name",
    "hub",
    "licence",
    "answer_kind",
    "metrics",
    "columns",
    "fields",
    "splits",
    "templates",
)
_OPTIONAL = ("options", "parts")
_RESERVED = (ANSWER, OPTIONS, "row", "label", "label_seen", "references", "defect", "part", "split")
_ID = re.compile(r"[a-z][a-z0-9_]*")


@functools.cache
def load_catalog() -> Mapping[str, Entry]:
    """All entries of the package by id, in the order of `CLUSTERS`, then of the file.

    Raises:
      CatalogError: a file is wrong.
    """
    entries: dict[str, Entry] = {}
    for cluster in CLUSTERS:
        file = resources.files(__package__) / f"{cluster}.yaml"
        if not file.is_file():
            continue
        for entry in parse_entries(file.read_text(encoding="utf-8"), where=file.name):
            if entry.cluster != cluster:
                raise CatalogError(f"{file.name}: cluster is {entry.cluster!r}; expected {cluster!r}")
            if entry.id in entries:
                raise CatalogError(
                    f"{file.name}: dataset {entry.id!r} is also in {entries[entry.id].cluster}.yaml"
                )
            entries[entry.id] = entry
    return MappingProxyType(entries)


def parse_entries(text: str, *, where: str) -> list[Entry]:
    """The entries of one catalog file.

    Args:
      text: the file's text.
      where: its name, for messages.

    Raises:
      CatalogError: one line that names the place, the value and what would be accepted.
    """
    try:
        document = yaml.load(text, _Loader)
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise CatalogError(f"{where}{line} is not YAML: {getattr(err, 'problem', None) or err}") from err
    with _Place(where):
        _check_keys(document, ("cluster", "datasets"))
        cluster = document["cluster"]
        if cluster not in CLUSTERS:
            raise CatalogError(f"cluster is {cluster!r}; expected one of {', '.join(CLUSTERS)}")
        datasets = _list(document, "datasets")
    entries = []
    for number, dataset in enumerate(datasets, 1):
        name = dataset.get("id", f"number {number}") if isinstance(dataset, dict) else f"number {number}"
        with _Place(f"{where}, dataset {name}"):
            entries.append(_entry(dataset, cluster))
    with _Place(where):
        _check_twice([entry.id for entry in entries], "dataset")
    return entries


class _Place:
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


def _entry(dataset: Any, cluster: str) -> Entry:
    _check_keys(dataset, _REQUIRED, _OPTIONAL)
    kind = _one_of(dataset, "answer_kind", ANSWER_KINDS)
    if not _ID.fullmatch(_text(dataset, "id")):
        raise CatalogError(f"id is {dataset['id']!r}; expected small letters, digits and underscores")
    metrics = _texts(dataset, "metrics")
    for metric in metrics:
        if metric not in METRICS:
            raise CatalogError(f"metrics has {metric!r}; expected some of {', '.join(METRICS)}")
    fields, optional_fields = _marked(_texts(dataset, "fields"))
    for field in fields:
        if field in _RESERVED or not _ID.fullmatch(field):
            raise CatalogError(f"fields has {field!r}, which is reserved or no plain name; choose another")
    options = _texts(dataset, "options") if "options" in dataset else ()
    if (kind == CLASSIFICATION) != bool(options):
        raise CatalogError(
            f"answer_kind is {kind} and options has {len(options)} texts; only classes have options"
        )
    if len(options) == 1:
        raise CatalogError(f"options has only {options[0]!r}; at least two are needed")
    columns = dataset["columns"]
    if not isinstance(columns, dict) or not columns:
        raise CatalogError(f"columns is {columns!r}; expected a type by column")
    names, optional_columns = _marked(columns)
    entry = Entry(
        id=dataset["id"],
        name=_text(dataset, "name"),
        cluster=cluster,
        hub=_text(dataset, "hub"),
        licence=_text(dataset, "licence"),
        answer_kind=kind,
        metrics=metrics,
        columns=dict(zip(names, map(_type, columns.values()), strict=True)),
        optional_columns=optional_columns,
        fields=fields,
        optional_fields=optional_fields,
        options=options,
        parts=_texts(dataset, "parts") if "parts" in dataset else ("",),
        splits=_splits(dataset["splits"]),
        templates=tuple(_templates(_list(dataset, "templates"))),
    )
    _check_templates(entry)
    return entry


def _type(text: Any) -> Any:
    if not isinstance(text, str):
        raise CatalogError(f"columns has the type {text!r}; expected text such as string or list<string>")
    return parse_type(text)


def _splits(splits: Any) -> Splits:
    with _Place("splits"):
        _check_keys(splits, ("train", "dev", "dev_rows", "test"))
        rows = splits["dev_rows"]
        if type(rows) is not int or rows < 1:
            raise CatalogError(f"dev_rows is {rows!r}; expected an integer of at least 1")
        return Splits(_text(splits, "train"), _text(splits, "dev"), rows, _texts(splits, "test"))


def _templates(templates: Sequence[Any]) -> Iterable[Template]:
    for number, template in enumerate(templates):
        with _Place(f"template {number}"):
            _check_keys(template, ("inputs", "targets"), ("turned_around",))
            turned = template.get("turned_around", False)
            if not isinstance(turned, bool):
                raise CatalogError(f"turned_around is {turned!r}; expected true or false")
            yield Template.parse(_text(template, "inputs"), _text(template, "targets"), turned_around=turned)


def _check_templates(entry: Entry) -> None:
    seen: dict[str, int] = {}
    for number, template in enumerate(entry.templates):
        with _Place(f"template {number}"):
            template.check(
                entry.fields, has_options=entry.has_options, either_way=entry.cluster == "translation"
            )
            text = " ".join(template.inputs.split()).casefold()
            if text in seen:
                raise CatalogError(f"inputs has the text of template {seen[text]}; write another")
            seen[text] = number
    if entry.templates[0].turned_around:
        raise CatalogError("template 0 is turned around; an ordinary one must come first")
    for number, (before, after) in enumerate(itertools.pairwise(entry.templates)):
        if before.turned_around and not after.turned_around:
            raise CatalogError(
                f"template {number} is turned around, but an ordinary one follows; put it last"
            )


def _check_keys(mapping: Any, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    if not isinstance(mapping, dict):
        raise CatalogError(f"found {mapping!r}; expected the keys {', '.join(required)}")
    for key in mapping:
        if key not in (*required, *optional):
            raise CatalogError(f"{key!r} is not a key here; known: {', '.join((*required, *optional))}")
    for key in required:
        if key not in mapping:
            raise CatalogError(f"{key} is missing")


def _text(mapping: dict, key: str) -> str:
    value = mapping[key]
    if not isinstance(value, str):
        raise CatalogError(f"{key} is {value!r}; expected text (put it in quotes)")
    if not value.strip():
        raise CatalogError(f"{key} is empty")
    return value


def _one_of(mapping: dict, key: str, accepted: Sequence[str]) -> str:
    if mapping[key] not in accepted:
        raise CatalogError(f"{key} is {mapping[key]!r}; expected one of {', '.join(accepted)}")
    return mapping[key]


def _list(mapping: dict, key: str) -> list:
    value = mapping[key]
    if not isinstance(value, list) or not value:
        raise CatalogError(f"{key} is {value!r}; expected a list with something in it")
    return value


def _texts(mapping: dict, key: str) -> tuple[str, ...]:
    for value in _list(mapping, key):
        if not isinstance(value, str) or not value.strip():
            raise CatalogError(f"{key} has {value!r}; expected text (put it in quotes)")
    _check_twice(mapping[key], key)
    return tuple(mapping[key])


def _check_twice(names: Sequence[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CatalogError(f"{what} has {name!r} more than once")


def _marked(names: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names without their trailing question mark, and those that had one."""
    names = tuple(names)
    bare = tuple(str(name).removesuffix("?") for name in names)
    return bare, frozenset(b for b, name in zip(bare, names, strict=True) if b != name)
