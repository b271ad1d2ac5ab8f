"""The index of a node's download cache: which files it holds, and how many bytes, shared by all actors of the node.

A SQLite file in the cache's folder. A fetch costs a few short transactions, whatever the number of files: the bytes are
counted as they come and go, and a clock hand says which file goes next. What is lost with the index (a power cut, a
meddling hand) is built anew from the folder.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "index.sqlite"
BUSY_SECONDS = 60.0
AT_ONCE = 64
_TABLES = """
    CREATE TABLE files (place INTEGER PRIMARY KEY AUTOINCREMENT, asset TEXT UNIQUE NOT NULL, size INTEGER NOT NULL,
                        used INTEGER NOT NULL);
    CREATE TABLE coming (token TEXT PRIMARY KEY, size INTEGER NOT NULL);
    CREATE TABLE state (bytes INTEGER NOT NULL, hand INTEGER NOT NULL);
"""

Evict = Callable[[str], bool]
"""Deletes a file of the cache; False where somebody is reading it."""
Scan = Callable[[], Iterator[tuple[str, int]]]
"""(asset, size) of the files that lie in the cache's folder."""


class CacheIndex:
    """One process's connection. Methods may be called from any thread.

    Raises OSError where the index cannot be used: a full disk, a folder that may not be written.
    """

    def __init__(self, folder: Path, scan: Scan) -> None:
        self._path = folder / NAME
        self._scan = scan
        self._lock = threading.Lock()
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # busy or full, not broken
                raise OSError(f"{self._path}: {error}") from error
            for path in (self._path, Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):
                path.unlink(missing_ok=True)
            self._database = self._opened()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    @property
    def bytes(self) -> int:
        """Of all files in the cache, those on their way included."""
        with self._transaction() as database:
            [[held]] = database.execute("SELECT bytes FROM state")
        return int(held)

    def reserve(self, token: str, size: int, limit: int, evict: Evict) -> None:
        """Count a file that will come, or that has turned out to be larger, and make room for it."""
        with self._transaction() as database:
            known = database.execute("SELECT size FROM coming WHERE token = ?", [token]).fetchone()
            more = size - (known[0] if known else 0)
            database.execute("INSERT OR REPLACE INTO coming VALUES (?, ?)", [token, size])
            database.execute("UPDATE state SET bytes = bytes + ?", [more])
            self._make_room(database, limit, evict)

    def release(self, token: str) -> None:
        """A file that was to come does not, or its maker is dead."""
        with self._transaction() as database:
            self._release(database, token)

    def add(self, token: str, asset: str, size: int, place: Callable[[], None]) -> None:
        """A file has come: ``place`` gives it its name."""
        with self._transaction() as database:
            place()
            self._release(database, token)
            if database.execute("UPDATE files SET used = 1 WHERE asset = ?", [asset]).rowcount == 0:
                database.execute("INSERT INTO files (asset, size, used) VALUES (?, ?, 1)", [asset, size])
                database.execute("UPDATE state SET bytes = bytes + ?", [size])

    def touch(self, asset: str) -> None:
        """A file is used: the hand passes it by once."""
        with self._transaction() as database:
            database.execute("UPDATE files SET used = 1 WHERE asset = ? AND used = 0", [asset])

    def coming(self) -> list[str]:
        """Tokens of the files on their way."""
        with self._transaction() as database:
            return [token for (token,) in database.execute("SELECT token FROM coming")]

    def _release(self, database: sqlite3.Connection, token: str) -> None:
        database.execute(
            "UPDATE state SET bytes = bytes - coalesce((SELECT size FROM coming WHERE token = ?), 0)", [token]
        )
        database.execute("DELETE FROM coming WHERE token = ?", [token])

    def _make_room(self, database: sqlite3.Connection, limit: int, evict: Evict) -> None:
        """The clock: a file used since the hand last came stays for one more turn; two turns find all that may go."""
        [[held, hand]] = database.execute("SELECT bytes, hand FROM state").fetchall()
        turns = 0
        while held > limit and turns < 3:
            rows = database.execute(
                "SELECT place, asset, size, used FROM files WHERE place > ? ORDER BY place LIMIT ?", [hand, AT_ONCE]
            ).fetchall()
            if not rows:
                hand, turns = 0, turns + 1
                continue
            for place, asset, size, used in rows:
                hand = place
                if used:
                    database.execute("UPDATE files SET used = 0 WHERE place = ?", [place])
                elif evict(asset):
                    database.execute("DELETE FROM files WHERE place = ?", [place])
                    held -= size
                    if held <= limit:
                        break
        database.execute("UPDATE state SET bytes = ?, hand = ?", [held, hand])

    def _opened(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN IMMEDIATE")
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchall():
                self._build(database)
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _build(self, database: sqlite3.Connection) -> None:
        for statement in _TABLES.split(";"):
            database.execute(statement)
        database.executemany("INSERT INTO files (asset, size, used) VALUES (?, ?, 0)", self._scan())
        database.execute("INSERT INTO state SELECT coalesce(sum(size), 0), 0 FROM files")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield self._database
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                raise OSError(f"{self._path}: {error}; delete the folder if it stays so") from error


def scanned(folder: Path) -> Iterator[tuple[str, int]]:
    """(name, size) of the files in the folders below one; what vanishes meanwhile is left out."""
    for shard in sorted(path for path in folder.iterdir() if path.is_dir()):
        with os.scandir(shard) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat().st_size
