"""Speech to text with the packaged model (Whisper tiny.en): errors, speed, and memory over an hour.

    FOLIOSCOPE_CLIP=talk.mp4 python benchmarks/speech.py [--quick] [--only clean,clip,memory]

clean    Word errors on sentences that espeak-ng says (``wer_clean``), and seconds of sound heard for each CPU-second of
         the transcriber, decoding and voice detection counted (``speech_seconds_per_cpu_s``).
clip     Word errors on a recording, against the subtitle file beside it (``wer_clip``): the video that FOLIOSCOPE_CLIP
         names; null where it names none. Words are compared in lower case, without punctuation.
memory   Peak memory of the largest process of a whole run with ``--speech tiny.en`` over videos of 1, 10 and 60
         minutes, of each minute of which a third is speech (``peak_mb_speech_60min``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import run_measured, run_parts
from folioscope.model.speech.choice import describe_speech, load_transcriber
from folioscope.model.speech.interface import RATE, Samples, Segment
from folioscope.pipeline.decode.sound import read_sound
from folioscope.pipeline.decode.subtitles import read_subtitle_file

VOICE_RATE = 22_050  # espeak-ng's
TRUTH = (
    "The miller opens the gate in the morning and closes it at night.",
    "Since then more than a thousand salmon have been counted.",
    "The village lies between the river and the hills.",
    "We walked along the bank until the sun went down.",
    "Every spring the water comes back to the meadow.",
    "The children learn to swim in the lake behind the school.",
)


def clean(scratch: Path, quick: bool) -> dict[str, Any]:
    said = [_say(words) for words in TRUTH]
    pause = np.zeros(VOICE_RATE, np.int16)
    path = _audio(scratch / "clean.wav", np.concatenate([part for one in said for part in (pause, one)]))
    heard, cpu, seconds = _heard(path)
    return {
        "wer_clean": round(word_errors(_believed(heard), " ".join(TRUTH)), 4),
        "speech_seconds_per_cpu_s": round(seconds / cpu, 1),
    }


def clip(scratch: Path, quick: bool) -> dict[str, Any]:
    named = os.environ.get("FOLIOSCOPE_CLIP")
    if not named:
        print("clip: FOLIOSCOPE_CLIP names no video with a .srt beside it: left out")
        return {"wer_clip": None}
    path = Path(named)
    truth = " ".join(cue.text for cue in read_subtitle_file(path.with_suffix(".srt"), path.name, "", None))
    heard, cpu, seconds = _heard(path)
    return {
        "wer_clip": round(word_errors(_believed(heard), truth), 4),
        "clip_seconds_per_cpu_s": round(seconds / cpu, 1),
        "clip_flagged_segments": sum(bool(segment.flags) for segment in heard),
    }


def memory(scratch: Path, quick: bool) -> dict[str, Any]:
    said = _say(" ".join(TRUTH))
    minute = np.zeros(60 * VOICE_RATE, np.int16)
    minute[: len(said)] = said[: len(minute)]
    figures: dict[str, Any] = {}
    for minutes in (1, 3, 6) if quick else (1, 10, 60):
        folder = scratch / f"video-{minutes}"
        folder.mkdir()
        _talking_video(folder / "talk.mp4", minute, minutes)
        arguments = ["jobs/index_videos.py", "--input", str(folder), "--output", str(scratch / f"out-{minutes}")]
        arguments += ["--tasks", "read", "--model", "fake", "--replicas", "1", "--speech", "tiny.en"]
        measured = run_measured(arguments, {**os.environ, "OMP_NUM_THREADS": "1"})
        parts = ("decoder", "actor", "driver")
        figures[f"peak_mb_speech_{minutes}min"] = round(max(measured.peak_mb[part] for part in parts))
        figures |= {f"{part}_peak_mb_speech_{minutes}min": round(measured.peak_mb[part]) for part in parts}
        figures[f"wall_s_speech_{minutes}min"] = round(measured.wall_seconds, 1)
    return figures


def word_errors(found: str, truth: str) -> float:
    """Words to insert, delete or change, as a share of the truth's."""
    wanted = _words(truth)
    return Levenshtein.distance(_words(found), wanted) / len(wanted)


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.casefold()).split()


def _believed(heard: Sequence[Segment]) -> str:
    return " ".join(segment.text for segment in heard if not segment.flags)


def _heard(path: Path) -> tuple[list[Segment], float, float]:
    """(segments, CPU-seconds, seconds of sound)."""
    model = describe_speech("tiny.en")
    if model is None:
        raise SystemExit("folioscope[speech] is not installed")
    transcriber = load_transcriber(model)
    length = 0

    def samples() -> Iterator[Samples]:
        nonlocal length
        for piece in read_sound(path, path.name, 0.0):
            if isinstance(piece, np.ndarray):
                length += len(piece)
                yield np.asarray(piece, np.float32) / np.float32(32768)

    begun = time.process_time()
    heard = list(transcriber.transcribe(samples(), "en"))
    return heard, time.process_time() - begun, length / RATE


def _say(words: str) -> NDArray[np.int16]:
    command = ["espeak-ng", "-v", "en-gb", "-s", "140", "--stdout", words]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout[44:], np.int16)


def _audio(path: Path, sound: NDArray[np.int16]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=VOICE_RATE)
        stream.layout = "mono"
        for packet in _encoded(stream, sound, 0):
            container.mux(packet)
    return path


def _talking_video(path: Path, minute: NDArray[np.int16], minutes: int) -> None:
    """A picture a second, and the same minute of sound so many times over."""
    rng = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "g": "30"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        track = container.add_stream("aac", rate=VOICE_RATE)
        track.layout = "mono"
        track.metadata["language"] = "eng"
        for number in range(minutes):
            image = rng.integers(0, 255, (180, 320, 3), np.uint8)
            for second in range(60):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = 60 * number + second, Fraction(1, 1)
                container.mux(stream.encode(frame))
            for packet in _encoded(track, minute, number * len(minute), last=number == minutes - 1):
                container.mux(packet)
        container.mux(stream.encode(None))


def _encoded(stream: Any, sound: NDArray[np.int16], first: int, *, last: bool = True) -> Iterator[Any]:
    for start in range(0, len(sound), 1024):
        frame = av.AudioFrame.from_ndarray(sound[start : start + 1024].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = VOICE_RATE, first + start, Fraction(1, VOICE_RATE)
        yield from stream.encode(frame)
    if last:
        yield from stream.encode(None)


if __name__ == "__main__":
    run_parts(__doc__ or "", (clean, clip, memory))
