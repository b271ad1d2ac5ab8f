"""What is said or subtitled in a video, as running text: cues joined to sentences, and the times of any part of them.

A cue is cut to fit a screen, not a sentence. Joined along their track, over the cuts between shots, cues give sentences
that can be searched, quoted and answered with, each with the second in which it begins. About 10 µs a cue.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from folioscope.model.language import language_of
from folioscope.model.plain_text import normal_form, strip_markup
from folioscope.model.protocol import Block, ShotText, VideoText

LONGEST_CHARS = 240  # captions of machines have no full stops: they are cut where a cue ends
PAUSE_S = 1.5  # between two cues, that ends a sentence
POOR = 0.5  # of the fullest track's letters: a track with fewer is of signs, or forced
MOST_TELLING = 60  # cues by which a track's language is told
SENTENCES = 0.5  # of the sentences that a track has room for: with fewer ends of sentences it marks none
_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")
_CLOSERS = "\"'”’)]»"


@dataclass(frozen=True, slots=True)
class Cued:
    """A cue and the number of the shot that it is a block of."""

    shot_number: int
    start_s: float
    end_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive cues of one track, as one text."""

    cues: tuple[Cued, ...]

    @property
    def text(self) -> str:
        return " ".join(cue.words for cue in self.cues)

    def at(self, first: int, last: int) -> tuple[int, float, float]:
        """(shot, start, end) of the characters first..last, both included."""
        begins = list(accumulate((len(cue.words) + 1 for cue in self.cues[:-1]), initial=0))
        begin, end = (self.cues[bisect_right(begins, place) - 1] for place in (first, last))
        return begin.shot_number, begin.start_s, max(begin.end_s, end.end_s)


Track = tuple[str, str | None]


def tracks_of(shots: Iterable[ShotText]) -> dict[Track, list[Cued]]:
    """The cues of each track in order of time, without those that are not to be believed."""
    tracks: dict[Track, list[Cued]] = {}
    for shot in shots:
        for block in shot.cues:
            words = strip_markup(block.text)
            if words:
                tracks.setdefault((block.kind, block.track), []).append(_cued(shot, block, words))
    for cues in tracks.values():
        cues.sort(key=lambda cue: (cue.start_s, cue.end_s))
    return tracks


def _cued(shot: ShotText, block: Block, words: str) -> Cued:
    start_s = shot.start_s if block.start_s is None else block.start_s
    return Cued(shot.shot_number, start_s, shot.end_s if block.end_s is None else block.end_s, words)


def main_track(video: VideoText, *, in_sentences: bool = False) -> Track | None:
    """What one would read along: of the tracks in the video's language the one that says most, subtitles before speech.

    ``in_sentences``: one that marks the ends of its sentences goes first, as captions of machines do not. None where
    nothing is said.
    """
    tracks = tracks_of(video.shots)
    letters = {track: sum(len(cue.words) for cue in cues) for track, cues in tracks.items()}
    languages = _languages(video, tracks)
    wanted = main_language(video, letters, languages)

    def worth(track: Track) -> tuple[bool, bool, bool, int, str]:
        told = in_sentences and _marks_sentences(tracks[track])
        return languages[track] == wanted, told, track[0] == "subtitle", letters[track], track[1] or ""

    return max(tracks, key=worth, default=None)


def main_language(video: VideoText, letters: Mapping[Track, int], languages: Mapping[Track, str | None]) -> str | None:
    """The language to tell a video in: that which is spoken, by what was heard or else by its sound's tag, where a
    track is in it; else that on its screen; else that of its first track which is no poor one."""
    heard = [languages[track] for track in letters if track[0] == "speech"]
    shown = Counter(_primary(shot.language) for shot in video.shots if shot.screen_text and shot.language)
    seen = [language for language, _ in shown.most_common(1)]
    for language in (*heard, _primary(video.sound_language), *seen):
        if language is not None and language in languages.values():
            return language
    most = max(letters.values(), default=0)
    full = [track for track in letters if POOR * most <= letters[track]]
    first = min(full, key=lambda track: (track[0] == "speech", track[1] or ""), default=None)
    return None if first is None else languages[first]


def _languages(video: VideoText, tracks: Mapping[Track, Sequence[Cued]]) -> dict[Track, str | None]:
    """The language of each track, without its region: as it is tagged, else as its words read."""
    tagged: dict[Track, str | None] = {
        (block.kind, block.track): _primary(block.language) for shot in video.shots for block in shot.cues
    }
    return {
        track: tagged[track] or language_of(" ".join(cue.words for cue in islice(cues, MOST_TELLING)))
        for track, cues in tracks.items()
    }


def _primary(language: str | None) -> str | None:
    return language.partition("-")[0] if language else None


def _marks_sentences(cues: Sequence[Cued]) -> bool:
    ends = sum(cue.words.rstrip(_CLOSERS).endswith(_ENDS) for cue in cues)
    return SENTENCES * sum(len(cue.words) for cue in cues) <= LONGEST_CHARS * ends


def passages(cues: Sequence[Cued]) -> Iterator[Passage]:
    """One track's cues, joined up to the end of a sentence, a pause, or a good length."""
    group: list[Cued] = []
    length = 0
    for cue in cues:
        if group and (cue.start_s - group[-1].end_s > PAUSE_S or length + len(cue.words) > LONGEST_CHARS):
            yield Passage(tuple(group))
            group, length = [], 0
        group.append(cue)
        length += len(cue.words) + 1
        if cue.words.rstrip(_CLOSERS).endswith(_ENDS):
            yield Passage(tuple(group))
            group, length = [], 0
    if group:
        yield Passage(tuple(group))


def when_said(quote: str, shots: Sequence[ShotText]) -> tuple[float, float] | None:
    """When a quote is said or subtitled in these shots; None where it is not."""
    wanted = normal_form(strip_markup(quote))
    if not wanted:
        return None
    for cues in tracks_of(shots).values():
        whole = Passage(tuple(Cued(cue.shot_number, cue.start_s, cue.end_s, normal_form(cue.words)) for cue in cues))
        place = whole.text.find(wanted)
        if place >= 0:
            _, start_s, end_s = whole.at(place, place + len(wanted) - 1)
            return start_s, end_s
    return None
