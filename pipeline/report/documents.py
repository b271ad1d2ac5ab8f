"""One document or video as pieces: a head that is loaded first, its segments eight a piece, its pictures as files.

One piece of segments and one picture are in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from folioscope.model.plain_text import strip_markup
from folioscope.pipeline.report.archive import Content, Row
from folioscope.pipeline.report.pieces import SiteFiles
from folioscope.pipeline.report.search_index import SearchIndex
from folioscope.pipeline.report.sharp import DrawnContent

SEGMENTS_A_PIECE = 8
SAID_LETTERS = 60
_FACTS = (
    "kind",
    "status",
    "reason",
    "title",
    "page_count",
    "shot_count",
    "duration_s",
    "width_px",
    "height_px",
    "fps",
    "container",
    "codec",
    "has_audio",
    "size",
    "modified_at",
)


@dataclass(slots=True)
class Digest:
    """What the archive's list shows of a document beside its row: sums over its segments."""

    segments: int = 0
    flagged: int = 0
    confidences: float = 0.0
    confident: int = 0
    agreements: float = 0.0
    compared: int = 0
    picture: int | None = None
    language: str | None = None
    summary: str | None = None
    answered: int = 0

    def take(self, head: Row) -> None:
        self.segments += 1
        self.flagged += any(flag != "blank" for flag in head["flags"])
        self.language = self.language or head["language"]
        if self.picture is None and head["picture"]:
            self.picture = head["n"]
        if head["confidence"] is not None:
            self.confidences += head["confidence"]
            self.confident += 1
        if head["agreement"] is not None:
            self.agreements += head["agreement"]
            self.compared += 1

    def row(self) -> Row:
        return {
            "read": self.segments,
            "flagged": self.flagged,
            "confidence": _rounded(self.confidences / self.confident) if self.confident else None,
            "agreement": _rounded(self.agreements / self.compared) if self.compared else None,
            "picture": self.picture,
            "language": self.language,
            "summary": self.summary,
            "answered": self.answered,
        }


def folder_of(asset_id: str) -> str:
    return f"doc/{asset_id[:2]}/{asset_id}"


def write_content(content: Content, files: SiteFiles, index: SearchIndex, drawn: DrawnContent | None) -> Digest:
    """Write a document's pieces and pictures, and hand its words to the index. ``drawn`` draws its pages anew."""
    row = content.row
    folder = folder_of(row["asset_id"])
    digest = Digest(answered=sum(answer["answerable"] for answer in content.answers))
    if content.summary is not None:
        digest.summary = (content.summary["summary"] or "")[:280]
    heads: list[Row] = []

    def segments() -> Iterator[Row]:
        for segment in content.segments:
            head = _head(segment)
            heads.append(head)
            digest.take(head)
            if segment["thumbnail"]:
                files.put(f"{folder}/{head['n']}.webp", segment["thumbnail"])
            if drawn is not None:
                drawn.take(segment)
            index.add(content.number, row, segment)
            yield _whole(segment)

    files.pieces(f"{folder}/part", segments(), SEGMENTS_A_PIECE)
    reasons = _mark_sharp(heads, drawn) if drawn is not None else []
    older: list[int] = []

    def earlier() -> Iterator[Row]:
        for segment in content.older:
            older.append(segment["segment"])
            yield _earlier(segment)

    files.pieces(f"{folder}/older", earlier(), SEGMENTS_A_PIECE)
    files.piece(
        f"{folder}/head",
        {
            "id": row["asset_id"],
            "uris": row["uris"],
            **{name: row[name] for name in _FACTS},
            "segments": heads,
            "not_sharp": reasons,
            "older": {"numbers": older},
            "summary": content.summary and _summary(content.summary),
            "answers": [_answer(answer) for answer in content.answers],
            "failures": [_without_asset(failure) for failure in content.failures],
        },
    )
    return digest


