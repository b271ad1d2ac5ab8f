"""What a file is, by its content: kind, pages or length, title, and whether it opens. Runs inside a decode child.

A name proves nothing: MuPDF opens a web page saved as ``.pdf`` as a document of one page, a torn file as one of none.
"""

from __future__ import annotations

from pathlib import Path

import pymupdf
from PIL import Image

from pipeline.decode.image import IMAGE_ERRORS, frame_count, open_image
from pipeline.decode.pages import Kind, Probe
from pipeline.failures import Failure, Reason

HEAD_BYTES = 1024
MAX_TITLE = 500
STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"hevc", b"jxl ", b"crx ")
MAX_PAGES = 1_000_000
PDF_ERRORS = (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase)


def kind_of_content(head: bytes) -> Kind | None:
    """pdf, image or video by the file's first bytes; a PDF's header may stand anywhere in the first KiB."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "image"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image"
    if is_film(head):
        return "video"
    return "pdf" if b"%PDF-" in head[:HEAD_BYTES] else None


def is_film(head: bytes) -> bool:
    """True for MP4 and QuickTime, Matroska and WebM, AVI, MPEG streams, Flash and GIF, moving or not."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in STILL_BRANDS
    if head.startswith((b"\x1aE\xdf\xa3", b"FLV\x01", b"GIF87a", b"GIF89a", b"\x00\x00\x01\xba")):
        return True
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return True
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return True
    return any(_is_transport_stream(head, size) for size in (188, 192, 204))


def _is_transport_stream(head: bytes, size: int) -> bool:
    """Packets of one size, each of which starts with the same byte; in some, a time stamp stands before it."""
    start = size - 188 if size == 192 else 0
    return len(head) > start and all(byte == 0x47 for byte in head[start::size]) and len(head) >= 2 * size


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
    if kind == "video":
        from pipeline.decode.film_probe import probe_film  # FFmpeg is loaded for films alone

        return probe_film(path, name, head)
    if kind == "pdf" or _mupdf_finds_pdf(path):
        return _probe_pdf(path, name, passwords)
    raise Failure(
        Reason.TYPE_MISMATCH,
        f"{name}: its content is neither PDF, PNG, JPEG, TIFF, WebP nor a film, whatever its name says",
    )


def open_pdf(path: Path, name: str, passwords: tuple[str, ...]) -> pymupdf.Document:
    """An opened, unlocked PDF.

    Raises:
        Failure: damaged_file or password_required.
    """
    try:
        document = pymupdf.open(path, filetype="pdf")
    except PDF_ERRORS as error:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it does not open as a PDF ({error}); get another copy") from error
    if document.needs_pass and not any(document.authenticate(password) for password in passwords):
        document.close()
        tried = f"none of the {len(passwords)} passwords opens it" if passwords else "it needs a password"
        raise Failure(Reason.PASSWORD_REQUIRED, f"{name}: {tried}; put its password into --password-file")
    try:
        _mend_count(document)
    except PDF_ERRORS as error:
        document.close()
        raise Failure(Reason.DAMAGED_FILE, f"{name}: its page tree is damaged ({error})") from error
    return document


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
                raise Failure(Reason.DAMAGED_FILE, f"{name}: it is torn, no page could be recovered; get another copy")
            raise Failure(Reason.NO_PAGES, f"{name}: the PDF holds no pages")
        if count > MAX_PAGES:
            raise Failure(Reason.DAMAGED_FILE, f"{name}: it claims {count} pages; the page tree is damaged")
        return Probe("pdf", count, title=clean_title((document.metadata or {}).get("title")))


def _mend_count(document: pymupdf.Document) -> None:
    """Where a file claims more pages than it has objects, MuPDF gives none of them: claim those that there are."""
    try:
        document.page_count  # noqa: B018  it is counted here
    except PDF_ERRORS:
        objects = range(1, document.xref_length())
        pages = sum(document.xref_get_key(xref, "Type") == ("name", "/Page") for xref in objects)
        kind, root = document.xref_get_key(document.pdf_catalog(), "Pages")
        if kind == "xref" and pages:
            document.xref_set_key(int(root.split()[0]), "Count", str(pages))


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


def clean_title(title: str | None) -> str | None:
    """The title without control characters, which could play tricks on a terminal."""
    clean = "".join(c if c.isprintable() else " " for c in title or "").encode("utf-8", "replace").decode()
    return " ".join(clean.split())[:MAX_TITLE] or None
