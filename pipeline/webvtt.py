"""The time line of each film as WebVTT beside the tables: what stood on the screen, what was seen, its chapters.

``timelines/index.parquet`` says which files are a film's. Players and editors show them as tracks of kind metadata,
captions and chapters. A film whose rows did not change since the last export is not written again; a film that left the
archive takes its files along. Costs a scan of the shots of changed films, and three small writes for each of them.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from model.plain_text import strip_markup
from pipeline.published import open_views
from pipeline.store import OutputStore

FOLDER: Final = "timelines"
INDEX: Final = f"{FOLDER}/index.parquet"
VERSION: Final = 1  # of what the files hold: another one writes them all again
BATCH_ROWS = 512
LEAST_S = 0.001  # a cue must end after it starts
TRACKS: Final = ("text", "captions", "chapters")
_INDEX_SCHEMA: Final = pa.schema(
    [
        ("uri", pa.string()),
        ("asset_id", pa.string()),
        ("fingerprint", pa.string()),
        *((track, pa.string()) for track in TRACKS),
    ]
)
# Summaries may come after shots, and more shots after a failed unit was mended: all of that is another time line.
_FILMS = """
    SELECT videos.uri, videos.asset_id, any_value(content.uri) AS named_by, any_value(videos.chapters) AS chapters,
           concat_ws(' ', any_value(content.read_recipe_id), any_value(content.summary_recipe_id), count(shots.segment),
                     max(shots.created_at)) AS state
    FROM videos
    JOIN current_content AS content ON content.asset_id = videos.asset_id
    LEFT JOIN shots ON shots.asset_id = videos.asset_id
    GROUP BY videos.uri, videos.asset_id ORDER BY videos.uri
"""
_SHOTS = """
    SELECT asset_id, start_s, end_s, text, blocks, caption, frame_times FROM shots
    WHERE asset_id IN (SELECT asset_id FROM changed) ORDER BY asset_id, segment
