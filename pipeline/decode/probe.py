"""What a file is, by its content: kind, number of pages, title, and whether it opens. Runs inside a decode child.

A name proves nothing: MuPDF opens a web page saved as ``.pdf`` as a document of one page, a torn file as one of none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pymupdf
from PIL import Image

from pipeline.decode.image import IMAGE_ERRORS, frame_count, open_image
from pipeline.failures import Failure, Reason

Kind = Literal["pdf", "image"]
HEAD_BYTES = 1024
MAX_TITLE = 500
MAX_PAGES = 1_000_000
PDF_ERRORS = (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase)


@dataclass(frozen=True, slots=True)
class Probe:
    kind: Kind
    page_count: int
    width_px: int | None = None
    height_px: int | None = None
    title: str | None = None


def kind_of_content(head: bytes) -> Kind | None:
    """pdf or image by the file's first bytes; a PDF's header may stand anywhere in the first KiB."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "image"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image"
    return "pdf" if b"%PDF-" in head[:HEAD_BYTES] else None


def probe(path: Path, name: str, passwords: tuple[str, ...]) -> Probe:
    """Look into a file. ``name`` is what messages call it.

    Raises:
        Failure: type_mismatch, damaged_file, no_pages or password_required.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    kind = kind_of_content(head)
    if kind == "image":
        return _probe_image(path, name)
    if kind == "pdf" or _mupdf_finds_pdf(path):
        return _probe_pdf(path, name, passwords)
    raise Failure(
        Reason.TYPE_MISMATCH, f"{name}: its content is neither PDF, PNG, JPEG, TIFF nor WebP, whatever its name says"
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
        return Probe("pdf", count, title=_title(document))


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


def _title(document: pymupdf.Document) -> str | None:
    """The title without control characters, which could play tricks on a terminal."""
    title = (document.metadata or {}).get("title") or ""
    clean = "".join(c if c.isprintable() else " " for c in title).encode("utf-8", "replace").decode()
    return " ".join(clean.split())[:MAX_TITLE] or None
