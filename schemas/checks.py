"""What Arrow lets pass without a word: fields unknown or missing, nulls where none may be, fractions cut to
integers, bytes that are no text.

The checks of a schema are built once and kept; Arrow's own conversion refuses all other misfits itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from folioscope.schemas.errors import FolioscopeError

Check = Callable[[Any], None]


class SchemaError(FolioscopeError, ValueError):
    """Rows or a file do not fit the declared table; the message names the table and the column."""


class _Misfit(Exception):
    """A value does not fit; ``path`` grows from the inside out on its way up."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(path, what)
        self.path = path
        self.what = what


def check_rows(name: str, schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> None:
    """Check every row against the schema.

    Raises:
        SchemaError: names the table, the row (from 0) and the column.
    """
    check = _struct_check(tuple(schema))
    for number, row in enumerate(rows):
        try:
            check(row)
        except _Misfit as misfit:
            where = f", column {misfit.path}" if misfit.path else ""
            raise SchemaError(f"table {name}, row {number}{where}: {misfit.what}") from misfit


@lru_cache(maxsize=256)
def _struct_check(fields: tuple[pa.Field[Any], ...]) -> Check:
    expected = frozenset(field.name for field in fields)
    required = tuple(field.name for field in fields if not field.nullable)
    checks = tuple((field.name, inner) for field in fields if (inner := _check_of(field.type)) is not None)

    def check(value: Any) -> None:
        if not isinstance(value, Mapping):
            raise _Misfit("", f"fields are wanted here, this is a {type(value).__name__}")
        if value.keys() != expected:
            unknown = [f"{key} is unknown" for key in sorted(map(str, value.keys() - expected))]
            missing = [f"{key} is missing" for key in sorted(expected - value.keys())]
            raise _Misfit("", "; ".join([*missing, *unknown]))
        for key in required:
            if value[key] is None:
                raise _Misfit(key, "must not be null")
        for key, inner in checks:
            if value[key] is not None:
                try:
                    inner(value[key])
                except _Misfit as misfit:
                    raise _Misfit(_join(key, misfit.path), misfit.what) from misfit

    return check


def _check_of(type_: pa.DataType) -> Check | None:
    """The check for values of a type; None where Arrow's own conversion sees to all of it."""
    if pa.types.is_integer(type_):
        return _check_integer
    if pa.types.is_string(type_):
        return _check_string
    if pa.types.is_struct(type_):
        return _struct_check(tuple(type_.field(index) for index in range(type_.num_fields)))
    if pa.types.is_list(type_):
        return _list_check(type_.value_type)
    return None


def _list_check(item: pa.DataType) -> Check:
    inner = _check_of(item)

    def check(values: Any) -> None:
        if not isinstance(values, list | tuple):  # Arrow would take a string for a list of letters
            raise _Misfit("", f"a list is wanted here, this is a {type(values).__name__}")
        if inner is None:
            return
        for index, value in enumerate(values):
            if value is not None:
                try:
                    inner(value)
                except _Misfit as misfit:
                    raise _Misfit(_join(f"[{index}]", misfit.path), misfit.what) from misfit

    return check


def _check_integer(value: Any) -> None:
    if isinstance(value, float) and not value.is_integer():
        raise _Misfit("", f"{value} is not a whole number")


def _check_string(value: Any) -> None:
    if isinstance(value, bytes):  # Arrow would take them unseen, whether UTF-8 or not
        raise _Misfit("", "text is wanted here, these are bytes")


def _join(outer: str, inner: str) -> str:
    return outer if not inner else f"{outer}{inner}" if inner.startswith("[") else f"{outer}.{inner}"
