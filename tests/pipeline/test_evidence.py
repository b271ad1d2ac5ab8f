"""Evidence is verified where the page holds it, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.protocol import Block, Box, Evidence, PageText, ShotText
from pipeline.evidence import verify, verify_in_film

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


SHOTS = (
    ShotText(1, 0.0, 5.0, "# Fish\n\nThe counter recorded 1,874 salmon", (Block("text", "Fish"), Block("text", "The counter recorded 1,874 salmon", BOX))),
    ShotText(2, 5.0, 9.0, "in the year 2024", caption="A river in flood"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("quote", "start_s", "end_s", "verified", "bbox"),
    [
        ("recorded 1,874 salmon", 1.0, 4.0, True, BOX),
        ("recorded 1,874 salmon", 4.9, 5.0, True, BOX),
        ("recorded 1,874 salmon", 2.0, None, True, BOX),
        ("salmon in the year 2024", 4.0, 6.0, True, None),
        ("recorded 1,874 salmon", 5.0, 9.0, False, None),
        ("recorded 1,847 salmon", 1.0, 4.0, False, None),
        ("A river in flood", 5.0, 9.0, False, None),
        ("recorded 1,874 salmon", None, None, False, None),
    ],
)
def test_a_quote_of_a_film_is_looked_up_in_the_shots_of_its_seconds(
    quote: str, start_s: float | None, end_s: float | None, verified: bool, bbox: Box | None
) -> None:
    found = verify_in_film(Evidence(quote, start_s=start_s, end_s=end_s, bbox=Box(0, 0, 1, 1)), SHOTS)
    assert (found.verified, found.bbox) == (verified, bbox)