def _mark_sharp(heads: list[Row], drawn: DrawnContent) -> list[str]:
    """Say of each page how long its sharp picture is, or which of the reasons given back keeps it from having one."""
    drawn.finish()
    reasons = list(dict.fromkeys(drawn.why.values()))
    for head in heads:
        if head["n"] in drawn.sharp:
            head["sharp"] = drawn.sharp[head["n"]]
        elif head["n"] in drawn.why:
            head["blurred"] = reasons.index(drawn.why[head["n"]])
    return reasons


def _head(segment: Row) -> Row:
    """What the strip of pages needs of every segment at once."""
    weighed = [
        (block["confidence"], len(block["text"] or "") or 1)
        for block in segment["blocks"] or ()
        if block["confidence"] is not None
    ]
    letters = sum(weight for _, weight in weighed)
    confidence = sum(value * weight for value, weight in weighed) / letters if letters else None
    return {
        "n": segment["segment"],
        "start": segment["start_s"],
        "end": segment["end_s"],
        "width": segment["width_px"],
        "height": segment["height_px"],
        "picture": segment["thumbnail"] is not None,
        "source": segment["text_source"],
        "language": segment["language"],
        "confidence": _rounded(confidence),
        "agreement": _rounded(segment["layer_agreement"]),
        "reference": segment["reference"],
        "support": _rounded(segment["support"]),
        "omitted": _rounded(segment["omitted"]),
        "flags": segment["flags"] or [],
        "said": [
            [block["start_s"], block["end_s"] or block["start_s"], strip_markup(block["text"] or "")[:SAID_LETTERS]]
            for block in segment["blocks"] or ()
            if block["start_s"] is not None
        ],
    }


def _whole(segment: Row) -> Row:
    return {
        "n": segment["segment"],
        "text": segment["text"] or "",
        "caption": segment["caption"],
        "rotation": segment["rotation"],
        "model": segment["model"],
        "frames": segment["frame_times"],
        "omissions": [
            {"text": found["text"] or "", "box": _box(found["bbox"])} for found in segment["omissions"] or ()
        ],
        "blocks": [_block(block) for block in segment["blocks"] or ()],
    }


def _earlier(segment: Row) -> Row:
    """An earlier reading: what stands beside the present one."""
    return {
        "n": segment["segment"],
        "text": segment["text"] or "",
        "model": segment["model"],
        "read_at": segment["created_at"],
    }


def _block(block: Row) -> Row:
    return {
        "kind": block["kind"],
        "text": block["text"] or "",
        "box": _box(block["bbox"]),
        "confidence": _rounded(block["confidence"]),
        "level": block["level"] or 0,
        "start": block["start_s"],
        "end": block["end_s"],
        "language": block["language"],
        "doubts": block["flags"] or [],
        "support": _rounded(block["support"]),
        "unsupported": [[span["start"], span["end"]] for span in block["unsupported"] or ()],
    }


def _summary(summary: Row) -> Row:
    return {
        "text": summary["summary"] or "",
        "method": summary["method"],
        "model": summary["model"],
        "points": [
            {"text": point["text"] or "", "evidence": evidence_of(point["evidence"])}
            for point in summary["key_points"] or ()
        ],
        "chapters": [
            {"title": chapter["title"] or "", "start": chapter["start_s"], "end": chapter["end_s"]}
            for chapter in summary["chapters"] or ()
        ],
    }


def _answer(answer: Row) -> Row:
    return {**_without_asset(answer), "score": _rounded(answer["score"]), "evidence": evidence_of(answer["evidence"])}


def evidence_of(items: list[Row] | None) -> list[Row]:
    return [
        {
            "page": item["page_number"],
            "start": item["start_s"],
            "end": item["end_s"],
            "quote": item["quote"] or "",
            "box": _box(item["bbox"]),
            "verified": bool(item["verified"]),
            "by": item["verified_by"],
            "repaired": bool(item["repaired"]),
        }
        for item in items or ()
    ]


def _box(box: Row | None) -> list[float] | None:
    if box is None or any(box[edge] is None for edge in ("x0", "y0", "x1", "y1")):
        return None
    return [round(box[edge], 4) for edge in ("x0", "y0", "x1", "y1")]


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else round(value, 3)


def _without_asset(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "asset_id"}
