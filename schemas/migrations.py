"""From rows to tables of the declared schemas, and from tables of older versions to the present one.

Every file carries its table's name and schema version in its metadata. A migration is a numbered function that takes
a table of version N-1 to version N; reading an old file runs those that it lacks. A present file costs one comparison
of schemas; rows cost about 50 ns for each value that is checked on the way to Arrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from folioscope.schemas.checks import SchemaError, check_rows
from folioscope.schemas.names import RENAMED_REASONS
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

VERSION_KEY: Final = b"folioscope_schema_version"
TABLE_KEY: Final = b"folioscope_table"

Migration = Callable[[str, pa.Table], pa.Table]
MIGRATIONS: Final[dict[int, Migration]] = {}


def migration(function: Migration) -> Migration:
    """Collect a function named ``m001_…`` as the step to version 1, and so on without a gap.

    The function takes a table's name and the table at the version before, and returns it at its own version; tables
    that it does not concern it returns as they are.
    """
    match = re.match(r"m(\d{3})_", function.__name__)
    if match is None or int(match[1]) != len(MIGRATIONS) + 1:
        raise SchemaError(f"{function.__name__}: migrations are numbered in order, next is m{len(MIGRATIONS) + 1:03d}_")
    MIGRATIONS[int(match[1])] = function
    return function


# Fields that came after version 1, by table and path: every other field has been there from the first.
_CAME_IN: Final[dict[str, int]] = {
    "assets.parent_uri": 3,
    "assets.parent_asset_id": 3,
    "assets.shot_count": 2,
    "assets.variable_fps": 2,
    "assets.rotation": 2,
    "assets.container": 2,
    "assets.has_audio": 2,
    "segments.blocks[].start_s": 2,
    "segments.blocks[].end_s": 2,
    "segments.frame_times": 2,
    "summaries.chapters": 2,
    "segments.uri": 3,
    "summaries.uri": 3,
    "answers.uri": 3,
    "runs.suspect_segments": 3,
    "assets.mirrored": 3,
    "assets.pixel_aspect": 3,
    "assets.interlaced": 3,
    "assets.timecode": 3,
    "assets.recorded_at": 3,
    "assets.tracks": 3,
    "assets.chapters": 3,
    "assets.attachments": 3,
    "assets.outline": 3,
    "segments.blocks[].language": 3,
    "segments.blocks[].track": 3,
    "segments.blocks[].flags": 3,
    "segments.blocks[].words": 3,
    "segments.blocks[].support": 3,
    "segments.blocks[].unsupported": 3,
    "segments.blocks[].cells": 3,
    "segments.reader": 3,
    "segments.route_reason": 3,
    "segments.reference": 3,
    "segments.support": 3,
    "segments.word_count": 3,
    "segments.reference_word_count": 3,
    "segments.omitted": 3,
    "segments.omissions": 3,
    "segments.token_probability_mean": 3,
    "segments.token_probability_min": 3,
    "summaries.key_points[].evidence[].verified_by": 3,
    "summaries.key_points[].evidence[].repaired": 3,
    "answers.evidence[].verified_by": 3,
    "answers.evidence[].repaired": 3,
    "runs.error_bounds": 3,
    "runs.reference_seconds": 3,
}


# Fields that went: the table, the versions that had them (first, last), the field before them, and what they were.
_WENT: Final = (("segments", 2, 2, "frame_times", pa.field("thumbnail", pa.binary())),)


def schema_at(name: str, version: int) -> pa.Schema:
    """A table's columns as they were at a version."""
    fields = _fields_at(TABLES[name], f"{name}.", version)
    for table, first, last, before, gone in _WENT:
        if table == name and first <= version <= last:
            fields.insert([field.name for field in fields].index(before) + 1, gone)
    return pa.schema(fields)


@migration
def m001_initial(name: str, table: pa.Table) -> pa.Table:
    """Files that bear no version: written before versions were stamped, or rewritten by a tool that drops metadata.

    Columns and parts of structs that may be null are added as nulls (a block's ``level`` among them); a required
    column must be there.
    """
    return _filled(name, table, schema_at(name, 1))


@migration
def m002_videos(name: str, table: pa.Table) -> pa.Table:
    """What videos need: their streams, shots, chapters, and when text stood on the screen; and small pictures."""
    return _filled(name, table, schema_at(name, 2))


@migration
def m003_trust(name: str, table: pa.Table) -> pa.Table:
    """What tells how far a row can be trusted; and reason codes under the names that the field uses."""
    if "reason" in table.column_names:
        reasons = [RENAMED_REASONS.get(code, code) for code in table["reason"].to_pylist()]
        where = table.schema.get_field_index("reason")
        table = table.set_column(where, table.schema.field(where), pa.array(reasons, pa.string()))
    if name == "segments" and "thumbnail" in table.column_names:  # ``thumbnails_of`` gives them to their own table
        table = table.drop_columns(["thumbnail"])
    return _filled(name, table, schema_at(name, 3))


