"""Subtitles that are pictures, recognised: the same picture once, whatever the number of times it is shown.

Costs 0.2 CPU-seconds a picture of one line or two, and the OCR's half gigabyte while it is at work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from folioscope.model.load import load_picture_reader
from folioscope.pipeline.decode.subtitle_cues import PictureCue
from folioscope.pipeline.video.cues import Cue


def recognise_pictures(pictures: Iterable[PictureCue]) -> list[Cue]:
    """The pictures' words as cues; pictures without words give none."""
    read = load_picture_reader()
    known: dict[bytes, tuple[str, float]] = {}
    cues: list[Cue] = []
    for picture in pictures:
        digest = hashlib.sha256(picture.image.tobytes()).digest()
        if digest not in known:
            known[digest] = read(picture.image)
        words, confidence = known[digest]
        if words:
            cues.append(
                Cue(picture.start_s, picture.end_s, words, picture.track, picture.language, confidence=confidence)
            )
    return cues
