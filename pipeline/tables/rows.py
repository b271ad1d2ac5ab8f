"""From the stages' dataclasses to rows of the declared tables, and back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from folioscope.model.protocol import (
    Answer,
    Block,
    Box,
    Cell,
    Evidence,
    PageText,
    Question,
    Reading,
    ShotText,
    Span,
    Summary,
    Usage,
    Word,
    WrittenBy,
)
from folioscope.pipeline.decode.pages import DecodedPage, DecodedSegment, DecodedShot
from folioscope.pipeline.failures import RETRYABLE, Failure
from folioscope.pipeline.video.cues import with_cues

Row = dict[str, Any]
READ_WITHOUT_INVENTING = ("embedded", "fake")  # replicas that only copy and recognise


@dataclass(frozen=True, slots=True)
class Provenance:
    """What every row of a stage has in common."""

    recipe_id: str
    run_id: str
    model: str

    def row(self, usage: Usage) -> Row:
        return {
            "recipe_id": self.recipe_id,
            "run_id": self.run_id,
            "model": self.model,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "seconds": usage.seconds,
            "created_at": now(),
        }


def new_run_id() -> str:
    """A name that sorts by the time it was made, to the microsecond, and that no other run has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"


def now() -> datetime:
    """The present in UTC, to the millisecond that the tables keep."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def segment_row(uri: str, asset_id: str, segment: DecodedSegment, reading: Reading, provenance: Provenance) -> Row:
    """The row of a page or of a shot."""
    if isinstance(segment, DecodedShot):
        return shot_row(uri, asset_id, segment, reading, provenance)
    return page_row(uri, asset_id, segment, reading, provenance)


def page_row(uri: str, asset_id: str, page: DecodedPage, reading: Reading, provenance: Provenance) -> Row:
    quarter_turn = reading.turned % 180 == 90
    return {
        "asset_id": asset_id,
        "uri": uri,
        "kind": "page",
        "segment": page.page_number,
        "page_number": page.page_number,
        "start_s": None,
        "end_s": None,
        "width_px": page.height_px if quarter_turn else page.width_px,
        "height_px": page.width_px if quarter_turn else page.height_px,
        "rotation": (page.rotation + reading.turned) % 360,
        "text": None if reading.unread and not reading.text else reading.text,
        "text_source": reading.text_source,
        "blocks": [block_row(block) for block in reading.blocks],
        "caption": reading.caption,
        "frame_times": None,
        "language": reading.language,
        "layer_agreement": reading.layer_agreement,
        "reader": page.routed.reader if page.routed else None,
        "route_reason": page.routed.reason if page.routed else None,
        **_check_columns(reading),
        "flags": list(reading.flags),
        **provenance.row(reading.usage),
    }


def shot_row(uri: str, asset_id: str, shot: DecodedShot, reading: Reading, provenance: Provenance) -> Row:
    reading = with_cues(reading, shot.cues)
    return {
        "asset_id": asset_id,
        "uri": uri,
        "kind": "shot",
        "segment": shot.shot_number,
        "page_number": None,
        "start_s": shot.start_s,
        "end_s": shot.end_s,
        "width_px": shot.width_px or None,  # sound alone has none
        "height_px": shot.height_px or None,
        "rotation": shot.rotation,
        "text": reading.text,
        "text_source": reading.text_source,
        "blocks": [block_row(block) for block in reading.blocks],
        "caption": reading.caption,
        "frame_times": [frame.time_s for frame in shot.frames],
        "language": reading.language,
        "layer_agreement": None,
        "reader": None,
        "route_reason": None,
        **_check_columns(reading),
        "flags": [*reading.flags, *shot.flags],
        **provenance.row(reading.usage),
    }


def _check_columns(reading: Reading) -> Row:
    """How far the text can be trusted: what a second reader says of it, and the model's own probabilities."""
    check, tokens = reading.check, reading.token_probability
    return {
        "reference": check and check.reference,
        "word_count": check and check.words,
        "support": check and check.support,
        "reference_word_count": check and check.reference_words,
        "omitted": check and check.omitted,
        "omissions": [asdict(part) for part in check.omissions] if check else [],
        "token_probability_mean": tokens and tokens.mean,
        "token_probability_min": tokens and tokens.least,
    }