def thumbnails_of(segments: pa.Table) -> pa.Table:
    """The rows of ``thumbnails`` that a table of segments of version 2 holds; of other versions none."""
    declared = TABLES["thumbnails"]
    if "thumbnail" not in segments.column_names:
        return declared.empty_table()
    segments = segments.filter(segments["thumbnail"].is_valid())
    held = {"image": "thumbnail"}
    columns = [
        segments[held.get(field.name, field.name)].cast(field.type)
        if held.get(field.name, field.name) in segments.column_names
        else pa.nulls(segments.num_rows, field.type)
        for field in declared
    ]
    return pa.table(columns, schema=declared)


def _filled(name: str, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns and parts of structs that it lacks, as nulls."""
    for position, field in enumerate(schema):
        where = table.schema.get_field_index(field.name)
        if where >= 0:
            if pa.types.is_nested(field.type):
                table = table.set_column(where, field, table.column(where).cast(field.type))
        elif field.nullable:
            table = table.add_column(min(position, table.num_columns), field, pa.nulls(table.num_rows, field.type))
        else:
            raise SchemaError(f"table {name}: the file has no column {field.name}, which every row must have")
    return table


def _fields_at(fields: Iterable[pa.Field[Any]], prefix: str, version: int) -> list[pa.Field[Any]]:
    present = [field for field in fields if _CAME_IN.get(prefix + field.name, 1) <= version]
    return [field.with_type(_type_at(field.type, prefix + field.name, version)) for field in present]


def _type_at(kind: pa.DataType, path: str, version: int) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_type_at(kind.value_type, f"{path}[]", version))
    if pa.types.is_struct(kind):
        return pa.struct(_fields_at(kind, f"{path}.", version))
    return kind


def migrate(name: str, table: pa.Table) -> pa.Table:
    """A table of any older version, brought to the present schema and stamped with it.

    Raises:
        SchemaError: it is of a newer version or of another table, lacks a column, has one that is not declared, or
            holds values that do not fit. Names the table and the column.
    """
    version = _version(name, table.schema)
    for number in range(version + 1, SCHEMA_VERSION + 1):
        table = MIGRATIONS[number](name, table)
    declared = TABLES[name]
    odd = sorted(_differences(pa.struct(list(declared)), pa.struct(list(table.schema))))
    if odd:
        raise SchemaError(f"table {name}: its columns are not those of schema {SCHEMA_VERSION}: {'; '.join(odd)}")
    try:
        return table.select(declared.names).cast(stamp(declared, name))
    except (ValueError, NotImplementedError) as error:  # Arrow's own errors are of these kinds
        raise SchemaError(f"table {name}: the file does not fit schema {SCHEMA_VERSION} ({error})") from error


def stamp(schema: pa.Schema, name: str) -> pa.Schema:
    """The schema with its table's name and version in its metadata."""
    return schema.with_metadata({VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: name.encode()})


def to_table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of the declared schema, stamped.

    Raises:
        SchemaError: a row, or a struct inside it, has a field too many or too few, a null where none may be, or a
            value of another type. Names the table, the row (from 0) and the column.
    """
    declared = TABLES[name]
    check_rows(name, declared, rows)
    try:
        return pa.Table.from_pylist(list(rows), schema=stamp(declared, name))
    except (ValueError, TypeError, OverflowError) as error:
        raise SchemaError(f"table {name}, {_first_misfit(declared, rows)}: {error}") from error


def _version(name: str, schema: pa.Schema) -> int:
    """The version a file says it has; 0 where it says none."""
    metadata = schema.metadata or {}
    stored = metadata.get(TABLE_KEY, name.encode()).decode(errors="replace")
    if stored != name:
        raise SchemaError(f"table {name}: the file holds table {stored}")
    written = metadata.get(VERSION_KEY, b"0").decode(errors="replace")
    if not written.isdecimal():
        raise SchemaError(f"table {name}: the file's schema version is {written!r}, which is no number")
    if int(written) > SCHEMA_VERSION:
        raise SchemaError(
            f"table {name}: the file has schema version {written}, this Folioscope knows up to {SCHEMA_VERSION}; "
            "install the version that wrote it, or a newer one"
        )
    return int(written)


def _differences(declared: pa.DataType, found: pa.DataType, path: str = "") -> Iterator[str]:
    """Fields that only one of two types has, at any depth. A cast would drop or invent them without a word."""
    if pa.types.is_list(declared) and (pa.types.is_list(found) or pa.types.is_large_list(found)):
        yield from _differences(declared.value_type, found.value_type, f"{path}[]")
    elif pa.types.is_struct(declared) and pa.types.is_struct(found):
        wanted = {field.name: field.type for field in declared}
        present = {field.name: field.type for field in found}
        prefix = f"{path}." if path else ""
        yield from (f"{prefix}{name} is missing" for name in wanted.keys() - present.keys())
        yield from (f"{prefix}{name} is not declared" for name in present.keys() - wanted.keys())
        for name in wanted.keys() & present.keys():
            yield from _differences(wanted[name], present[name], f"{prefix}{name}")


def _first_misfit(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> str:
    """Where the first value stands that Arrow refuses. Only looked for once something was refused."""
    for number, row in enumerate(rows):
        for field in schema:
            try:
                pa.array([row[field.name]], field.type)
            except (ValueError, TypeError, OverflowError):
                return f"row {number}, column {field.name}"
    return "some row"
