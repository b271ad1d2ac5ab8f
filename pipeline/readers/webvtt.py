"""WebVTT, the format of browsers and editors for what happens when in a video: cues as text. Pure string work."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from folioscope.model.plain_text import strip_markup

LEAST_S = 0.001  # a cue must end after it starts
_ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.S | re.I)
_CELL_END = re.compile(r"</t[dh]>\s*(?=<t[dh])", re.I)


@dataclass(frozen=True, slots=True)
class Cue:
    start_s: float
    end_s: float
    text: str


def joined(cues: Iterable[Cue]) -> list[Cue]:
    """Cues by their starts; the same words that stand on through a cut are one cue."""
    kept: list[Cue] = []
    last: dict[str, int] = {}
    for cue in sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)):
        place = last.get(cue.text)
        if place is not None and cue.start_s <= kept[place].end_s:
            kept[place] = Cue(kept[place].start_s, max(kept[place].end_s, cue.end_s), cue.text)
        else:
            last[cue.text] = len(kept)
            kept.append(cue)
    return kept


def lines_of(text: str) -> str:
    """Markdown as lines of words; a table's rows are lines with bars between the cells."""
    rows = _ROW.findall(text)
    parts = [_CELL_END.sub(" | ", row) for row in rows] if rows else text.splitlines()
    return "\n".join(words for part in parts if (words := strip_markup(part)))


def render(uri: str, cues: Iterable[Cue]) -> str:
    """A WebVTT file of these cues, which must come in order of their starts."""
    blocks = ["WEBVTT", f"NOTE {_one_line(uri).replace('-->', '->')}"]
    for cue in cues:
        end_s = max(cue.end_s, cue.start_s + LEAST_S)
        blocks.append(f"{timestamp(cue.start_s)} --> {timestamp(end_s)}\n{escaped(cue.text)}")
    return "\n\n".join(blocks) + "\n"


def timestamp(seconds: float) -> str:
    """hh:mm:ss.ttt, as WebVTT writes times."""
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def escaped(text: str) -> str:
    """Text as a cue's payload: no markup, no arrow, no empty line, which would end the cue."""
    lines = (_one_line(line) for line in re.split(r"\r\n|\r|\n", text.replace("\0", "\ufffd")))
    whole = "\n".join(line for line in lines if line)
    return whole.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())
