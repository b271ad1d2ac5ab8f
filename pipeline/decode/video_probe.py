"""What a video is: its container, length, frame rate, tracks and more, from its packets and its first frame alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from folioscope.pipeline.decode.pages import Probe, VideoFacts
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.decode.video_facts import (
    chapters_of,
    created_at,
    lie_of,
    pixel_aspect,
    timecode,
    title_of,
    tracks_of,
)
from folioscope.pipeline.decode.video_index import VIDEO_ERRORS
from folioscope.pipeline.failures import Failure, Reason

UNEVEN = 0.1  # an interval that differs by this share from the usual one is uneven
UNEVEN_SHARE = 0.01  # of the intervals, that make the frame rate variable


def probe_video(path: Path, name: str, head: bytes) -> Probe:
    """Look into a video.

    Raises:
        Failure: damaged_file, no_video, unsupported_codec, protected or no_frames.
    """
    video = Video(path, name)
    try:
        if not len(video.index.stamps):
            raise Failure(Reason.NO_FRAMES, f"{name}: its video stream holds no frame; get another copy")
        _, frame = first_frame(video)
        lie = lie_of(frame)
        width, height = video.stream.width, video.stream.height
        if lie.rotation % 180:
            width, height = height, width
        fps, variable = _frame_rate(video)
        facts = VideoFacts(
            video.index.duration_s,
            fps,
            variable,
            lie.rotation,
            _container_name(video, head),
            video.stream.codec_context.codec.canonical_name,
            bool(video.container.streams.audio),
            lie.mirrored,
            pixel_aspect(video.stream),
            frame is not None and bool(frame.interlaced_frame),
            timecode(video.container, video.stream),
            created_at(video.container, video.stream),
            tracks_of(video.container),
            chapters_of(video.container, float(video.index.origin * video.index.time_base), video.index.duration_s),
        )
        return Probe("video", None, width, height, title_of(video.container), facts)
    finally:
        video.close()


def probe_unmarked_video(path: Path, name: str, head: bytes) -> Probe | None:
    """Look into a file that may be a video or anything else; None where no frame of it decodes.

    Raises:
        Failure: protected.
    """
    try:
        video = Video(path, name)
    except Failure as failure:
        if failure.reason is Reason.PROTECTED:
            raise
        return None
    try:
        decodes = first_frame(video)[1] is not None
    finally:
        video.close()
    return probe_video(path, name, head) if decodes else None


def first_frame(video: Video) -> tuple[int | None, Any]:
    """(stamp, frame) of the first frame that decodes; (None, None) where there is none."""
    try:
        return next(video.frames(None), (None, None))
    except VIDEO_ERRORS:
        return None, None


def _frame_rate(video: Video) -> tuple[float | None, bool]:
    """(frames a second on average, whether they come unevenly)."""
    intervals = video.index.intervals()
    if not len(intervals):
        return None, False
    usual = float(np.median(intervals))
    tolerance = max(UNEVEN * usual, 1.5 * float(video.index.time_base))  # stamps are rounded to ticks
    uneven = np.abs(intervals - usual) > tolerance
    return round(float(1.0 / intervals.mean()), 6), bool(uneven.mean() > UNEVEN_SHARE)


def _container_name(video: Video, head: bytes) -> str:
    name = str(video.container.format.name).split(",")[0]
    if name == "matroska":
        return "webm" if b"webm" in head[:64] else "matroska"
    if name == "mov":
        brand = video.container.metadata.get("major_brand", "")
        return "mov" if brand.startswith("qt") or not brand else "3gp" if brand.startswith("3g") else "mp4"
    return name
