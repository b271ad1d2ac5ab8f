"""A small archive for the report's tests: a drawn document, a video, a hostile file, failures and runs."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image
from sample_rows import MOMENT, Row, answer, asset, block, evidence, failure, page, publish, run, summary, thumbnail

PAPER, VIDEO, HOSTILE, TRUNCATED = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
LINES = {
    "The lantern keeper counts the ships at dusk.": (72, 110),
    "Every seventh ship carries amber.": (200, 400),
    "Nobody counts after midnight.": (90, 700),
}
EVIL = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'></script><!-- \u2028 **bold**"
EVIL_TABLE = (
    "<table onclick='window.pwned = 3'><tr><td colspan='2' style='color:red'>cell"
    "<script>window.pwned = 4</script><img src='x' onerror='window.pwned = 5'><a href='javascript:window.pwned=6'>go</a>"
    "<svg onload='window.pwned = 7'></svg></td></tr></table>"
)
EVIL_NAME = "in/\"><img src=x onerror='window.pwned = 8'>.pdf"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page as a picture, and its lines as blocks with the boxes that its renderer tells."""

    webp: bytes
    blocks: list[Row] = field(default_factory=list)


def drawn_page() -> Drawn:
    with pymupdf.open() as document:
        sheet = document.new_page(width=595, height=842)
        blocks = []
        for words, point in LINES.items():
            sheet.insert_text(point, words, fontsize=14)
        for words in LINES:
            [found] = sheet.search_for(words)
            box = {"x0": found.x0 / 595, "y0": found.y0 / 842, "x1": found.x1 / 595, "y1": found.y1 / 842}
            blocks.append(block(words, bbox=box, confidence=0.95))
        picture = sheet.get_pixmap(dpi=72)
        image = Image.frombytes("RGB", (picture.width, picture.height), picture.samples)
    return Drawn(webp(image), blocks)


def webp(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=True)
    return data.getvalue()


def frame(number: int) -> bytes:
    shade = np.full((90, 160, 3), 40 + 50 * number, np.uint8)
    return webp(Image.fromarray(shade))


def shot(number: int, **changes: object) -> Row:
    words = f"Title card {number}"
    card = block(words, start_s=10.0 * number - 9, end_s=10.0 * number - 3)
    return page(
        VIDEO,
        number,
        **{
            "kind": "shot",
            "page_number": None,
            "start_s": 10.0 * (number - 1),
            "end_s": 10.0 * number,
            "width_px": 160,
            "height_px": 90,
            "text": words,
            "text_source": "model",
            "blocks": [card],
            "caption": f"A grey card with the number {number}.",
            "frame_times": [10.0 * number - 9],
            **changes,
        },
    )


def rows() -> dict[str, list[Row]]:
    drawn = drawn_page()
    quote = "Every seventh ship carries amber."
    amber = {**evidence(quote, 2), "bbox": drawn.blocks[1]["bbox"]}
    at_card = {**evidence("Title card 3", None), "start_s": 21.0, "end_s": 27.0}
    return {
        "assets": [
            asset("in/lantern.pdf", PAPER, page_count=3, status="partial", size=2048, answer_recipe_ids=["ask-1"]),
            asset("in/copy of lantern.pdf", PAPER, page_count=3, status="partial", answer_recipe_ids=["ask-1"]),
            asset("in/video.mp4", VIDEO, kind="video", page_count=None, duration_s=40.0, answer_recipe_ids=["ask-1"]),
            asset(EVIL_NAME, HOSTILE, page_count=1, title=EVIL, answer_recipe_ids=["ask-1"]),
            asset("in/locked.pdf", None, kind=None, page_count=None, status="failed", reason="password_required"),
            asset("in/old.pdf", TRUNCATED, status="deleted"),
        ],
        "segments": [
            page(PAPER, 1, text="An empty first page, nearly.", flags=["low_confidence"], layer_agreement=0.81),
            page(
                PAPER,
                2,
                width_px=595,
                height_px=842,
                blocks=drawn.blocks,
                text="\n\n".join(LINES),
            ),
            page(PAPER, 1, "read-0", text="an older reading: obsolescence"),
            *(shot(number) for number in range(1, 5)),
            page(
                HOSTILE,
                1,
                text=EVIL,
                caption=EVIL,
                blocks=[block(EVIL), block(EVIL_TABLE, kind="table"), block("[x](javascript:window.pwned=9)")],
            ),
            page(TRUNCATED, 1, text="gone with the file: evanescence"),
        ],
        "thumbnails": [
            thumbnail(PAPER, 2, drawn.webp),
            *(thumbnail(VIDEO, number, frame(number)) for number in range(1, 5)),
        ],
        "summaries": [
            summary(PAPER, summary="Ships and lanterns.", key_points=[{"text": quote, "evidence": [amber]}]),
            summary(
                VIDEO,
                summary="Four cards.",
                key_points=[],
                chapters=[
                    {"title": "First half", "start_s": 0.0, "end_s": 20.0},
                    {"title": "Second half", "start_s": 20.0, "end_s": 40.0},
                ],
            ),
            summary(HOSTILE, summary=EVIL, key_points=[{"text": EVIL, "evidence": [evidence(EVIL)]}]),
        ],
        "answers": [
            answer(PAPER, "amber", "ask-1", question="Which ship carries amber?", answer=quote, evidence=[amber]),
            answer(VIDEO, "amber", "ask-1", question="Which ship carries amber?", answer="Three", evidence=[at_card]),
            answer(
                HOSTILE, "amber", "ask-1", question="Which ship carries amber?", answer=EVIL, evidence=[evidence(EVIL)]
            ),
            answer(PAPER, "moon", "ask-1", question="Who owns the moon?", answer=None, answerable=False, evidence=[]),
        ],
        "failures": [
            failure("in/lantern.pdf", PAPER, stage="decode", segment=3, recipe_id="read-1", reason="decode_timeout"),
            failure("in/locked.pdf", None, reason="password_required", message=f"in/locked.pdf: locked {EVIL}"),
        ],
        "runs": [
            run(
                f"run-{number}",
                started_at=MOMENT + timedelta(days=number),
                finished_at=MOMENT + timedelta(days=number, seconds=10 * number),
                cost=None if number == 2 else 0.1 * number,
            )
            for number in range(1, 5)
        ],
    }


def published(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return publish(folder, rows(), files=2)
