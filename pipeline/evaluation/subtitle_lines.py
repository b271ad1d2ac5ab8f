"""Subtitles that benchmarks ship (SRT, or LongVideoBench's JSON), and which lines are shown with which frames."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from folioscope.pipeline.failures import Failure, Reason

_TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->\s*(\d+):(\d\d):(\d\d)[,.](\d{1,3})")
SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """``end_s`` None where the file tells no end."""

    start_s: float
    end_s: float | None
    text: str


def read_lines(path: Path, video: str) -> list[Line]:
    """Raises Failure: the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        return _of_json(text) if path.suffix == ".json" else _of_srt(text)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Failure(Reason.DECODE_ERROR, f"{video}: its subtitles {path} cannot be read ({error})") from error


def _of_srt(text: str) -> list[Line]:
    found = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        times = _TIMES.search(block)
        if times:
            words = html.unescape(re.sub(r"<[^>]+>", "", block[times.end() :])).strip()
            values = [int(value) for value in times.groups()]
            found.append(Line(_seconds(values[:4]), _seconds(values[4:]), " ".join(words.split())))
    return found


def _seconds(values: Sequence[int]) -> float:
    hours, minutes, seconds, thousandths = values
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _of_json(text: str) -> list[Line]:
    """Entries with ``timestamp`` [start, end] and ``text``, or with ``start``, ``end`` and ``line`` as clock times."""
    found = []
    for entry in json.loads(text):
        if "timestamp" in entry:
            start, end = entry["timestamp"]
            found.append(Line(float(start), float(end) if isinstance(end, int | float) else None, str(entry["text"])))
        else:
            found.append(Line(_clock(entry["start"]), _clock(entry["end"]), str(entry["line"])))
    return found


def _clock(told: str) -> float:
    hours, minutes, seconds = str(told).split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def between_frames(
    lines: Sequence[Line], times: Sequence[float], begin_s: float, length_s: float
) -> list[tuple[int, str]]:
    """LongVideoBench: (frames before it, line), by the middle of its time; only lines in whose time a frame lies.

    A line of less than a second counts as one of a second around its middle.
    """
    placed = []
    for line in lines:
        start, end = line.start_s - begin_s, (length_s if line.end_s is None else line.end_s - begin_s)
        middle = (start + end) / 2
        if end - start < SHORTEST_S:
            start, end = middle - SHORTEST_S / 2, middle + SHORTEST_S / 2
        if any(start < time < end for time in times):
            placed.append((sum(time <= middle for time in times), line.text))
    return placed


def during_frames(lines: Sequence[Line], times: Sequence[float]) -> list[str]:
    """Video-MME: the lines that are to be seen at the time of a frame, each once."""
    return [
        line.text
        for line in lines
        if any(line.start_s <= time and (line.end_s is None or time < line.end_s) for time in times)
    ]
