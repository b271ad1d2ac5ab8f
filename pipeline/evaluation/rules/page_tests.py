"""olmOCR-bench's tests of a page's Markdown: text present or absent, in order, tables, formulas, and a baseline.

Formulas count as found where one is equal as text; the official suite also renders both in a browser and compares the
pictures, which is not done here, so that formula scores are a lower bound and are told apart. A page costs some ms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fuzzysearch import find_near_matches
from rapidfuzz import fuzz

from folioscope.pipeline.evaluation.items import BenchmarkDataError
from folioscope.pipeline.evaluation.rules.page_tables import PageTable, html_tables, markdown_tables

_SAME = str.maketrans(
    {
        **dict.fromkeys("‘’‚", "'"),
        **dict.fromkeys("“”„", '"'),
        **dict.fromkeys("–—‑‒−", "-"),
        "＿": "_",
        "\u00b5": "\u03bc",
    }
)
_FOREIGN = re.compile(
    "[\u4e00-\u9fff\u3040-\u309f\u30a0-\u30ff\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff"
    "\U0001f1e0-\U0001f1ff]"
)
_FORMULAS = (r"\\\((.+?)\\\)", r"\\\[(.+?)\\\]", r"\$\$(.+?)\$\$", r"\$(.+?)\$")
_LONGEST_GRAM = 5
_LEAST_LIKENESS = 0.5
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class PageTest:
    """One test as the suite's line has it; which fields mean something depends on ``type``."""

    type: str
    max_diffs: int = 0
    text: str = ""
    case_sensitive: bool = True
    first_n: int | None = None
    last_n: int | None = None
    before: str = ""
    after: str = ""
    cell: str = ""
    up: str = ""
    down: str = ""
    left: str = ""
    right: str = ""
    top_heading: str = ""
    left_heading: str = ""
    ignore_markdown_tables: bool = False
    math: str = ""
    ignore_dollar_delimited: bool = False
    max_length: int | None = None
    max_length_skips_image_alt_tags: bool = False
    max_repeats: int = 30
    check_disallowed_characters: bool = True


def failure_of(test: PageTest, page: str) -> str | None:
    """Why a page fails the test; None where it passes.

    Raises:
        BenchmarkDataError: a type that is not known.
    """
    match test.type:
        case "present" | "absent":
            return _presence(test, page)
        case "order":
            return _order(test, page)
        case "table":
            return _table(test, page)
        case "math":
            return _math(test, page)
        case "baseline":
            return _baseline(test, page)
        case _:
            raise BenchmarkDataError(f"{test.type}: no test of this type is known")


def normalized(text: str) -> str:
    text = re.sub(r"<br/?>", " ", text)
    text = re.sub(r"\s+", " ", text)
    for mark in (r"\*\*(.*?)\*\*", r"__(.*?)__"):
        text = re.sub(mark, r"\1", text)
    text = re.sub(r"</?[bi]>", "", text)
    for mark in (r"\*(.*?)\*", r"_(.*?)_"):
        text = re.sub(mark, r"\1", text)
    return unicodedata.normalize("NFC", text).translate(_SAME)


def _share(text: str, max_diffs: int) -> float:
    return 1.0 - max_diffs / max(1, len(text))


def _presence(test: PageTest, page: str) -> str | None:
    wanted, page = normalized(test.text), normalized(page)
    if not test.case_sensitive:
        wanted, page = wanted.lower(), page.lower()
    if test.first_n and test.last_n:
        page = page[: test.first_n] + page[-test.last_n :]
    elif test.first_n:
        page = page[: test.first_n]
    elif test.last_n:
        page = page[-test.last_n :]
    found = fuzz.partial_ratio(wanted, page) / 100 >= _share(wanted, test.max_diffs)
    if found == (test.type == "present"):
        return None
    return f"{'is not' if test.type == 'present' else 'is'} there: {wanted[:_SHOWN]}"


def _order(test: PageTest, page: str) -> str | None:
    page, before, after = normalized(page), normalized(test.before), normalized(test.after)
    starts = [match.start for match in find_near_matches(before, page, max_l_dist=test.max_diffs)]
    others = [match.start for match in find_near_matches(after, page, max_l_dist=test.max_diffs)]
    if not starts or not others:
        return f"is not there: {(after if starts else before)[:_SHOWN]}"
    return None if min(starts) < max(others) else f"does not come first: {before[:_SHOWN]}"


