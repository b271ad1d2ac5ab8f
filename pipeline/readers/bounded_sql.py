"""SQL from somebody who is not trusted: one SELECT over the archive's views, bounded, that can read nothing else.

The database may open the files that the manifest names and no other, can load no extension, see no variable of this
process and change none of its settings. A query that runs over its time is interrupted; rows, values and the whole
answer are cut where they grow too large, and the answer says so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import duckdb

from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.errors import ExitCode, FolioscopeError

SECONDS: Final = 10.0
MOST_ROWS: Final = 1_000
MOST_CHARACTERS: Final = 100_000  # of an answer
LONGEST_VALUE: Final = 4_000
LONGEST_QUERY: Final = 20_000
MEMORY: Final = "1GB"


class QueryRefusedError(FolioscopeError):
    """A query that is not one SELECT over the views, or went over a limit; the message says which."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


class BoundedDatabase:
    """The views of an output, locked. ``database`` has them and is owned from here on; one query at a time."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        store: OutputStore,
        files: Sequence[str],
        seconds: float = SECONDS,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._lock = threading.Lock()
        root = store.full("") if store.is_local else store.uri
        held = [*files, "manifest.json"]
        paths = [f"{root.rstrip('/')}/{path}" for path in held]
        if not store.is_local:  # as their file system calls them, when DuckDB lists them
            paths += [str(store.filesystem.unstrip_protocol(store.full(path))) for path in held]
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        for setting in (
            f"memory_limit = '{MEMORY}'",
            "temp_directory = ''",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            f"allowed_paths = [{listed}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            database.execute(f"SET {setting}")

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def trusted(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a query of our own."""
        with self._lock:
            found = self._database.execute(sql, parameters)
            names = [column[0] for column in found.description]
            return [dict(zip(names, values, strict=True)) for values in found.fetchall()]

    def select(self, sql: str, limit: int) -> dict[str, Any]:
        """``columns`` and ``rows`` of a SELECT, at most ``limit``; ``cut`` says what was left out.

        Raises:
            QueryRefusedError: it is anything else, is wrong, or went over its time or memory.
        """
        with self._lock:
            statement = self._checked(sql)
            timer = threading.Timer(self._seconds, self._database.interrupt)
            timer.start()
            try:
                found = self._database.execute(statement)
                names = [column[0] for column in found.description]
                rows = found.fetchmany(min(max(limit, 1), MOST_ROWS) + 1)
            except duckdb.InterruptException:
                raise QueryRefusedError(f"the query took more than {self._seconds:g} s and was stopped") from None
            except duckdb.Error as error:
                raise QueryRefusedError(str(error)[:1_000]) from None
            finally:
                timer.cancel()
        return _bounded(names, rows, min(max(limit, 1), MOST_ROWS))

    def _checked(self, sql: str) -> duckdb.Statement:
        if len(sql) > LONGEST_QUERY:
            raise QueryRefusedError(f"the query has more than {LONGEST_QUERY:,} characters")
        try:
            statements = self._database.extract_statements(sql)
        except duckdb.Error as error:
            raise QueryRefusedError(str(error)[:1_000]) from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryRefusedError("only one SELECT at a time: nothing can be written, set or loaded here")
        return statements[0]


def _bounded(names: Sequence[str], found: Sequence[Sequence[Any]], limit: int) -> dict[str, Any]:
    cut = [f"only the first {limit} rows are shown"] if len(found) > limit else []
    rows: list[list[Any]] = []
    left = MOST_CHARACTERS
    for values in found[:limit]:
        shown = [_shown(value) for value in values]
        left -= sum(len(value) if isinstance(value, str) else 8 for value in shown)
        if left < 0:
            cut = [f"only {len(rows)} rows are shown: the answer reached {MOST_CHARACTERS:,} characters"]
            break
        rows.append(shown)
    return {"columns": list(names), "rows": rows, "cut": cut}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < 2**53 else str(value)  # nor are nan and infinity numbers in JSON
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    words = str(value)
    return words if len(words) <= LONGEST_VALUE else f"{words[:LONGEST_VALUE]} … ({len(words):,} characters)"
