"""Pages and frames at the resolution at which they were read, drawn anew from the original files.

The tables keep a small picture of each page; a report that lets people read a page needs a large one. It is drawn in a
decode child that can be killed, as for a replica, and the driver never opens a file. Files that are gone, locked or no
longer what was read keep the small picture, with why. A page costs some 0.1 s of a core, and of the site 20 KB where it
holds little and 200 KB where it is dense; a shot the decoding of its first frame. Pages, bytes, bytes fetched from
other stores, and time are limited (``SharpLimits``).
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from folioscope.pipeline.decode.child import ChildDiedError
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodedShot, DecodeSettings, FailedSegment
from folioscope.pipeline.decode.thumbnail import QUARTERS, turned_thumbnail, webp_size
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.report.archive import Content
from folioscope.pipeline.report.shares import Share, evidence_pages
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.storage.uris import is_local
from folioscope.pipeline.video.shots import Shot

Row = dict[str, Any]
Put = Callable[[int, bytes], None]
DRAWN_KINDS = ("pdf", "image", "video")
MOST_SIDE = 4096  # pixels; a poster is drawn no larger
ENOUGH = 0.9  # of the size at which a page was read: a picture kept at that needs no second one
START_SECONDS = 60.0
LIMITS = ChildLimits(seconds_per_page=20, seconds_per_file=600)
WORKERS = min(4, os.cpu_count() or 1)
_WORDS = {
    Reason.CHANGED_DURING_RUN: "the file has changed since it was read; run the job and the report again",
    Reason.NOT_FOUND: "the file is no longer where it was read",
    Reason.PERMISSION_DENIED: "the account that wrote the report may not read the file",
    Reason.STORAGE_ERROR: "the file's disk or bucket did not answer when the report was written",
    Reason.DECODE_TIMEOUT: "drawing it from the original took too long",
    Reason.PASSWORD_REQUIRED: "the file is locked; give the report --password-file",
}


@dataclass(frozen=True, slots=True)
class SharpLimits:
    """What a report may spend on drawing pages: how many; their bytes and seconds, on average; and the bytes of files
    that are fetched from other stores."""

    pages: int = 1000
    bytes_a_page: int = 512 << 10
    seconds_a_page: float = 0.9
    fetched_bytes: int = 2 << 30

    @property
    def bytes(self) -> int:
        return self.pages * self.bytes_a_page

    @property
    def seconds(self) -> float:
        return START_SECONDS + self.pages * self.seconds_a_page


@dataclass(slots=True)
class SharpCount:
    """What came of it: pages and shots drawn, their bytes, and why others keep the small picture."""

    drawn: int = 0
    bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)


class OverLimitError(Exception):
    """The time for all of a report's drawing is over, or its bytes are written; the message says so."""


class SharpPictures:
    """Draws the pages and shots of one report. ``shares`` says how many of each file."""

    def __init__(
        self, shares: Mapping[str, int], limits: SharpLimits, passwords: tuple[str, ...], cache: DownloadCache
    ) -> None:
        self.limits = limits
        self.count = SharpCount()
        self._shares = shares
        self._files = FileAccess(cache, limits.fetched_bytes, LIMITS, passwords)
        self._children = DecodeChildren(WORKERS, LIMITS, passwords)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="sharp")
        self._fetched = 0
        self._begun = time.monotonic()

    def __enter__(self) -> SharpPictures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._children.close()

    @contextmanager
    def of(self, content: Content, put: Put) -> Iterator[DrawnContent]:
        """One file's pictures, handed to ``put`` as they are drawn."""
        kind, most = content.row["kind"], self._shares.get(content.row["asset_id"], 0)
        share = Share(most, evidence_pages(content.summary, content.answers))
        drawn = DrawnContent(kind, put, self.count, share, self._over_share())
        with ExitStack() as opened:
            if kind in DRAWN_KINDS and most:
                self._open(content, drawn, opened)
            yield drawn
            drawn.finish()

    def _open(self, content: Content, drawn: DrawnContent, opened: ExitStack) -> None:
        """Open the first copy of a file that is to be had, or say of the first why it is not."""
        refusals = []
        for row in content.copies:
            source = SourceFile(row["uri"], row["size"], row["etag"], None)
            fetched = 0 if is_local(source.uri) else source.size or 0
            if fetched > self.limits.fetched_bytes - self._fetched:
                refusals.append(f"no more than {self.limits.fetched_bytes / 2**30:g} GiB are fetched for a report")
                continue
            try:
                path = opened.enter_context(self._files.open(source, content.row["asset_id"], self._children))
            except Failure as failure:
                refusals.append(why(failure))
                continue
            self._fetched += fetched
            draw = partial(self._draw, path, source.uri, content.row["kind"])
            drawn.start = partial(self._pool.submit, draw)
            return
        drawn.refused = refusals[0] if refusals else _WORDS[Reason.NOT_FOUND]

    def _over_share(self) -> str:
        return f"the report draws {self.limits.pages:,} pages and shots sharp and this is not one; see --sharp-pages"

    def _draw(self, path: Path, uri: str, kind: str, segment: Row) -> bytes:
        """A page or frame as WebP. Raises Failure or OverLimitError."""
        if time.monotonic() - self._begun > self.limits.seconds:
            raise OverLimitError(f"no more than {self.limits.seconds / 60:.0f} minutes go into this report's pages")
        if self.count.bytes > self.limits.bytes:
            raise OverLimitError(f"no more than {self.limits.bytes / 2**20:,.0f} MiB of this report are sharp pages")
        number, settings = segment["segment"], read_size(segment)
        found: DecodedPage | DecodedShot | FailedSegment
        if kind == "video":
            times = tuple(segment["frame_times"][:1])
            shot = Shot(number, segment["start_s"], segment["end_s"], times)
            [found] = self._children.decode_shots(path, [shot], settings, uri)
        else:
            [found] = self._children.decode(path, kind, number, number, settings, uri)
        if isinstance(found, FailedSegment):
            raise found.failure
        if found.thumbnail is None:
            raise Failure(Reason.DECODE_ERROR, f"{uri} page {number}: it cannot be drawn")
        turn = ((segment["rotation"] or 0) - found.rotation) % 360 if isinstance(found, DecodedPage) else 0
        if turn not in QUARTERS:
            return found.thumbnail
        try:
            turned: bytes = self._children.call(turned_thumbnail, (found.thumbnail, turn))
        except ChildDiedError as death:
            raise Failure(death.reason, f"{uri} page {number}: turning its picture {death.how}") from death
        return turned