def summary_row(uri: str, asset_id: str, summary: Summary, provenance: Provenance) -> Row:
    return {
        "asset_id": asset_id,
        "uri": uri,
        "summary": summary.text,
        "method": summary.method,
        "key_points": [
            {"text": point.text, "evidence": [_evidence_row(item) for item in point.evidence]}
            for point in summary.key_points
        ],
        "chapters": [asdict(chapter) for chapter in summary.chapters] or None,
        **provenance.row(summary.usage),
    }


def answer_row(uri: str, asset_id: str, question: Question, answer: Answer, provenance: Provenance) -> Row:
    return {
        "asset_id": asset_id,
        "uri": uri,
        "question_id": question.question_id,
        "question": question.text,
        "answer": answer.text,
        "answerable": answer.answerable,
        "score": answer.score,
        "evidence": [_evidence_row(item) for item in answer.evidence],
        "reasoning": answer.reasoning,
        **provenance.row(answer.usage),
    }


def failure_row(
    *,
    uri: str,
    asset_id: str | None,
    stage: str,
    failure: Failure,
    run_id: str,
    recipe_id: str | None = None,
    segment: int | None = None,
    question_id: str | None = None,
    attempts: int = 1,
    text_salvaged: str | None = None,
) -> Row:
    return {
        "uri": uri,
        "asset_id": asset_id,
        "stage": stage,
        "segment": segment,
        "question_id": question_id,
        "reason": failure.reason.value,
        "message": failure.message,
        "attempts": attempts,
        "retryable": failure.reason in RETRYABLE,
        "text_salvaged": text_salvaged,
        "recipe_id": recipe_id,
        "run_id": run_id,
        "created_at": now(),
    }


def block_row(block: Block) -> Row:
    return {
        "kind": block.kind,
        "text": block.text,
        "bbox": _box_row(block.bbox),
        "confidence": block.confidence,
        "level": block.level,
        "start_s": block.start_s,
        "end_s": block.end_s,
        "language": block.language,
        "track": block.track,
        "flags": list(block.flags),
        "words": [asdict(word) for word in block.words],
        "support": block.support,
        "unsupported": [asdict(span) for span in block.unsupported],
        "cells": [asdict(cell) for cell in block.cells],
    }


def _box_row(box: Box | None) -> Row | None:
    return None if box is None else {"x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1}


def page_text(row: Mapping[str, Any]) -> PageText:
    """A committed segment as the understanding tasks see it."""
    return PageText(
        page_number=row["segment"],
        text=row["text"] or "",
        blocks=tuple(_block(block) for block in row["blocks"] or ()),
        language=row["language"],
        width_px=row["width_px"] or 0,
        height_px=row["height_px"] or 0,
        rotation=row["rotation"] or 0,
        written_by=_written_by(row),
        reference=row["reference"] or "none",
    )


def shot_text(row: Mapping[str, Any]) -> ShotText:
    """A committed shot as the understanding tasks see it."""
    return ShotText(
        shot_number=row["segment"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        text=row["text"] or "",
        blocks=tuple(_block(block) for block in row["blocks"] or ()),
        caption=row["caption"],
        language=row["language"],
        frame_times=tuple(row["frame_times"] or ()),
        written_by=_written_by(row),
    )


def _written_by(row: Mapping[str, Any]) -> WrittenBy:
    """Who wrote a segment's text; rows from before version 3 name their replica alone."""
    if row["text_source"] == "text_layer":
        return "text_layer"
    if row["reader"] is None:
        return "ocr" if row["model"].startswith(READ_WITHOUT_INVENTING) else "model"
    return "model" if row["reader"] == "model" else "ocr"


def _block(row: Mapping[str, Any]) -> Block:
    return Block(
        row["kind"],
        row["text"] or "",
        _box(row["bbox"]),
        row["confidence"],
        row["level"] or 0,
        row["start_s"],
        row["end_s"],
        row["language"],
        row["track"],
        tuple(row["flags"] or ()),
        tuple(Word(**word) for word in row["words"] or ()),
        row["support"],
        tuple(Span(**span) for span in row["unsupported"] or ()),
        tuple(Cell(cell["row"], cell["column"], _box(cell["bbox"]), cell["support"]) for cell in row["cells"] or ()),
    )


def _box(row: Mapping[str, Any] | None) -> Box | None:
    return Box(**row) if row else None


def _evidence_row(evidence: Evidence) -> Row:
    return asdict(evidence)
