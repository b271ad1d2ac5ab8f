"""From rows to tables of the declared schemas, and from tables of older versions to the present one.

Every file carries its table's name and schema version in its metadata. A migration is a numbered function that takes
a table of version N-1 to version N; reading an old file runs those that it lacks. Costs nothing on a present file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from schemas.tables import SCHEMA_VERSION, TABLES

VERSION_KEY: Final = b"folioscope_schema_version"
TABLE_KEY: Final = b"folioscope_table"

Migration = Callable[[str, pa.Table], pa.Table]
MIGRATIONS: Final[dict[int, Migration]] = {}


class SchemaError(ValueError):
    """Rows or a file do not fit the declared table; the message names the table and the field."""


def migration(function: Migration) -> Migration:
    """Collect a function named ``m001_…`` as the step to version 1, and so on."""
    match = re.match(r"m(\d{3})_", function.__name__)
    if match is None or int(match[1]) != len(MIGRATIONS) + 1:
        raise SchemaError(f"{function.__name__}: migrations are numbered in order, next is m{len(MIGRATIONS) + 1:03d}_")
    MIGRATIONS[int(match[1])] = function
    return function


@migration
def m001_initial(name: str, table: pa.Table) -> pa.Table:
    """Files from before versions were stamped: columns that may be null are added, required ones must be there."""
    for field in TABLES[name]:
        if field.name in table.column_names:
            continue
        if not field.nullable:
            raise SchemaError(f"table {name}: the file has no column {field.name}, which every row must have")
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def migrate(name: str, table: pa.Table) -> pa.Table:
    """A table of any older version, brought to the present schema.

    Raises:
        SchemaError: it is of a newer version, of another table, or lacks a required column.
    """
    metadata = table.schema.metadata or {}
    version = int(metadata.get(VERSION_KEY, b"0"))
    stored = metadata.get(TABLE_KEY, name.encode()).decode()
    if stored != name:
        raise SchemaError(f"table {name}: the file holds table {stored}")
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"table {name}: the file has schema version {version}, this Folioscope knows {SCHEMA_VERSION}; install a "
            "newer one"
        )
    for number in range(version + 1, SCHEMA_VERSION + 1):
        table = MIGRATIONS[number](name, table)
    return table.select(TABLES[name].names).cast(stamp(TABLES[name], name))


def stamp(schema: pa.Schema, name: str) -> pa.Schema:
    """The schema with its table's name and version in its metadata."""
    return schema.with_metadata({VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: name.encode()})


def to_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of the declared schema.

    Raises:
        SchemaError: a row has a column too many or too few, a null where none may be, or a value of another type;
            names the table, the row and the column.
    """
    schema = TABLES[name]
    expected = set(schema.names)
    required = [field.name for field in schema if not field.nullable]
    for number, row in enumerate(rows):
        if row.keys() != expected:
            odd = sorted(row.keys() ^ expected)
            raise SchemaError(f"table {name}, row {number}: columns missing or unknown: {', '.join(odd)}")
        for column in required:
            if row[column] is None:
                raise SchemaError(f"table {name}, row {number}: {column} must not be null")
    try:
        return pa.Table.from_pylist(list(rows), schema=stamp(schema, name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SchemaError(f"table {name}: a value does not fit its column ({error})") from error
