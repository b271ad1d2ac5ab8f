"""The decode child: the one process that lets MuPDF, Pillow, FFmpeg and the layout network touch an untrusted file.

Started as ``python -m folioscope.pipeline.decode.worker``. It takes pickled requests on standard input and answers page
by page on what was its standard output. Pages that take a millisecond are answered several in one message, since each
wakes the parent; asked to answer promptly it does not, so that the parent knows on which page a child died. It ends
with its parent, cannot grow past its memory limit, has no network where the kernel allows that (``sandbox``), and
imports neither Ray nor torch. Starts in 0.8 s of CPU; full layout takes 1.3 s more when it is first asked for.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from folioscope.pipeline.decode import sandbox as sandbox
from folioscope.pipeline.decode.messages import (
    CuesRequest,
    DecodeRequest,
    ProbeRequest,
    ScanRequest,
    SoundRequest,
    SubtitleFileRequest,
    UnpackEnd,
    UnpackRequest,
    read_frame,
    write_frame,
)

if TYPE_CHECKING:
    from folioscope.pipeline.failures import Failure

ANSWER_SECONDS = 0.05
ANSWER_BYTES = 1 << 20
OPEN_DOCUMENTS = 2
PIECE_BYTES = 8 << 20  # of an attachment
SHRINK_PAGES = 64  # MuPDF keeps fonts and pictures: emptied at each request it is slow, never emptied it grows


def main() -> None:
    """Serve requests until standard input ends. The first message is (memory limit in bytes, passwords).

    Each message that goes out is a list of answers.
    """
    sandbox.enter()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=ANSWER_BYTES)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what native code prints must not reach the parent as answers
    requests = sys.stdin.buffer
    _mupdf()  # while the parent may still be at its own start
    memory_bytes, passwords = read_frame(requests)
    server = Server(passwords)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    while True:
        try:
            request = read_frame(requests)
        except EOFError:
            return
        promptly = not isinstance(request, DecodeRequest) or request.promptly
        for batch in batches(server.answer(request), promptly=promptly):
            write_frame(answers, batch)


def batches(answers: Iterable[Any], *, promptly: bool) -> Iterator[list[Any]]:
    """Answers as they are to be sent: small pages together while they come fast, everything else by itself."""
    from folioscope.pipeline.decode.pages import DecodedPage

    held: list[Any] = []
    sent = time.monotonic()
    for answer in answers:
        held.append(answer)
        small = isinstance(answer, DecodedPage) and answer.image is None
        if promptly or not small or time.monotonic() - sent > ANSWER_SECONDS:
            yield held
            held, sent = [], time.monotonic()
    if held:
        yield held


class Server:
    """Answers requests; keeps the documents last used open, so that unit after unit of one file need not open it."""

    def __init__(self, passwords: tuple[str, ...]) -> None:
        self._tools = _mupdf().TOOLS
        self._tools.mupdf_display_errors(False)
        self._tools.mupdf_display_warnings(False)
        self._pages_since_shrink = 0
        self._passwords = passwords
        self._documents: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        self._video_key: tuple[Any, ...] = ()
        self._video: Any = None

    def answer(self, request: Any) -> Iterator[Any]:
        """One answer for a probe, one for each page or shot of a decode request. Expected faults are answers, too."""
        if isinstance(request, ProbeRequest):
            yield self._probe(request)
        elif isinstance(request, ScanRequest):
            yield from self._scan(request)
        elif isinstance(request, CuesRequest):
            yield from self._cues(request)
        elif isinstance(request, SoundRequest):
            yield from self._sound(request)
        elif isinstance(request, SubtitleFileRequest):
            yield self._subtitle_file(request)
        elif isinstance(request, UnpackRequest):
            yield from self._unpack(request)
        elif isinstance(request, DecodeRequest) and request.shots:
            for shot in request.shots:
                yield self._shot(request, shot)
        elif isinstance(request, DecodeRequest):
            for page in request.pages:
                yield self._page(request, page)
            self._pages_since_shrink += len(request.pages)
            if self._pages_since_shrink >= SHRINK_PAGES:
                self._tools.store_shrink(100)
                self._pages_since_shrink = 0
        else:  # a callable with its argument: how the tests cause faults
            function, argument = request
            yield function(argument)

    def _probe(self, request: ProbeRequest) -> Any:
        from folioscope.pipeline.decode.probe import probe
        from folioscope.pipeline.failures import Failure, Reason

        try:
            return probe(request.path, request.name, self._passwords)
        except Failure as failure:
            return failure
        except MemoryError:
            return Failure(Reason.MEMORY_LIMIT, f"{request.name}: looking into it needs more memory than allowed")
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes a parser raise is told of the file
            words = f"{type(error).__name__}: {error}"
            return Failure(Reason.DAMAGED_FILE, f"{request.name}: it could not be looked into ({words})")

    def _unpack(self, request: UnpackRequest) -> Iterator[Any]:
        from folioscope.pipeline.decode.attachments import unpack
        from folioscope.pipeline.failures import Failure

        try:
            data = unpack(request.path, request.name, request.numbers, request.max_bytes, self._passwords)
        except Failure as failure:
            yield failure
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes a parser raise is told of the file
            yield _failure(request.name, error)
        else:
            for start in range(0, len(data), PIECE_BYTES):
                yield data[start : start + PIECE_BYTES]
            yield UnpackEnd()

    def _page(self, request: DecodeRequest, page: int) -> Any:
        from folioscope.pipeline.decode.image import decode_image_page
        from folioscope.pipeline.decode.pages import FailedSegment
        from folioscope.pipeline.decode.pdf import decode_pdf_page

        where = f"{request.name} page {page}"
        try:
            if request.kind == "image":
                return decode_image_page(request.path, page, request.settings)
            return decode_pdf_page(self._open(request), page, request.settings)
        except Exception as error:  # noqa: BLE001  whatever a damaged page makes a parser raise is told of the page
            return FailedSegment(page, _failure(where, error))

    def _scan(self, request: ScanRequest) -> Iterator[Any]:
        from folioscope.pipeline.decode.scan import scan_span
        from folioscope.pipeline.decode.video import Video
        from folioscope.pipeline.failures import Failure

        try:
            video = self._opened_video(request, Video)
            yield from scan_span(video, request.start_s, request.end_s, miniatures=request.miniatures)
        except Failure as failure:  # which names the video already
            yield failure
        except Exception as error:  # noqa: BLE001  whatever a damaged video makes a decoder raise is told of the video
            yield _failure(request.name, error)

    def _cues(self, request: CuesRequest) -> Iterator[Any]:
        from folioscope.pipeline.decode.closed_captions import read_captions
        from folioscope.pipeline.decode.subtitles import read_tracks
        from folioscope.pipeline.decode.video import Video
        from folioscope.pipeline.failures import Failure

        try:
            video = self._opened_video(request, Video)
            yield read_captions(request.captions, video.index.end_s)
            yield from read_tracks(video)
        except Failure as failure:  # which names the video already
            yield failure
        except Exception as error:  # noqa: BLE001  whatever a damaged video makes a decoder raise is told of the video
            yield _failure(request.name, error)

    def _sound(self, request: SoundRequest) -> Iterator[Any]:
        from folioscope.pipeline.decode.sound import read_sound
        from folioscope.pipeline.decode.video import Video
        from folioscope.pipeline.failures import Failure

        try:
            origin_s = 0.0
            if request.with_picture:
                index = self._opened_video(request, Video).index
                origin_s = float(index.origin * index.time_base)
            yield from read_sound(request.path, request.name, origin_s)
        except Failure as failure:  # which names the file already
            yield failure
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes a decoder raise is told of the file
            yield _failure(request.name, error)

    def _subtitle_file(self, request: SubtitleFileRequest) -> Any:
        from folioscope.pipeline.decode.subtitles import read_subtitle_file
        from folioscope.pipeline.failures import Failure

        try:
            return read_subtitle_file(request.path, request.name, request.track, request.language)
        except Failure as failure:
            return failure
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes a decoder raise is told of the file
            return _failure(request.name, error)

    def _shot(self, request: DecodeRequest, shot: Any) -> Any:
        from folioscope.pipeline.decode.frames import FrameReader
        from folioscope.pipeline.decode.pages import FailedSegment

        where = f"{request.name} shot {shot.number} ({shot.start_s:.2f} s to {shot.end_s:.2f} s)"
        try:
            return self._opened_video(request, FrameReader).read_shot(shot, request.settings)
        except Exception as error:  # noqa: BLE001  whatever a damaged video makes a decoder raise is told of the shot
            return FailedSegment(shot.number, _failure(where, error))

    def _opened_video(self, request: ScanRequest | DecodeRequest | CuesRequest | SoundRequest, opener: Any) -> Any:
        """The video as ``opener`` opens it. The last one stays open: its index is made once."""
        status = os.stat(request.path)
        key = (opener, request.name, status.st_size, status.st_mtime_ns)
        if self._video_key != key:
            if self._video is not None:
                self._video.close()
            self._video, self._video_key = None, ()
            self._video = opener(request.path, request.name)
            self._video_key = key
        return self._video

    def _open(self, request: DecodeRequest) -> Any:
        from folioscope.pipeline.decode.opened_pdf import open_pdf

        status = os.stat(request.path)
        key = (request.name, status.st_size, status.st_mtime_ns)
        if key not in self._documents:
            while len(self._documents) >= OPEN_DOCUMENTS:
                self._documents.popitem(last=False)[1].close()
                self._tools.store_shrink(100)
            self._documents[key] = open_pdf(request.path, request.name, self._passwords)
        self._documents.move_to_end(key)
        return self._documents[key]


def _mupdf() -> Any:
    """PyMuPDF without its layout network, which it loads by itself where it finds it: 0.45 s and 46 MB a child.

    Pages of full layout load it when the first of them comes (``layout.py``).
    """
    if "pymupdf" not in sys.modules:
        sys.modules["pymupdf.layout"] = None  # type: ignore[assignment]  # its import fails as if it were not installed
        try:
            importlib.import_module("pymupdf")
        finally:
            del sys.modules["pymupdf.layout"]
    return sys.modules["pymupdf"]


def _failure(where: str, error: Exception) -> Failure:
    """What an exception means for the page, shot or video that raised it."""
    from folioscope.pipeline.failures import Failure, Reason

    if isinstance(error, Failure):
        return Failure(error.reason, f"{where}: {error.message}")
    if isinstance(error, MemoryError):
        return Failure(Reason.MEMORY_LIMIT, f"{where}: it needs more memory than --memory-mb allows")
    words = f"{type(error).__name__}: {error}"
    return Failure(Reason.DECODE_ERROR, f"{where}: it does not decode ({words})")


if __name__ == "__main__":
    # Requests are pickled against the module's importable name, not against __main__.
    from folioscope.pipeline.decode import worker

    worker.main()
