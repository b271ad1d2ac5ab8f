"""Where somebody speaks: sound cut into stretches of speech of at most half a minute, by Silero's detector.

The sound comes in pieces and is held for two minutes at most, so that memory is the same whatever its length. What is
silent, and most of what is music alone, is never transcribed: there speech models invent. Costs 4 ms a second of sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from folioscope.model.speech.interface import RATE, Samples

LONGEST_S = 28.0  # Whisper hears thirty seconds at a time
HELD_S = 120.0
MARGIN_S = 1.0  # speech that ends so close to the end of what is held may go on
PAUSE_S = 2.0  # stretches nearer than that are heard together


def stretches(sound: Iterator[Samples]) -> Iterator[tuple[float, Samples]]:
    """(second at which it begins, samples) of each stretch of speech, in order."""
    held: Samples = np.empty(0, np.float32)
    begins = 0
    pieces: list[Samples] = []
    length = 0
    for piece in sound:
        pieces.append(piece)
        length += len(piece)
        if length >= HELD_S * RATE:
            held = np.concatenate(pieces)
            found, keep = _found(held, last=False)
            yield from ((begins / RATE + start / RATE, held[start:end]) for start, end in found)
            begins += keep
            pieces, length = [held[keep:].copy()], len(held) - keep
    if pieces:
        held = np.concatenate(pieces)
        found, _ = _found(held, last=True)
        yield from ((begins / RATE + start / RATE, held[start:end]) for start, end in found)


def _found(held: Samples, *, last: bool) -> tuple[list[tuple[int, int]], int]:
    """(stretches, from where on the sound is to be held on to)."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(max_speech_duration_s=LONGEST_S - 1, min_silence_duration_ms=500, speech_pad_ms=200)
    found: list[Any] = get_speech_timestamps(held, options)
    spans = [(int(item["start"]), int(item["end"])) for item in found]
    keep = len(held)
    if not last and spans and spans[-1][1] > len(held) - MARGIN_S * RATE:
        keep = spans.pop()[0]
    return _joined(spans), keep


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= PAUSE_S * RATE and end - joined[-1][0] <= LONGEST_S * RATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
