"""Markdown of a whole file: its pages or shots in order, each behind a comment that says which it is."""

from __future__ import annotations

from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment


def to_markdown_file(asset: ExportedAsset) -> str:
    """One Markdown document. Comments such as ``<!-- page 3 -->`` stand before each page; viewers do not show them."""
    parts = []
    for segment in asset.segments:
        parts.append(f"<!-- {segment_label(segment)} -->")
        if segment.text.strip():
            parts.append(segment.text.strip())
    return "\n\n".join(parts) + "\n"


def segment_label(segment: ExportedSegment) -> str:
    """``page 3``, or ``shot 2, 0:01:05 – 0:01:12``."""
    if segment.kind == "page" or segment.start_s is None or segment.end_s is None:
        return f"{segment.kind} {segment.number}"
    return f"shot {segment.number}, {clock(segment.start_s)} – {clock(segment.end_s)}"


def clock(seconds: float) -> str:
    """h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
