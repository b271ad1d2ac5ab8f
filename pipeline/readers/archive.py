"""A published archive for programs: current rows as Arrow tables, search, and SQL over the views.

Opening costs some 40 ms. A table is read when it is asked for, as far as its columns are wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pyarrow as pa

from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.readers.search import ArchiveSearch, Hit, SegmentKind
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest


class Archive:
    """What a run published. Sees the state at opening; open it again to see a newer run. Close it when done."""

    def __init__(self, output: str) -> None:
        """Raises :class:`ConfigError` where nothing has been published, OutputError where it cannot be read."""
        self._store = OutputStore(output)
        if not load_manifest(self._store).run_id:
            raise ConfigError(f"{output}: nothing has been published there; check the path")
        self._views = open_views(self._store)
        self._search: ArchiveSearch | None = None

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._views.close()

    def pages(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Pages of current documents, with their ``uri``, in order."""
        return self._table("pages", columns, "uri, segment")

    def shots(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Shots of current videos, with their ``uri``, in order."""
        return self._table("shots", columns, "uri, segment")

    def thumbnails(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Small pictures (WebP) of those pages and shots, some 30 KB each, in order."""
        return self._table("thumbnails", columns, "uri, segment")

    def documents(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row a document: status, counts of pages, summary."""
        return self._table("documents", columns, "uri")

    def videos(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row a video: status, streams, summary, chapters."""
        return self._table("videos", columns, "uri")

    def answers(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row for each question and file, with its evidence."""
        return self._table("current_answers", columns, "uri, question_id")

    def failures(self, columns: Sequence[str] | None = None) -> pa.Table:
        """What could not be done for current files, and why."""
        return self._table("failures", columns, "uri, stage, segment")

    def runs(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All runs, the latest last."""
        return self._table("runs", columns, "run_id")

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """What a query over the views of ``views.sql`` gives, as DuckDB understands it."""
        return self._views.sql(sql, params=parameters or {}).to_arrow_table()

    def search(self, words: str, limit: int = 10, kind: SegmentKind | None = None) -> list[Hit]:
        """Pages and shots that hold the words, best first. The first search of a run builds its index."""
        if self._search is None:
            self._search = ArchiveSearch(self._store)
        return self._search.find(words, limit, kind)

    def _table(self, view: str, columns: Sequence[str] | None, order: str) -> pa.Table:
        known = [name for name, *_ in self._views.execute(f"DESCRIBE {view}").fetchall()]
        if unknown := sorted(set(columns or ()) - set(known)):
            raise ConfigError(f"{view} has no column {', '.join(unknown)}; it has {', '.join(known)}")
        wanted = known if columns is None else list(columns)
        listed = ", ".join(f'"{name}"' for name in wanted)
        return self.query(f"SELECT {listed} FROM {view} ORDER BY {order}")
