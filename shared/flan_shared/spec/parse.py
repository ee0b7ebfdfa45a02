"""Reading a run spec: YAML, overrides, and one line for whatever is wrong."""

import json
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from flan_shared.errors import SpecError
from flan_shared.spec.model import EncoderDecoder, PrefixLM, with_preset
from flan_shared.spec.run import RunSpec

_LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (1e-3 is a number) and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SpecError(f"{key!r} is given twice (line {node.start_mark.line + 1} on); give it once")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_spec(
    text: str, *, where: str = "the run spec", overrides: Mapping[str, str] | None = None
) -> RunSpec:
    """Reads YAML (or the canonical JSON), applies `overrides` and checks everything.

    Args:
      text: the document.
      where: its name, for messages.
      overrides: values by dotted field name, each read as YAML: `{"train.steps": "40"}`.

    Raises:
      SpecError: one line that names the field, the value and what would be accepted.
    """
    try:
        data = yaml.load(text, _Loader)
        if not isinstance(data, dict):
            raise SpecError(
                f"{where} holds {type(data).__name__}; expected fields such as name, seed and mixture"
            )
        for field, value in (overrides or {}).items():
            _set(data, field, yaml.load(value, _Loader))
        if isinstance(data.get("model"), dict):
            data["model"] = with_preset(data["model"])
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{where}{line} is not YAML: {getattr(err, 'problem', None) or err}") from err
    except SpecError as err:
        raise SpecError(f"{where}: {err}") from err
    try:
        # Through JSON, because only there does strict mode take a list for a tuple.
        return RunSpec.model_validate_json(json.dumps(data, default=str))
    except pydantic.ValidationError as err:
        raise SpecError(f"{where}: " + "; ".join(_sentence(fault) for fault in err.errors())) from err


def load_spec(path: Path | str, overrides: Mapping[str, str] | None = None) -> RunSpec:
    """`parse_spec` of a file.

    Raises:
      SpecError: the file cannot be read, or is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise SpecError(f"run spec {path} cannot be read: {getattr(err, 'strerror', None) or err}") from err
    return parse_spec(text, where=str(path), overrides=overrides)


def _set(data: dict[str, Any], field: str, value: Any) -> None:
    *parents, last = field.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise SpecError(f"override {field!r}: {parent!r} has no fields of its own")
    data[last] = value


def _sentence(fault: Any) -> str:
    # "[key]" marks a fault of a mapping's key itself; the key is already the last part of the place.
    place = [str(part) for part in fault["loc"] if part != "[key]"]
    # The fields of a network stand below its family, which nobody writes there.
    family = place.pop(1) if place[:1] == ["model"] and len(place) > 2 else None
    field = ".".join(place) or "spec"
    expected = fault["msg"][0].lower() + fault["msg"][1:]
    match fault["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(place[:-1], family))
            return f"{field} is not a field of the run spec; known here: {', '.join(known)}"
        case "missing":
            return f"{field} is missing; it has no default"
        case "value_error":
            message = str(fault["ctx"]["error"])
            return f"{field}.{message}" if place else message
        case _:
            return f"{field} is {_shown(fault['input'])}; {expected.replace('input should', 'it should')}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _fields_at(place: list[str], family: str | None) -> list[str]:
    if place == ["model"]:
        return ["preset", *(PrefixLM if family == "prefix_lm" else EncoderDecoder).model_fields]
    model: Any = RunSpec
    for part in place:
        model = model.model_fields[part].annotation
        # An optional part.
        model = next((each for each in typing.get_args(model) if each is not type(None)), model)
    return list(model.model_fields)