"""
_ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.S | re.I)
_CELL_END = re.compile(r"</t[dh]>\s*(?=<t[dh])", re.I)


@dataclass(frozen=True, slots=True)
class Cue:
    start_s: float
    end_s: float
    text: str


def export_timelines(store: OutputStore) -> int:
    """Bring the WebVTT files of a published output up to date; how many films were written.

    Raises:
        OSError: the output cannot be written; the next export carries on.
    """
    database = open_views(store)
    try:
        films = _fetched(database.execute(_FILMS))
        before = {row["uri"]: row for row in _read_index(store)}
        rows = [_index_row(film) for film in films]
        changed = {
            film["asset_id"]: film
            for film, row in zip(films, rows, strict=True)
            if row["uri"] not in before or before[row["uri"]]["fingerprint"] != row["fingerprint"]
        }
        written = dict(_write_films(store, database, changed))
    finally:
        database.close()
    for row in rows:
        row.update(written.get(row["asset_id"]) or {track: before[row["uri"]][track] for track in TRACKS})
    if rows or before:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=_INDEX_SCHEMA), sink)
        store.write(INDEX, sink.getvalue())
    kept = {row[track] for row in rows for track in TRACKS}
    store.delete(row[track] for row in before.values() for track in TRACKS if row[track] and row[track] not in kept)
    return len(written)


def _fetched(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _read_index(store: OutputStore) -> list[dict[str, Any]]:
    if not store.exists(INDEX):
        return []
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(store.read(INDEX))).to_pylist()
    return rows


def _index_row(film: dict[str, Any]) -> dict[str, Any]:
    state = f"{VERSION} {film['asset_id']} {film['named_by']} {film['state']}"
    fingerprint = hashlib.sha256(state.encode()).hexdigest()[:16]
    return {"uri": film["uri"], "asset_id": film["asset_id"], "fingerprint": fingerprint}


def _write_films(
    store: OutputStore, database: duckdb.DuckDBPyConnection, films: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """(asset, path of each track or None) of the films, written one after the other."""
    if not films:
        return
    database.register("changed", pa.table({"asset_id": pa.array(sorted(films), pa.string())}))
    shots = groupby(_streamed(database.execute(_SHOTS)), key=itemgetter(0))
    seen = set()
    for asset_id, rows in shots:
        seen.add(asset_id)
        yield asset_id, _write_film(store, films[asset_id], list(rows))
    for asset_id in films.keys() - seen:
        yield asset_id, _write_film(store, films[asset_id], [])


def _streamed(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := result.fetchmany(BATCH_ROWS):
        yield from batch


def _write_film(store: OutputStore, film: dict[str, Any], shots: Sequence[tuple[Any, ...]]) -> dict[str, str | None]:
    """Path by track; None where there is nothing to tell, and so no file."""
    uri = film["named_by"]
    cues = {
        "text": joined(cue for shot in shots for cue in _text_cues(shot)),
        "captions": [Cue(shot[1], shot[2], shot[5]) for shot in shots if shot[5]],
        "chapters": [Cue(part["start_s"], part["end_s"], part["title"]) for part in film["chapters"] or ()],
    }
    paths: dict[str, str | None] = dict.fromkeys(TRACKS)
    for track in TRACKS:
        if cues[track]:
            paths[track] = f"{FOLDER}/{file_stem(uri)}.{track}.vtt"
            store.write(f"{paths[track]}", render(uri, cues[track]).encode())
    return paths


def file_stem(uri: str) -> str:
    """A name that tells the film and is its own: what is safe of its file name, and a digest of its URI."""
    name = uri.rstrip("/").rpartition("/")[2].rpartition(".")[0] or "film"
    readable = re.sub(r"[^\w.]+", "-", name).strip("-.")[:60] or "film"
    return f"{readable}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"


def _text_cues(shot: tuple[Any, ...]) -> Iterator[Cue]:
    """A block's words, up to the frame that no longer showed them, or the end of the shot."""
    _, start_s, end_s, text, blocks, _, frame_times = shot
    timed = [block for block in blocks or () if block["start_s"] is not None and (block["text"] or "").strip()]
    for block in timed:
        gone = next((time for time in frame_times or () if time > block["end_s"]), max(end_s, block["end_s"]))
        yield Cue(block["start_s"], gone, lines_of(block["text"]))
    if not timed and (text or "").strip():
        yield Cue(start_s, end_s, lines_of(text))


def joined(cues: Iterable[Cue]) -> list[Cue]:
    """Cues by their starts; the same words that stand on through a cut are one cue."""
    kept: list[Cue] = []
    last: dict[str, int] = {}
    for cue in sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)):
        place = last.get(cue.text)
        if place is not None and cue.start_s <= kept[place].end_s:
            kept[place] = Cue(kept[place].start_s, max(kept[place].end_s, cue.end_s), cue.text)
        else:
            last[cue.text] = len(kept)
            kept.append(cue)
    return kept


def lines_of(text: str) -> str:
    """Markdown as lines of words; a table's rows are lines with bars between the cells."""
    rows = _ROW.findall(text)
    parts = [_CELL_END.sub(" | ", row) for row in rows] if rows else text.splitlines()
    return "\n".join(words for part in parts if (words := strip_markup(part)))


def render(uri: str, cues: Iterable[Cue]) -> str:
    """A WebVTT file of these cues, which must come in order of their starts."""
    blocks = ["WEBVTT", f"NOTE {_one_line(uri).replace('-->', '->')}"]
    for cue in cues:
        end_s = max(cue.end_s, cue.start_s + LEAST_S)
        blocks.append(f"{timestamp(cue.start_s)} --> {timestamp(end_s)}\n{escaped(cue.text)}")
    return "\n\n".join(blocks) + "\n"


def timestamp(seconds: float) -> str:
    """hh:mm:ss.ttt, as WebVTT writes times."""
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def escaped(text: str) -> str:
    """Text as a cue's payload: no markup, no arrow, no empty line, which would end the cue."""
    lines = (_one_line(line) for line in re.split(r"\r\n|\r|\n", text.replace("\0", "\ufffd")))
    whole = "\n".join(line for line in lines if line)
    return whole.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())
