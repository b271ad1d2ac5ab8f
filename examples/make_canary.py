"""Draws the two pages by which a model is tried before and during a run: large clean print, black on white.

python examples/make_canary.py FOLDER

They lie in ``model/canary_pages`` already. What is written there, every model that reads at all reads without a wrong
letter, the nano model too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pymupdf
from PIL import Image

PAGES = {
    "harbour": (
        "The harbour master keeps two books.",
        "One tells of ships that come in,",
        "the other of ships that went out.",
        "Both are read on the first of May.",
    ),
    "mill": (
        "In 1846 the mill was sold for 320.",
        "Its wheel had stood still for years.",
        "The new owner put in a second one",
        "and ground wheat, barley and maize.",
    ),
}
DPI = 144


def draw(path: Path, lines: tuple[str, ...]) -> None:
    with pymupdf.open() as document:
        page = document.new_page(width=420, height=240)
        for number, line in enumerate(lines):
            page.insert_text((40, 60 + 34 * number), line, fontname="helv", fontsize=16)
        drawn = page.get_pixmap(dpi=DPI, colorspace=pymupdf.csGRAY)
        Image.frombytes("L", (drawn.width, drawn.height), drawn.samples).save(path, optimize=True)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in PAGES.items():
        draw(folder / f"{name}.png", lines)
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
