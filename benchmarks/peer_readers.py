"""One reader over a folder of PDFs, in a process of its own: its pages' text and the CPU it took. Prints one JSON line.

    PYTHON benchmarks/peer_readers.py pymupdf4llm|liteparse|markitdown|pdf-inspector FOLDER

Needs the reader's package and nothing of ours. The first file is read once before, so that imports and models count for
nothing. CPU is that of the process and of those it starts. markitdown knows no pages: its whole text stands for each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path


def pymupdf4llm_pages(path: Path) -> list[str]:
    import pymupdf4llm

    return [chunk["text"] for chunk in pymupdf4llm.to_markdown(str(path), page_chunks=True)]


def liteparse_pages(path: Path) -> list[str]:
    import liteparse

    return [getattr(page, "markdown", None) or page.text for page in liteparse.LiteParse().parse(path).pages]


def markitdown_pages(path: Path) -> list[str]:
    import markitdown

    return [markitdown.MarkItDown().convert(str(path)).text_content]


def pdf_inspector_pages(path: Path) -> list[str]:
    import pdf_inspector

    return [page.markdown for page in pdf_inspector.extract_pages_markdown(str(path)).pages]


READERS: dict[str, Callable[[Path], list[str]]] = {
    "pymupdf4llm": pymupdf4llm_pages,
    "liteparse": liteparse_pages,
    "markitdown": markitdown_pages,
    "pdf-inspector": pdf_inspector_pages,
}


def measured(read: Callable[[Path], list[str]], folder: Path) -> dict[str, object]:
    """CPU seconds and the pages of each PDF under a folder; a file that the reader gives up has none."""
    paths = sorted(folder.rglob("*.pdf"))
    read(paths[0])
    texts: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    begun = _cpu()
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            texts[name] = read(path)
        except Exception as error:  # noqa: BLE001  what a reader cannot read is told in its row of the table
            refused[name] = f"{type(error).__name__}: {error}"
    return {"cpu_seconds": _cpu() - begun, "texts": texts, "refused": refused}


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    told = measured(READERS[sys.argv[1]], Path(sys.argv[2]))
    print(json.dumps({**told, "version": version(sys.argv[1])}))
