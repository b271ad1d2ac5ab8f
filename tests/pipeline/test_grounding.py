"""A model's words get the boxes of the page's own, and what it added, changed or left out shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.protocol import Block, Box, Reading
from folioscope.pipeline.grounding.alignment import align
from folioscope.pipeline.grounding.boxes import iou
from folioscope.pipeline.grounding.check import ground
from folioscope.pipeline.grounding.reference import NO_REFERENCE, Reference, reference_of
from folioscope.pipeline.grounding.tokens import block_tokens, normal_word
from folioscope.pipeline.grounding.word_pairs import likeness

FIRST = "The lock keeper at Sallow Weir counted 1,284 boats in the dry summer of 1911."
SECOND = "Margaret Oyelaran succeeded him in March and painted the gauge house green again."
THIRD = "Nobody has found the ledger that should list the tolls which were never paid."
TABLE = (
    "<table><tr><th>Year</th><th>Boats</th><th></th></tr><tr><td>1910</td><td>1,102</td><td></td></tr>"
    "<tr><td>1911</td><td>1,284</td><td>☐</td></tr></table>"
)


def lines(*texts: str, left: float = 0.1, top: float = 0.1, width: float = 0.8) -> list[tuple[str, Box]]:
    """Words of lines set one below the other, spread over the width."""
    words = []
    for number, text in enumerate(texts):
        parts = text.split()
        step = width / max(1, len(parts))
        y = top + 0.05 * number
        words += [(word, Box(left + n * step, y, left + (n + 0.9) * step, y + 0.02)) for n, word in enumerate(parts)]
    return words


def read(*blocks: str | Block) -> Reading:
    made = [block if isinstance(block, Block) else Block("text", block) for block in blocks]
    return Reading("\n\n".join(block.text for block in made), "model", tuple(made))


def layer(*words: Sequence[tuple[str, Box]]) -> Reference:
    return reference_of("text_layer", [word for part in words for word in part])


def test_each_block_has_the_box_of_its_words_whatever_the_order() -> None:
    left, right = lines(FIRST, SECOND, width=0.35), lines(THIRD, left=0.55, width=0.35)
    grounded = ground(read(THIRD, f"{FIRST} {SECOND}"), layer(left, right))
    assert [block.support for block in grounded.blocks] == [1.0, 1.0]
    assert grounded.check is not None
    assert (grounded.check.support, grounded.check.omitted, grounded.flags) == (1.0, 0.0, ())
    boxes = [block.bbox for block in grounded.blocks]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert iou(boxes[0], Box(0.55, 0.1, 0.897, 0.12)) > 0.95
    assert iou(boxes[1], Box(0.1, 0.1, 0.447, 0.17)) > 0.95


def test_an_added_sentence_is_invented_and_marked_word_for_word() -> None:
    added = "The mayor later burned every page of that forgotten record himself."
    grounded = ground(read(f"{FIRST} {added}", SECOND), layer(lines(FIRST, SECOND)))
    assert grounded.flags == ("invented",)
    [first, second] = grounded.blocks
    [span] = first.unsupported
    assert first.text[span.start : span.end] == added.rstrip(".")
    assert second.unsupported == ()
    assert grounded.check is not None
    assert grounded.check.support == pytest.approx(28 / 39)


def test_a_paragraph_written_twice_is_found_once() -> None:
    grounded = ground(read(FIRST, SECOND, FIRST), layer(lines(FIRST, SECOND)))
    assert grounded.flags == ("invented",)
    assert sorted(block.support or 0.0 for block in grounded.blocks) == [0.0, 1.0, 1.0]


def test_a_missing_paragraph_is_told_with_its_words_and_place() -> None:
    grounded = ground(read(FIRST, THIRD), layer(lines(FIRST, SECOND, THIRD)))
    assert grounded.flags == ("omitted",)
    assert grounded.check is not None
    [missing] = grounded.check.omissions
    assert missing.text == SECOND
    assert missing.bbox.y0 == pytest.approx(0.15)
    assert grounded.check.omitted == pytest.approx(13 / 42, abs=0.02)


def test_running_heads_may_be_left_out_and_may_be_read() -> None:
    words = lines("Annual report of the Sallow Weir trust 1911", FIRST)
    reference = reference_of("text_layer", words, [True] * 8 + [False] * (len(words) - 8))
    without = ground(read(FIRST), reference).check
    within = ground(read(Block("header", "Annual report of the Sallow Weir trust 1911"), FIRST), reference).check
    assert without is not None
    assert within is not None
    assert (without.omitted, within.omitted, within.support) == (0.0, 0.0, 1.0)


def test_a_changed_figure_of_a_table_shows_and_empty_cells_and_boxes_do_not() -> None:
    reference = layer(lines("Year Boats", "1910 1,102", "1911 1,284"))
    right = ground(read(Block("table", TABLE)), reference)
    assert right.flags == ()
    assert right.check is not None
    assert right.check.support == 1.0
    wrong = ground(read(Block("table", TABLE.replace("1,284", "1,234"))), reference)
    assert wrong.flags == ("figure_mismatch",)
    [span] = wrong.blocks[0].unsupported
    assert wrong.blocks[0].text[span.start : span.end] == "1,234"
    rows = "<tr><td></td><td>☐</td></tr>" * 200
    empty = ground(read(Block("table", TABLE.replace("</table>", f"{rows}</table>"))), reference)
    assert (empty.flags, empty.check) == ((), right.check)


def test_cells_have_boxes_of_their_own() -> None:
    table = "<table><tr><td rowspan='2'>1910</td><td>1,102</td></tr><tr><td>none</td></tr></table>"
    [block] = ground(read(Block("table", table)), layer(lines("1910 1,102"))).blocks
    found = {(cell.row, cell.column): (cell.support, cell.bbox is not None) for cell in block.cells}
    assert found == {(0, 0): (1.0, True), (0, 1): (1.0, True), (1, 1): (0.0, False)}


def test_misread_parted_and_joined_words_are_found_and_figures_only_as_they_are() -> None:
    alignment = align(
        "the information of the gauge house in 1911".split(), "the infor mation of the gaugehouse in 1917".split()
    )
    assert alignment.found == [(0,), (1, 2), (3,), (4,), (5,), (5,), (6,), ()]
    assert align(["lock", "keeper", "counted"], ["lock", "kceper", "counted"]).near == {1}
    assert likeness("1911", "1917") == 0.0
    assert likeness("keeper", "kceper") > 0.7


def test_words_without_their_blanks_are_found_on_either_side_however_many() -> None:
    glued = FIRST.replace("keeper at Sallow Weir counted", "keeperatSallowWeircounted")
    for model, page in ((glued, FIRST), (FIRST, glued)):
        grounded = ground(read(f"{SECOND} {model}", THIRD), layer(lines(SECOND, page, THIRD)))
        assert grounded.check is not None
        assert (grounded.check.support, grounded.check.omitted, grounded.flags) == (1.0, 0.0, ())
    twice = ground(read(glued, THIRD, glued), layer(lines(FIRST, THIRD, FIRST)))
    assert [block.support for block in twice.blocks] == [1.0, 1.0, 1.0]
    assert twice.blocks[0].bbox != twice.blocks[2].bbox


def test_what_ocr_alone_did_not_read_of_small_print_is_no_invention() -> None:
    furniture = Block(
        "footer", "VerDate Sep 11 2014 16:21 Aug 05 2020 Jkt 250001 PO 00000 Frm 00003 Fmt 4702 Sfmt 4702"
    )
    label = Block("text", "jbell on DSKJLSW7 with PROPOSALS today")
    seen = reference_of("ocr", lines(FIRST, SECOND, THIRD))
    grounded = ground(read(f"{FIRST} {SECOND} {THIRD}", furniture, label), seen)
    assert grounded.flags == ()
    assert [block.support for block in grounded.blocks] == [1.0, 0.0, 0.0]
    assert ground(read(f"{FIRST} {SECOND}", furniture), layer(lines(FIRST, SECOND))).flags == ("invented",)
    invented = "Nine barges of the northern company were later sold abroad together."
    assert ground(read(f"{FIRST} {SECOND}", invented), seen).flags == ("invented", "omitted")


def test_a_model_s_own_box_counts_where_the_words_agree() -> None:
    reference = layer(lines(FIRST))
    close, far = Box(0.09, 0.09, 0.91, 0.13), Box(0.1, 0.5, 0.9, 0.6)
    [kept] = ground(read(Block("text", FIRST, close)), reference).blocks
    [replaced] = ground(read(Block("text", FIRST, far)), reference).blocks
    assert kept.bbox == close
    assert replaced.bbox is not None
    assert replaced.bbox.y1 == pytest.approx(0.12)


def test_text_on_an_empty_page_is_invented_also_where_only_lines_are_known() -> None:
    nothing = reference_of("ocr", ())
    assert ground(read(FIRST), nothing).flags == ("invented",)
    assert ground(read(FIRST), replace(nothing, kind="ocr_detection")).flags == ("invented",)
    written = reference_of("ocr_detection", [("", box) for _, box in lines("a b c d e")])
    assert ground(read(), written).flags == ("omitted",)
    assert ground(read(FIRST), written).flags == ()


def test_without_a_reference_nothing_is_claimed() -> None:
    grounded = ground(replace(read(FIRST), flags=("invented", "loop")), NO_REFERENCE)
    assert grounded.flags == ("loop",)
    assert grounded.check is not None
    assert (grounded.check.reference, grounded.check.support) == ("none", None)
    assert grounded.blocks[0].support is None


def test_formulas_and_link_targets_are_no_words_to_look_for() -> None:
    text = r"The flow is $Q = \frac{a}{b}$ as [Manning](https://example.org/n) says &amp; H<sub>2</sub>O."
    tokens = block_tokens(Block("text", text))
    assert [token.form for token in tokens if not token.soft] == "the flow is as manning says h 2 o".split()
    assert [token.form for token in tokens if token.soft] == ["q", "a", "b"]
    assert all(normal_word(text[token.start : token.end]) == token.form for token in tokens)


@pytest.mark.parametrize(
    ("word", "form"),
    [("1,234,567", "1234567"), ("1.234.567", "1234567"), ("1,234.50", "1234.50"), ("3,14", "3.14"), ("ﬁsh", "fish")],
)
def test_words_are_compared_in_one_form(word: str, form: str) -> None:
    assert normal_word(word) == form


WORDS = st.lists(st.sampled_from("weir lock boat mill 12 13 river toll ledger".split()), max_size=40)


@given(WORDS, WORDS)
def test_no_word_is_matched_twice_and_equal_texts_match_whole(model: list[str], reference: list[str]) -> None:
    alignment = align(model, reference)
    exact = [others[0] for i, others in enumerate(alignment.found) if len(others) == 1 and i not in alignment.near]
    joined = [j for others in alignment.found if len(others) > 1 for j in others]
    assert len({*joined} & {*exact}) == 0
    common = sum(min(model.count(word), reference.count(word)) for word in set(model))
    assert sum(bool(others) for others in alignment.found) >= common
    assert all(align(model, model).found)


@given(st.permutations(range(6)))
def test_support_does_not_hang_on_the_order_of_paragraphs(order: list[int]) -> None:
    texts = [FIRST, SECOND, THIRD, "1. Tolls", "2. Boats", "3. Boats and tolls"]
    check = ground(read(*(texts[n] for n in order)), layer(lines(*texts))).check
    assert check is not None
    assert (check.support, check.omitted) == (1.0, 0.0)


def test_a_reference_pickles_as_it_is() -> None:
    import pickle

    reference = layer(lines(FIRST))
    copied = pickle.loads(pickle.dumps(reference))
    assert copied.words == reference.words
    assert np.array_equal(copied.boxes, reference.boxes)
