"""One file read in this process: no Ray, no output, the same decoding and the same replica as in a run.

For a look at a file, and for programs that want a document as Python objects. Costs the start of a decode child
(some 0.5 s) and of the model once for each :class:`FileReader`; pages are decoded while others are read. What a run
adds (shards, commits, retries, summaries, questions) is not here.
"""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType

from folioscope.model.load import describe_replica, load_replica
from folioscope.model.protocol import Block, Reading, Replica, TextSource, cue_text
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import (
    DecodedPage,
    DecodedSegment,
    DecodedShot,
    FailedSegment,
    Probe,
    own_reading,
    segment_input,
)
from folioscope.pipeline.decoding import child_limits, decode_settings, plain_passwords, shot_settings
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.kinds import Kind
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, list_sources
from folioscope.pipeline.video.cues import Cue, cues_by_shot, distinct, with_cues
from folioscope.pipeline.video.shots import Shot
from folioscope.schemas.errors import FolioscopeError

PAGES_AT_ONCE = 8
Batch = Callable[[], Sequence[DecodedSegment | FailedSegment]]


class FileNotReadError(FolioscopeError):
    """A file cannot be opened or read at all; ``reason`` is its code, and the message says what to do."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.reason = failure.reason


@dataclass(frozen=True, slots=True)
class SegmentFailure:
    """A page or shot that could not be read. ``text_salvaged`` is what could still be had of it."""

    number: int
    stage: str
    reason: Reason
    message: str
    text_salvaged: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page that was read. ``text`` is Markdown; sizes are those of the upright picture."""

    number: int
    text: str
    text_source: TextSource
    blocks: tuple[Block, ...]
    language: str | None
    flags: tuple[str, ...]
    width_px: int
    height_px: int
    rotation: int


