"""Whole runs over videos that talk: what is said becomes rows, once, and is never invented or lost in silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from speech_making import RATE, draw_talking_video, say, silence, write_wav
from test_run import query
from video_making import BLUE, GREEN, RED, draw_video

from folioscope.model.load import describe_replica
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.sound_pieces import SoundTrack
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.readers.unheard import unheard_words
from folioscope.pipeline.run import Outcome, Run
from folioscope.pipeline.storage.store import OutputStore

pytestmark = [
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"),
]


def run(folder: Path, output: Path, speech: str, **options: Any) -> Outcome:
    settings: dict[str, Any] = {"model": "fake", "kinds": "videos", "replicas": 1, "speech": speech} | options
    config = RunConfig(inputs=(str(folder),), output=str(output), **settings)
    return Run(config, describe_replica(config.choice)).execute()


def speech(output: Path, name: str) -> list[tuple[Any, ...]]:
    return query(
        output,
        "SELECT segment, b.text, b.start_s, b.language, len(b.words), b.flags, text FROM "
        f"(SELECT segment, text, unnest(blocks) AS b FROM shots WHERE uri LIKE '%{name}') WHERE b.kind = 'speech' ORDER BY 3",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_what_is_said_becomes_rows_once(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    sound = np.concatenate(
        [
            say("The miller opens the gate in the morning."),
            silence(3),
            say("Since then more than a thousand salmon have been counted."),
        ]
    )
    draw_talking_video(archive / "a.mp4", [RED, BLUE], sound)
    draw_talking_video(archive / "untagged.mp4", [GREEN], say("Nobody said in which language this is."), language=None)
    draw_video(archive / "silent.mp4", [(GREEN, 20)])

    first = run(archive, output, "auto")
    assert first.accounting.balanced
    told = speech(output, "a.mp4")
    assert [row[0] for row in told] == [1, 2], "each in the shot in which it is said"
    assert "gate" in told[0][1]
    assert "salmon" in told[1][1]
    assert all(row[3] == "en" and row[4] > 2 and row[5] == [] and row[1] in row[6] for row in told)
    assert told[1][2] == pytest.approx(len(say("The miller opens the gate in the morning.")) / RATE + 3, abs=0.8)
    assert speech(output, "untagged.mp4") == [], "the packaged model knows English alone, and nobody named it"
    flags = query(
        output,
        "SELECT DISTINCT parse_filename(uri), list_contains(flags, 'speech_language_unknown') FROM shots ORDER BY 1",
    )
    assert flags == [("a.mp4", False), ("silent.mp4", False), ("untagged.mp4", True)]
    [sentence] = unheard_words(OutputStore(str(output)))
    assert sentence.startswith("videos: 1 have sound that names no language")

    again = run(archive, output, "auto")
    assert again.accounting.segments.done == 0

    named = run(archive, output, "tiny.en")
    assert named.accounting.segments.done == 3, "another setting reads the videos with sound anew, and no other"
    assert len(speech(output, "untagged.mp4")) >= 1

    off = run(archive, output, "off")
    assert off.accounting.balanced
    assert speech(output, "a.mp4") == []


def test_sound_keeps_its_place_in_time(tmp_path: Path) -> None:
    children = DecodeChildren(1, ChildLimits())
    tone = (8000 * np.sin(np.arange(2 * RATE) / 10)).astype(np.int16)
    path = draw_talking_video(tmp_path / "late.mkv", [RED, GREEN], tone, starts_s=3.0, language="ger")
    track, *pieces = children.sound(path, "late.mkv", with_picture=True)
    assert isinstance(track, SoundTrack)
    assert track.language == "de"
    samples = np.concatenate([piece for piece in pieces if not isinstance(piece, SoundTrack)])
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 2000) / 16_000
    assert loud[0] == pytest.approx(3.0, abs=0.12)
    assert loud[-1] == pytest.approx(5.0, abs=0.12)
    children.close()


def test_a_video_without_sound_is_told(tmp_path: Path) -> None:
    children = DecodeChildren(1, ChildLimits())
    path = draw_video(tmp_path / "silent.mp4", [(RED, 10)])
    with pytest.raises(Failure) as failure:
        list(children.sound(path, "silent.mp4", with_picture=True))
    assert failure.value.reason is Reason.NO_SOUND
    children.close()


@pytest.mark.slow
@pytest.mark.usefixtures("inline_actors")
def test_sound_alone_is_an_asset_and_a_server_that_fails_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    write_wav(archive / "talk.wav", np.concatenate([silence(31), say("The miller opens the gate in the morning.")]))
    (archive / "broken.mp3").write_bytes(b"no sound at all " * 100)
    with av.open(str(archive / "talk.wav")) as wav, av.open(str(archive / "pod.mp4"), "w") as pod:
        track = pod.add_stream("aac", rate=RATE)
        track.metadata["language"] = "eng"
        for frame in wav.decode(audio=0):
            pod.mux(track.encode(frame))
        pod.mux(track.encode(None))

    deaf = run(archive, output, "off", tasks=("read",))
    assert deaf.accounting.assets.skipped == 2
    [failure] = query(output, "SELECT parse_filename(uri), reason, message FROM failures")
    assert failure[:2] == ("pod.mp4", "no_video")
    assert "--speech MODEL" in failure[2]

    failed = run(archive, output, "http://127.0.0.1:9/v1#nobody", tasks=("read",))
    assert failed.accounting.balanced
    reasons = query(output, "SELECT parse_filename(uri), stage, reason FROM failures ORDER BY 1")
    assert reasons == [
        ("broken.mp3", "plan", "damaged_file"),
        ("pod.mp4", "transcribe", "model_error"),
        ("talk.wav", "transcribe", "model_error"),
    ], "what holds sound alone is sound, whatever its name"

    heard = run(archive, output, "tiny.en", tasks=("read",))
    assert heard.accounting.balanced
    assert query(output, "SELECT stage FROM failures") == [("plan",)], "what could not be heard has been heard"
    rows = query(
        output, "SELECT segment, start_s, text, text_source, width_px FROM shots WHERE uri LIKE '%talk.wav' ORDER BY 1"
    )
    assert query(output, "SELECT contains(text, 'gate') FROM shots WHERE uri LIKE '%pod.mp4' AND segment = 2") == [
        (True,)
    ]
    assert [(row[0], row[3], row[4]) for row in rows] == [(1, "none", None), (2, "speech", None)]
    assert "gate" in rows[1][2]
    assert query(
        output,
        "SELECT parse_filename(uri), container, codec, shot_count FROM videos WHERE status = 'done' ORDER BY 1",
    ) == [("pod.mp4", "mov", "aac", 2), ("talk.wav", "wav", "pcm_s16le", 2)]

    skipped = run(archive, tmp_path / "none", "off", tasks=("read",))
    assert skipped.accounting.assets.skipped == 2
