"""What a program that answers for somebody may do with an archive: find, read, cite, verify, and query; nothing else.

Every call reads the published tables alone and gives a bounded amount. A file is named by its path or the end of it
and looked up among the archive's own; no path is opened because a caller, or a document, names it. A call costs what
search, a few row groups or a query cost; a new run is seen with the next call.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from PIL import Image, ImageDraw

from folioscope.model.protocol import Box, Evidence
from folioscope.pipeline.readers.bounded_sql import BoundedDatabase
from folioscope.pipeline.readers.search import ArchiveSearch, clock
from folioscope.pipeline.readers.segments import Row, read_segments
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.search.query import Filters
from folioscope.pipeline.stages.evidence import verify, verify_in_video
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, load_manifest
from folioscope.pipeline.tables.rows import page_text, shot_text
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.tables import SEGMENTS

MOST_HITS: Final = 50
MOST_CHARACTERS: Final = 20_000  # of one page or shot at a time
LONGEST_QUOTE: Final = 2_000
PLACES_CHECKED: Final = 20  # of a file, where a quote's page is not told
_TEXTS = tuple(SEGMENTS.names)
_FILE: Final = """
    SELECT content.asset_id, content.uri, content.uris, content.title, content.asset_kind AS kind,
           content.read_recipe_id AS recipe_id, assets.status, assets.reason, assets.page_count, assets.shot_count,
           assets.duration_s
    FROM current_content AS content JOIN current_assets AS assets ON assets.uri = content.uri
    WHERE list_has_any(content.uris, [$1]) OR len(list_filter(content.uris, lambda u: suffix(u, '/' || $1))) > 0
    ORDER BY content.uri LIMIT 11
"""


class NotHeldError(FolioscopeError):
    """The archive does not hold what was asked for; the message says what."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote with where it stands. ``picture``: a PNG of the page with the quote's box, where a picture is kept."""

    told: dict[str, Any]
    picture: bytes | None


@dataclass(frozen=True, slots=True)
class _State:
    manifest: Manifest
    search: ArchiveSearch
    database: BoundedDatabase


class AgentArchive:
    """One output, opened for calls from several threads. Close it when done."""

    def __init__(
        self, store: OutputStore, cache: Path | None = None, notify: Callable[[str], None] = lambda told: None
    ) -> None:
        """Raises SearchError, ManifestError, OutputError."""
        self._store, self._cache, self._notify = store, cache, notify
        self._lock = threading.Lock()
        self._state = self._opened()

    def close(self) -> None:
        self._state.database.close()

    def find(self, query: str, limit: int = 10, filters: Filters | None = None) -> dict[str, Any]:
        """The best pages and shots for a query, each with its quote, and a suggestion where words are held nowhere."""
        found = self._current().search.search(query, min(max(limit, 1), MOST_HITS), filters)
        hits = [
            {
                "file": hit.uri,
                "place": hit.place,
                hit.kind: hit.segment,
                "start_s": hit.start_s,
                "end_s": hit.end_s,
                "quote": hit.quote,
                "source": hit.source,
                "score": hit.score,
            }
            for hit in found.hits
        ]
        return {"hits": hits, "did_you_mean": found.suggestion}

    def overview(self, file: str) -> dict[str, Any]:
        """What is known of a file beside its text: state, extent, summary, answers and failures."""
        state = self._current()
        asset = self._file(state, file)
        [about] = state.database.trusted(_ABOUT, {"asset": asset["asset_id"], "recipe": asset["recipe_id"]})
        kept = ("uris", "title", "kind", "status", "reason", "page_count", "shot_count", "duration_s")
        known = {name: asset[name] for name in kept if asset[name] is not None}
        return {"file": asset["uri"], **known, **about, "summary": (about["summary"] or "")[:MOST_CHARACTERS] or None}

    def read(self, file: str, number: int, offset: int = 0, *, boxes: bool = False) -> dict[str, Any]:
        """A page or shot as Markdown, twenty thousand characters at a time."""
        state = self._current()
        asset = self._file(state, file)
        row = self._segment(state, asset, number, _TEXTS)
        text = row["text"] or ""
        part = text[max(offset, 0) : max(offset, 0) + MOST_CHARACTERS]
        after = max(offset, 0) + len(part)
        told: dict[str, Any] = {
            "file": asset["uri"],
            row["kind"]: number,
            "start_s": row["start_s"],
            "end_s": row["end_s"],
            "language": row["language"],
            "text_source": row["text_source"],
            "model": row["model"],
            "flags": row["flags"] or [],
            "text": part,
            "caption": row["caption"],
            "next_offset": after if after < len(text) else None,
        }
        if boxes:
            told["blocks"] = list(_blocks(row))
            told["box_unit"] = "shares of the page's width and height, from its upper left"
        return told

    def verify(self, file: str, quote: str, number: int | None = None) -> dict[str, Any]:
        """Whether a quote stands on a page or in a shot; without a number, on any that holds most of its words."""
        state = self._current()
        asset = self._file(state, file)
        places = [number] if number is not None else self._likely(state, asset, quote)
        in_model_text: dict[str, Any] | None = None
        for row in self._segments(state, asset, places):
            evidence = _looked_up(row, quote)
            if evidence.verified:
                return self._told(asset, row, evidence)
            if evidence.verified_by is not None:
                in_model_text = in_model_text or self._told(asset, row, evidence)
        if number is not None:
            self._segment(state, asset, number, ("text",))
        missed = {"file": asset["uri"], "quote": quote, "verified": False, "verified_by": None, "looked_at": places}
        return in_model_text or missed

    def cite(self, file: str, quote: str, number: int | None = None) -> Citation:
        """A quote as evidence: its page or seconds, its box, and a picture of the page with the box drawn."""
        told = self.verify(file, quote, number)
        if not told["verified"] and told["verified_by"] is None:
            raise NotHeldError(f"the quote does not stand in {told['file']} where it was looked for: nothing to cite")
        state = self._current()
        asset = self._file(state, file)
        key = (asset["asset_id"], asset["recipe_id"], told.get("page") or told["shot"])
        row = read_segments(self._store, state.manifest, [key], ("image",), "thumbnails").get(key)
        return Citation(told, _picture(row["image"], told["box"]) if row else None)

    def query(self, sql: str, limit: int = 100) -> dict[str, Any]:
        """The rows of one SELECT over the views, within limits of time, memory, rows and characters."""
        return self._current().database.select(sql, limit)

    def _opened(self) -> _State:
        manifest = load_manifest(self._store)
        search = ArchiveSearch(self._store, self._cache, self._notify)
        files = [file.path for table in manifest.tables.values() for file in table]
        return _State(manifest, search, BoundedDatabase(open_views(self._store), self._store, files))

    def _current(self) -> _State:
        """The state of the latest run: a manifest is read, some kilobytes, and all opened anew where it is another."""
        with self._lock:
            if load_manifest(self._store) != self._state.manifest:
                before, self._state = self._state, self._opened()
                before.database.close()
            return self._state

    def _file(self, state: _State, file: str) -> Row:
        found = state.database.trusted(_FILE, [file]) if file.strip("/") else []
        if len(found) == 1:
            return found[0]
        exact = [row for row in found if file in row["uris"]]
        if len(exact) == 1:
            return exact[0]
        if not found:
            raise NotHeldError(f"{file[:200]}: the archive holds no such file; find tells the paths of its files")
        listed = ", ".join(row["uri"] for row in found[:10])
        raise NotHeldError(f"{file}: several files end so; give more of the path: {listed}")

    def _segments(
        self, state: _State, asset: Row, numbers: Sequence[int], columns: Sequence[str] = _TEXTS
    ) -> list[Row]:
        keys = [(asset["asset_id"], asset["recipe_id"], number) for number in numbers]
        rows = read_segments(self._store, state.manifest, keys, columns)
        return [rows[key] for key in keys if key in rows]

    def _segment(self, state: _State, asset: Row, number: int, columns: Sequence[str]) -> Row:
        found = self._segments(state, asset, [number], columns)
        if not found:
            raise NotHeldError(f"{asset['uri']} has no page or shot {number} that was read")
        return found[0]

    def _likely(self, state: _State, asset: Row, quote: str) -> list[int]:
        words = quote[:LONGEST_QUOTE].replace('"', " ").replace("-", " ")
        hits = state.search.find(words, PLACES_CHECKED, filters=Filters(path=_literal(asset["uri"])))
        return [hit.segment for hit in hits if hit.asset_id == asset["asset_id"]]

    def _told(self, asset: Row, row: Row, evidence: Evidence) -> dict[str, Any]:
        at = evidence.start_s
        return {
            "file": asset["uri"],
            "title": asset["title"],
            row["kind"]: row["segment"],
            "place": f"page {row['segment']}" if at is None else clock(at),
            "start_s": at,
            "end_s": evidence.end_s,
            "quote": evidence.quote,
            "verified": evidence.verified,
            "verified_by": evidence.verified_by,
            "text_source": row["text_source"],
            "box": asdict(evidence.bbox) if evidence.bbox else None,
            "sha256": asset["asset_id"],
        }


