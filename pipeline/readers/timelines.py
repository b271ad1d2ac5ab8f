"""The time line of each video as WebVTT beside the tables: what is on the screen, seen, said, and its chapters.

``timelines/index.parquet`` says which files are a video's. Players and editors show them as tracks of kind metadata,
captions and chapters; each of its subtitle tracks, and its speech, is a track of subtitles of its own. A video whose
rows did not change since the last export is not written again; a video that left the archive takes its files along.
Costs a scan of the shots of changed videos, and a few small writes for each of them.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.model.protocol import CUE_KINDS
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.readers.webvtt import Cue, joined, lines_of, render
from folioscope.pipeline.storage.store import OutputStore

FOLDER: Final = "timelines"
INDEX: Final = f"{FOLDER}/index.parquet"
VERSION: Final = 2  # of what the files hold: another one writes them all again
BATCH_ROWS = 512
TRACKS: Final = ("text", "captions", "chapters")
_SUBTITLES: Final = pa.struct([(name, pa.string()) for name in ("path", "kind", "language", "track")])
_INDEX_SCHEMA: Final = pa.schema(
    [
        ("uri", pa.string()),
        ("asset_id", pa.string()),
        ("fingerprint", pa.string()),
        *((track, pa.string()) for track in TRACKS),
        ("subtitles", pa.list_(_SUBTITLES)),
    ]
)
# Summaries may come after shots, and more shots after a failed unit was mended: all of that is another time line.
_VIDEOS = """
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


@dataclass(frozen=True, slots=True)
class SubtitleFile:
    """A file of one subtitle track, or of speech."""

    path: str
    kind: str
    language: str | None
    track: str


