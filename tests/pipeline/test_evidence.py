"""Evidence is verified where the page holds it, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.protocol import Block, Box, Evidence, PageText, ShotText, Span
from folioscope.pipeline.stages.evidence import verify, verify_in_video

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
def test_a_quote_of_a_video_is_looked_up_in_the_shots_of_its_seconds(
    quote: str, start_s: float | None, end_s: float | None, verified: bool, bbox: Box | None
) -> None:
    found = verify_in_video(Evidence(quote, start_s=start_s, end_s=end_s, bbox=Box(0, 0, 1, 1)), SHOTS)
    assert (found.verified, found.bbox) == (verified, bbox)


def checked_page(support: float | None, reference: str, unsupported: tuple[Span, ...] = ()) -> dict[int, PageText]:
    """A page that a model wrote, with what a second reader says of it."""
    block = Block("text", TEXT, BOX, support=support, unsupported=unsupported)
    return {3: PageText(3, TEXT, (block,), written_by="model", reference=reference)}  # type: ignore[arg-type]


WRONG = (Span(TEXT.index("420,000"), TEXT.index("420,000") + len("420,000")),)


@pytest.mark.parametrize(
    ("pages", "quote", "verified_by"),
    [
        (PAGES, "removal 260,000", "text_layer"),
        (checked_page(1.0, "text_layer"), "removal 260,000", "text_layer"),
        (checked_page(1.0, "ocr"), "removal 260,000", "ocr"),
        (checked_page(0.97, "ocr", WRONG), "removal 260,000", "ocr"),
        (checked_page(0.97, "ocr", WRONG), "Repair would cost 420,000 crowns", "model_text"),
        (checked_page(None, "none"), "removal 260,000", "model_text"),
        (checked_page(None, "ocr_detection"), "removal 260,000", "model_text"),
        (checked_page(1.0, "text_layer"), "removal 360,000", None),
    ],
)
def test_a_model_s_own_text_verifies_nothing_unless_a_second_reader_found_its_words(
    pages: dict[int, PageText], quote: str, verified_by: str | None
) -> None:
    found = verify(Evidence(quote, 3), pages)
    assert (found.verified_by, found.verified) == (verified_by, verified_by in ("text_layer", "ocr"))
    assert (found.bbox is not None) is (verified_by is not None)


def test_a_near_match_is_repaired_to_the_words_of_the_page_and_marked() -> None:
    slips = (
        "the fish c0unter at Sallow Weir recorded 1,874 sa1mon in 2024, more than in any year since it was insta1led"
    )
    found = verify(Evidence(slips, 3), PAGES)
    assert found.quote == TEXT.partition(";")[0].partition(" Repair")[0]
    assert (found.repaired, found.verified, found.bbox) == (True, True, BOX)
    exact = verify(Evidence("recorded 1,874  salmon", 3), PAGES)
    assert (exact.repaired, exact.quote) == (False, "recorded 1,874  salmon")


def test_what_a_model_saw_on_a_screen_is_quoted_and_what_was_said_is_verified() -> None:
    said = Block("speech", "the gate stays open", start_s=1.0, end_s=2.0, track="audio 1")
    shot = ShotText(
        1, 0.0, 5.0, "Gate plan\n\nthe gate stays open", (Block("text", "Gate plan"), said), written_by="model"
    )
    on_screen = verify_in_video(Evidence("Gate plan", start_s=1.0, end_s=2.0), [shot])
    spoken = verify_in_video(Evidence("gate stays open", start_s=1.0, end_s=2.0), [shot])
    assert (on_screen.verified, on_screen.verified_by) == (False, "model_text")
    assert (spoken.verified, spoken.verified_by) == (True, "speech")
