"""The files inside a PDF, identified with it: each of a kind that is read gets a row and an identity of its own.

They are taken out one by one, in the decode child, into the node's download cache, hashed on the way and looked into
there; what is inside them comes next. How many, how many bytes and how deep is bounded for each listed file: the first
that is beyond has a row and a failure that say so, the others an entry with the file that holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import Attachment, Probe
from folioscope.pipeline.decode.unpacking import unpacked
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.kinds import Kind, kinds_inside
from folioscope.pipeline.stages.asset_rows import AttachmentEntry, Parent, asset_row
from folioscope.pipeline.stages.file_access import MAX_UNPACKED_BYTES, FileAccess
from folioscope.pipeline.storage.attachments import MARK, attachment_etag, attachment_uri
from folioscope.pipeline.storage.fetching import LocalCopy
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.tables.rows import Row, failure_row

MAX_FILES = 1000
MAX_BYTES = 4 << 30
MAX_DEPTH = 3


@dataclass(slots=True)
class FilesInside:
    """What was found inside one listed file, and what may still be taken out of it."""

    rows: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    files_left: int = MAX_FILES
    bytes_left: int = MAX_BYTES
    refused: bool = False

    def refusal(self, depth: int) -> str | None:
        """Why no more may be taken out; None where it may."""
        if depth > MAX_DEPTH:
            return f"it lies {depth} files deep, and no deeper than {MAX_DEPTH} is read"
        if not self.files_left:
            return f"no more than {MAX_FILES:,} files inside one are read"
        if self.bytes_left <= 0:
            return f"no more than {MAX_BYTES >> 30} GiB are taken out of one file"
        return None


class AttachmentLook:
    """Looks into the files inside listed files."""

    def __init__(self, files: FileAccess, children: DecodeChildren, kinds: Collection[Kind], run_id: str) -> None:
        self._files = files
        self._children = children
        self._kinds = kinds
        self._run_id = run_id

    def into(self, source: SourceFile, copy: LocalCopy, probe: Probe) -> tuple[list[AttachmentEntry], FilesInside]:
        """A listed file's attachments, and rows for all that is inside it. Never raises for what a file does."""
        found = FilesInside()
        inner = replace(source, etag=attachment_etag(source, copy.sha256))
        return self._entries(inner, copy, probe, 1, found), found

    def _entries(
        self, holder: SourceFile, copy: LocalCopy, probe: Probe, depth: int, found: FilesInside
    ) -> list[AttachmentEntry]:
        entries = []
        parent = Parent(holder.uri, copy.sha256)
        for number, item in enumerate(probe.attachments, start=1):
            uri = reason = None
            refusal = found.refusal(depth)
            if item.kind not in kinds_inside(self._kinds) or (depth == 1 and MARK in holder.uri):
                reason = "unsupported_type"
            elif refusal is not None and found.refused:
                reason = Reason.ATTACHMENT_LIMIT.value
            else:
                uri = attachment_uri(holder.uri, number, item.name)
                source = SourceFile(uri, item.size, holder.etag, holder.modified_at)
                self._identify(source, item, copy.path, number, parent, depth, found)
            entries.append(AttachmentEntry(item.name, item.size, item.kind, uri, reason))
        return entries

    def _identify(
        self,
        source: SourceFile,
        item: Attachment,
        holder: Path,
        number: int,
        parent: Parent,
        depth: int,
        found: FilesInside,
    ) -> None:
        try:
            refusal = found.refusal(depth)
            if refusal is not None:
                found.refused = True
                message = f"{source.uri}: {refusal}; it and what comes after it is left out. Take it out and list it"
                raise Failure(Reason.ATTACHMENT_LIMIT, message)
            found.files_left -= 1
            most = min(MAX_UNPACKED_BYTES, self._files.max_file_bytes, found.bytes_left)

            def pieces() -> Iterator[bytes]:
                return unpacked(self._children, holder, source.uri, (number,), most)

            # Its size is not believed: what a PDF tells of it need not be true.
            with self._files.cache.open_unpacked(replace(source, size=None), None, pieces, most) as copy:
                found.bytes_left -= copy.size
                probe = self._children.probe(copy.path, source.uri)
                refuse_other_kinds(probe, source.uri, self._kinds)
                known = replace(source, size=copy.size)
                entries = self._entries(known, copy, probe, depth + 1, found)
                row = asset_row(known, copy.sha256, probe, self._run_id, parent=parent, attachments=entries)
        except Failure as failure:
            row = asset_row(
                source, None, None, self._run_id, reason=failure.reason, named_kind=item.kind, parent=parent
            )
            found.failures.append(
                failure_row(
                    uri=source.uri,
                    asset_id=None,
                    stage="plan",
                    failure=failure,
                    run_id=self._run_id,
                )
            )
        found.rows.append(row)


def refuse_other_kinds(probe: Probe, uri: str, kinds: Collection[Kind]) -> None:
    """Raises Failure where a file is of a kind that the run does not read."""
    if probe.kind == "audio" and "audio" not in kinds:
        raise Failure(Reason.NO_VIDEO, f"{uri}: it holds sound alone; --speech MODEL has it transcribed")
    if probe.kind not in kinds:
        kind = f"its content is a {probe.kind}, whatever its name says, and this run does not read those"
        raise Failure(Reason.TYPE_MISMATCH, f"{uri}: {kind}; name {probe.kind} in --kinds")
