"""Ways of going through a video, each run as a process of its own: ours, plain PyAV, plain decord.

``python -m benchmarks.video_loops WAY PURPOSE VIDEO`` prints one JSON line with frames and CPU seconds, opening and
imports' own work on the video included, imports left out. Purposes: ``scan``, every frame at the scan's small size as
RGB; ``pick``, the frames of the video's shots at their own size.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import decord
import numpy as np
from av.video.reformatter import Interpolation

from folioscope.pipeline.decode.frames import FrameReader
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decode.scan import scan_span
from folioscope.pipeline.decode.shrink import small_size
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.video.features import FrameFeatures
from folioscope.pipeline.video.shots import Shot

cv2.setNumThreads(1)
PICK_EVERY_S = 1.7  # some three frames of a shot of five seconds, as our choice gives


def scan_ours(path: Path) -> int:
    video = Video(path, path.name)
    return sum(len(part) for part in scan_span(video, None, None) if isinstance(part, FrameFeatures))


def scan_pyav(path: Path) -> int:
    frames = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        size = small_size(stream.width, stream.height)
        for frame in container.decode(stream):
            frames += frame.reformat(*size, "rgb24", interpolation=Interpolation.AREA).to_ndarray().shape[2] == 3
    return frames


def scan_decord(path: Path) -> int:
    with av.open(str(path)) as container:
        width, height = small_size(container.streams.video[0].width, container.streams.video[0].height)
    reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
    return sum(reader.next().asnumpy().shape[2] == 3 for _ in range(len(reader)))


def _wanted(path: Path) -> tuple[list[float], float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 60.0
    return [round(time_s * rate) / rate for time_s in np.arange(0, seconds - 1, PICK_EVERY_S)], rate


def pick_ours(path: Path) -> int:
    reader = FrameReader(path, path.name)
    times, _ = _wanted(path)
    settings = DecodeSettings(thumbnail_px=0)
    shots = [Shot(n, times[n], times[n], tuple(times[n : n + 3])) for n in range(0, len(times), 3)]
    return sum(len(reader.read_shot(shot, settings).frames) for shot in shots)


def pick_pyav(path: Path) -> int:
    times, rate = _wanted(path)
    wanted = {round(time_s * rate) for time_s in times}
    frames = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                frames += frame.to_ndarray(format="rgb24").shape[2] == 3
    return frames


def pick_decord(path: Path) -> int:
    times, rate = _wanted(path)
    reader = decord.VideoReader(str(path), num_threads=1)
    numbers = [round(time_s * rate) for time_s in times]
    return sum(len(reader.get_batch(numbers[n : n + 3]).asnumpy()) for n in range(0, len(numbers), 3))


WAYS: dict[tuple[str, str], Callable[[Path], int]] = {
    ("ours", "scan"): scan_ours,
    ("pyav", "scan"): scan_pyav,
    ("decord", "scan"): scan_decord,
    ("ours", "pick"): pick_ours,
    ("pyav", "pick"): pick_pyav,
    ("decord", "pick"): pick_decord,
}


if __name__ == "__main__":
    way, purpose, video = sys.argv[1:]
    begun = time.process_time()
    count = WAYS[way, purpose](Path(video))
    print(json.dumps({"frames": int(count), "cpu_seconds": time.process_time() - begun}))
