"""Two ways of reading the frames of a video's shots, each run as a process of its own: ours, and frame by frame.

``python -m benchmarks.video_ocr WAY VIDEO`` prints one JSON line with the CPU seconds of reading (decoding left out)
and the words of each shot. ``whole`` is how frames were read before: each that differs from the one before is read
whole, at the engine's own size, and its lines are followed in the same manner. Both are given the same frames.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from folioscope.model.embedded import ocr, shots
from folioscope.model.embedded.changes import cells_of, changed_cells
from folioscope.model.embedded.screen import Screen
from folioscope.model.page_images import is_blank
from folioscope.model.protocol import ShotInput
from folioscope.pipeline.decode.frames import FrameReader
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decode.scan import scan_span
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.tables.shot_lists import join_spans
from folioscope.pipeline.video.features import FrameFeatures, ScannedSpan, SpanEnd, join_features
from folioscope.pipeline.video.shots import ShotSettings, find_shots

cv2.setNumThreads(1)
SETTINGS = DecodeSettings(thumbnail_px=0)
LEAST_LETTERS = 3  # shorter words are as often marks on a picture as text


def shots_of(path: Path) -> Iterator[ShotInput]:
    """The video's shots, as the job decodes them."""
    video = Video(path, path.name)
    found = list(scan_span(video, None, None))
    features = join_features([part for part in found if isinstance(part, FrameFeatures)])
    [end] = [part for part in found if isinstance(part, SpanEnd)]
    reader = FrameReader(path, path.name)
    for shot in find_shots(join_spans([ScannedSpan(features, end)], 1e9, 0.0, path.name), ShotSettings()):
        if shot.reason is None:
            seen = reader.read_shot(shot, SETTINGS)
            size = seen.width_px, seen.height_px
            yield ShotInput(seen.shot_number, seen.start_s, seen.end_s, *size, seen.frames, seen.glimpses)


def read_whole(shot: ShotInput) -> str:
    """The shot's words, each frame that differs read whole."""
    tracks: list[shots.Track] = []
    before = None
    for frame in sorted((*shot.frames, *shot.glimpses), key=lambda frame: frame.time_s):
        cells = cells_of(frame.image)
        if before is None or changed_cells(before, cells).any():
            before = cells
            lines = [] if is_blank(frame.image) else ocr.recognise(frame.image)
            shots.assign(tracks, lines, frame.time_s)
    return "\n".join(track.line.text for track in tracks if track.certain)


def words_of(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", re.sub(r"<[^>]+>", " ", text).lower()) if len(word) >= LEAST_LETTERS]


def main() -> None:
    way, path = sys.argv[1:]
    screen = Screen()
    seconds, words, frames = 0.0, [], 0
    ocr.detector()
    for shot in shots_of(Path(path)):
        begun = time.process_time()
        text = read_whole(shot) if way == "whole" else shots.read_shot(shot, screen).text
        seconds += time.process_time() - begun
        words.append(words_of(text))
        frames += len(shot.frames) + len(shot.glimpses)
    print(json.dumps({"cpu_seconds": seconds, "frames": frames, "words": words}))


if __name__ == "__main__":
    main()
