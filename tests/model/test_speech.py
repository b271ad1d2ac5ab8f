"""What listens: choosing a model, cutting sound into speech, doubting inventions, and asking a server."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from folioscope.model.speech import voice
from folioscope.model.speech.choice import SpeechModelError, describe_speech, load_transcriber
from folioscope.model.speech.endpoint import EndpointError, EndpointTranscriber, segments_of
from folioscope.model.speech.interface import RATE, Samples, Segment
from folioscope.model.speech.reliability import doubts

sys.path.append(str(Path(__file__).resolve().parents[1] / "pipeline"))
needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
WORDS = (
    "The miller opens the gate in the morning and closes it at night. Since then more than a thousand salmon have been "
    "counted."
)


def spoken(words: str, voice_name: str = "en-gb") -> Samples:
    """espeak-ng's speech at the rate at which models hear."""
    import av
    from speech_making import RATE as SAID
    from speech_making import say

    frame = av.AudioFrame.from_ndarray(say(words, voice_name).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = SAID
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = [part.to_ndarray().reshape(-1) for part in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts).astype(np.float32) / np.float32(32768)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def pieces(sound: Samples, seconds: float = 10.0) -> Iterator[Samples]:
    step = round(seconds * RATE)
    return (sound[start : start + step] for start in range(0, len(sound), step))


def word_errors(found: str, truth: str) -> float:
    """Word error rate, in lower case and without punctuation."""

    def words(text: str) -> list[str]:
        return "".join(c for c in text.casefold() if c.isalnum() or c.isspace()).split()

    return Levenshtein.distance(words(found), words(truth)) / len(words(truth))


@pytest.mark.parametrize("choice", ["./nowhere", "whisper-large", "owner/name", "https://host/v1"])
def test_a_speech_model_that_is_none_is_told_with_what_to_give(choice: str) -> None:
    with pytest.raises(SpeechModelError, match=choice):
        describe_speech(choice)


def test_off_is_nobody_and_auto_hears_only_what_is_tagged() -> None:
    assert describe_speech("off") is None
    auto, named = describe_speech("auto"), describe_speech("tiny.en")
    assert auto is not None
    assert named is not None
    assert (auto.tagged_only, named.tagged_only, auto.name) == (True, False, named.name)


def test_a_directory_is_told_by_its_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SpeechModelError, match=r"model\.bin"):
        describe_speech(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"one" * 1000)
    first = describe_speech(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"two" * 1000)
    second = describe_speech(str(tmp_path))
    assert first is not None
    assert second is not None
    assert first.revision != second.revision


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech", "expected"),
    [
        ("A spectre is haunting Europe.", -0.3, 0.1, ()),
        ("No, no, no, not again.", -0.3, 0.1, ()),
        ("Thanks for watching!", -0.4, 0.9, ("no_speech",)),
        ("Grblx farn.", -1.4, 0.1, ("low_logprob",)),
        ("and then and then and then and then and then and then", -0.2, 0.0, ("repetition",)),
        ("I'm going to go to the store. " * 8, -0.1, 0.0, ("repetition",)),
        ("[Music]", -0.2, 0.1, ("music",)),
        ("♪ ♪", -0.2, 0.1, ("music",)),
        ("♪ We all live in a yellow house ♪", -0.2, 0.1, ()),
        ("(applause)", None, None, ("music",)),
    ],
)
def test_inventions_are_told_by_their_signs(
    text: str, logprob: float | None, no_speech: float | None, expected: tuple[str, ...]
) -> None:
    assert doubts(text, logprob=logprob, no_speech=no_speech) == expected


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 25)), max_size=25),
    st.floats(1.0, 40.0),
)
def test_speech_is_cut_in_stretches_whatever_the_pieces(parts: list[tuple[int, int]], piece_s: float) -> None:
    """With a detector that tells loud from silent, all that is loud is heard, once, and in short stretches."""
    rng = np.random.default_rng(0)
    sound = np.concatenate(
        [quiet(0.1), *(np.concatenate([quiet(q), rng.uniform(0.5, 1, s * RATE).astype(np.float32)]) for q, s in parts)]
    )
    loud = np.abs(sound) > 0

    def timestamps(held: Samples, options: Any) -> list[dict[str, int]]:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (np.abs(held) > 0).astype(np.int8), [0]))))
        return [{"start": int(a), "end": int(b)} for a, b in edges.reshape(-1, 2)]

    import faster_whisper.vad as detector

    original = detector.get_speech_timestamps
    detector.get_speech_timestamps = timestamps  # type: ignore[assignment]
    try:
        found = list(voice.stretches(pieces(sound, piece_s)))
    finally:
        detector.get_speech_timestamps = original
    heard = np.zeros(len(sound), bool)
    for start_s, samples in found:
        first = round(start_s * RATE)
        assert len(samples) <= voice.LONGEST_S * RATE
        assert not heard[first : first + len(samples)].any()
        assert np.array_equal(samples, sound[first : first + len(samples)])
        heard[first : first + len(samples)] = True
    assert heard[loud].all()


