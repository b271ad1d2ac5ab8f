"""From a read unit to what it commits: a row a page or shot, a failure row for each that has none, and its counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from folioscope.model.protocol import Reading, cue_text
from folioscope.pipeline.decode.pages import DecodedSegment, DecodedShot, FailedSegment
from folioscope.pipeline.decode.thumbnail import turn_thumbnail
from folioscope.pipeline.failures import Failure, Reason, of_model
from folioscope.pipeline.grounding.tallies import FolderTally, folder_of
from folioscope.pipeline.stages.grounding import grounded, reference_seconds
from folioscope.pipeline.stages.in_flight import InFlightUnit
from folioscope.pipeline.stages.prefetch import Prepared
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.stages.suspicion import first_named, flagged, suspicion
from folioscope.pipeline.tables.rows import Provenance, Row, failure_row, segment_row
from folioscope.schemas.tables import THUMBNAILS


def commit_unit(
    unit: InFlightUnit, pages: Sequence[DecodedSegment | FailedSegment], provenance: Provenance, result: UnitResult
) -> None:
    """Commit a unit all of whose decoded ``pages`` are read, and count in ``result`` what became of them."""
    prepared = unit.prepared
    provenance = replace(provenance, recipe_id=prepared.unit.recipe_id)
    failed = [(page, "decode") for page in pages if isinstance(page, FailedSegment)]
    unread: list[tuple[FailedSegment, str]] = []
    rows: list[Row] = []
    thumbnails: list[Row] = []
    for page, reading in zip(unit.decoded, unit.readings, strict=True):
        if isinstance(reading, Failure):
            failed.append((FailedSegment(_number(page), reading, _said(page)), "read"))
            continue
        reading = flagged(grounded(page, reading))
        result.reference_seconds += reference_seconds(page)
        _tally(prepared.row.uri, reading, result)
        _suspect(prepared.row.uri, page, reading, result)
        _count_reader(page, result)
        row = segment_row(prepared.row.uri, prepared.unit.asset_id, page, reading, provenance)
        rows.append(row)
        if (thumbnail := thumbnail_row(row, page, reading)) is not None:
            thumbnails.append(thumbnail)
        result.input_tokens += reading.usage.input_tokens
        result.output_tokens += reading.usage.output_tokens
        if reading.unread:  # the page has its row; this one says what would read the rest, and counts nothing
            unread.append((FailedSegment(_number(page), _unread(prepared.row.uri, page, reading.unread)), "ocr"))
    result.done, result.failed = len(rows), len(failed)
    try:
        if unit.block.commit is not None:
            failures = [_failure(prepared, page, stage, provenance) for page, stage in (*failed, *unread)]
            unit.block.commit.add([prepared.unit], {"segments": rows, "thumbnails": thumbnails}, failures)
    except OSError as error:
        result.output_error = f"{type(error).__name__}: {error}"


def thumbnail_row(row: Row, segment: DecodedSegment, reading: Reading) -> Row | None:
    """The small picture that belongs to a segment's row; None where there is none."""
    image = segment.thumbnail
    if image is None:
        return None
    if not isinstance(segment, DecodedShot) and reading.turned % 360:
        image = turn_thumbnail(image, reading.turned % 360)
    return {"image": image} | {name: row[name] for name in THUMBNAILS.names if name != "image"}


def _failure(prepared: Prepared, page: FailedSegment, stage: str, provenance: Provenance) -> Row:
    return failure_row(
        uri=prepared.row.uri,
        asset_id=prepared.unit.asset_id,
        stage=stage,
        failure=page.failure,
        run_id=provenance.run_id,
        recipe_id=provenance.recipe_id,
        segment=page.page_number,
        attempts=prepared.attempt,
        text_salvaged=page.text_salvaged,
    )


def _number(segment: DecodedSegment) -> int:
    return segment.shot_number if isinstance(segment, DecodedShot) else segment.page_number


def _suspect(uri: str, page: DecodedSegment, reading: Reading, result: UnitResult) -> None:
    """Count a reading that shows by itself that something is wrong."""
    is_page = not isinstance(page, DecodedShot)
    result.wordless += is_page and not reading.text.strip()
    why = suspicion(reading, is_page=is_page)
    if why is not None:
        result.suspect += 1
        named = f"{uri} {'page' if is_page else 'shot'} {_number(page)}: {why}"
        result.first_suspects = first_named(result.first_suspects, [named])


def _count_reader(page: DecodedSegment, result: UnitResult) -> None:
    """Count who read a page; shots are all the replica's."""
    if isinstance(page, DecodedShot) or page.routed is None:
        return
    result.pages_by_layer += page.routed.reader == "layer"
    result.pages_by_ocr += page.routed.reader == "ocr"
    result.pages_by_model += page.routed.reader == "model"


def _tally(uri: str, reading: Reading, result: UnitResult) -> None:
    """Count what a page's check shows."""
    if reading.check is None:
        return
    tally = FolderTally(folder_of(uri), reading.check.reference == "text_layer")
    tally.take(reading.check)
    result.tallies.append(tally.row())


def _said(page: DecodedSegment) -> str | None:
    """What is said in a shot that could not be read: it is not lost with its picture."""
    if not isinstance(page, DecodedShot):
        return None
    return cue_text(cue.block() for cue in page.cues if not cue.flags) or None


def _unread(uri: str, page: DecodedSegment, what: str) -> Failure:
    return Failure(Reason.UNREAD_SCRIPT, f"{uri} page {_number(page)}: {what}")


def model_failure(uri: str, page: DecodedSegment, error: Exception) -> Failure:
    """What stands in a page's place where the model raised an error over it."""
    what = "shot" if isinstance(page, DecodedShot) else "page"
    message = f"{uri} {what} {_number(page)}: the model failed ({type(error).__name__}: {error})"
    return of_model(error, message)
