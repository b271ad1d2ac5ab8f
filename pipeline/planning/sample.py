"""A look into a few files, so that the first plan over an output can tell how many pages are coming.

Files are drawn at random, the same ones each time, fetched as a run would fetch them, and their pages counted in a
decode child. Costs some 20 ms a file of a disk, and what their bytes take over a network; ends after ``MOST_SECONDS``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decoding import child_limits, plain_passwords
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.planning.route_sample import RouteSampler
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import SourceFile
from folioscope.pipeline.tables.ledger import Ledger

FILES = 40
MOST_SECONDS = 20.0
_DRAWN = """
    SELECT listed.uri, listed.etag, listed.size FROM listed SEMI JOIN to_look USING (uri)
    WHERE coalesce(listed.named_kind, 'pdf') = $1 ORDER BY hash(listed.uri, 7) LIMIT {}
"""


@dataclass(frozen=True, slots=True)
class CountedFile:
    """One file that was looked into. Files that do not open have no pages."""

    pages: int
    size: int


class PageSampler:
    """Counts pages of files that are to be looked into, and those that no model is to read.

    ``ledger`` holds ``listed`` and ``to_look`` of the plan.
    """

    def __init__(self, config: RunConfig, settings: DecodeSettings) -> None:
        self._config = config
        self._routes = RouteSampler(config, settings) if settings.route in ("auto", "layer") else None

    def by_layer(self, ledger: Ledger, pages: Interval | None, notes: list[str]) -> Interval | None:
        """Of the pages of PDFs, those that are read from their layers; None where the replica reads all itself."""
        if self._routes is None or pages is None or not pages.high:
            return None
        found = self._routes.share(ledger)
        if found is None:
            return None
        notes.append(f"Pages for the model were told by looking into {found.files:,} PDFs, at random.")
        share = found.from_layer
        return Interval(pages.low * share.low, pages.expected * share.expected, pages.high * share.high)

    def count(self, ledger: Ledger, kind: str) -> list[CountedFile]:
        """The files of a kind that were drawn, as many as time allowed."""
        rows = ledger.query(_DRAWN.format(FILES), [kind]).to_pylist()
        return list(self._look([SourceFile(row["uri"], row["size"], row["etag"], None) for row in rows]))

    def _look(self, sources: list[SourceFile]) -> Iterator[CountedFile]:
        until = time.monotonic() + MOST_SECONDS
        cache = DownloadCache(max_bytes=int(self._config.cache_gb * 2**30))
        children = DecodeChildren(1, child_limits(self._config), plain_passwords(self._config))
        try:
            for source in sources:
                if time.monotonic() > until:
                    return
                try:
                    with cache.open(source, None, self._config.max_file_mb << 20) as path:
                        pages = children.probe(path, source.uri).page_count or 0
                except Failure:  # the run will record it; here it is a file without pages
                    pages = 0
                yield CountedFile(pages, source.size or 0)
        finally:
            children.close()
