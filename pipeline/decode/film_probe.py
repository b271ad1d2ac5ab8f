"""What a film is: container, codec, length, frame rate, turn and sound, from its packets and its first frame alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.decode.film import FILM_ERRORS, Film
from pipeline.decode.pages import FilmFacts, Probe
from pipeline.decode.probe import clean_title
from pipeline.failures import Failure, Reason

UNEVEN = 0.1  # an interval that differs by this share from the usual one is uneven
UNEVEN_SHARE = 0.01  # of the intervals, that make the frame rate variable


def probe_film(path: Path, name: str, head: bytes) -> Probe:
    """Look into a film.

    Raises:
        Failure: damaged_file, no_video, unsupported_codec, protected or no_frames.
    """
    film = Film(path, name)
    try:
        if not len(film.index.stamps):
            raise Failure(Reason.NO_FRAMES, f"{name}: its video stream holds no frame; get another copy")
        _, frame = first_frame(film)
        turn = clockwise_turn(frame)
        width, height = film.stream.width, film.stream.height
        if turn % 180:
            width, height = height, width
        fps, variable = _frame_rate(film)
        declared = film.container.duration
        duration = declared / 1_000_000 if declared else film.index.end_s
        facts = FilmFacts(
            duration,
            fps,
            variable,
            turn,
            _container_name(film, head),
            film.stream.codec_context.codec.canonical_name,
            bool(film.container.streams.audio),
        )
        return Probe("video", None, width, height, clean_title(film.container.metadata.get("title")), facts)
    finally:
        film.close()


def first_frame(film: Film) -> tuple[int | None, Any]:
    """(stamp, frame) of the first frame that decodes; (None, None) where there is none."""
    try:
        return next(film.frames(None), (None, None))
    except FILM_ERRORS:
        return None, None


def clockwise_turn(frame: Any) -> int:
    """The turn that makes a frame upright; FFmpeg tells it counterclockwise."""
    return 0 if frame is None else round(-frame.rotation / 90) * 90 % 360


def _frame_rate(film: Film) -> tuple[float | None, bool]:
    """(frames a second on average, whether they come unevenly)."""
    intervals = film.index.intervals()
    if not len(intervals):
        return None, False
    usual = float(np.median(intervals))
    tolerance = max(UNEVEN * usual, 1.5 * float(film.index.time_base))  # stamps are rounded to ticks
    uneven = np.abs(intervals - usual) > tolerance
    return round(float(1.0 / intervals.mean()), 6), bool(uneven.mean() > UNEVEN_SHARE)


def _container_name(film: Film, head: bytes) -> str:
    name = str(film.container.format.name).split(",")[0]
    if name == "matroska":
        return "webm" if b"webm" in head[:64] else "matroska"
    if name == "mov":
        brand = film.container.metadata.get("major_brand", "")
        return "mov" if brand.startswith("qt") or not brand else "3gp" if brand.startswith("3g") else "mp4"
    return name
