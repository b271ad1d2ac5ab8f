"""Draws a small archive that the nano model can read: letters of large print in one column. Ten milliseconds.

python examples/make_printed.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import pymupdf

LETTERS = {
    "meadow.pdf": (
        (
            "To the Warden of the river",
            "",
            "The meadow below the weir is let",
            "from the first of April each year.",
            "The rent is paid in two parts.",
        ),
        (
            "Cattle may graze there until the",
            "water stands above the lower gate.",
            "Repairs to the fence are shared.",
        ),
    ),
    "ferry.pdf": (
        (
            "Notice to travellers",
            "",
            "The ferry does not run on Sunday.",
            "Tickets are sold at the landing.",
            "Children travel without charge.",
        ),
    ),
}
FONTS = {"meadow.pdf": "helv", "ferry.pdf": "tiro"}


def draw(path: Path, pages: tuple[tuple[str, ...], ...], font: str) -> None:
    document = pymupdf.open()
    for lines in pages:
        page = document.new_page(width=420, height=300)
        for number, line in enumerate(lines):
            page.insert_text((40, 60 + 26 * number), line, fontname=font, fontsize=16)
    document.save(path, no_new_id=True)
    document.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pages in LETTERS.items():
        if not (folder / name).exists():
            draw(folder / name, pages, FONTS[name])
        print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
