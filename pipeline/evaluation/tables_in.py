"""Reading benchmarks' own tables: Parquet as the hub ships it, VLMEvalKit's TSV, JSON and JSON lines.

Pictures stay where they are: what comes out of a row are its other cells, and where the row lies. Parquet is read one
row group at a time without its picture columns; a TSV is read line by line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.pipeline.evaluation.items import BenchmarkDataError

Cell = str | int | float | bool | list["Cell"] | dict[str, "Cell"] | None
POINTER_LENGTH = 64  # a TSV's picture this short names the row that holds it


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column, and where the row lies; see :class:`ImageCell`."""

    path: Path
    place: int
    cells: Mapping[str, Cell]

    def text(self, column: str) -> str:
        """The cell as text; empty where there is none."""
        value = self.cells.get(column)
        return "" if value is None else str(value)

    def has(self, column: str) -> bool:
        return self.cells.get(column) not in (None, "")

    def number(self, column: str) -> float:
        """Raises :class:`BenchmarkDataError`."""
        value = self.cells.get(column)
        if isinstance(value, int | float):
            return float(value)
        try:
            return float(str(value))
        except ValueError as error:
            raise BenchmarkDataError(f"{self.path}: {column} holds {value!r}, no number") from error

    def texts(self, column: str) -> list[str]:
        """A list of texts, as such or written as JSON."""
        value = self.cells.get(column)
        if isinstance(value, str) and value.startswith("["):
            value = parsed_list(value)
        if isinstance(value, list):
            return [str(entry) for entry in value]
        return [] if value in (None, "") else [str(value)]


def parsed_list(text: str) -> Cell:
    """A list written as JSON or as a Python literal; the text itself where it is neither."""
    import ast

    for parse in (json.loads, ast.literal_eval):
        try:
            value: Cell = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return value
    return text


def parquet_rows(path: Path) -> Iterator[Row]:
    """Raises :class:`BenchmarkDataError` for a file that is no Parquet."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BenchmarkDataError(f"{path} cannot be read as Parquet ({error})") from error
    kept = [field.name for field in file.schema_arrow if not _holds_bytes(field.type)]
    place = 0
    for batch in file.iter_batches(batch_size=1024, columns=kept):
        for cells in batch.to_pylist():
            yield Row(path, place, cells)
            place += 1


def picture_columns(path: Path) -> list[str]:
    """Columns of a Parquet file that hold pictures, in order."""
    return [field.name for field in pq.read_schema(path) if _holds_bytes(field.type)]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def tsv_rows(path: Path, dropped: frozenset[str] = frozenset({"image"})) -> Iterator[Row]:
    """The records of a TSV with a heading line.

    Of ``dropped`` cells, the pictures, pointers stay; a list leaves its length under the column's name and ``#``.
    """
    with path.open("rb") as stream:
        names: list[str] | None = None
        for place, record in _records(stream):
            cells = parse_record(record)
            if names is None:
                names = cells
                continue
            if len(cells) != len(names):
                raise BenchmarkDataError(f"{path}: the record at byte {place} has {len(cells)} cells, not {len(names)}")
            kept: dict[str, Cell] = {}
            for name, cell in zip(names, cells, strict=True):
                if name not in dropped or len(cell) <= POINTER_LENGTH:
                    kept[name] = cell
                elif cell.startswith("["):
                    pictures = parsed_list(cell)
                    kept[f"{name}#"] = len(pictures) if isinstance(pictures, list) else 1
            yield Row(path, place, kept)


def _records(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """(first byte, record): a record goes on over lines while a quote is open."""
    place, held = 0, b""
    for line in stream:
        held += line
        if held.count(b'"') % 2 == 0:
            if held.strip():
                yield place, held
            place, held = place + len(held), b""
    if held.strip():
        yield place, held


def parse_record(record: bytes) -> list[str]:
    csv.field_size_limit(1 << 30)
    return next(csv.reader([record.decode("utf-8").rstrip("\r\n")], delimiter="\t"))


def tsv_columns(path: Path) -> list[str]:
    with path.open("rb") as stream:
        return parse_record(next(_records(stream), (0, b""))[1])


def json_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON list, of an object of objects (their key becomes ``_key``), or of JSON lines.

    Raises:
        BenchmarkDataError: the file is none of these.
    """
    try:
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as lines:
                values: list[object] = [json.loads(line) for line in lines if line.strip()]
        else:
            read = json.loads(path.read_text(encoding="utf-8"))
            values = read if isinstance(read, list) else [{"_key": key, **value} for key, value in read.items()]
    except (ValueError, TypeError, AttributeError) as error:
        raise BenchmarkDataError(f"{path} is not the JSON that is expected ({error})") from error
    for place, value in enumerate(values):
        if not isinstance(value, dict):
            raise BenchmarkDataError(f"{path}: entry {place} is no object")
        yield Row(path, place, value)
