"""The transcribe stage: what is said in videos, heard once by a speech model, beside the lists of shots.

One unit is one video's sound, from its beginning to its end: where speech begins and ends depends on what came before.
The sound is decoded in a killable child and comes in pieces while the model works, so memory is the same for an hour
and for a minute. A transcript is kept like a list of shots; no video is read before it has one. Sound that breaks off
or cannot be decoded gives the transcript of what there is, and a flag; a model or server that fails is told as a
failure, and the next run tries again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from folioscope.model.load import ModelLoadError
from folioscope.model.speech.choice import load_transcriber
from folioscope.model.speech.interface import Samples, Segment, SpeechModel, Transcriber
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.sound_pieces import SoundTrack
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.video_units import SoundToTranscribe
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.results import UnitResult, results_table
from folioscope.pipeline.tables.commits import commit_failures
from folioscope.pipeline.tables.cue_lists import has_cues, write_cues
from folioscope.pipeline.tables.rows import failure_row
from folioscope.pipeline.tables.shot_lists import write_shots
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, Attempts, WorkArea
from folioscope.pipeline.video.cues import Cue
from folioscope.pipeline.video.shots import Shot

UNKNOWN_LANGUAGE: Final = (
    "speech_language_unknown"  # not transcribed: the model knows one language, the track names none
)
OTHER_LANGUAGE: Final = "speech_language_unsupported"  # not transcribed: the model does not know it
PROTECTED: Final = "speech_protected"  # not transcribed: the sound is encrypted
TRUNCATED: Final = "speech_truncated"  # transcribed as far as the sound decodes
FAILED: Final = "speech_failed"  # the worker died at it, again and again


@dataclass(frozen=True, slots=True)
class TranscribeJob:
    """What a transcribe actor needs to know. ``key`` is a speech server's: Ray's own store holds it for the run."""

    work: WorkArea
    run_id: str
    speech: SpeechModel
    speech_recipe: str
    shots_recipe: str
    passage_s: float
    key: str | None
    files: FileAccess
    stop: StopSignal | None = None


class TranscribeActor:
    def __init__(self, job: TranscribeJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.run_id)
        self._children = DecodeChildren(1, job.files.limits, job.files.passwords)
        self._transcriber = _loaded(job)

    def __call__(self, sounds: pa.Table) -> pa.Table:
        """Transcribe and commit the sounds of one block. Never raises: what goes wrong is in the rows or the result."""
        return results_table([self._settle(SoundToTranscribe(**row)) for row in sounds.to_pylist()])

    def _settle(self, sound: SoundToTranscribe) -> UnitResult:
        result = UnitResult(done=1)
        begun = time.perf_counter()
        try:
            if self._job.stop is not None and self._job.stop.is_set():
                return UnitResult(deferred=1)
            if not has_cues(self._job.work.store, self._job.speech_recipe, sound.asset_id):
                self._transcribe(sound)
        except Failure as failure:
            result.done, result.failed = 0, 1
            self._commit_failure(sound, failure, result)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
        result.busy_seconds = time.perf_counter() - begun
        return result

    def _transcribe(self, sound: SoundToTranscribe) -> None:
        job = self._job
        cues: list[Cue] = []
        notes: list[str] = []
        if self._attempts.begin(f"hear-{job.speech_recipe}-{sound.asset_id}") > MAX_ATTEMPTS:
            notes.append(FAILED)
        else:
            with job.files.open(sound.source, sound.asset_id, self._children) as path:
                for found in self._heard(path, sound):
                    if isinstance(found, Cue):
                        cues.append(found)
                    else:
                        notes.append(found)
        if sound.kind == "audio":  # without pictures, its shots are even passages of time
            write_cues(job.work.store, job.shots_recipe, sound.asset_id, [])
            write_shots(job.work.store, job.shots_recipe, sound.asset_id, passages(sound.duration_s, job.passage_s))
        write_cues(job.work.store, job.speech_recipe, sound.asset_id, cues, notes)

    def _heard(self, path: Path, sound: SoundToTranscribe) -> Iterator[Cue | str]:
        """The cues of the sound, and flags of the whole video.

        Raises:
            Failure: model_error.
        """
        heard = _Sound(self._children.sound(path, sound.uri, with_picture=sound.kind == "video"))
        track = heard.track()
        if track is not None:
            refused = self._refused(track)
            if refused is not None:
                yield refused
                return
            try:
                for segment in self._transcriber.transcribe(heard.samples(), track.language):
                    yield _cue(segment, track.name)
            except Exception as error:  # any model may raise anything; it becomes a failure row
                words = " ".join(f"{type(error).__name__}: {error}".split())
                message = (
                    f"{sound.uri}: its speech could not be transcribed ({words}); it is tried again by the next run"
                )
                raise Failure(Reason.MODEL_ERROR, message) from error
        if heard.failure is not None and heard.failure.reason is not Reason.NO_SOUND:
            yield PROTECTED if heard.failure.reason is Reason.PROTECTED else TRUNCATED

    def _refused(self, track: SoundTrack) -> str | None:
        """Why the track is not for this model."""
        known = self._transcriber.languages
        if known is not None and track.language is not None and track.language.partition("-")[0] not in known:
            return OTHER_LANGUAGE
        return UNKNOWN_LANGUAGE if self._job.speech.tagged_only and track.language is None else None

    def _commit_failure(self, sound: SoundToTranscribe, failure: Failure, result: UnitResult) -> None:
        told = failure_row(
            uri=sound.uri, asset_id=sound.asset_id, stage="transcribe", failure=failure, run_id=self._job.run_id
        )
        try:
            commit_failures(self._job.work, f"transcribe-{sound.asset_id}", self._job.run_id, [told])
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"


def _loaded(job: TranscribeJob) -> Transcriber:
    """Raises ModelLoadError: an actor that raises it is not started again, the run ends."""
    try:
        return load_transcriber(job.speech, job.key)
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelLoadError(
            f"--speech {job.speech.label} could not be loaded ({words}). What is committed is kept: mend this, then "
            "run the same command again."
        ) from error


def passages(duration_s: float, longest_s: float) -> list[Shot]:
    """What an audio file has in the place of shots: parts of its time, as long as can be and alike."""
    count = max(1, math.ceil(duration_s / longest_s - 1e-9))
    edges = [duration_s * number / count for number in range(count + 1)]
    return [Shot(number, start, end) for number, (start, end) in enumerate(pairwise(edges), start=1)]


class _Sound:
    """Sound on its way; ``failure`` says why it ended before its time."""

    def __init__(self, answers: Iterator[Any]) -> None:
        self._answers = answers
        self.failure: Failure | None = None

    def track(self) -> SoundTrack | None:
        try:
            found = next(self._answers, None)
        except Failure as failure:
            self.failure = failure
            return None
        return found if isinstance(found, SoundTrack) else None

    def samples(self) -> Iterator[Samples]:
        try:
            for piece in self._answers:
                yield np.asarray(piece, np.float32) / np.float32(32768)
        except Failure as failure:
            self.failure = failure


def _cue(segment: Segment, track: str) -> Cue:
    return Cue(
        segment.start_s,
        max(segment.start_s, segment.end_s),
        segment.text,
        track,
        segment.language,
        "speech",
        segment.confidence,
        segment.flags,
        segment.words,
    )