_ABOUT: Final = """
    SELECT (SELECT any_value(summary) FROM all_summaries AS s JOIN current_content AS c
              ON c.asset_id = s.asset_id AND c.summary_recipe_id = s.recipe_id WHERE s.asset_id = $asset) AS summary,
           (SELECT count(*) FROM all_segments WHERE asset_id = $asset AND recipe_id = $recipe) AS read,
           (SELECT list({'question': question[:500], 'answer': answer[:1000]} ORDER BY question_id)[:50]
              FROM current_answers WHERE asset_id = $asset AND answerable) AS answers,
           (SELECT list({'stage': stage, 'number': segment, 'reason': reason, 'message': message[:500]})[:50]
              FROM failures WHERE asset_id = $asset) AS failures
"""


def _looked_up(row: Row, quote: str) -> Evidence:
    cut = quote[:LONGEST_QUOTE]
    if row["kind"] == "shot":
        shot = shot_text(row)
        return verify_in_video(Evidence(cut, None, shot.start_s, shot.end_s), [shot])
    page = page_text(row)
    return verify(Evidence(cut, page.page_number), {page.page_number: page})


def _blocks(row: Row) -> list[dict[str, Any]]:
    left = MOST_CHARACTERS
    told = []
    for block in row["blocks"] or ():
        text = (block["text"] or "")[:left]
        left -= len(text)
        told.append({"kind": block["kind"], "text": text, "box": block["bbox"], "confidence": block["confidence"]})
        if left <= 0:
            break
    return told


def _literal(path: str) -> str:
    """A path as a glob that means it alone; where it holds a sign of globs, that sign stands for any letter."""
    return "".join("?" if letter in "*?" else letter for letter in path)


def _picture(small: bytes, box: Mapping[str, float] | None) -> bytes:
    with Image.open(io.BytesIO(small)) as opened:
        image = opened.convert("RGB")
    if box is not None:
        drawn = Box(**box)
        corners = (
            drawn.x0 * image.width - 2,
            drawn.y0 * image.height - 2,
            drawn.x1 * image.width + 2,
            drawn.y1 * image.height + 2,
        )
        ImageDraw.Draw(image).rectangle(corners, outline=(200, 30, 30), width=2)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
