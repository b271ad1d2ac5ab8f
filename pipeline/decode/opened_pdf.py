"""Opening a PDF: unlocked where a password is known, and with its pages counted. Runs inside a decode child."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from folioscope.pipeline.failures import Failure, Reason

PDF_ERRORS = (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase)


def open_pdf(file: Path | bytes, name: str, passwords: tuple[str, ...]) -> pymupdf.Document:
    """An opened, unlocked PDF, from a disk or from its bytes.

    Raises:
        Failure: damaged_file or password_required.
    """
    try:
        document = pymupdf.open("pdf", file) if isinstance(file, bytes) else pymupdf.open(file, filetype="pdf")
    except PDF_ERRORS as error:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it does not open as a PDF ({error}); get another copy") from error
    if document.needs_pass and not any(document.authenticate(password) for password in passwords):
        document.close()
        tried = f"no known password opens it ({len(passwords)} tried)" if passwords else "it needs a password"
        raise Failure(Reason.PASSWORD_REQUIRED, f"{name}: {tried}; put its password into --password-file")
    try:
        _mend_count(document)
    except PDF_ERRORS as error:
        document.close()
        raise Failure(Reason.DAMAGED_FILE, f"{name}: its page tree is damaged ({error})") from error
    return document


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
