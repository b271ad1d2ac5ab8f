"""Files inside files: how their paths and fingerprints are written, and what these tell of the file around them.

The path of an attachment is that of the file that holds it, then ``#attachment=3/report.pdf``: its place in that file
from 1, and its name, percent-encoded. Its etag is the SHA-256, size and etag of the outermost file, the one that a
listing gives. So whoever knows path and etag can get at the bytes, and a file that changed has none of its former
attachments. Pure string work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from folioscope.pipeline.storage.source_file import SourceFile

MARK = "#attachment="
NAME_LENGTH = 150
_PLACE = re.compile(r"#attachment=(\d+)/[^/#]*")
_ETAG = re.compile(r"([0-9a-f]{64}):(\d*):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Inside:
    """Where a file stands: in ``outer``, whose bytes hash to ``outer_asset_id``, through attachments ``numbers``."""

    outer: SourceFile
    outer_asset_id: str
    numbers: tuple[int, ...]


def attachment_uri(holder: str, number: int, name: str) -> str:
    """The path of a file that is attachment ``number``, from 1, of another. Of a long name the end is kept."""
    return f"{holder}{MARK}{number}/{quote(name[-NAME_LENGTH:], safe='')}"


def attachment_etag(outer: SourceFile, asset_id: str) -> str:
    """The etag of all that is inside a listed file whose bytes hash to ``asset_id``."""
    return f"{asset_id}:{'' if outer.size is None else outer.size}:{outer.etag}"


def inside(source: SourceFile) -> Inside | None:
    """The listed file around an attachment; None for files that are themselves listed."""
    outer, mark, _ = source.uri.partition(MARK)
    told = _ETAG.fullmatch(source.etag)
    if not mark or told is None:
        return None
    size = int(told[2]) if told[2] else None
    numbers = tuple(int(number) for number in _PLACE.findall(source.uri, len(outer)))
    return Inside(SourceFile(outer, size, told[3], source.modified_at), told[1], numbers)


def listed_uri(uri: str) -> str:
    """The path of the listed file around an attachment; a path that is no attachment's as it is."""
    match = _PLACE.search(uri)
    return uri[: match.start()] if match else uri


def plain_name(uri: str) -> str:
    """A path's last name; of an attachment, where it is percent-encoded, as the file that holds it has it."""
    name = uri.rpartition("/")[2]
    return unquote(name) if MARK in uri else name


# For asking tables: path and etag of the listed file around an attachment; a path that is no attachment's as it is.
LISTED = f"""
    CREATE OR REPLACE MACRO listed_uri(uri) AS
        CASE WHEN contains(uri, '{MARK}') THEN regexp_replace(uri, '{MARK}[0-9]+/.*$', '') ELSE uri END;
    CREATE OR REPLACE MACRO listed_etag(etag) AS regexp_replace(etag, '^[0-9a-f]{{64}}:[0-9]*:', '');
"""
