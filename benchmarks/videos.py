"""The video pipeline measured beside plain PyAV and plain decord, on videos that it draws and encodes itself.

    python benchmarks/videos.py [--quick] [--only frames,ocr,memory,job]

frames    Frames a CPU-second on one minute of 720p (moving texture, five-second shots with text, H.264, a key frame
          every four seconds): our scan (every frame, measured) and our picking (three frames a shot at full size)
          beside plain loops over PyAV and decord that get the same frames and do nothing with them. One thread, a
          process each, ways taken in turns, the best of the rounds; opening and indexing are counted. ``frames_ratio``
          is the lesser of the two ratios of ours to the faster plain loop.
ocr       CPU seconds of reading text on the frames of a lecture (slides that build up beside a speaker who moves) and
          of a broadcast (moving pictures, some with a lower third), drawn here at 720p, and of real ones where the
          corpus lies beside this checkout: each frame that differs read whole, as it was done before, over ours, on the
          same frames. ``ocr_speedup`` is of all seconds together, ``words_kept`` the share of words of three letters
          or more, shot by shot, that ours has as well.
memory    Peak memory of the largest process of a whole run (decode child, actor, driver; fake replica) over videos of
          1, 10 and 60 minutes: the same minute, repeated by copying packets.
job       Seconds of video a second of wall time of the whole job with the embedded replica, two replicas: two runs over
          videos of one and of three minutes; the difference counts, so start-up is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT, Measured, run_measured, run_parts

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SHOT_SECONDS = 5
KEY_SECONDS = 4
CORPUS = PROJECT.parent / "shared" / "corpus" / "reports-video"
REAL_LECTURE = CORPUS / "slides-that-build-up" / "docker-lecture.mp4"
REAL_BROADCAST = CORPUS / "captions-608-mpeg2" / "scte20.ts"


def draw_minute(path: Path, size: tuple[int, int], fps: int, seconds: int = 60) -> Path:
    """A video whose shots each have their own moving texture and line of text."""
    width, height = size
    rng = np.random.default_rng(7)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "g": str(KEY_SECONDS * fps), "bf": "2"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * fps):
            shot, step = divmod(number, SHOT_SECONDS * fps)
            if step == 0:
                coarse = rng.integers(40, 220, (height // 24, width // 24, 3), np.uint8)
                texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            image = np.roll(texture, 2 * step, axis=1)
            words = f"Shot {shot + 1} of the harbour video"
            cv2.putText(
                image, words, (width // 12, height // 2), cv2.FONT_HERSHEY_SIMPLEX, width / 700, (255, 255, 255), 3
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def repeated(minute: Path, path: Path, times: int) -> Path:
    """The same video so many times over, without decoding it."""
    with av.open(str(path), "w") as target:
        out = None
        offset = 0
        for _ in range(times):
            with av.open(str(minute)) as source:
                stream = source.streams.video[0]
                if out is None:
                    out = target.add_stream_from_template(stream)
                    out.time_base = stream.time_base
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.dts += offset
                    packet.pts += offset
                    packet.stream = out
                    target.mux(packet)
                offset += stream.duration or 0
    return path


def frames(scratch: Path, quick: bool) -> dict[str, Any]:
    video = draw_minute(scratch / "minute.mp4", (1280, 720), 25, 20 if quick else 60)
    figures: dict[str, Any] = {}
    for purpose in ("scan", "pick"):
        best: dict[str, float] = {}
        counts: dict[str, int] = {}
        for _ in range(2 if quick else 3):
            for way in ("ours", "pyav", "decord"):
                told = _loop(way, purpose, video)
                counts[way] = told["frames"]
                best[way] = max(best.get(way, 0.0), told["frames"] / told["cpu_seconds"])
        if len(set(counts.values())) > 1:
            raise SystemExit(f"{purpose}: not the same frames: {counts}")
        figures[f"{purpose}_ratio"] = round(best["ours"] / max(best["pyav"], best["decord"]), 3)
        figures |= {f"{purpose}_frames_per_cpu_s_{way}": round(speed, 1) for way, speed in best.items()}
    return {"frames_ratio": min(figures["scan_ratio"], figures["pick_ratio"]), **figures}


LECTURE = [
    ["The weir at Sallow", "It was built in 1911", "and mended after the flood of 1987", "Its gauge reads 3.12 m"],
    ["How water is measured", "A float rises in the well", "A pen draws its height", "The drum turns in a week"],
    ["What the numbers say", "Highest: 5.84 m at Millbridge", "Lowest: 0.21 m at Hythe", "Mean of all gauges: 1.37 m"],
    ["Questions", "Ines Farrow, chief engineer", "www.example.org/sallow", "Thank you for listening"],
]


def draw_lecture(path: Path, state_seconds: int, fps: int = 12) -> Path:
    """Slides of four lines that come one by one, and a speaker's picture that moves in the corner."""
    rng = np.random.default_rng(3)

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for slide in LECTURE:
            for count in range(1, len(slide) + 1):
                image = np.full((720, 1280, 3), 248, np.uint8)
                for number, line in enumerate(slide[:count]):
                    place, size = (80, 120 + 130 * number), 2.0 if number == 0 else 1.4
                    cv2.putText(image, line, place, cv2.FONT_HERSHEY_SIMPLEX, size, (30, 30, 60), 3, cv2.LINE_AA)
                for _ in range(state_seconds * fps):
                    coarse = rng.integers(60, 200, (6, 8, 3), np.uint8)
                    image[540:, 1000:] = cv2.resize(coarse, (280, 180), interpolation=cv2.INTER_CUBIC)
                    yield image

    return encode(path, pictures(), (1280, 720), fps)


