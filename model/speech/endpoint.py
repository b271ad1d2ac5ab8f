"""A server that transcribes by OpenAI's protocol (``/audio/transcriptions``): hosted, or one's own vLLM or others.

Stretches of speech are sent one by one as WAV files, half a minute each, so that a server sees no silence and memory
stays the same. A server that stumbles is asked again, a few times. Not every server tells words and probabilities: what
it does not tell cannot raise a doubt.
"""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import numpy as np
import tenacity

from folioscope.model.protocol import Word
from folioscope.model.speech.interface import RATE, Samples, Segment
from folioscope.model.speech.reliability import doubts
from folioscope.model.speech.voice import stretches

TRIES: Final = 4
SECONDS: Final = 300.0
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class EndpointError(RuntimeError):
    """The server refuses; the message says what it said."""


class EndpointTranscriber:
    def __init__(self, address: str, model: str, key: str | None, *, longest_wait: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=address, headers=headers, timeout=SECONDS)
        self._model = model
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_exponential_jitter(multiplier=min(1.0, longest_wait), max=longest_wait),
            retry=tenacity.retry_if_exception_type((httpx.TransportError, _PassingError)),
            reraise=True,
        )

    @property
    def languages(self) -> frozenset[str] | None:
        return None

    def transcribe(self, sound: Iterator[Samples], language: str | None) -> Iterator[Segment]:
        for start_s, samples in stretches(sound):
            yield from segments_of(
                self._retrying(self._asked, samples, language), start_s, len(samples) / RATE, language
            )

    def _asked(self, samples: Samples, language: str | None) -> Mapping[str, Any]:
        fields: dict[str, Any] = {
            "model": self._model,
            "response_format": "verbose_json",
            "timestamp_granularities[]": ["segment", "word"],
            "temperature": "0",
        }
        if language:
            fields["language"] = language.partition("-")[0]
        try:
            answer = self._client.post(
                "/audio/transcriptions", data=fields, files={"file": ("speech.wav", _wav(samples), "audio/wav")}
            )
        except httpx.TransportError as error:
            raise httpx.TransportError(
                f"the speech server does not answer ({type(error).__name__}: {error})"
            ) from error
        if answer.status_code in _PASSING:
            raise _PassingError(_words(answer))
        if answer.status_code != httpx.codes.OK:
            raise EndpointError(_words(answer))
        try:
            found = answer.json()
        except ValueError as error:
            raise EndpointError(f"the speech server gave no JSON: {answer.text[:200]!r}") from error
        if not isinstance(found, dict) or not isinstance(found.get("text", ""), str):
            raise EndpointError(f"the speech server gave no transcript: {answer.text[:200]!r}")
        return found


class _PassingError(EndpointError):
    """One that another try may not meet."""


def segments_of(found: Mapping[str, Any], start_s: float, length_s: float, language: str | None) -> Iterator[Segment]:
    """What a server said of a stretch. A plain text without segments is one."""
    spoken = language or _language(found.get("language"))
    words = [
        Word(str(item["word"]).strip(), start_s + float(item["start"]), start_s + float(item["end"]))
        for item in found.get("words") or ()
    ]
    parts = found.get("segments") or [{"start": 0.0, "end": length_s, "text": found.get("text", "")}]
    for number, part in enumerate(parts):
        text = str(part.get("text", "")).strip()
        if not text:
            continue
        begin, end = start_s + float(part["start"]), start_s + float(part["end"])
        last = number == len(parts) - 1
        own = tuple(word for word in words if begin <= word.start_s and (last or word.start_s < end))
        words = words[len(own) :]
        logprob = part.get("avg_logprob")
        flags = doubts(text, logprob=logprob, no_speech=part.get("no_speech_prob"))
        confidence = None if logprob is None else math.exp(min(0.0, float(logprob)))
        yield Segment(begin, end, text, spoken, confidence, flags, own)


def _language(told: object) -> str | None:
    """Servers say ``english`` or ``en``."""
    name = str(told or "").strip().casefold()
    return name if len(name) == 2 else _NAMES.get(name)


# The names by which the protocol's first server calls languages in its answers.
_NAMES: Final = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "russian": "ru", "ukrainian": "uk", "polish": "pl", "czech": "cs", "swedish": "sv",
    "danish": "da",
    "norwegian": "no", "finnish": "fi", "greek": "el", "turkish": "tr", "arabic": "ar", "hebrew": "he", "hindi": "hi",
    "chinese": "zh", "japanese": "ja", "korean": "ko", "vietnamese": "vi", "indonesian": "id", "hungarian": "hu",
    "romanian": "ro", "catalan": "ca",
}  # fmt: skip


def _wav(samples: Samples) -> bytes:
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return sink.getvalue()


def _words(answer: httpx.Response) -> str:
    return f"the speech server answered {answer.status_code}: {' '.join(answer.text.split())[:300]}"