@dataclass(frozen=True, slots=True)
class ShotReading:
    """One shot of a video that was read, from ``start_s`` up to ``end_s``."""

    number: int
    start_s: float
    end_s: float
    text: str
    text_source: TextSource
    blocks: tuple[Block, ...]
    caption: str | None
    language: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read: ``pages`` of a document, ``shots`` of a video, and what could not be read of it."""

    uri: str
    kind: Kind
    title: str | None
    pages: tuple[Page, ...] = ()
    shots: tuple[ShotReading, ...] = ()
    failures: tuple[SegmentFailure, ...] = ()

    @property
    def markdown(self) -> str:
        """The whole text: pages under each other, shots under the times at which they begin."""
        parts = [page.text for page in self.pages]
        parts += [f"**{_clock(shot.start_s)}** {shot.text}".rstrip() for shot in self.shots if shot.text]
        return "\n\n".join(part for part in parts if part.strip())


class FileReader:
    """Reads files one after the other; close it, or use it as a context, to end its decode child."""

    def __init__(self, config: RunConfig, spare: subprocess.Popen[bytes] | None = None) -> None:
        """``spare`` is a decode child that was started early (``decode.child.spawn``). Raises ModelLoadError."""
        self._config = config
        self._children = DecodeChildren(1, child_limits(config), plain_passwords(config), spare)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._settings = decode_settings(config, describe_replica(config.choice))
        self._cache = DownloadCache(max_bytes=int(config.cache_gb * 2**30))
        self._loaded: Replica | None = None

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._ahead.shutdown(cancel_futures=True)
        self._children.close()

    def read(self, uri: str) -> Document:
        """Read one file, at a path or a URI.

        Raises:
            FileNotReadError: it cannot be opened at all; pages that fail alone are in ``failures``.
        """
        sources = list(list_sources((uri,)))
        if len(sources) != 1 or isinstance(sources[0], FailedInput):
            failed = next((item.failure for item in sources if isinstance(item, FailedInput)), None)
            raise FileNotReadError(
                failed or Failure(Reason.NOT_FOUND, f"{uri}: names {len(sources)} files; give the path of one")
            )
        return self.read_source(sources[0])

    def read_source(self, source: SourceFile) -> Document:
        """Read one listed file. Raises :class:`FileNotReadError`."""
        try:
            if source.size == 0:
                raise Failure(Reason.EMPTY_FILE, f"{source.uri}: the file holds no bytes; replace it")
            with self._cache.open(source, None, self._config.max_file_mb << 20) as path:
                probe = self._children.probe(path, source.uri)
                if probe.kind in ("audio", "subtitles"):
                    message = f"{source.uri}: {probe.kind} alone is read into tables; give --output"
                    raise Failure(Reason.NO_VIDEO, message)
                found = self._segments(path, source.uri, probe)
                pages, shots, failures = self._read_all(found, source.uri)
        except Failure as failure:
            raise FileNotReadError(failure) from failure
        return Document(source.uri, probe.kind, probe.title, pages, shots, failures)

    @property
    def _replica(self) -> Replica:
        if self._loaded is None:
            self._loaded = load_replica(self._config.choice)
        return self._loaded

    def _segments(self, path: Path, uri: str, probe: Probe) -> Iterator[DecodedSegment | FailedSegment]:
        """Pages or shots in order, the next batch of them decoded while one is read."""
        coming: deque[Future[Sequence[DecodedSegment | FailedSegment]]] = deque()
        for batch in self._batches(path, uri, probe):
            coming.append(self._ahead.submit(batch))
            if len(coming) > 1:
                yield from coming.popleft().result()
        while coming:
            yield from coming.popleft().result()

    def _batches(self, path: Path, uri: str, probe: Probe) -> Iterator[Batch]:
        children, settings = self._children, self._settings
        if probe.kind != "video":
            last = probe.page_count or 0
            for first in range(1, last + 1, PAGES_AT_ONCE):
                until = min(first + PAGES_AT_ONCE - 1, last)
                yield partial(children.decode, path, probe.kind, first, until, settings, uri)
            return
        from folioscope.model.transitions import load_model
        from folioscope.pipeline.stages.picture_cues import recognise_pictures
        from folioscope.pipeline.stages.transitions import with_transitions
        from folioscope.pipeline.tables.shot_lists import join_spans, joined_captions
        from folioscope.pipeline.video.shots import find_shots

        length = probe.video.duration_s if probe.video else 0.0
        shot_finding = shot_settings(self._config)
        by_network = shot_finding.detector == "transnetv2"
        span = children.scan(path, None, None, uri, miniatures=by_network)
        if by_network:
            [span] = with_transitions([span], load_model())
        scan = join_spans([span], max(length, 1.0), length, uri)
        shots = find_shots(scan, shot_finding)
        found = children.cues(path, joined_captions([span]), uri)
        cues = cues_by_shot(distinct([*found.cues, *recognise_pictures(found.pictures)]), shots)
        for shot, said in zip(shots, cues, strict=True):
            if shot.reason is not None:
                words = cue_text(cue.block() for cue in said if not cue.flags) or None
                failed = FailedSegment(shot.number, Failure(shot.reason, shot.message or ""), text_salvaged=words)
                yield partial(list, [failed])
            else:
                yield partial(self._decoded_shot, path, shot, tuple(said), uri)

    def _decoded_shot(
        self, path: Path, shot: Shot, said: tuple[Cue, ...], uri: str
    ) -> list[DecodedShot | FailedSegment]:
        """A shot with the subtitles that fall into it."""
        decoded = self._children.decode_shots(path, [shot], self._settings, uri)
        return [replace(one, cues=said) if isinstance(one, DecodedShot) else one for one in decoded]

    def _read_all(
        self, segments: Iterator[DecodedSegment | FailedSegment], uri: str
    ) -> tuple[tuple[Page, ...], tuple[ShotReading, ...], tuple[SegmentFailure, ...]]:
        pages: list[Page] = []
        shots: list[ShotReading] = []
        failures: list[SegmentFailure] = []
        for segment in segments:
            if isinstance(segment, FailedSegment):
                failure = segment.failure
                failures.append(
                    SegmentFailure(
                        segment.page_number, "decode", failure.reason, failure.message, segment.text_salvaged
                    )
                )
                continue
            reading = self._read_one(segment)
            if isinstance(reading, Exception):
                number = segment.shot_number if isinstance(segment, DecodedShot) else segment.page_number
                words = f"{uri} {number}: the model failed ({type(reading).__name__}: {reading})"
                failures.append(SegmentFailure(number, "read", Reason.MODEL_ERROR, words))
            elif isinstance(segment, DecodedShot):
                shots.append(_shot(segment, reading))
            else:
                pages.append(_page(segment, reading))
        return tuple(pages), tuple(shots), tuple(failures)

    def _read_one(self, segment: DecodedSegment) -> Reading | Exception:
        own = own_reading(segment)
        if own is not None:
            return own
        try:
            [reading] = self._replica.read([segment_input(segment)])
        except Exception as error:  # noqa: BLE001  any model may raise anything; it becomes a failure of this page
            return error
        return reading


def _page(page: DecodedPage, reading: Reading) -> Page:
    turned = reading.turned % 180 == 90  # the replica found it lying on its side
    return Page(
        number=page.page_number,
        text=reading.text,
        text_source=reading.text_source,
        blocks=reading.blocks,
        language=reading.language,
        flags=reading.flags,
        width_px=page.height_px if turned else page.width_px,
        height_px=page.width_px if turned else page.height_px,
        rotation=(page.rotation + reading.turned) % 360,
    )


def _shot(shot: DecodedShot, reading: Reading) -> ShotReading:
    reading = with_cues(reading, shot.cues)
    return ShotReading(
        number=shot.shot_number,
        start_s=shot.start_s,
        end_s=shot.end_s,
        text=reading.text,
        text_source=reading.text_source,
        blocks=reading.blocks,
        caption=reading.caption,
        language=reading.language,
        flags=(*reading.flags, *shot.flags),
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
