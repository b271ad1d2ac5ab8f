"""Rows of ``assets`` from what a look into a file told; a file that could not be looked into has its reason alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from folioscope.pipeline.decode.pages import Probe
from folioscope.pipeline.failures import Reason
from folioscope.pipeline.kinds import Kind
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.tables.rows import Row, now


@dataclass(frozen=True, slots=True)
class Parent:
    """The file that holds an attachment."""

    uri: str
    asset_id: str


@dataclass(frozen=True, slots=True)
class AttachmentEntry:
    """An attachment as the row of the file around it tells it; ``uri`` where it has a row of its own, else why not."""

    name: str
    size: int | None
    kind: Kind | None
    uri: str | None
    reason: str | None


def asset_row(
    source: SourceFile,
    asset_id: str | None,
    probe: Probe | None,
    run_id: str,
    *,
    reason: Reason | None = None,
    named_kind: Kind | None = None,
    parent: Parent | None = None,
    attachments: Sequence[AttachmentEntry] = (),
) -> Row:
    """``named_kind`` is told where nothing better is known."""
    video = probe.video if probe else None
    is_pdf = probe is not None and probe.kind == "pdf"
    return {
        "uri": source.uri,
        "asset_id": asset_id,
        "parent_uri": parent.uri if parent else None,
        "parent_asset_id": parent.asset_id if parent else None,
        "etag": source.etag,
        "size": source.size,
        "modified_at": source.modified_at,
        "kind": probe.kind if probe else named_kind,
        "page_count": probe.page_count if probe else None,
        "shot_count": None,
        "duration_s": video.duration_s if video else None,
        "width_px": probe.width_px if probe else None,
        "height_px": probe.height_px if probe else None,
        "fps": video.fps if video else None,
        "variable_fps": video.variable_fps if video else None,
        "rotation": video.rotation if video else None,
        "container": video.container if video else None,
        "codec": video.codec if video else None,
        "has_audio": video.has_audio if video else None,
        "mirrored": video.mirrored if video else None,
        "pixel_aspect": video.pixel_aspect if video else None,
        "interlaced": video.interlaced if video else None,
        "timecode": video.timecode if video else None,
        "recorded_at": video.created_at if video else None,
        "tracks": [asdict(track) | {"flags": list(track.flags)} for track in video.tracks] if video else None,
        "chapters": [asdict(chapter) for chapter in video.chapters] if video else None,
        "title": probe.title if probe else None,
        "attachments": [asdict(entry) for entry in attachments] if is_pdf else None,
        "outline": [asdict(entry) for entry in probe.outline] if probe and is_pdf else None,
        "status": "failed" if reason else "pending",
        "reason": reason.value if reason else None,
        "read_recipe_id": None,
        "summary_recipe_id": None,
        "answer_recipe_ids": None,
        "run_id": run_id,
        "first_seen_at": now(),
    }
