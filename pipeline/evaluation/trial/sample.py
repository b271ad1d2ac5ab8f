"""A stratified sample of an archive's pages, and how many pages each stratum stands for.

Strata are layer verdict, kind, language and folder, the coarse first: where an archive has more of them than a sample
can hold, folders are put together, then languages, then kinds. The same tables, size and seed give the same pages.
Reads some columns of the published pages once, no text but that of the pages drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

LEAST_A_STRATUM = 2  # pages drawn of each, where it has so many: of one page nobody can tell how pages differ
PAGES_A_STRATUM = 8  # of the sample, on average at the least
_ODD = ("garbled_layer", "hidden_ocr", "low_confidence", "unread_script", "invented", "omitted")
_PAGES = """
    SELECT p.asset_id, p.uri, a.etag, a.size, p.page_number, c.asset_kind AS kind, coalesce(p.language, '') AS language,
           CASE WHEN len(list_intersect(p.flags, $odd)) > 0 THEN 'doubtful'
                WHEN p.text_source = 'text_layer' THEN 'text_layer' ELSE 'no_layer' END AS verdict,
           coalesce(nullif(regexp_extract(p.uri, '^(.*)/[^/]*$', 1), ''), '.') AS folder
    FROM pages AS p JOIN current_content AS c USING (asset_id) JOIN current_assets AS a ON a.uri = p.uri
    ORDER BY p.asset_id, p.page_number
"""


@dataclass(frozen=True, slots=True)
class ArchivePage:
    """A page as the tables know it. ``verdict``: what its text layer is worth (text_layer, no_layer, doubtful)."""

    asset_id: str
    uri: str
    etag: str
    size: int | None
    page_number: int
    verdict: str
    stratum: str


@dataclass(frozen=True, slots=True)
class SampledPage:
    """A page drawn, with what the tables hold of it and who read that."""

    page: ArchivePage
    text: str
    model: str
    thumbnail: bytes | None

    @property
    def is_known(self) -> bool:
        """Whether the page's words are: its text layer has them."""
        return self.page.verdict == "text_layer"


@dataclass(frozen=True, slots=True)
class Sample:
    """``sizes``: how many pages of the archive each stratum has."""

    pages: tuple[SampledPage, ...]
    sizes: dict[str, int]
    archive: tuple[ArchivePage, ...]


def draw_sample(store: OutputStore, size: int, seed: int) -> Sample:
    """``size`` pages of what is published in ``store``; all of them where there are no more.

    Raises:
        ConfigError: no page has been published there.
    """
    if not load_manifest(store).run_id:
        raise ConfigError(f"--trial {store.name}: nothing has been published there; read the archive first")
    with open_views(store) as database:
        rows = database.sql(_PAGES, params={"odd": list(_ODD)}).to_arrow_table().to_pylist()
        if not rows:
            raise ConfigError(f"--trial {store.name}: there are no pages to draw from")
        keys = [(row["verdict"], row["kind"], row["language"], row["folder"]) for row in rows]
        strata = stratify(keys, size)
        archive = tuple(
            ArchivePage(
                row["asset_id"], row["uri"], row["etag"], row["size"], row["page_number"], row["verdict"], stratum
            )
            for row, stratum in zip(rows, strata, strict=True)
        )
        chosen = [archive[place] for place in draw(strata, size, seed)]
        database.execute("CREATE TEMP TABLE drawn (asset_id VARCHAR, page_number INTEGER)")
        database.executemany("INSERT INTO drawn VALUES ($1, $2)", [(p.asset_id, p.page_number) for p in chosen])
        held = database.execute(
            """
            SELECT asset_id, page_number, coalesce(text, ''), model, pictures.image
            FROM (FROM pages SEMI JOIN drawn USING (asset_id, page_number)) AS pages
            LEFT JOIN all_thumbnails AS pictures USING (asset_id, recipe_id, segment)
            """
        ).fetchall()
    known = {(asset_id, number): tuple(more) for asset_id, number, *more in held}
    pages = tuple(SampledPage(page, *known[page.asset_id, page.page_number]) for page in chosen)
    return Sample(pages, dict(Counter(strata)), archive)


def stratify(keys: Sequence[tuple[str, ...]], size: int) -> list[str]:
    """The stratum of each page: as many parts of its key as leave ``PAGES_A_STRATUM`` of the sample a stratum.

    Strata that would get less than one page of the sample are put together within their verdict.
    """
    most = max(1, size // PAGES_A_STRATUM)
    parts = next((parts for parts in range(len(keys[0]), 1, -1) if len({key[:parts] for key in keys}) <= most), 1)
    named = [" · ".join(part for part in key[:parts] if part) for key in keys]
    counts = Counter(named)
    small = {name for name, count in counts.items() if count * size < len(keys)}
    return [f"{key[0]} · others" if name in small else name for key, name in zip(keys, named, strict=True)]


def draw(strata: Sequence[str], size: int, seed: int) -> list[int]:
    """Places of the pages drawn, in order: from each stratum in proportion, and at least ``LEAST_A_STRATUM``."""
    places: dict[str, list[int]] = {}
    for place, stratum in enumerate(strata):
        places.setdefault(stratum, []).append(place)
    generator = np.random.default_rng(seed)
    chosen: list[int] = []
    for stratum, count in allocate({name: len(held) for name, held in places.items()}, size).items():
        chosen += generator.choice(places[stratum], count, replace=False).tolist()
    return sorted(chosen)


def allocate(sizes: dict[str, int], size: int) -> dict[str, int]:
    """How many pages each stratum gives: in proportion to its size, by largest remainders, none less than the least."""
    total = sum(sizes.values())
    size = min(size, total)
    given = {name: min(count, LEAST_A_STRATUM) for name, count in sizes.items()}
    wanted = {name: size * count / total for name, count in sizes.items()}
    for _ in range(size - sum(given.values())):
        open_to = [name for name, count in sizes.items() if given[name] < count]
        given[max(open_to, key=lambda name: (wanted[name] - given[name], name))] += 1
    return given
