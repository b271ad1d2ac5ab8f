"""Writes ``docs/schema.md`` from the declared schemas.

python -m folioscope.schemas.document > docs/schema.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pyarrow as pa

from folioscope.schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES

HEAD = f"""# The tables

Generated from `schemas/tables.py` by `python -m folioscope.schemas.document`; do not edit.
Schema version {SCHEMA_VERSION}.

Boxes are `x0, y0, x1, y1` as shares (0..1) of the upright page, origin top left. `views.sql`, published beside the
tables, gives DuckDB the views `pages`, `shots`, `thumbnails`, `documents`, `videos`, `current_answers`, `failures` and
`cost_by_run`; and, under their names, all rows ever published: `all_segments`, `all_thumbnails` and so on.
"""


def render() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(line for name in TABLES for line in _table(name))])


def _table(name: str) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"Sorted by {', '.join(f'`{key}`' for key in SORT_KEYS[name])}.\n"
    yield "| column | type | null | meaning |"
    yield "|---|---|---|---|"
    for field in TABLES[name]:
        yield from _field(field, "")
    yield ""


def _field(field: pa.Field, prefix: str) -> Iterator[str]:
    description = (field.metadata or {}).get(b"description", b"").decode()
    yield f"| `{prefix}{field.name}` | {_type(field.type)} | {'yes' if field.nullable else 'no'} | {description} |"
    inner, mark = field.type, ""
    while pa.types.is_list(inner):
        inner, mark = inner.value_type, mark + "[]"
    if pa.types.is_struct(inner):
        for child in inner:
            yield from _field(child, f"{prefix}{field.name}{mark}.")


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_map(kind):
        return f"map of {_type(kind.key_type)} to {_type(kind.item_type)}"
    return str(kind)


if __name__ == "__main__":
    sys.stdout.write(render())
