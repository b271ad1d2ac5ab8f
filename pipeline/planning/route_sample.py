"""How many of a plan's pages a model will read: a few pages of a few files, drawn at random, put to the rules.

Files are drawn as for counting pages (``sample.py``), the same ones each time; of each some pages are decoded as the
run would decode them. Costs what the rules cost, up to a second a page, and what ``drawn_files.py`` says.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.planning.drawn_files import FILES, look_into
from folioscope.pipeline.tables.ledger import Ledger

PAGES_OF_A_FILE = 2
FEW_FILES = 5  # below this their spread says nothing: any share is possible
Z80 = 1.2816
_DRAWN = """
    SELECT listed.uri, listed.etag, listed.size FROM listed
    WHERE coalesce(listed.named_kind, 'pdf') = 'pdf'
      AND (listed.uri IN (SELECT uri FROM to_look)
           OR listed.uri IN (SELECT uri FROM documents LEFT JOIN settled USING (asset_id)
                             WHERE coalesce(settled.pages, 0) < segment_count))
    ORDER BY hash(listed.uri, 7) LIMIT {}
"""


@dataclass(frozen=True, slots=True)
class RoutedFile:
    """A file that was looked into: its pages, and the share of those drawn from it that no model reads."""

    pages: int
    from_layer: float


@dataclass(frozen=True, slots=True)
class RouteShare:
    """The share of pages of PDFs that are read without the model, from so many files."""

    from_layer: Interval
    files: int


class RouteSampler:
    """Puts pages to the rules. ``ledger`` holds ``listed``, ``to_look``, ``documents`` and ``settled`` of the plan."""

    def __init__(self, config: RunConfig, settings: DecodeSettings) -> None:
        self._config = config
        self._settings = settings

    def share(self, ledger: Ledger) -> RouteShare | None:
        """None where no page could be drawn."""
        drawn = ledger.query(_DRAWN.format(FILES))
        return share_of([routed for _, routed in look_into(self._config, drawn, self._routed) if routed is not None])

    def _routed(self, children: DecodeChildren, path: Path, uri: str) -> RoutedFile | None:
        """None where no page of those drawn could be decoded."""
        count = children.probe(path, uri).page_count or 0
        drawn = random.Random(count).sample(range(1, count + 1), min(count, PAGES_OF_A_FILE))
        decoded = (children.decode(path, "pdf", number, number, self._settings, uri) for number in drawn)
        pages = [page for some in decoded for page in some if isinstance(page, DecodedPage)]
        readers = [page.routed.reader for page in pages if page.routed]
        return RoutedFile(count, readers.count("layer") / len(readers)) if readers else None


def share_of(files: Sequence[RoutedFile]) -> RouteShare | None:
    """The share over all pages, each file weighing as its pages do, with the range that its files' spread gives."""
    pages = sum(file.pages for file in files)
    if not pages:
        return None
    share = sum(file.pages * file.from_layer for file in files) / pages
    n = len(files)
    if n < FEW_FILES:
        return RouteShare(Interval(0.0, share, 1.0), n)
    spread = sum((file.pages * (file.from_layer - share)) ** 2 for file in files) / pages**2 * n / (n - 1)
    # Files that are all alike do not promise that the next one is: as if half a file more were of the other kind.
    reach = Z80 * math.sqrt(spread) + 0.5 / (n + 1)
    return RouteShare(Interval(max(0.0, share - reach), share, min(1.0, share + reach)), n)
