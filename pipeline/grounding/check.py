"""A model's reading beside a reference: its blocks get boxes and support, the page its shares, passages and flags.

``invented``: a passage that stands nowhere on the page, or much of the text does not. ``omitted``: a passage of the
page is missing. ``figure_mismatch``: a figure of a table is none of the page's. What a model says of its own words by
itself (its boxes, where it emits any) counts only where the reference agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from folioscope.model.blocks import Block, Cell, Check, Omission, Span
from folioscope.model.segments import Reading
from folioscope.pipeline.grounding.alignment import Alignment, align
from folioscope.pipeline.grounding.boxes import agrees, hull, together
from folioscope.pipeline.grounding.reference import Reference
from folioscope.pipeline.grounding.tokens import ReferenceTokens, Token, block_tokens, is_figure, reference_tokens

INVENTED, OMITTED, FIGURE_MISMATCH = "invented", "omitted", "figure_mismatch"
REFERENCE_FAILED = "reference_failed"
FLAGS = frozenset({INVENTED, OMITTED, FIGURE_MISMATCH})
PASSAGE = 6  # words, from which an unsupported or a missing run is a passage
WINDOW = 8  # words among which so many are unsupported
LEAST_OMISSION = 4  # words, from which a missing run is told
FEW_WORDS = 5  # below, a share of words says little
TOO_MANY = 0.4  # share of words without support, or missing, from which a page is flagged
LINES_OF_TEXT = 4  # lines found on a page whose text is empty, from which it is flagged
RUNNING = frozenset({"header", "footer"})  # in small print: OCR misreads them, and nobody invents them alone
SHORT = 10  # words: a shorter block is a label, which OCR loses whole where it is small or turned
SURE_TABLE = 0.8  # of a table's words that the reference must have for its figures to be judged


def ground(reading: Reading, reference: Reference) -> Reading:
    """The reading with what the reference says of it."""
    flags = tuple(flag for flag in reading.flags if flag not in FLAGS)
    if reference.is_full:
        return _compared(replace(reading, flags=flags), reference)
    check = Check(reference.kind)
    flags += (REFERENCE_FAILED,) if reference.failed else ()
    if reference.kind == "ocr_detection":
        flags += _by_lines(reading, len(reference.boxes))
    return replace(reading, check=check, flags=flags)


def _by_lines(reading: Reading, lines: int) -> tuple[str, ...]:
    """What shows where only the lines are known: text on an empty page, or none on a written one."""
    words = sum(len(block_tokens(block)) for block in reading.blocks)
    if not lines and words >= FEW_WORDS:
        return (INVENTED,)
    return (OMITTED,) if not words and lines >= LINES_OF_TEXT else ()


def _compared(reading: Reading, reference: Reference) -> Reading:
    tokens = [block_tokens(block) for block in reading.blocks]
    of_page = reference_tokens(reference)
    flat = [token for of_block in tokens for token in of_block]
    parts = [number for number, of_block in enumerate(tokens) for _ in of_block]
    centres = ((of_page.boxes[:, :2] + of_page.boxes[:, 2:]) / 2).astype(np.float32)
    alignment = align([token.form for token in flat], of_page.forms, centres, parts)
    blocks, begun = [], 0
    for block, of_block in zip(reading.blocks, tokens, strict=True):
        found = alignment.found[begun : begun + len(of_block)]
        weak = [begun + n in alignment.weak for n in range(len(of_block))]
        blocks.append(_grounded(block, of_block, found, weak, of_page, reference))
        begun += len(of_block)
    check = _check(reference, flat, alignment, of_page)
    loosely = reference.kind == "ocr"
    judged = [
        not token.soft and not (loosely and (block.kind in RUNNING or len(of_block) < SHORT))
        for block, of_block in zip(reading.blocks, tokens, strict=True)
        for token in of_block
    ]
    flags = _flags(check, judged, alignment, blocks)
    return replace(reading, blocks=tuple(blocks), check=check, flags=(*reading.flags, *flags))


def _grounded(
    block: Block,
    tokens: Sequence[Token],
    found: Sequence[tuple[int, ...]],
    weak: Sequence[bool],
    page: ReferenceTokens,
    reference: Reference,
) -> Block:
    sure = [j for others, unsure in zip(found, weak, strict=True) if not unsure for j in others]
    chosen = sure or [j for others in found for j in others]
    signs = [sign for word in dict.fromkeys(page.word[j] for j in chosen) for sign in page.signs.get(word, ())]
    words = np.concatenate([page.boxes[chosen], reference.boxes[signs]])
    box = hull(together(words, columns=block.kind == "table"))
    if block.bbox is not None and (box is None or agrees(block.bbox, words)):
        box = block.bbox if len(words) else None
    counted = [(token, bool(others)) for token, others in zip(tokens, found, strict=True) if not token.soft]
    return replace(
        block,
        bbox=box,
        support=_share(counted),
        unsupported=_spans(block.text, [token for token, is_found in counted if not is_found]),
        cells=_cells(tokens, found, page),
    )


def _share(counted: Sequence[tuple[Token, bool]]) -> float | None:
    return sum(is_found for _, is_found in counted) / len(counted) if counted else None


def _spans(text: str, tokens: Sequence[Token]) -> tuple[Span, ...]:
    """The characters of words; those of neighbours with nothing but white between them are one span."""
    spans: list[Span] = []
    for token in tokens:
        if spans and not text[spans[-1].end : token.start].strip():
            spans[-1] = Span(spans[-1].start, token.end)
        else:
            spans.append(Span(token.start, token.end))
    return tuple(spans)


def _cells(tokens: Sequence[Token], found: Sequence[tuple[int, ...]], page: ReferenceTokens) -> tuple[Cell, ...]:
    by_cell: dict[tuple[int, int], list[tuple[Token, tuple[int, ...]]]] = {}
    for token, others in zip(tokens, found, strict=True):
        if token.cell is not None:
            by_cell.setdefault(token.cell, []).append((token, others))
    cells = []
    for (row, column), of_cell in sorted(by_cell.items()):
        box = hull(page.boxes[[j for _, others in of_cell for j in others]])
        support = _share([(token, bool(others)) for token, others in of_cell if not token.soft])
        cells.append(Cell(row, column, box, support))
    return tuple(cells)


def _check(reference: Reference, tokens: Sequence[Token], alignment: Alignment, page: ReferenceTokens) -> Check:
    counted = [bool(found) for token, found in zip(tokens, alignment.found, strict=True) if not token.soft]
    wanted = [owner >= 0 for owner, optional in zip(alignment.owner, page.optional, strict=True) if not optional]
    return Check(
        reference.kind,
        words=len(counted),
        support=sum(counted) / len(counted) if counted else None,
        reference_words=len(wanted),
        omitted=1 - sum(wanted) / len(wanted) if wanted else None,
        omissions=tuple(_omissions(reference, alignment, page)),
    )


def _omissions(reference: Reference, alignment: Alignment, page: ReferenceTokens) -> list[Omission]:
    """Runs of words that the text lacks, a single word found between them or not."""
    missing = [owner < 0 and not optional for owner, optional in zip(alignment.owner, page.optional, strict=True)]
    runs: list[list[int]] = []
    for j, is_missing in enumerate(missing):
        if is_missing:
            if runs and j - runs[-1][-1] <= 2:
                runs[-1].append(j)
            else:
                runs.append([j])
    found = []
    for run in runs:
        box = hull(page.boxes[run])
        if len(run) >= LEAST_OMISSION and box is not None:
            words = dict.fromkeys(page.word[j] for j in run)
            found.append(Omission(" ".join(reference.words[number] for number in words), box))
    return found


def _flags(check: Check, judged: Sequence[bool], alignment: Alignment, blocks: Sequence[Block]) -> list[str]:
    """``judged`` tells of each word whether it may be part of an invented passage."""
    flags = []
    numbers = [i for i, counts in enumerate(judged) if counts]
    unfound = [not alignment.found[i] or i in alignment.weak for i in numbers]
    unsupported = [not alignment.found[i] for i in numbers]
    much = check.support is not None and check.words >= FEW_WORDS and 1 - check.support > TOO_MANY
    if much or _has_passage(unfound, unsupported):
        flags.append(INVENTED)
    longest = max((len(part.text.split()) for part in check.omissions), default=0)
    share = check.omitted is not None and check.reference_words >= FEW_WORDS and check.omitted > TOO_MANY
    if share or longest >= PASSAGE:
        flags.append(OMITTED)
    if any(_has_odd_figure(block) for block in blocks):
        flags.append(FIGURE_MISMATCH)
    return flags


def _has_passage(unfound: Sequence[bool], unsupported: Sequence[bool]) -> bool:
    """Whether some words in a row are mostly unsupported: those that only occur elsewhere on the page help nothing."""
    if len(unfound) < PASSAGE:
        return False
    width = min(WINDOW, len(unfound))
    loose = np.convolve(np.array(unfound, np.int64), np.ones(width, np.int64), "valid")
    strict = np.convolve(np.array(unsupported, np.int64), np.ones(width, np.int64), "valid")
    return bool(((loose >= PASSAGE) & (strict >= PASSAGE // 2)).any())


def _has_odd_figure(block: Block) -> bool:
    if block.kind != "table" or block.support is None or block.support < SURE_TABLE:
        return False
    return any(
        is_figure(token.form)
        for token in block_tokens(block)
        for span in block.unsupported
        if span.start <= token.start < span.end
    )