class DrawnContent:
    """The pages and shots of one file: which are sharp (their longest side), and why the others are not."""

    def __init__(self, kind: str, put: Put, count: SharpCount, share: Share, over_share: str) -> None:
        self.sharp: dict[int, int] = {}
        self.why: dict[int, str] = {}
        self.start: Callable[[Row], Future[bytes]] | None = None
        self.refused = over_share
        self._over_share = over_share
        self._kind = kind
        self._put = put
        self._count = count
        self._share = share
        self._coming: deque[tuple[int, Future[bytes]]] = deque()

    def take(self, segment: Row) -> None:
        """Have a page or shot drawn, where it has a picture to be drawn and gains by it."""
        number = segment["segment"]
        if not gains(self._kind, segment):
            return
        if self.start is None:
            self._keep(number, self.refused)
            return
        if not self._share.takes(number):
            self._keep(number, self._over_share)
            return
        self._coming.append((number, self.start(segment)))
        while len(self._coming) > 2 * WORKERS:
            self._settle()

    def finish(self) -> None:
        while self._coming:
            self._settle()

    def _settle(self) -> None:
        number, future = self._coming.popleft()
        try:
            picture = future.result()
        except (Failure, OverLimitError) as problem:
            self._keep(number, str(problem) if isinstance(problem, OverLimitError) else why(problem))
            return
        self._put(number, picture)
        self.sharp[number] = max(webp_size(picture))
        self._count.drawn += 1
        self._count.bytes += len(picture)

    def _keep(self, number: int, words: str) -> None:
        self.why[number] = words
        self._count.kept[words] += 1


def gains(kind: str, segment: Row) -> bool:
    """Whether a larger picture than the one that was kept is to be had."""
    if kind not in DRAWN_KINDS or not segment["width_px"] or not segment["height_px"]:
        return False
    if kind == "video" and not segment["frame_times"]:
        return False
    kept = max(webp_size(segment["thumbnail"])) if segment["thumbnail"] else 0
    read_at: int = max(segment["width_px"], segment["height_px"])
    return kept < ENOUGH * min(MOST_SIDE, read_at)


def read_size(segment: Row) -> DecodeSettings:
    """Settings that draw a page at the size at which it was read, whatever its run's resolution was, and no more."""
    width, height = segment["width_px"], segment["height_px"]
    longest = max(width, height)
    scale = min(1.0, MOST_SIDE / longest)
    return DecodeSettings(
        dpi=2400,  # lowered to fit the pixels
        layout="fast",
        max_pixels=max(1, math.ceil(width * height * scale * scale)),
        thumbnail_px=max(1, round(longest * scale)),
    )


def why(failure: Failure) -> str:
    """Why a page is not sharp, as the end of a sentence."""
    told = _WORDS.get(failure.reason)
    return told or f"the original could not be drawn ({failure.reason.value.replace('_', ' ')})"
