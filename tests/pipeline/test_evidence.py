"""Evidence is verified where the page holds it, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.protocol import Block, Box, Evidence, PageText
from pipeline.evidence import verify

TEXT = (
    "The fish counter at Sallow Weir recorded 1,874 salmon in 2024, more than in any year since it was installed. "
    "Repair would cost 420,000 crowns and removal 260,000; a weir that is gone needs no repair."
)
BOX = Box(0.1, 0.2, 0.9, 0.3)
PAGES = {
    3: PageText(3, f"# Fish\n\n{TEXT}", (Block("heading", "Fish", Box(0.1, 0.1, 0.3, 0.15)), Block("text", TEXT, BOX)))
}


@given(start=st.integers(0, len(TEXT.split()) - 2), length=st.integers(2, 12))
def test_any_run_of_words_of_the_page_is_verified_with_its_box(start: int, length: int) -> None:
    quote = " ".join(TEXT.split()[start : start + length]).strip(",.;")
    found = verify(Evidence(quote, 3), PAGES)
    assert found.verified
    assert found.bbox == BOX


@pytest.mark.parametrize(
    "quote",
    [
        "The fish counter at Sallow Weir recorded 1,874 salmon in 2025, more than in any year",
        "The fish counter at Sallow Weir recorded 1,847 salmon in 2024, more than in any year",
        "The fish counter at Millbridge Weir recorded no salmon at all in that wet autumn",
        "874 salmon",
        "fish count",
        "",
    ],
)
def test_what_the_page_does_not_say_is_not_verified(quote: str) -> None:
    found = verify(Evidence(quote, 3, bbox=BOX), PAGES)
    assert not found.verified
    assert found.bbox is None


@pytest.mark.parametrize(
    "quote",
    [
        "Repair would cost 420,000  crowns",
        "<td>420,000 crowns</td>",
        "The fish counter at Sallow Weir recorded 1,874 sa1mon in 2024, more than in any year since it was insta1led.",
    ],
)
def test_markup_white_space_and_slips_of_a_reader_do_not_matter(quote: str) -> None:
    assert verify(Evidence(quote, 3), PAGES).verified


def test_a_true_quote_from_another_page_is_not_verified() -> None:
    assert not verify(Evidence("Sallow Weir", 4), PAGES).verified
    assert not verify(Evidence("Sallow Weir", None), PAGES).verified