def _math(test: PageTest, page: str) -> str | None:
    held: list[str] = []
    for pattern in _FORMULAS[:2] if test.ignore_dollar_delimited else _FORMULAS:
        held += [found.strip() for found in re.findall(pattern, page, re.S)]
        page = re.sub(pattern, "", page, flags=re.S)
    wanted = test.math.strip()
    return None if wanted in held else f"no formula of the same text: {wanted[:_SHOWN]}"


def _baseline(test: PageTest, page: str) -> str | None:
    if test.max_length is not None:
        counted = re.sub(r"!\[.*?\]\(.*?\)", "", page) if test.max_length_skips_image_alt_tags else page
        length = sum(map(str.isalnum, counted))
        return None if length <= test.max_length else f"{length} characters on a page that is blank"
    if not any(map(str.isalnum, page)):
        return "no letters or digits"
    for size in range(1, _LONGEST_GRAM + 1):
        if _repeats(page, size) > test.max_repeats:
            return f"ends in repetitions of {size} characters"
    foreign = _FOREIGN.findall(page) if test.check_disallowed_characters else []
    return f"characters that are not on the page: {' '.join(foreign[:10])}" if foreign else None


def _repeats(page: str, size: int) -> int:
    """How often the last ``size`` characters stand there in a row, right before themselves."""
    page = re.sub(r"\s+", " ", page)
    if len(page) < size:
        return 0
    last, place, count = page[-size:], len(page) - size, 0
    while place >= 0 and page[place : place + size] == last:
        count += 1
        place -= size
    return count


def _table(test: PageTest, page: str) -> str | None:
    tables = [] if test.ignore_markdown_tables else list(markdown_tables(page))
    tables += html_tables(page)
    if not tables:
        return "no table"
    cell = normalized(test.cell)
    why = f"no cell like {cell[:_SHOWN]}"
    for table in tables:
        for row, cells in enumerate(table.cells):
            for column, text in enumerate(cells):
                if _likeness(cell, text) < max(_LEAST_LIKENESS, _share(cell, test.max_diffs)):
                    continue
                wrong = _wrong_neighbour(test, table, row, column)
                if wrong is None:
                    return None
                why = wrong
    return why


def _likeness(wanted: str, text: str) -> float:
    return fuzz.ratio(wanted, normalized(text)) / 100


def _wrong_neighbour(test: PageTest, table: PageTable, row: int, column: int) -> str | None:
    cells = table.cells
    neighbours = (
        (test.up, row > 0, row - 1, column),
        (test.down, row < len(cells) - 1, row + 1, column),
        (test.left, column > 0, row, column - 1),
        (test.right, column < len(cells[0]) - 1, row, column + 1),
    )
    for wanted, there, at_row, at_column in neighbours:  # at the table's edge a neighbour is not missed
        told = normalized(wanted)
        if told and there and not _is_like(told, cells[at_row][at_column], test.max_diffs):
            return f"beside it stands {cells[at_row][at_column][:_SHOWN]}, not {told[:_SHOWN]}"
    up = [cells[other][column] for other in range(row)]
    left = cells[row][:column]
    headings = (
        (test.top_heading, table.above.get(column, ()), [up[r] for r in sorted(table.heading_rows) if r < row], up),
        (
            test.left_heading,
            table.beside.get(row, ()),
            [left[c] for c in sorted(table.heading_columns) if c < column],
            left,
        ),
    )
    for wanted, named, marked, others in headings:
        told = normalized(wanted)
        if told and not _has_heading(told, named, marked, others, test.max_diffs):
            return f"its heading is not {told[:_SHOWN]}"
    return None


def _is_like(wanted: str, text: str, max_diffs: int) -> bool:
    return _likeness(wanted, text) >= max(_LEAST_LIKENESS, _share(wanted, max_diffs))


def _has_heading(
    wanted: str, named: Sequence[str], marked: Iterable[str], others: Iterable[str], max_diffs: int
) -> bool:
    """The cell's own headings and marked rows are tried; cells that are neither only where those hold nothing alike."""
    tried = [*named, *filter(str.strip, marked)]
    if any(_is_like(wanted, text, max_diffs) for text in tried):
        return True
    if any(_likeness(wanted, text) > 0 and normalized(text) for text in tried):
        return False
    return any(_is_like(wanted, text, max_diffs) for text in others if text.strip())