@needs_voice
def test_clean_speech_is_heard_with_its_times_and_silence_and_noise_are_not() -> None:
    model = describe_speech("tiny.en")
    assert model is not None
    noise = np.random.default_rng(3).normal(0, 0.02, 15 * RATE).astype(np.float32)
    speech = spoken(WORDS)
    sound = np.concatenate([quiet(20), speech, noise])
    found = list(load_transcriber(model).transcribe(pieces(sound), "en"))
    believed = [segment for segment in found if not segment.flags]
    assert word_errors(" ".join(segment.text for segment in believed), WORDS) <= 0.15
    assert believed[0].start_s == pytest.approx(20.0, abs=0.6)
    assert believed[-1].end_s == pytest.approx(20.0 + len(speech) / RATE, abs=1.0)
    assert all(segment.confidence is not None and 0 < segment.confidence <= 1 for segment in found)
    words = [word for segment in believed for word in segment.words]
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert all(word.confidence is not None for word in words)


class _Server(BaseHTTPRequestHandler):
    """Speaks the protocol: stumbles once, then tells what it was asked."""

    asked: ClassVar[list[tuple[str, bytes]]] = []
    answers: ClassVar[list[tuple[int, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.headers.get("Authorization", ""), body))
        status, answer = self.answers.pop(0)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Server) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        _Server.asked.clear()
        yield f"http://127.0.0.1:{serving.server_port}/v1"
        serving.shutdown()


TOLD = {
    "language": "english",
    "text": "Hello there. Again.",
    "segments": [
        {"start": 0.2, "end": 1.0, "text": " Hello there.", "avg_logprob": -0.2, "no_speech_prob": 0.01},
        {"start": 1.2, "end": 1.5, "text": " Again.", "avg_logprob": -1.7, "no_speech_prob": 0.01},
    ],
    "words": [
        {"word": "Hello", "start": 0.2, "end": 0.5},
        {"word": "there", "start": 0.5, "end": 1.0},
        {"word": "Again", "start": 1.2, "end": 1.5},
    ],
}


@needs_voice
def test_a_server_is_asked_stretch_by_stretch_and_again_where_it_stumbles(server: str) -> None:
    _Server.answers[:] = [(503, {}), (200, TOLD)]
    transcriber = EndpointTranscriber(server, "whisper-1", "secret", longest_wait=0.01)
    sound = np.concatenate([quiet(5), spoken("Hello there. Again.")])
    first, second = transcriber.transcribe(pieces(sound), None)
    assert (first.text, first.language, first.flags, len(first.words)) == ("Hello there.", "en", (), 2)
    assert (second.text, second.flags, len(second.words)) == ("Again.", ("low_logprob",), 1)
    assert first.start_s == pytest.approx(5.0, abs=0.5)
    assert len(_Server.asked) == 2
    key, body = _Server.asked[0]
    assert key == "Bearer secret"
    assert b"whisper-1" in body
    assert b"RIFF" in body
    assert b'name="timestamp_granularities[]"' in body


@needs_voice
def test_a_server_that_refuses_is_told(server: str) -> None:
    _Server.answers[:] = [(401, {"error": "no such key"})]
    with pytest.raises(EndpointError, match="401"):
        list(EndpointTranscriber(server, "m", None, longest_wait=0.01).transcribe(pieces(spoken("Hello.")), None))


def test_a_server_that_tells_text_alone_gives_one_segment() -> None:
    [found] = segments_of({"text": "Bonjour"}, 3.0, 2.0, "fr")
    assert found == Segment(3.0, 5.0, "Bonjour", "fr")