def draw_broadcast(path: Path, shots: int, fps: int = 25) -> Path:
    """Shots of four seconds of a moving picture; every third has a lower third on a plate."""
    rng = np.random.default_rng(11)

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for shot in range(shots):
            coarse = rng.integers(30, 220, (30, 54, 3), np.uint8)
            scene = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
            for step in range(4 * fps):
                image = np.roll(scene, 3 * step, axis=1)
                if shot % 3 == 0:
                    image[590:680, 80:900] = (20, 30, 90)
                    words = f"Reporter {shot + 1} at the flooded bridge"
                    cv2.putText(
                        image, words, (100, 650), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (255, 255, 255), 3, cv2.LINE_AA
                    )
                yield image

    return encode(path, pictures(), (1280, 720), fps)


def encode(path: Path, pictures: Iterator[NDArray[np.uint8]], size: tuple[int, int], fps: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "g": str(KEY_SECONDS * fps)})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for image in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def ocr(scratch: Path, quick: bool) -> dict[str, Any]:
    videos = [draw_lecture(scratch / "lecture.mp4", 2 if quick else 5), draw_broadcast(scratch / "broadcast.mp4", 6)]
    videos += [path for path in (REAL_LECTURE, REAL_BROADCAST) if path.is_file()]
    spent = {"whole": 0.0, "ours": 0.0}
    wanted = kept = 0
    figures: dict[str, Any] = {}
    for video in videos:
        told = {way: _process("video_ocr", way, str(video)) for way in spent}
        for way in spent:
            spent[way] += told[way]["cpu_seconds"]
        for whole, ours in zip(told["whole"]["words"], told["ours"]["words"], strict=True):
            wanted += len(whole)
            kept += sum((Counter(whole) & Counter(ours)).values())
        name = video.stem.replace("-", "_")
        figures[f"ocr_speedup_{name}"] = round(told["whole"]["cpu_seconds"] / told["ours"]["cpu_seconds"], 2)
        figures |= {f"ocr_cpu_s_{way}_{name}": round(told[way]["cpu_seconds"], 2) for way in spent}
    return {
        "ocr_speedup": round(spent["whole"] / spent["ours"], 2),
        "words_kept": round(kept / max(wanted, 1), 4),
        "ocr_words": wanted,
        **figures,
    }


def memory(scratch: Path, quick: bool) -> dict[str, Any]:
    minute = draw_minute(scratch / "small.mp4", (640, 360), 10)
    figures: dict[str, Any] = {}
    for minutes in (1, 3, 6) if quick else (1, 10, 60):
        folder = scratch / f"video-{minutes}"
        folder.mkdir()
        repeated(minute, folder / "video.mp4", minutes)
        peaks = index(folder, scratch / f"out-{minutes}", "--model", "fake").peak_mb
        figures[f"peak_mb_{minutes}min"] = round(max(peaks["decoder"], peaks["actor"], peaks["driver"]))
        figures |= {f"{part}_peak_mb_{minutes}min": round(peaks[part]) for part in ("decoder", "actor", "driver")}
    return figures


def job(scratch: Path, quick: bool) -> dict[str, Any]:
    minute = draw_minute(scratch / "minute.mp4", (1280, 720), 25, 20 if quick else 60)
    walls = {}
    for times in (1, 3):
        folder = scratch / f"job-{times}"
        folder.mkdir()
        repeated(minute, folder / "video.mp4", times)
        walls[times] = index(folder, scratch / f"out-job-{times}", "--model", "embedded").wall_seconds
    further = 2 * (20 if quick else 60)
    return {
        "film_seconds_per_second": round(further / max(walls[3] - walls[1], 1e-9), 2),
        "job_wall_s_short": round(walls[1], 1),
        "job_wall_s_long": round(walls[3], 1),
    }


def index(folder: Path, output: Path, *options: str) -> Measured:
    """One run of the job, reading alone."""
    base = ["jobs/index_videos.py", "--input", str(folder), "--output", str(output), "--tasks", "read"]
    return run_measured([*base, "--seconds-per-unit", "30", *options], ENVIRONMENT)


def _loop(way: str, purpose: str, video: Path) -> dict[str, Any]:
    return _process("video_loops", way, purpose, str(video))


def _process(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    run_parts(__doc__ or "", (frames, ocr, memory, job))
