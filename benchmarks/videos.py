"""The film pipeline measured beside plain PyAV and plain decord, on films that it draws and encodes itself.

    python benchmarks/videos.py [--quick] [--only frames,memory,job]

frames    Frames a CPU-second on one minute of 720p (moving texture, five-second shots with text, H.264, a key frame
          every four seconds): our scan (every frame, measured) and our picking (three frames a shot at full size)
          beside plain loops over PyAV and decord that get the same frames and do nothing with them. One thread, a
          process each, ways taken in turns, the best of the rounds; opening and indexing are counted. ``frames_ratio``
          is the lesser of the two ratios of ours to the faster plain loop.
memory    Peak memory of the largest process of a whole run (decode child, actor, driver; fake replica) over films of 1,
          10 and 60 minutes: the same minute, repeated by copying packets.
job       Seconds of film a second of wall time of the whole job with the embedded replica, two replicas: two runs over
          films of one and of three minutes; the difference counts, so start-up is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT, Measured, run_measured, run_parts

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
SHOT_SECONDS = 5
KEY_SECONDS = 4


def draw_minute(path: Path, size: tuple[int, int], fps: int, seconds: int = 60) -> Path:
    """A film whose shots each have their own moving texture and line of text."""
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
            words = f"Shot {shot + 1} of the harbour film"
            cv2.putText(
                image, words, (width // 12, height // 2), cv2.FONT_HERSHEY_SIMPLEX, width / 700, (255, 255, 255), 3
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def repeated(minute: Path, path: Path, times: int) -> Path:
    """The same film so many times over, without decoding it."""
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
    film = draw_minute(scratch / "minute.mp4", (1280, 720), 25, 20 if quick else 60)
    figures: dict[str, Any] = {}
    for purpose in ("scan", "pick"):
        best: dict[str, float] = {}
        counts: dict[str, int] = {}
        for _ in range(2 if quick else 3):
            for way in ("ours", "pyav", "decord"):
                told = _loop(way, purpose, film)
                counts[way] = told["frames"]
                best[way] = max(best.get(way, 0.0), told["frames"] / told["cpu_seconds"])
        if len(set(counts.values())) > 1:
            raise SystemExit(f"{purpose}: not the same frames: {counts}")
        figures[f"{purpose}_ratio"] = round(best["ours"] / max(best["pyav"], best["decord"]), 3)
        figures |= {f"{purpose}_frames_per_cpu_s_{way}": round(speed, 1) for way, speed in best.items()}
    return {"frames_ratio": min(figures["scan_ratio"], figures["pick_ratio"]), **figures}


def memory(scratch: Path, quick: bool) -> dict[str, Any]:
    minute = draw_minute(scratch / "small.mp4", (640, 360), 10)
    figures: dict[str, Any] = {}
    for minutes in (1, 3, 6) if quick else (1, 10, 60):
        folder = scratch / f"film-{minutes}"
        folder.mkdir()
        repeated(minute, folder / "film.mp4", minutes)
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
        repeated(minute, folder / "film.mp4", times)
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


def _loop(way: str, purpose: str, film: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.video_loops", way, purpose, str(film)]
    done = subprocess.run(command, cwd=PROJECT, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    run_parts(__doc__ or "", (frames, memory, job))
