"""Right-to-left lines in logical order: from where glyphs stand to the order in which people read and type them.

A PDF stores what is seen. MuPDF turns runs of right-to-left letters around, but not the runs of a line among each
other, and it tears ligatures and vowel marks from their letters. Here a line is read off its glyphs' places and set
the other way round; numbers and Latin words in it keep their own direction (the Unicode bidirectional algorithm, run
backwards). Arabic presentation forms become plain letters in ``lines.clean``. Microseconds a line, on such lines alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

RTL_LETTER = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
Char = dict[str, Any]

_SAME_PLACE = 0.02  # of the font size: narrower glyphs have no width of their own
_WORD_GAP = 0.2  # of the font size: white that parts two words where no blank is written
_LTR_RUN = re.compile("L(?:[LDSN]*[LD])?|D[DS]*L(?:[LDSN]*[LD])?|D(?:S?D)*")
_RTL_RUN = re.compile("R(?:[RDSN]*R)?")
_NUMBER = re.compile("D(?:S?D)*")
_MIRRORED = dict(zip("()[]{}«»‹›", ")(][}{»«›‹", strict=True))
_CLOSING = frozenset(")]}»›")


@dataclass(slots=True)
class _Cluster:
    """A glyph with what stands on it or came out of it: letters of one ligature, vowel marks."""

    x0: float
    x1: float
    text: str
    marks: list[str] = field(default_factory=list)

    @property
    def letters(self) -> str:
        return self.text + "".join(self.marks)


def is_rtl(text: str) -> bool:
    """True where most letters of a text run from right to left."""
    rtl = len(RTL_LETTER.findall(text))
    return rtl > 0 and rtl >= sum(c.isalpha() for c in text) - rtl


def logical_text(chars: Sequence[Char], size: float, *, rtl: bool) -> str:
    """The text of one line in logical order. ``rtl`` is the direction of the paragraph around it."""
    clusters = _clusters(chars, size)
    kinds = "".join(_kind(cluster.text) for cluster in clusters)
    order = list(range(len(clusters)))
    if rtl:
        order.reverse()
        order = _turned(order, kinds[::-1], _LTR_RUN)
    else:
        order = _turned(order, kinds, _RTL_RUN)
        order = _turned(order, "".join(kinds[i] if i != j else "N" for j, i in enumerate(order)), _NUMBER)
    pieces = [(clusters[i].letters, kinds[i]) for i in order]
    return _mirrored(pieces)


def _clusters(chars: Sequence[Char], size: float) -> list[_Cluster]:
    """Glyphs from left to right, blanks put in where white parts words."""
    wide: list[_Cluster] = []
    loose: list[Char] = []
    for char in chars:
        x0, _, x1, _ = char["bbox"]
        mark = unicodedata.category(char["c"]) == "Mn"
        if char.get("synthetic") and char["c"].isspace():
            continue
        if mark or x1 - x0 < _SAME_PLACE * size:
            loose.append(char)
        else:
            wide.append(_Cluster(x0, x1, char["c"]))
    wide.sort(key=lambda cluster: cluster.x0)
    _attach(wide, loose)
    if not wide:
        return [_Cluster(char["bbox"][0], char["bbox"][2], char["c"]) for char in loose]
    spaced = [wide[0]]
    for cluster in wide[1:]:
        last = spaced[-1]
        if cluster.x0 - last.x1 > _WORD_GAP * size and not last.text.isspace() and not cluster.text.isspace():
            spaced.append(_Cluster(last.x1, cluster.x0, " "))
        spaced.append(cluster)
    return spaced


def _attach(wide: list[_Cluster], loose: Sequence[Char]) -> None:
    """Letters without a width to the glyph that they came out of, vowel marks to the letter that they stand on.

    MuPDF lists the letters of a right-to-left ligature last to first, and places all but the first at its right edge.
    """
    if not wide:
        return
    for char in reversed(loose):
        middle = (char["bbox"][0] + char["bbox"][2]) / 2
        if unicodedata.category(char["c"]) == "Mn":
            solid = [cluster for cluster in wide if not cluster.text.isspace()] or wide
            min(
                solid, key=lambda c: (max(c.x0 - middle, middle - c.x1, 0.0), abs((c.x0 + c.x1) / 2 - middle))
            ).marks.append(char["c"])
        else:
            owner = min(wide, key=lambda cluster: abs(cluster.x1 - middle))
            owner.text += char["c"]


def _kind(text: str) -> str:
    """R: right-to-left letter; L: other letter; D: digit; S: sign inside numbers; N: all else."""
    first = text[0]
    direction = unicodedata.bidirectional(first)
    if direction in ("R", "AL"):
        return "R"
    if direction in ("EN", "AN"):
        return "D"
    if direction == "L":
        return "L"
    return "S" if first in ".,:/-٫٬" else "N"


def _turned(order: list[int], kinds: str, runs: re.Pattern[str]) -> list[int]:
    result = list(order)
    for match in runs.finditer(kinds):
        result[match.start() : match.end()] = reversed(order[match.start() : match.end()])
    return result


def _mirrored(pieces: Sequence[tuple[str, str]]) -> str:
    """The pieces as one text; brackets that come out closing first are turned, as their pictures are in such fonts."""
    text = "".join(piece for piece, _ in pieces)
    first = next((c for c in text if c in _MIRRORED), "")
    if first not in _CLOSING:
        return text
    return "".join(_MIRRORED.get(c, c) for c in text)
