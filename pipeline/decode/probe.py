"""What a file is, by its content: kind, pages or length, title, and whether it opens. Runs inside a decode child.

A name proves nothing: MuPDF opens a web page saved as ``.pdf`` as a document of one page, a truncated file as one of
none.
"""

from __future__ import annotations

from pathlib import Path

import pymupdf
from PIL import Image

from folioscope.pipeline.decode.attachments import attachments_of
from folioscope.pipeline.decode.containers import HEAD_BYTES, kind_of_content
from folioscope.pipeline.decode.image import IMAGE_ERRORS, frame_count, open_image
from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS, open_pdf
from folioscope.pipeline.decode.pages import OutlineEntry, Probe
from folioscope.pipeline.decode.title import clean_title
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.kinds import FILE_KINDS
from folioscope.schemas.extras import install_command, installed

MAX_PAGES = 1_000_000
MAX_OUTLINE = 20_000
MAX_LEVEL = 100


def probe(path: Path, name: str, passwords: tuple[str, ...]) -> Probe:
    """Look into a file. ``name`` is what messages call it.

    Raises:
        Failure: type_mismatch, damaged_file, no_pages, password_required, no_video, unsupported_codec or protected.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    kind = kind_of_content(head)
    if kind == "image":
        return _probe_image(path, name)
    ending = name.rpartition(".")[2].lower()
    if kind == "video" or (kind is None and ending in FILE_KINDS["audio"].endings):
        return _probe_media(path, name, head, sound_alone=kind is None)
    if kind is None and ending in FILE_KINDS["subtitles"].endings:
        from folioscope.pipeline.decode.subtitles import read_subtitle_file

        read_subtitle_file(path, name, "", None)  # a sidecar that cannot be read is told now
        return Probe("subtitles")
    if kind == "pdf" or _mupdf_finds_pdf(path):
        return _probe_pdf(path, name, passwords)
    return _probe_unknown(path, name, head)


def _probe_media(path: Path, name: str, head: bytes, *, sound_alone: bool) -> Probe:
    """A video, or a file of sound, whatever its name says. ``sound_alone``: its container can hold nothing else."""
    if not installed("video"):
        message = f"{name}: its content is a video or sound; to read those, {install_command('video')}"
        raise Failure(Reason.TYPE_MISMATCH, message)
    from folioscope.pipeline.decode.sound import probe_sound  # FFmpeg is loaded for videos and sound alone
    from folioscope.pipeline.decode.video_probe import probe_video

    if sound_alone:
        return probe_sound(path, name)
    try:
        return probe_video(path, name, head)
    except Failure as no_video:
        if no_video.reason is not Reason.NO_VIDEO:
            raise
        try:
            return probe_sound(path, name)
        except Failure as failure:
            raise (no_video if failure.reason is Reason.NO_SOUND else failure) from failure


def _probe_unknown(path: Path, name: str, head: bytes) -> Probe:
    """What is known by no first bytes may still be a video that FFmpeg knows: if a frame of it decodes, it is one."""
    probe = None
    if installed("video"):
        from folioscope.pipeline.decode.video_probe import probe_unmarked_video

        probe = probe_unmarked_video(path, name, head)
    if probe is None:
        raise Failure(
            Reason.TYPE_MISMATCH,
            f"{name}: its content is neither a PDF, an image that is read here nor a video, whatever its name says",
        )
    return probe


def _probe_pdf(path: Path, name: str, passwords: tuple[str, ...]) -> Probe:
    with open_pdf(path, name, passwords) as document:
        if not document.is_pdf:
            raise Failure(Reason.TYPE_MISMATCH, f"{name}: its content is not a PDF, whatever its name says")
        try:
            count = document.page_count
        except PDF_ERRORS as error:
            raise Failure(Reason.DAMAGED_FILE, f"{name}: its page tree is damaged ({error})") from error
        if count == 0:
            if document.is_repaired:
                raise Failure(
                    Reason.DAMAGED_FILE, f"{name}: it is truncated, no page could be recovered; get another copy"
                )
            raise Failure(Reason.NO_PAGES, f"{name}: the PDF holds no pages")
        if count > MAX_PAGES:
            raise Failure(Reason.DAMAGED_FILE, f"{name}: it claims {count} pages; the page tree is damaged")
        title = clean_title((document.metadata or {}).get("title"))
        return Probe("pdf", count, title=title, attachments=attachments_of(document), outline=_outline(document))


def _outline(document: pymupdf.Document) -> tuple[OutlineEntry, ...]:
    """The document's bookmarks in order."""
    try:
        entries = document.get_toc(simple=True)[:MAX_OUTLINE]
    except (*PDF_ERRORS, IndexError, KeyError, TypeError):
        return ()  # neither does a damaged outline
    return tuple(
        OutlineEntry(min(level, MAX_LEVEL), clean, page if page > 0 else None)
        for level, title, page in entries
        if (clean := clean_title(title)) is not None
    )


def _probe_image(path: Path, name: str) -> Probe:
    try:
        with open_image(path) as image:
            return Probe("image", frame_count(image), *image.size)
    except IMAGE_ERRORS as error:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it does not open as an image ({error})") from error
    except Image.DecompressionBombError as error:
        raise Failure(Reason.PIXEL_LIMIT, f"{name}: {error}") from error


def _mupdf_finds_pdf(path: Path) -> bool:
    """Some damaged PDFs have lost their header; MuPDF finds the objects all the same."""
    if b"endobj" not in path.read_bytes()[: 1 << 20]:
        return False
    try:
        with pymupdf.open(path, filetype="pdf") as document:
            return bool(document.is_pdf and document.page_count)
    except PDF_ERRORS:
        return False
