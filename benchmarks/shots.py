"""Shot detectors beside each other, on videos composed with known transitions: the adaptive one, and TransNetV2.

    python benchmarks/shots.py [--quick] [--only accuracy,cost]

accuracy  Videos of one kind of transition each, drawn here: ``cut``, ``dissolve`` (0.4 to 1.6 s), ``fade`` (through
          black), ``wipe``, and two of hard cuts among what is none: ``flash`` (white frames within shots) and
          ``camera`` (pans, zooms and shakes). Scenes are clouds of colour at several scales with things that move
          before them; each stands for 2 to 4 seconds at 25 frames a second. A detected boundary is right where it lies
          within the transition or 0.2 s beside it, and each transition is found once. For each kind and detector
          ``recall_KIND_DETECTOR`` and ``precision_KIND_DETECTOR``; ``f1_DETECTOR`` is over all of them together. Where
          the extra ``shots`` is not installed its figures are null.
cost      CPU-milliseconds a frame of both, decoding at 360p and measuring included, and of the network alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import run_parts
from folioscope.model.transitions import load_model
from folioscope.pipeline.decode.scan import scan_span
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.stages.transitions import with_transitions
from folioscope.pipeline.tables.shot_lists import join_spans
from folioscope.pipeline.video.features import FrameFeatures, ScannedSpan, SpanEnd, join_features
from folioscope.pipeline.video.shots import ShotSettings, find_shots
from folioscope.schemas.extras import installed

SIZE = (640, 360)
RATE = 25
SLACK_S = 0.2
Picture = NDArray[np.float32]
Scene = Callable[[int], Picture]  # from a frame's number within the shot


@dataclass(frozen=True, slots=True)
class Transition:
    start_s: float
    end_s: float


def _scene(rng: np.random.Generator, motion: str) -> Scene:
    """Clouds of colour, some things before them, and how the camera moves."""
    width, height = SIZE
    canvas = np.zeros((2 * height, 2 * width, 3), np.float32)
    for cells, weight in ((4, 0.5), (16, 0.3), (64, 0.2)):
        coarse = rng.uniform(0, 255, (cells, 2 * cells, 3)).astype(np.float32)
        canvas += weight * cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    canvas = np.clip((canvas - 128) * rng.uniform(0.7, 1.3) + rng.uniform(90, 165), 0, 255).astype(np.float32)
    things = [
        (rng.uniform(0, width), rng.uniform(0, height), rng.uniform(-2, 2), rng.uniform(20, 60), rng.uniform(0, 255, 3))
        for _ in range(4)
    ]
    speed = {"still": 0.0, "drift": 0.4, "pan": 7.0, "shake": 0.0, "zoom": 0.0}[motion]
    jitter = rng.uniform(-9, 9, (400, 2))

    def picture(number: int) -> Picture:
        left, top, scale = width / 2 - 3 * RATE * speed / 2 + speed * number, height / 2, 1.0
        if motion == "shake":
            left, top = left + jitter[number, 0], top + jitter[number, 1]
        if motion == "zoom":
            scale = 1.0 + 0.008 * number
        x, y = int(np.clip(left, 0, width - 1)), int(np.clip(top, 0, height - 1))
        image = canvas[y : y + height, x : x + width].copy()
        for at_x, at_y, step, size, colour in things:
            centre = int(at_x + step * number) % width, int(at_y)
            cv2.circle(image, centre, int(size), tuple(map(float, colour)), -1)
        if scale > 1.0:
            wide, high = int(width / scale), int(height / scale)
            x0, y0 = (width - wide) // 2, (height - high) // 2
            image = cv2.resize(image[y0 : y0 + high, x0 : x0 + wide], SIZE, interpolation=cv2.INTER_LINEAR)
        return np.asarray(image, np.float32)

    return picture


def _joined(kind: str, before: Picture, after: Picture, passed: float) -> Picture:
    """One frame of a transition."""
    if kind == "dissolve":
        return (1 - passed) * before + passed * after
    if kind == "fade":
        return before * max(0.0, 1 - 2.4 * passed) + after * max(0.0, 2.4 * passed - 1.4)
    image = before.copy()
    edge = round(passed * SIZE[0])
    image[:, :edge] = after[:, :edge]
    return image


LENGTHS_S = {"dissolve": (0.4, 0.8, 1.2, 1.6), "fade": (0.8, 1.2, 1.6, 2.0), "wipe": (0.4, 0.8)}
MOTIONS = {"camera": ("pan", "zoom", "shake"), "flash": ("drift",)}


def compose(path: Path, kind: str, shots: int, seed: int) -> list[Transition]:
    """Encode a video with one kind of transition; they come back."""
    rng = np.random.default_rng(seed)
    motions = MOTIONS.get(kind, ("still", "drift"))
    scenes = [_scene(rng, motions[number % len(motions)]) for number in range(shots)]
    lengths = [int(rng.integers(2 * RATE, 4 * RATE)) for _ in scenes]
    ways = LENGTHS_S.get(kind, (0.0,))
    overlaps = [round(ways[number % len(ways)] * RATE) for number in range(shots - 1)]
    truth: list[Transition] = []

    def pictures() -> Iterator[Picture]:
        shown = 0
        done = 0  # frames of this scene that the transition before has used
        for number, (scene, length) in enumerate(zip(scenes, lengths, strict=True)):
            flashes = {length // 3, length // 3 + 1, 2 * length // 3} if kind == "flash" else set()
            for step in range(done, done + length):
                yield np.minimum(scene(step) + 150, 255) if step - done in flashes else scene(step)
            shown += length
            if number + 1 == shots:
                return
            overlap = overlaps[number]
            for step in range(overlap):
                passed = (step + 1) / (overlap + 1)
                yield _joined(kind, scene(done + length + step), scenes[number + 1](step), passed)
            truth.append(Transition(shown / RATE, (shown + overlap) / RATE))
            shown, done = shown + overlap, overlap

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": str(4 * RATE)})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for image in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return truth


def scanned(path: Path) -> ScannedSpan:
    *parts, end = scan_span(Video(path, path.name), None, None, miniatures=True)
    if not isinstance(end, SpanEnd):
        raise SystemExit(f"{path.name} does not decode")
    return ScannedSpan(join_features([part for part in parts if isinstance(part, FrameFeatures)]), end)


def boundaries(span: ScannedSpan, detector: Any) -> list[float]:
    """Where shots begin, the first left out."""
    scan = join_spans([span], 1e9, 0.0, "video")
    return [shot.start_s for shot in find_shots(scan, ShotSettings(detector=detector))][1:]


def matched(found: list[float], truth: list[Transition]) -> int:
    """How many transitions are found, each by one boundary."""
    left = list(truth)
    for time_s in found:
        hit = next((one for one in left if one.start_s - SLACK_S <= time_s <= one.end_s + SLACK_S), None)
        if hit is not None:
            left.remove(hit)
    return len(truth) - len(left)


KINDS = ("cut", "dissolve", "fade", "wipe", "flash", "camera")


def accuracy(scratch: Path, quick: bool) -> dict[str, Any]:
    model = load_model() if installed("shots") else None
    figures: dict[str, Any] = {}
    sums = {detector: [0, 0, 0] for detector in ("adaptive", "transnetv2")}
    for place, kind in enumerate(KINDS):
        path = scratch / f"{kind}.mp4"
        truth = compose(path, kind, 6 if quick else 16, seed=place + 1)
        span = scanned(path)
        ways = {"adaptive": span, "transnetv2": with_transitions([span], model)[0] if model is not None else None}
        for detector, seen in ways.items():
            if seen is None:
                figures |= {f"recall_{kind}_{detector}": None, f"precision_{kind}_{detector}": None}
                continue
            found = boundaries(seen, detector)
            right = matched(found, truth)
            figures[f"recall_{kind}_{detector}"] = round(right / len(truth), 3)
            figures[f"precision_{kind}_{detector}"] = round(right / len(found), 3) if found else None
            for column, count in enumerate((right, len(found), len(truth))):
                sums[detector][column] += count
            print(f"{kind} {detector}: {right} of {len(truth)} found, {len(found) - right} others")
    for detector, (right, found_, wanted) in sums.items():
        figures[f"f1_{detector}"] = round(2 * right / (found_ + wanted), 3) if found_ else None
    return figures


def cost(scratch: Path, quick: bool) -> dict[str, Any]:
    path = scratch / "cost.mp4"
    compose(path, "cut", 4 if quick else 12, seed=99)
    begun = time.process_time()
    span = scanned(path)
    scan_s = time.process_time() - begun
    begun = time.process_time()
    boundaries(span, "adaptive")
    adaptive_s = time.process_time() - begun
    count = len(span.features)
    figures: dict[str, Any] = {"cpu_ms_per_frame_adaptive": round(1000 * (scan_s + adaptive_s) / count, 2)}
    if not installed("shots"):
        return figures | {"cpu_ms_per_frame_transnetv2": None, "cpu_ms_per_frame_network": None}
    import torch

    torch.set_num_threads(1)
    model = load_model()
    begun = time.process_time()
    with_transitions([span], model)
    network_s = time.process_time() - begun
    return figures | {
        "cpu_ms_per_frame_transnetv2": round(1000 * (scan_s + network_s) / count, 2),
        "cpu_ms_per_frame_network": round(1000 * network_s / count, 2),
    }


if __name__ == "__main__":
    run_parts(__doc__ or "", (accuracy, cost))
