"""The plain loops that the pipeline is measured against, each run in a process of its own; prints one JSON line.

python -m benchmarks.plain_loops layer fast|full FOLDER
python -m benchmarks.plain_loops layouts FOLDER …
python -m benchmarks.plain_loops rapidocr FILE
python -m benchmarks.plain_loops routed|alone FILE
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pymupdf

from folioscope.model.embedded import ocr
from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.paragraphs import to_blocks
from folioscope.model.embedded.read import read_page
from folioscope.model.protocol import PageInput
from folioscope.pipeline.decode.content import page_content
from folioscope.pipeline.decode.page_shape import needs_network
from folioscope.pipeline.decode.pages import Layout
from folioscope.pipeline.decode.paths import drawn_paths
from folioscope.pipeline.decode.text_layer import extract_text_layer


def layer(layout: Layout, folder: Path) -> dict[str, Any]:
    """CPU seconds for text, boxes, gate and Markdown of every page of every PDF in a folder."""
    paths = sorted(folder.glob("*.pdf"))
    with pymupdf.open(paths[0]) as document:
        extract_text_layer(document[0], layout)  # models loaded: that is start-up
    begun = time.process_time()
    characters = 0
    for path in paths:
        with pymupdf.open(path) as document:
            for page in document:
                characters += len(to_markdown(extract_text_layer(page, layout).blocks))
    return {"cpu_seconds": time.process_time() - begun, "characters": characters}


def layouts(folders: Sequence[Path]) -> dict[str, Any]:
    """CPU seconds by layout over every page with a usable text layer; of each page one layout after the other."""
    spent: dict[str, Any] = {"fast": 0.0, "auto": 0.0, "full": 0.0, "pages": 0, "network": 0}
    ways: tuple[Layout, ...] = ("fast", "auto", "full")
    warm = False
    for path in sorted(path for folder in folders for path in folder.rglob("*.pdf")):
        with pymupdf.open(path) as document:
            if document.needs_pass:
                continue
            for page in document:
                if not warm:  # models loaded: that is start-up
                    extract_text_layer(page, "full")
                    warm = True
                if extract_text_layer(page, "fast").verdict != "usable":
                    continue
                for layout in ways:
                    begun = time.process_time()
                    extract_text_layer(page, layout)
                    spent[layout] += time.process_time() - begun
                spent["pages"] += 1
                spent["network"] += needs_network(page, page_content(page), drawn_paths(page))
    return spent


def rapidocr(path: Path) -> dict[str, Any]:
    """Pages a second of RapidOCR with its own settings over rendered pages, the first page left out."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})
    texts: list[str] = []
    begun = 0.0
    with pymupdf.open(path) as document:
        for page in document:
            pixmap = page.get_pixmap(dpi=144)
            image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)[:, :, ::-1]
            found = engine(np.ascontiguousarray(image))
            texts.append(" ".join(found.txts or ()))
            begun = begun or time.perf_counter()
        return {"pages_per_s": (len(document) - 1) / (time.perf_counter() - begun), "texts": texts}


def reader(engines: str, path: Path) -> dict[str, Any]:
    """CPU seconds a page of the embedded reader over rendered pages: ``routed`` between engines, or RapidOCR ``alone``.

    ``alone`` finds and reads every line by RapidOCR at the page's full size, as versions before the routing did.
    """
    texts: list[str] = []
    begun = 0.0
    with pymupdf.open(path) as document:
        for page in document:
            pixmap = page.get_pixmap(dpi=144)
            image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
            if engines == "alone":
                texts.append(to_markdown(to_blocks(ocr.recognise(image))))
            else:
                texts.append(read_page(PageInput(1, pixmap.width, pixmap.height, image, None)).text)
            begun = begun or _cpu_seconds()
        return {"cpu_seconds": (_cpu_seconds() - begun) / (len(document) - 1), "texts": texts}


def _cpu_seconds() -> float:
    """Of this process and of those that it started, as the tesseract command is."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def published_speed(output: Path, warm_up: int) -> dict[str, Any]:
    """Pages a second between the commits of the first ``warm_up`` pages and the last; and the texts."""
    import duckdb

    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        rows = database.sql("SELECT epoch_ms(created_at), page_number, text FROM pages ORDER BY 1").fetchall()
    span = (rows[-1][0] - rows[warm_up - 1][0]) / 1000
    return {
        "pages_per_s": (len(rows) - warm_up) / span,
        "texts": [row[2] for row in sorted(rows, key=lambda row: row[1])],
    }


def word_f1(texts: list[str], truth: Path) -> float:
    """How many of the words of a born-digital original a reading holds, and how few others: F1 over bags of words."""
    with pymupdf.open(truth) as document:
        originals = [Counter(re.findall(r"\w+", page.get_text())) for page in document]
    scores = []
    for text, original in zip(texts, originals, strict=True):
        words = Counter(re.findall(r"\w+", text))
        scores.append(2 * (words & original).total() / (words.total() + original.total()))
    return sum(scores) / len(scores)


def tiny_pdf(words: str) -> bytes:
    """A whole PDF of one page in half a kilobyte."""
    stream = f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode()
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(bodies, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(bodies) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return data + tail % (count, table, count, len(data))


if __name__ == "__main__":
    if sys.argv[1] == "layer":
        print(json.dumps(layer(cast(Layout, sys.argv[2]), Path(sys.argv[3]))))
    elif sys.argv[1] == "layouts":
        print(json.dumps(layouts([Path(folder) for folder in sys.argv[2:]])))
    elif sys.argv[1] == "rapidocr":
        print(json.dumps(rapidocr(Path(sys.argv[2]))))
    else:
        print(json.dumps(reader(sys.argv[1], Path(sys.argv[2]))))
