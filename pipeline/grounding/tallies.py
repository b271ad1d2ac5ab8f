"""What a run's pages show of its errors, folder by folder: counted where pages are committed, told at the run's end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa

from folioscope.model.blocks import Check
from folioscope.pipeline.grounding.bounds import Bound, Stratum, Tally, bound, percent

MOST_FOLDERS: Final = 500  # told apart; pages of further ones count in the whole alone
_SUMS: Final = ("words", "wrong", "words_squared", "wrong_squared", "product")
TALLY: Final = pa.struct(
    [
        ("checked", pa.int64()),
        ("bad", pa.int64()),
        *((name, pa.float64()) for name in _SUMS),
        ("worst", pa.list_(pa.float64())),
    ]
)
FOLDER_TALLY: Final = pa.struct(
    [("folder", pa.string()), ("layered", pa.bool_()), ("pages", pa.int64()), ("text", TALLY), ("page", TALLY)]
)


@dataclass(slots=True)
class FolderTally:
    """Pages of a folder that a model read, either those with a usable text layer (``layered``) or the others.

    ``text`` counts words of the model's text without support, ``page`` words of the page that the text lacks.
    """

    folder: str
    layered: bool
    pages: int = 0
    text: Tally = field(default_factory=Tally)
    page: Tally = field(default_factory=Tally)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> FolderTally:
        tallies = {name: Tally(**row[name]) for name in ("text", "page")}
        return cls(row["folder"], row["layered"], row["pages"], **tallies)

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def take(self, check: Check) -> None:
        """Take a page in."""
        self.pages += 1
        if check.reference not in ("text_layer", "ocr"):
            return
        self.text.take(check.words, round(check.words * (1 - check.support)) if check.support is not None else 0)
        self.page.take(check.reference_words, round(check.reference_words * (check.omitted or 0.0)))


def folder_of(uri: str) -> str:
    """The folder that a file lies in."""
    return uri.rpartition("/")[0] or "."


def merged(tallies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of tallies with those of one folder and kind as one; beyond so many folders, the rest are one."""
    found: dict[tuple[str, bool], FolderTally] = {}
    for row in tallies:
        tally = FolderTally.of_row(row)
        key = (tally.folder, tally.layered)
        if key not in found and len(found) >= 2 * MOST_FOLDERS:
            key = ("", tally.layered)
        mine = found.setdefault(key, FolderTally(*key))
        mine.pages += tally.pages
        mine.text.add(tally.text)
        mine.page.add(tally.page)
    return [tally.row() for tally in found.values()]


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """Of so many pages read by a model, how many words at most are unsupported, and how many left out.

    ``folder`` is None for all pages; a bound is None where nothing, or no page of a kind, was checked.
    """

    folder: str | None
    pages: int
    checked: int
    words: int
    unsupported: Bound | None
    omitted: Bound | None

    def row(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "folder": self.folder,
            "pages": self.pages,
            "checked": self.checked,
            "words": self.words,
        }
        for name, found in (("unsupported", self.unsupported), ("omitted", self.omitted)):
            values[name] = found and found.share
            values[f"{name}_low"] = found and found.low
            values[f"{name}_high"] = found and found.high
        return values

    def told(self) -> str:
        """In one sentence."""
        pages = f"{self.pages:,} page{'s' if self.pages != 1 else ''} read by a model"
        if self.unsupported is None or self.omitted is None:
            return f"of {pages}, {self.checked:,} could be compared with a second reader: too few for an error bound"
        return (
            f"of {pages}, at most {percent(self.unsupported.high)} of the words are unsupported and at most "
            f"{percent(self.omitted.high)} of the page's are left out (95 % interval from {self.checked:,} checked)"
        )


def error_bounds(rows: Sequence[Mapping[str, Any]]) -> list[ErrorBound]:
    """The bound of all pages, then that of each folder; nothing where no model read a page."""
    tallies = [FolderTally.of_row(row) for row in rows]
    if not tallies:
        return []
    folders = sorted({tally.folder for tally in tallies} - {""})
    of_folders = [_bounded(folder, [tally for tally in tallies if tally.folder == folder]) for folder in folders]
    return [_bounded(None, tallies), *of_folders]


def _bounded(folder: str | None, tallies: Sequence[FolderTally]) -> ErrorBound:
    strata: dict[bool, FolderTally] = {}
    for tally in tallies:
        mine = strata.setdefault(tally.layered, FolderTally("", tally.layered))
        mine.pages += tally.pages
        mine.text.add(tally.text)
        mine.page.add(tally.page)
    kinds = list(strata.values())
    return ErrorBound(
        folder,
        pages=sum(kind.pages for kind in kinds),
        checked=sum(kind.text.checked for kind in kinds),
        words=round(sum(kind.text.words for kind in kinds)),
        unsupported=bound(Stratum(kind.pages, kind.text) for kind in kinds),
        omitted=bound(Stratum(kind.pages, kind.page) for kind in kinds),
    )
