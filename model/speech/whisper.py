"""Whisper on CTranslate2, by faster-whisper: int8 on a CPU, float16 on a GPU.

Each stretch of speech is decoded by itself, so that a mistake is not carried on, and twice at most: warmer where the
first try is poor. Costs, of tiny.en, one CPU-second for ten to thirty seconds of speech, and 0.3 GB.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from folioscope.model.protocol import Word
from folioscope.model.speech.interface import RATE, Samples, Segment
from folioscope.model.speech.reliability import doubts
from folioscope.model.speech.voice import stretches

TEMPERATURES = (0.0, 0.4)
BEAM = 5
TELLING_S = 60.0  # of speech, after which its language is settled
SEED = 7


class WhisperTranscriber:
    def __init__(self, folder: Path) -> None:
        import ctranslate2
        from faster_whisper import WhisperModel

        on_gpu = ctranslate2.get_cuda_device_count() > 0
        device, compute = ("cuda", "float16") if on_gpu else ("cpu", "int8")
        self._seed = ctranslate2.set_random_seed
        self._model: Any = WhisperModel(str(folder), device=device, compute_type=compute, cpu_threads=1)

    @property
    def languages(self) -> frozenset[str] | None:
        return None if self._model.model.is_multilingual else frozenset({"en"})

    def transcribe(self, sound: Iterator[Samples], language: str | None) -> Iterator[Segment]:
        chosen = language.partition("-")[0] if language else None
        if chosen is not None and chosen not in self._model.supported_languages:
            chosen = None
        heard: Counter[str] = Counter()
        seconds = 0.0
        for start_s, samples in stretches(sound):
            if chosen is None and self.languages is None and seconds < TELLING_S:
                _, _, shares = self._model.detect_language(samples)
                length = len(samples) / RATE
                heard.update({code: share * length for code, share in shares})
                seconds += length
            spoken = chosen or (heard.most_common(1)[0][0] if heard else "en")
            yield from self._segments(start_s, samples, spoken)

    def _segments(self, start_s: float, samples: Samples, language: str) -> Iterator[Segment]:
        self._seed(SEED)  # the warmer try is drawn at random: a rerun shall draw the same
        found, _ = self._model.transcribe(
            samples,
            language=language,
            beam_size=BEAM,
            temperature=TEMPERATURES,
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=False,
        )
        for segment in found:
            text = segment.text.strip()
            if text:
                flags = doubts(text, logprob=segment.avg_logprob, no_speech=segment.no_speech_prob)
                yield Segment(
                    start_s + float(segment.start),
                    start_s + float(segment.end),
                    text,
                    language,
                    math.exp(min(0.0, segment.avg_logprob)),
                    flags,
                    tuple(_word(start_s, word) for word in segment.words or ()),
                )


def _word(start_s: float, word: Any) -> Word:
    return Word(word.word.strip(), start_s + float(word.start), start_s + float(word.end), float(word.probability))
