"""What no run has heard or read of the words in an output's videos, and what to do about it, counted by video.

Costs a scan of one column of the shots.
"""

from __future__ import annotations

from typing import Final

from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore

ADVICE: Final = {
    "speech_language_unknown": "have sound that names no language: --speech MODEL has it transcribed",
    "speech_language_unsupported": "have sound in a language unknown to the speech model: name another --speech",
    "speech_protected": "have encrypted sound, which nobody can transcribe",
    "speech_truncated": "have sound that breaks off; what stands before is transcribed",
    "speech_failed": "have sound that took its worker down, and no transcript",
    "subtitles_unread": "have subtitle tracks that nothing here decodes",
    "subtitles_failed": "have subtitle tracks that could not be read to their end",
}


def unheard_words(store: OutputStore) -> list[str]:
    """A sentence for each reason, with the number of videos; [] where nothing is missing."""
    database = open_views(store)
    try:
        found = database.execute(
            """
            SELECT flag, count(DISTINCT asset_id) FROM (SELECT asset_id, unnest(flags) AS flag FROM shots)
            GROUP BY flag ORDER BY flag
            """
        ).fetchall()
    finally:
        database.close()
    return [f"videos: {count:,} {ADVICE[flag]}" for flag, count in found if flag in ADVICE]
