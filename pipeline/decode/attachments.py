"""Files inside a PDF: in its name tree, which a portfolio is made of, and in annotations. Runs inside a decode child.

They are found in an order that the bytes alone decide, so a number names one. A look costs a stream's first KiB for
each, and a look at every page's list of annotations. A stream that unpacks to more than is allowed is given up on the
way, at 100 MB over it at the most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf
from pymupdf import mupdf

from folioscope.pipeline.decode.containers import HEAD_BYTES, kind_of_content
from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS, open_pdf
from folioscope.pipeline.decode.pages import Attachment
from folioscope.pipeline.decode.title import clean_title
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.kinds import FILE_KINDS, Kind

MAX_FOUND = 2000
_STREAMS = ("UF", "F", "Unix", "DOS", "Mac")


@dataclass(frozen=True, slots=True)
class _Found:
    """An attachment's name and its stream's object."""

    name: str
    stream: Any


def attachments_of(document: pymupdf.Document) -> tuple[Attachment, ...]:
    """The files inside a PDF. A damaged list of them does not keep the pages from being read: it ends where it ends."""
    return tuple(Attachment(one.name, _size(one.stream), _kind(one)) for one in _found(document))


def unpack(path: Path, name: str, numbers: Sequence[int], max_bytes: int, passwords: tuple[str, ...]) -> bytes:
    """The bytes of an attachment: ``numbers`` lead to it through those that hold it, each counted from 1.

    Raises:
        Failure: damaged_file, password_required or attachment_limit.
    """
    data: bytes | Path = path
    for number in numbers:
        with open_pdf(data, name, passwords) as document:
            found = list(_found(document))
            if not 1 <= number <= len(found):
                raise Failure(Reason.DAMAGED_FILE, f"{name}: the file around it holds no attachment {number} any more")
            data = _content(found[number - 1].stream, name, max_bytes)
    return data if isinstance(data, bytes) else b""


def _found(document: pymupdf.Document) -> Iterator[_Found]:
    """Each stream once, at most MAX_FOUND."""
    seen: set[int] = set()
    try:
        for specification in _specifications(document):
            stream = _stream(specification)
            if stream is None or mupdf.pdf_to_num(stream) in seen:
                continue
            seen.add(mupdf.pdf_to_num(stream))
            yield _Found(_name(specification) or f"unnamed-{len(seen)}", stream)
            if len(seen) >= MAX_FOUND:
                return
    except (*PDF_ERRORS, IndexError, KeyError, TypeError):
        return


def _specifications(document: pymupdf.Document) -> Iterator[Any]:
    pdf = pymupdf._as_pdf_document(document)
    tree = mupdf.pdf_load_name_tree(pdf, mupdf.pdf_new_name("EmbeddedFiles"))
    for place in range(mupdf.pdf_dict_len(tree)):
        yield mupdf.pdf_dict_get_val(tree, place)
    for page in range(document.page_count):
        notes = mupdf.pdf_dict_gets(mupdf.pdf_lookup_page_obj(pdf, page), "Annots")
        for place in range(mupdf.pdf_array_len(notes)):
            note = mupdf.pdf_array_get(notes, place)
            if mupdf.pdf_to_name(mupdf.pdf_dict_gets(note, "Subtype")) == "FileAttachment":
                yield mupdf.pdf_dict_gets(note, "FS")


def _stream(specification: Any) -> Any:
    files = mupdf.pdf_dict_gets(specification, "EF")
    for key in _STREAMS:
        stream = mupdf.pdf_dict_gets(files, key)
        if mupdf.pdf_is_stream(stream):
            return stream
    return None


def _name(specification: Any) -> str | None:
    for key in _STREAMS:
        name = clean_title(mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(specification, key)))
        if name:
            return name
    return None


def _size(stream: Any) -> int | None:
    size = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(stream, "Params"), "Size")
    return int(mupdf.pdf_to_int64(size)) if mupdf.pdf_is_int(size) and mupdf.pdf_to_int64(size) >= 0 else None


def _kind(found: _Found) -> Kind | None:
    """By the first bytes, else by the name's ending; None for what nobody here reads."""
    ending = found.name.rpartition(".")[2].lower()
    named = next((declared.kind for declared in FILE_KINDS.values() if ending in declared.endings), None)
    try:
        stream = mupdf.pdf_open_stream(found.stream)
        head = bytearray()
        while len(head) < HEAD_BYTES and (byte := mupdf.fz_read_byte(stream)) >= 0:
            head.append(byte)
    except PDF_ERRORS:
        return named
    kind = kind_of_content(bytes(head))
    if kind == "pdf" and named is None and b"%PDF-" not in head[:16]:
        return None  # another kind of file, in which the letters stand
    return kind or named


def _content(stream: Any, name: str, max_bytes: int) -> bytes:
    try:
        buffer, cut = mupdf.fz_read_best(mupdf.pdf_open_stream(stream), 1 << 16, max_bytes)
        data = bytes(pymupdf.JM_BinFromBuffer(buffer))
    except PDF_ERRORS as error:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it cannot be taken out of the file around it ({error})") from error
    if len(data) > max_bytes:
        size = f"{max_bytes / 2**20:.0f} MiB"
        message = f"{name}: it unpacks to more than the {size} that are left to it; take it out by hand and list it"
        raise Failure(Reason.ATTACHMENT_LIMIT, message)
    if cut and not data:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: nothing of it can be taken out of the file around it")
    return data