@dataclass(frozen=True, slots=True)
class TimelineFiles:
    """The files of one video's time line; None, or none, where there is nothing to tell."""

    text: str | None = None
    captions: str | None = None
    chapters: str | None = None
    subtitles: tuple[SubtitleFile, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        named = (self.text, self.captions, self.chapters)
        return (*(path for path in named if path), *(file.path for file in self.subtitles))


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A row of the index: a video under one of its paths, its files, and a fingerprint of what they were made from."""

    uri: str
    asset_id: str
    fingerprint: str
    files: TimelineFiles = TimelineFiles()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> IndexEntry:
        subtitles = tuple(SubtitleFile(**item) for item in row.get("subtitles") or ())
        files = TimelineFiles(row["text"], row["captions"], row["chapters"], subtitles)
        return cls(row["uri"], row["asset_id"], row["fingerprint"], files)

    def to_row(self) -> dict[str, Any]:
        named = {"uri": self.uri, "asset_id": self.asset_id, "fingerprint": self.fingerprint}
        return named | asdict(self.files)


@dataclass(frozen=True, slots=True)
class _Video:
    """A row of _VIDEOS. ``named_by`` is the path after which its files are called."""

    uri: str
    asset_id: str
    named_by: str
    chapters: Sequence[Mapping[str, Any]] | None
    state: str

    @property
    def fingerprint(self) -> str:
        state = f"{VERSION} {self.asset_id} {self.named_by} {self.state}"
        return hashlib.sha256(state.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Shot:
    """A row of _SHOTS. ``blocks`` are as the table has them."""

    asset_id: str
    start_s: float
    end_s: float
    text: str | None
    blocks: Sequence[Mapping[str, Any]] | None
    caption: str | None
    frame_times: Sequence[float] | None


def export_timelines(store: OutputStore) -> int:
    """Bring the WebVTT files of a published output up to date; how many videos were written.

    Raises:
        OSError: the output cannot be written; the next export carries on.
    """
    database = open_views(store)
    try:
        videos = [_Video(*row) for row in database.execute(_VIDEOS).fetchall()]
        before = {entry.uri: entry for entry in _read_index(store)}
        changed = {
            video.asset_id: video
            for video in videos
            if video.uri not in before or before[video.uri].fingerprint != video.fingerprint
        }
        written = dict(_write_videos(store, database, changed))
    finally:
        database.close()
    entries = [
        IndexEntry(
            video.uri,
            video.asset_id,
            video.fingerprint,
            written[video.asset_id] if video.asset_id in written else before[video.uri].files,
        )
        for video in videos
    ]
    if entries or before:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([entry.to_row() for entry in entries], schema=_INDEX_SCHEMA), sink)
        store.write(INDEX, sink.getvalue())
    paths = {path for entry in entries for path in entry.files.paths}
    store.delete(path for entry in before.values() for path in entry.files.paths if path not in paths)
    return len(written)


def _read_index(store: OutputStore) -> list[IndexEntry]:
    if not store.exists(INDEX):
        return []
    return [IndexEntry.of_row(row) for row in pq.read_table(io.BytesIO(store.read(INDEX))).to_pylist()]


def _write_videos(
    store: OutputStore, database: duckdb.DuckDBPyConnection, videos: Mapping[str, _Video]
) -> Iterator[tuple[str, TimelineFiles]]:
    """(asset, its files) of the videos, written one after the other."""
    if not videos:
        return
    database.register("changed", pa.table({"asset_id": pa.array(sorted(videos), pa.string())}))
    shots = groupby(_streamed(database.execute(_SHOTS)), key=attrgetter("asset_id"))
    seen = set()
    for asset_id, rows in shots:
        seen.add(asset_id)
        yield asset_id, _write_video(store, videos[asset_id], list(rows))
    for asset_id in videos.keys() - seen:
        yield asset_id, _write_video(store, videos[asset_id], [])


def _streamed(result: duckdb.DuckDBPyConnection) -> Iterator[_Shot]:
    while batch := result.fetchmany(BATCH_ROWS):
        for row in batch:
            yield _Shot(*row)


def _write_video(store: OutputStore, video: _Video, shots: Sequence[_Shot]) -> TimelineFiles:
    """Write a video's files: where there is nothing to tell there is no file."""
    uri = video.named_by

    def written(name: str, cues: Sequence[Cue]) -> str | None:
        if not cues:
            return None
        path = f"{FOLDER}/{file_stem(uri)}.{name}.vtt"
        store.write(path, render(uri, cues).encode())
        return path

    subtitles = []
    for (kind, language, track), said in _said(shots).items():
        name = "-".join(part for part in re.split(r"[^\w]+", track) if part)
        path = written(".".join(filter(None, (kind, name, language))), said)
        if path is not None:
            subtitles.append(SubtitleFile(path, kind, language, track))
    return TimelineFiles(
        written("text", joined(cue for shot in shots for cue in _text_cues(shot))),
        written("captions", [Cue(shot.start_s, shot.end_s, shot.caption) for shot in shots if shot.caption]),
        written("chapters", [Cue(part["start_s"], part["end_s"], part["title"]) for part in video.chapters or ()]),
        tuple(subtitles),
    )


def _said(shots: Sequence[_Shot]) -> dict[tuple[str, str | None, str], list[Cue]]:
    """The cues of each subtitle track and of speech, without what is not to be believed, in order of their starts."""
    found: dict[tuple[str, str | None, str], list[Cue]] = {}
    for shot in shots:
        for block in shot.blocks or ():
            if block["kind"] in CUE_KINDS and not block["flags"]:
                key = (block["kind"], block["language"], block["track"] or "")
                found.setdefault(key, []).append(Cue(block["start_s"], block["end_s"], block["text"]))
    return {key: sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)) for key, cues in sorted(found.items(), key=str)}


def file_stem(uri: str) -> str:
    """A name that tells the video and is its own: what is safe of its file name, and a digest of its URI."""
    name = uri.rstrip("/").rpartition("/")[2].rpartition(".")[0] or "video"
    readable = re.sub(r"[^\w.]+", "-", name).strip("-.")[:60] or "video"
    return f"{readable}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"


def _text_cues(shot: _Shot) -> Iterator[Cue]:
    """A block's words, up to the frame that no longer showed them, or the end of the shot."""
    text = shot.text or ""
    seen = [block for block in shot.blocks or () if block["kind"] not in CUE_KINDS]
    timed = [block for block in seen if block["start_s"] is not None and (block["text"] or "").strip()]
    for block in timed:
        gone = next((time for time in shot.frame_times or () if time > block["end_s"]), max(shot.end_s, block["end_s"]))
        yield Cue(block["start_s"], gone, lines_of(block["text"]))
    if not timed and len(seen) == len(shot.blocks or ()) and text.strip():
        yield Cue(shot.start_s, shot.end_s, lines_of(text))
