"""A look into a few files, so that the first plan over an output can tell how many pages are coming.

Files are drawn at random, the same ones each time, and their pages counted; ``drawn_files.py`` says what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.planning.drawn_files import FILES, look_into
from folioscope.pipeline.planning.route_sample import RouteSampler
from folioscope.pipeline.tables.ledger import Ledger

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
        drawn = ledger.query(_DRAWN.format(FILES), [kind])
        return [CountedFile(pages or 0, source.size or 0) for source, pages in look_into(self._config, drawn, _pages)]


def _pages(children: DecodeChildren, path: Path, uri: str) -> int:
    return children.probe(path, uri).page_count or 0
