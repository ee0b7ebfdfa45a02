"""Types of source columns, as a catalog file writes them, and the frames that they are held against.

    string  integer  float  boolean  list<T>  struct<a: T, b: T>

Widths do not matter (a label may be int8 or int64), extra struct fields neither. A struct of lists may come as a
list of structs: writers make both of a sequence of features. After `conform` a frame has one type for each word:
String, Int64, Float64, Boolean, List, Struct; adapters rely on that.
"""

import re
from collections.abc import Mapping

import polars as pl

from flan_datagen.catalog.errors import CatalogError
from flan_shared.errors import DataError

_SCALARS = {"string": pl.String, "integer": pl.Int64, "float": pl.Float64, "boolean": pl.Boolean}
_TOKEN = re.compile(r"\s*([a-z_A-Z0-9-]+|[<>,:])")


def parse_type(text: str) -> pl.DataType:
    """The polars type of a written one.

    >>> parse_type("struct<text: list<string>, label: list<string>>")
    Struct({'text': List(String), 'label': List(String)})

    Raises:
      CatalogError: the text is no type.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise _no_type(text)
    try:
        parsed = _take(tokens)
    except (IndexError, KeyError, ValueError) as err:
        raise _no_type(text) from err
    if tokens:
        raise _no_type(text)
    return parsed


def type_name(dtype: pl.DataType) -> str:
    """The written type nearest to a polars one; its polars name where there is none."""
    match dtype:
        case pl.List() | pl.Array():
            return f"list<{type_name(dtype.inner)}>"
        case pl.Struct():
            return f"struct<{', '.join(f'{field.name}: {type_name(field.dtype)}' for field in dtype.fields)}>"
        case pl.String() | pl.Categorical() | pl.Enum():
            return "string"
        case pl.Boolean():
            return "boolean"
        case pl.Null():
            return "nothing but nulls"
    if dtype.is_integer():
        return "integer"
    return "float" if dtype.is_float() else str(dtype)


def conform(
    frame: pl.DataFrame, columns: Mapping[str, pl.DataType], *, optional: frozenset[str], dataset: str
) -> pl.DataFrame:
    """`frame` with the declared columns in their declared types; others stay as they are.

    Args:
      frame: columns of a source.
      columns: type by name.
      optional: names that may be absent; such a column is null throughout.
      dataset: its id, for messages.

    Raises:
      DataError: a column is missing or has another type.
    """
    casts = []
    for name, expected in columns.items():
        if name not in frame.columns:
            if name in optional:
                casts.append(pl.lit(None, dtype=expected).alias(name))
                continue
            raise DataError(
                f"dataset {dataset!r} has no column {name!r} ({type_name(expected)}); "
                f"found: {', '.join(frame.columns) or 'no columns'}"
            )
        frame = frame.with_columns(_turned(name, frame.schema[name], expected))
        found = frame.schema[name]
        if not _fits(found, expected):
            raise DataError(
                f"dataset {dataset!r}, column {name!r}: found {type_name(found)}, expected {type_name(expected)}"
            )
        if found != expected:
            casts.append(pl.col(name).cast(_widened(found, expected)))
    return frame.with_columns(casts)


def _no_type(text: str) -> CatalogError:
    return CatalogError(
        f"{text!r} is not a column type; expected {', '.join(_SCALARS)}, list<T> or struct<name: T, ...>"
    )


def _take(tokens: list[str]) -> pl.DataType:
    word = tokens.pop(0)
    if word == "list":
        _expect(tokens, "<")
        inner = _take(tokens)
        _expect(tokens, ">")
        return pl.List(inner)
    if word != "struct":
        return _SCALARS[word]()
    _expect(tokens, "<")
    fields: dict[str, pl.DataType] = {}
    while True:
        name = tokens.pop(0)
        _expect(tokens, ":")
        fields[name] = _take(tokens)
        mark = tokens.pop(0)
        if mark == ">":
            return pl.Struct(fields)
        if mark != ",":
            raise ValueError(mark)


def _expect(tokens: list[str], mark: str) -> None:
    if tokens.pop(0) != mark:
        raise ValueError(mark)


def _fits(found: pl.DataType, expected: pl.DataType) -> bool:
    if isinstance(found, pl.Null):  # a column without any value has no type in JSON Lines
        return True
    match expected:
        case pl.List():
            return isinstance(found, pl.List | pl.Array) and _fits(found.inner, expected.inner)
        case pl.Struct():
            has = {field.name: field.dtype for field in getattr(found, "fields", ())}
            return isinstance(found, pl.Struct) and all(
                field.name in has and _fits(has[field.name], field.dtype) for field in expected.fields
            )
        case pl.String():
            return isinstance(found, pl.String | pl.Categorical | pl.Enum)
        case pl.Int64():
            return found.is_integer()
        case pl.Float64():
            return found.is_numeric()
    return found == expected


def _turned(name: str, found: pl.DataType, expected: pl.DataType) -> pl.Expr:
    """The column, or where it is a list of structs in place of a struct of lists, that."""
    column = pl.col(name)
    if not (
        isinstance(expected, pl.Struct)
        and all(isinstance(field.dtype, pl.List) for field in expected.fields)
        and isinstance(found, pl.List | pl.Array)
        and isinstance(found.inner, pl.Struct)
        and {field.name for field in expected.fields} <= {field.name for field in found.inner.fields}
    ):
        return column
    lists = [
        column.list.eval(pl.element().struct.field(field.name)).alias(field.name)
        for field in found.inner.fields
    ]
    return pl.when(column.is_not_null()).then(pl.struct(lists)).alias(name)


def _widened(found: pl.DataType, expected: pl.DataType) -> pl.DataType:
    """`expected`, but with the struct fields of `found` in their order: a cast of structs goes by position."""
    match expected, found:
        case pl.List(), pl.List() | pl.Array():
            return pl.List(_widened(found.inner, expected.inner))
        case pl.Struct(), pl.Struct():
            declared = {field.name: field.dtype for field in expected.fields}
            return pl.Struct(
                {
                    field.name: _widened(field.dtype, declared.get(field.name, field.dtype))
                    for field in found.fields
                }
            )
    return expected
