"""Files that are there to be drawn again, with the tables of a run that read them: some by a model, whose words were
compared with a second reader's."""

from __future__ import annotations

import io
from pathlib import Path

import pymupdf
from PIL import Image
from sample_rows import Row, asset, block, evidence, page, publish, run, summary, thumbnail

LEDGER, CHANGED, GONE, LOCKED, SIDEWAYS, BROKEN = (letter * 64 for letter in "123456")
WIDTH, HEIGHT = 1190, 1684
SECRET = "heron"
TABLE = "<table><tr><td>oak</td><td>4711</td></tr></table>"
BOUND = {"pages": 40, "checked": 40, "words": 9000}
SHARES = {
    "unsupported": 0.004,
    "unsupported_low": 0.001,
    "unsupported_high": 0.0087,
    "omitted": 0.02,
    "omitted_low": 0.01,
    "omitted_high": 0.031,
}


def draw(path: Path, pages: int, password: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as document:
        for number in range(1, pages + 1):
            document.new_page(width=595, height=842).insert_text((72, 100), f"Fine print {number}", fontsize=6)
        locked = {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "user_pw": password} if password else {}
        document.save(path, **locked)
    return path


def small_picture(width: int = 45, height: int = 64) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(data, "WEBP")
    return data.getvalue()


def listed(path: Path, asset_id: str, **changes: object) -> Row:
    """A file's row, with the etag that its listing gives."""
    status = path.stat()
    return asset(
        str(path), asset_id, **{"etag": f"{status.st_size}-{status.st_mtime_ns}", "size": status.st_size, **changes}
    )


def read_page(asset_id: str, number: int, **changes: object) -> Row:
    return page(asset_id, number, **{"width_px": WIDTH, "height_px": HEIGHT, **changes})


def read_by_a_model() -> Row:
    """Letters beyond the first plane come before a place, a place runs through bold, and one is a figure of a table."""
    return read_page(
        LEDGER,
        1,
        text_source="model",
        reference="text_layer",
        support=0.8,
        omitted=0.25,
        omissions=[{"text": "the bridge is closed", "bbox": {"x0": 0.1, "y0": 0.5, "x1": 0.6, "y1": 0.55}}],
        flags=["invented"],
        blocks=[
            block("𝔄 **very old** oak & ash", support=0.8, unsupported=[{"start": 4, "end": 12}]),
            block(TABLE, kind="table", support=0.5, unsupported=[{"start": 27, "end": 31}]),
            block("All of it stands here.", support=1.0),
        ],
    )


def drawn_rows(folder: Path) -> dict[str, list[Row]]:
    changed = listed(draw(folder / "changed.pdf", 1), CHANGED)
    draw(folder / "changed.pdf", 3)
    gone = listed(draw(folder / "gone.pdf", 1), GONE)
    (folder / "gone.pdf").unlink()
    Image.new("RGB", (800, 400), "white").save(folder / "sideways.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(60))
    point = {"text": "a point", "evidence": [evidence("Fine print 3", 3)]}
    return {
        "assets": [
            listed(draw(folder / "ledger.pdf", 4), LEDGER, page_count=4),
            changed,
            gone,
            listed(draw(folder / "locked.pdf", 1, SECRET), LOCKED),
            listed(folder / "sideways.png", SIDEWAYS, kind="image"),
            listed(folder / "broken.png", BROKEN, kind="image"),
        ],
        "segments": [
            read_by_a_model(),
            *(read_page(LEDGER, number) for number in (2, 3, 4)),
            *(read_page(asset_id, 1) for asset_id in (CHANGED, GONE, LOCKED)),
            read_page(SIDEWAYS, 1, width_px=400, height_px=800, rotation=90),
            read_page(BROKEN, 1),
        ],
        "thumbnails": [
            *(thumbnail(LEDGER, number, small_picture()) for number in (1, 2, 3)),
            thumbnail(LEDGER, 4, small_picture(WIDTH, HEIGHT)),
            *(thumbnail(asset_id, 1, small_picture()) for asset_id in (CHANGED, GONE, LOCKED, SIDEWAYS, BROKEN)),
        ],
        "summaries": [summary(LEDGER, key_points=[point])],
        "answers": [],
        "failures": [],
        "runs": [
            run("run-1", error_bounds=[{"folder": None} | BOUND | SHARES, {"folder": "/oaks"} | BOUND | SHARES]),
            run("run-2"),
        ],
    }


def published_drawn(folder: Path) -> Path:
    output = folder / "out"
    output.mkdir(parents=True)
    return publish(output, drawn_rows(folder / "in"))
