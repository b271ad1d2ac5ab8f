"""Cues: what a video's subtitles, captions and speech say, each with its times; and the shot that each falls into.

A cue belongs to the one shot that holds the middle of its time, so that none is lost and none comes twice, however the
video's shots are shared out to units. What lies before the first shot or behind the last goes to these; where no
picture can be had in the middle, a cue goes to the shot that it shares most time with. Costs a search in the shots'
starts for each cue.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from folioscope.model.protocol import Block, Reading, TextSource, Word, cue_text

CueKind = Literal["subtitle", "speech"]
LEAST_S = 0.001  # a cue that ends no later than it starts is taken for a moment


class Timed(Protocol):
    """Whatever has a place in time, such as a shot."""

    @property
    def start_s(self) -> float: ...

    @property
    def end_s(self) -> float: ...

    @property
    def reason(self) -> object:
        """None, or why nothing of it can be had."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Words of one track that are shown or said from ``start_s`` to ``end_s``.

    ``flags`` say why they must not be believed; ``words`` are those of speech, one by one.
    """

    start_s: float
    end_s: float
    text: str
    track: str
    language: str | None = None
    kind: CueKind = "subtitle"
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2

    def block(self) -> Block:
        return Block(
            self.kind,
            self.text,
            confidence=self.confidence,
            start_s=self.start_s,
            end_s=self.end_s,
            language=self.language,
            track=self.track,
            flags=self.flags,
            words=self.words,
        )


def cues_by_shot(cues: Iterable[Cue], shots: Sequence[Timed]) -> list[list[Cue]]:
    """For each shot, in the order of ``shots``, the cues that fall into it. Every cue is in exactly one of the lists.

    ``shots`` is not empty and ascends. Within a shot, cues keep to their tracks; subtitles come before speech.
    """
    starts = [shot.start_s for shot in shots]
    found: list[list[Cue]] = [[] for _ in shots]
    for cue in cues:
        place = max(0, bisect_right(starts, cue.middle_s) - 1)
        found[place if shots[place].reason is None else _shared_most(cue, shots, place)].append(cue)
    for group in found:
        group.sort(key=lambda cue: (cue.kind == "speech", cue.track, cue.start_s, cue.end_s))
    return found


def _shared_most(cue: Cue, shots: Sequence[Timed], place: int) -> int:
    """The shot with a picture that a cue shares most time with; ``place`` where it shares time with none."""
    shared = [min(cue.end_s, shot.end_s) - max(cue.start_s, shot.start_s) for shot in shots]
    able = [number for number, shot in enumerate(shots) if shot.reason is None and shared[number] > 0]
    return max(able, key=lambda number: shared[number], default=place)


def with_cues(reading: Reading, cues: Sequence[Cue]) -> Reading:
    """A shot's reading with its cues as blocks; those that can be believed are also behind the text of its screen."""
    if not cues:
        return reading
    blocks = tuple(cue.block() for cue in cues)
    believed = [block for block in blocks if not block.flags]
    said = cue_text(believed)
    text = f"{reading.text}\n\n{said}" if reading.text and said else reading.text or said
    source: TextSource = reading.text_source
    if source == "none" and believed:
        source = "subtitle" if any(block.kind == "subtitle" for block in believed) else "speech"
    languages = [block.language for block in believed if block.language]
    language = reading.language or (languages[0] if languages else None)
    flags = tuple(flag for flag in reading.flags if flag not in ("no_words", "blank") or not said)
    return replace(
        reading, text=text, text_source=source, blocks=(*reading.blocks, *blocks), language=language, flags=flags
    )


def distinct(cues: Iterable[Cue]) -> list[Cue]:
    """The cues by their starts; of those of one track that are alike in words and times, the first."""
    seen: dict[tuple[object, ...], Cue] = {}
    for cue in cues:
        seen.setdefault((cue.kind, cue.track, round(cue.start_s, 3), round(cue.end_s, 3), cue.text), cue)
    return sorted(seen.values(), key=lambda cue: (cue.start_s, cue.end_s))


def language_tag(name: str | None) -> str | None:
    """A BCP 47 tag of what a container or file name calls a language (``eng``, ``pt_BR``); None where it is none."""
    if not name or name.casefold() in ("und", "unk", "mis", "zxx", "mul", "qaa"):
        return None
    import langcodes  # its tables take 40 ms to load, and most videos name no language
    from langcodes.tag_parser import LanguageTagError

    try:
        tag = langcodes.standardize_tag(name.strip().replace("_", "-"))
    except LanguageTagError:
        return None
    return tag if langcodes.tag_is_valid(tag) else None
