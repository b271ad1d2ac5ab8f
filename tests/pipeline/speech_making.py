"""Speech for the tests: said by espeak-ng, and put under small videos."""

from __future__ import annotations

import subprocess
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from video_making import SIZE, Colour, picture

RATE = 22_050
Pcm = NDArray[np.int16]


def say(words: str, voice: str = "en-gb", speed: int = 140) -> Pcm:
    """What espeak-ng makes of the words, 22,050 samples a second."""
    told = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", words], check=True, capture_output=True
    ).stdout
    return np.frombuffer(told[44:], np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE), np.int16)


def draw_talking_video(
    path: Path, colours: list[Colour], sound: Pcm, *, language: str | None = "eng", fps: int = 5, starts_s: float = 0.0
) -> Path:
    """As long as its sound, cut evenly into scenes; the sound's clock begins at ``starts_s``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = round((starts_s + len(sound) / RATE) * fps)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": "10"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        track = container.add_stream("aac", rate=RATE)
        track.layout = "mono"
        if language:
            track.metadata["language"] = language
        for number in range(frames):
            colour = colours[number * len(colours) // frames]
            frame = av.VideoFrame.from_ndarray(picture(colour, number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for start in range(0, len(sound), 1024):
            piece = sound[start : start + 1024]
            heard = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="s16", layout="mono")
            heard.sample_rate, heard.pts = RATE, start + round(starts_s * RATE)
            heard.time_base = Fraction(1, RATE)
            container.mux(track.encode(heard))
        container.mux(track.encode(None))
    return path


def write_wav(path: Path, sound: Pcm) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())
    return path
