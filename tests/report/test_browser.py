"""The report as people use it, in a real browser: no console message and no request beyond the site in any test.

The page draws in animation frames: what it shows is waited for by `expect`, never read at once.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from archive_rows import EVIL, EVIL_NAME, HOSTILE, LINES, PAPER, VIDEO
from axe_playwright_python.sync_playwright import Axe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import Page, expect
from viewer import Viewer

from folioscope.pipeline.report.search_index import bucket
from folioscope.pipeline.search.analysis import STEMMERS, terms

ROUTES = {
    "#/": ".file",
    "#/answers": ".entry",
    "#/failures": ".entry",
    "#/runs": ".chart",
    "#/search?q=amber": ".hit",
    f"#/doc/{PAPER}?page=2": ".paper img",
    f"#/doc/{PAPER}?answer=amber": ".spot",
    f"#/doc/{PAPER}?page=3": ".no-picture",
    f"#/doc/{VIDEO}": ".timeline",
    f"#/doc/{HOSTILE}": ".block",
    f"#/versions/{PAPER}?page=1": ".version",
    "#/nowhere": ".empty",
}


def test_the_archive_lists_filters_and_opens(viewer: Viewer) -> None:
    page = viewer.open("#/", ".file")
    expect(page.locator(".file-name")).to_have_count(5)
    page.get_by_role("button", name="failed").click()
    expect(page.locator(".file-name")).to_have_text(["locked.pdf"])
    page.get_by_role("button", name="failed").click()
    page.get_by_label("Filter by name").fill("video")
    expect(page.locator(".file-name")).to_have_text(["video.mp4"])
    page.get_by_label("Filter by name").fill("no such name")
    expect(page.get_by_text("No file fits")).to_be_visible()
    page.get_by_label("Filter by name").fill("lantern.pdf")
    page.locator(".file").last.click()
    expect(page.locator("h1")).to_have_text("copy of lantern.pdf")


def test_boxes_stand_on_the_words_of_the_picture(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".paper img")
    expect(page.locator(".paper img")).to_have_js_property("complete", True)
    page.keyboard.press("b")  # boxes off: they would count as ink
    paper = page.locator(".paper").bounding_box()
    assert paper is not None
    for index, line in enumerate(LINES):
        box = page.locator(f".box[data-index='{index}']").bounding_box()
        assert box is not None
        page.locator(f".box[data-index='{index}']").scroll_into_view_if_needed()
        ink = inked(page, page.locator(f".box[data-index='{index}']").bounding_box())
        assert ink is not None, line
        left, top, right, bottom = ink
        assert left <= 4, line
        assert abs(right - box["width"]) <= 4, line
        assert top >= 0, line
        assert bottom <= box["height"], line
    page.keyboard.press("b")


def inked(page: Page, box: Any) -> tuple[int, int, int, int] | None:
    """Where dark pixels lie within a box of the page and 12 pixels around it, measured from the box's corner."""
    around = 12
    clip = {
        "x": box["x"] - around,
        "y": box["y"] - around,
        "width": box["width"] + 2 * around,
        "height": box["height"] + 2 * around,
    }
    with Image.open(io.BytesIO(page.screenshot(clip=clip))) as picture:
        dark = np.asarray(picture.convert("L")) < 128
    if not dark.any():
        return None
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return tuple(int(value) - around for value in (columns[0], rows[0], columns[-1], rows[-1]))  # type: ignore[return-value]


def test_pointing_at_a_box_lights_its_text_and_the_other_way_round(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".box")
    page.locator(".box[data-index='1']").hover()
    expect(page.locator(".block.lit p")).to_have_text(["Every seventh ship carries amber."])
    page.locator(".block").nth(0).hover()
    expect(page.locator(".box.lit")).to_have_attribute("data-index", "0")


def test_search_finds_words_and_leads_to_them(viewer: Viewer) -> None:
    page = viewer.open("#/", ".file")
    page.keyboard.press("/")
    page.keyboard.type("seventh amb")
    page.wait_for_selector(".hit mark")
    expect(page.locator(".hit .hit-name")).to_have_text(["copy of lantern.pdf"])
    expect(page.locator(".hit-text mark")).to_have_text(["seventh", "amber"])
    page.locator(".hit").click()
    expect(page.locator(".box.found")).to_have_attribute("data-index", "1")
    expect(page.locator(".block.found").first).to_contain_text("Every seventh ship")


def test_search_says_when_nothing_is_found(viewer: Viewer) -> None:
    page = viewer.open("#/search?q=obsolescence", ".page h1")
    page.get_by_text("Nothing holds the words").first.wait_for()


def test_filters_stand_in_the_address(viewer: Viewer) -> None:
    page = viewer.open("#/?status=failed", ".file")
    expect(page.locator(".file-name")).to_have_text(["locked.pdf"])
    page.get_by_role("button", name="failed").click()
    page.get_by_label("Filter by name").fill("video")
    expect(page.locator(".file-name")).to_have_text(["video.mp4"])
    assert page.url.endswith("#/?words=video")
    viewer.open("#/search?q=card", ".hit")
    expect(page.locator(".hit")).to_have_count(4)
    expect(page.locator(".hit .faint").first).to_contain_text("Shot at")
    viewer.open("#/search?q=pdf", ".hit")
    expect(page.locator("p.faint", has_text="for “pdf”")).to_be_visible()
    page.get_by_label("Any flags").select_option("low_confidence")
    expect(page.locator(".hit")).to_have_count(1)
    assert "flag=low_confidence" in page.url
    page.reload()
    expect(page.locator(".hit")).to_have_count(1)
    viewer.open("#/failures?reason=password_required", ".entry")
    expect(page.locator(".choice[aria-pressed='true']")).to_contain_text("Password required")
    page.locator(".choice", has_text="Decode timeout").click()
    assert page.url.endswith("#/failures?reason=decode_timeout")
    viewer.open("#/answers?question_id=amber", ".entry")
    expect(page.locator(".choice[aria-pressed='true']")).to_contain_text("Which ship carries amber?")


def test_the_search_box_holds_what_is_shown(viewer: Viewer) -> None:
    page = viewer.open("#/search?q=card", ".hit")
    page.evaluate("location.hash = '#/search?q=lantern'")
    expect(page.locator("#find")).to_have_value("lantern")
    page.go_back()
    expect(page.locator("#find")).to_have_value("card")


def test_a_typo_is_told_and_mended(viewer: Viewer) -> None:
    page = viewer.open("#/search?q=lantren", ".meant")
    page.get_by_role("link", name="lantern").click()
    page.wait_for_selector(".hit mark")


def test_a_page_grows_to_the_size_at_which_it_was_read(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".paper img")
    page.get_by_role("button", name="Larger").click()
    expect(page.locator(".zoomed"), "it fits at more than 100 %: larger is larger than that").to_have_text("150 %")
    page.get_by_role("button", name="Smaller").click()
    expect(page.locator(".zoomed")).to_have_text("100 %")
    box = page.locator(".paper").bounding_box()
    assert box is not None
    assert abs(box["width"] - 595) <= 1
    expect(page.locator(".blurred")).to_be_hidden()
    page.get_by_role("button", name="Larger").click()
    expect(page.locator(".blurred")).to_contain_text("Enlarged from 595 pixels")
    expect(page.locator(".blurred")).to_contain_text("--thumbnails 842")
    for zoom in ("100 %", "75 %"):
        page.keyboard.press("-")
        expect(page.locator(".zoomed")).to_have_text(zoom)
    expect(page.locator(".blurred")).to_be_hidden()


def test_a_narrow_page_still_says_which_page_is_shown(viewer: Viewer) -> None:
    viewer.page.set_viewport_size({"width": 390, "height": 844})
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".paper img")
    chooser = page.get_by_label("Page to show")
    words = "(select) => { const range = new OffscreenCanvas(1, 1).getContext('2d'); range.font = getComputedStyle(select).font; return range.measureText(select.selectedOptions[0].text).width; }"
    box = chooser.bounding_box()
    assert box is not None
    assert box["width"] > chooser.evaluate(words) + 16, "the number is not squeezed out"
    assert box["x"] + box["width"] <= 390


def test_the_tabs_of_a_narrow_page_stand_below_its_head(viewer: Viewer) -> None:
    viewer.page.set_viewport_size({"width": 390, "height": 500})
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".paper img")
    page.evaluate("document.querySelector('.panel-body').style.paddingBottom = '2000px'")  # as under a long page
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    head, tabs = page.locator("header.top").bounding_box(), page.locator(".tabs").bounding_box()
    assert head is not None
    assert tabs is not None
    assert tabs["y"] <= head["y"] + head["height"] + 1, "no text shows between them"


def test_the_original_opens_at_its_page_or_second(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".paper img")
    expect(page.get_by_role("link", name="Original")).to_have_count(0)  # of a path that leads nowhere from here
    original = "([uri, kind, head]) => folioscope.transfer.original({uris: [uri], kind}, head)"
    paged, timed = {"n": 2, "start": None}, {"n": 3, "start": 21.5}
    for uri, kind, head, address in (
        ("/in/a b.pdf", "pdf", paged, "file:///in/a%20b.pdf#page=2"),
        ("file:///in/a.pdf", "pdf", paged, "file:///in/a.pdf#page=2"),
        ("https://host/a.mp4", "video", timed, "https://host/a.mp4#t=21.5"),
        ("/in/scan.png", "image", paged, "file:///in/scan.png"),
        ("s3://bucket/a.pdf", "pdf", paged, None),
        ("javascript:alert(1)//a.pdf", "pdf", paged, None),
    ):
        assert page.evaluate(original, [uri, kind, head]) == address


def test_texts_and_tables_leave_the_report(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{HOSTILE}", ".table")
    with page.expect_download() as loading:
        page.get_by_role("button", name="Table as CSV").click()
    assert loading.value.path().read_text(encoding="utf-8-sig") == "cellgo,\n"
    viewer.open(f"#/doc/{PAPER}?page=2", ".block")
    page.evaluate("navigator.clipboard.writeText = async (words) => { window.copied = words; }")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("window.copied") == "\n\n".join(LINES)
    page.get_by_role("tab", name="File").click()
    with page.expect_download() as loading:
        page.get_by_role("button", name="Download as Markdown").click()
    markdown = loading.value.path().read_text(encoding="utf-8")
    assert markdown.startswith(
        "# copy of lantern.pdf\n\n<!-- page 1 -->\n\nAn empty first page, nearly.\n\n<!-- page 2 -->"
    )
    viewer.open("#/answers", ".entry")
    with page.expect_download() as loading:
        page.get_by_role("button", name="CSV").click()
    lines = loading.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "uri,answer,score,page,second,quote,verified"
    formula = "folioscope.transfer.csv([['=1+1', '-2', 'a\"b', null]])"
    assert page.evaluate(formula) == '\ufeff\'=1+1,-2,"a""b",\r\n'


def test_two_readings_of_a_page_stand_side_by_side(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=1", ".block")
    page.get_by_role("link", name="Earlier reading").click()
    page.wait_for_selector(".version")
    expect(page.locator(".version pre")).to_have_text(
        ["an older reading: obsolescence", "An empty first page, nearly."]
    )
    expect(page.locator(".version").first.locator("mark").last).to_have_text("obsolescence")
    viewer.open(f"#/doc/{PAPER}?page=2", ".block")
    expect(page.get_by_role("link", name="Earlier reading")).to_have_count(0)


def test_a_wide_table_scrolls_and_breaks_no_word(viewer: Viewer) -> None:
    viewer.page.set_viewport_size({"width": 390, "height": 844})
    page = viewer.open(f"#/doc/{HOSTILE}", ".table")
    words = ["Inundation", "Riverbank", "Measurements", "Administration", "Correspondence", "Photographs"]
    cells = "".join(f"<td>{word}</td>" for word in words)
    page.evaluate(
        "(html) => document.querySelector('.table').replaceWith(folioscope.text.block({kind: 'table', text: html}))",
        f"<table><tr>{cells}</tr></table>",
    )
    table = page.locator(".block .table")
    assert table.evaluate("(table) => table.scrollWidth > table.clientWidth"), "it scrolls"
    lines = "(cell) => { const range = document.createRange(); range.selectNodeContents(cell); return range.getClientRects().length; }"
    assert [table.locator("td").nth(number).evaluate(lines) for number in range(len(words))] == [1] * len(words)


def test_evidence_leads_to_its_page_and_lights_its_box(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}", ".block")
    expect(page.get_by_label("Page to show")).to_have_value("1")
    page.get_by_role("tab", name="Answers").click()
    page.locator(".proof-link").first.click()
    page.wait_for_selector(".spot")
    expect(page.get_by_label("Page to show")).to_have_value("2")
    spot, box = page.locator(".spot").bounding_box(), page.locator(".box[data-index='1']").bounding_box()
    assert spot is not None
    assert box is not None
    assert all(abs(spot[side] - box[side]) <= 2 for side in ("x", "y", "width", "height"))
    expect(page.get_by_role("tab", name="Answers")).to_have_attribute("aria-selected", "true")


def test_a_quote_without_a_box_is_looked_up_in_its_page(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{HOSTILE}?answer=amber", ".spot")
    expect(page.locator(".spot")).to_have_count(1)


def test_a_videos_answers_chapters_and_shots_lead_to_their_time(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{VIDEO}?answer=amber", ".timeline")
    expect(page.locator(".stage-bar select")).to_have_value("3")
    expect(page.get_by_label("Time in the video")).to_have_attribute("aria-valuetext", "0:21")
    page.get_by_role("button", name="Chapter Second half").click()
    expect(page.get_by_label("Time in the video")).to_have_value("20")
    page.get_by_role("tab", name="On screen").click()
    expect(page.locator(".panel")).to_contain_text("A grey card with the number 3.")
    expect(page.locator(".block-time")).to_have_text(["0:21 – 0:27"])
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".stage-bar select")).to_have_value("4")
    assert not re.search(r"\bpages?\b", page.locator(".document").inner_text(), re.IGNORECASE), (
        "shots are not called pages"
    )


def test_failures_stand_by_reason_and_lead_to_the_page(viewer: Viewer) -> None:
    page = viewer.open("#/failures", ".entry")
    expect(page.locator(".choice-name")).to_have_text(["decode timeout", "password required"], ignore_case=True)
    page.locator(".choice").first.click()
    page.locator(".entry", has_text="lantern.pdf").click()
    page.get_by_text("Decode timeout, page 3").wait_for()
    expect(page.locator(".panel")).to_contain_text("The file ends in the middle.")
    page.get_by_role("tab", name="Failures").click()
    expect(page.locator(".trouble")).to_have_count(1)


def test_runs_are_drawn_and_told(viewer: Viewer) -> None:
    page = viewer.open("#/runs", ".chart")
    cost = page.locator(".chart", has_text="Cost of 1,000 pages")
    expect(cost.locator(".bar"), "the run without a price has no bar").to_have_count(3)
    expect(page.locator(".figures tbody tr")).to_have_count(4)
    expect(page.locator(".figures th").nth(1)).to_have_text("Pages and shots")
    expect(page.locator("details.run").first).to_contain_text("pages and shots")


def test_nothing_that_a_document_says_runs(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{HOSTILE}", ".block")
    expect(page.locator(".panel")).to_contain_text("<script>window.pwned = 1</script>")
    expect(page.locator("h1")).to_have_text(EVIL_NAME.rsplit("/", 1)[1])
    table = page.locator(".table")
    assert table.inner_html() == '<table><tr><td colspan="2">cellgo</td></tr></table>'
    for tab in ("Summary", "Answers", "File"):
        page.get_by_role("tab", name=tab).click()
    page.get_by_role("tab", name="Text").click()
    page.get_by_role("button", name="Markdown").click()
    expect(page.locator(".source")).to_contain_text(EVIL.split("\u2028")[0])
    page.get_by_role("button", name="Markdown").click()
    for route, ready in (
        ("#/", ".file"),
        ("#/search?q=window pwned", ".hit"),
        ("#/failures", ".entry"),
        ("#/answers", ".entry"),
    ):
        viewer.open(route, ready)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main script, main img[onerror], main a[href^='javascript']").count() == 0


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "<table><tr><th>a<th>b<tr><td>1<td>2</table>",
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        ),
        (
            "<table><thead><tr><th rowspan=2>x &amp; y</th></tr></thead><tbody><tr><td>1<sup>2</sup></td></tr></tbody></table>",
            '<table><thead><tr><th rowspan="2">x &amp; y</th></tr></thead><tbody><tr><td>1<sup>2</sup></td></tr></tbody></table>',
        ),
        (
            "<table><tr><td>3 &lt; 4 &#8364; &#x20AC; &nope;</td></tr>",
            "<table><tr><td>3 &lt; 4 € € &amp;nope;</td></tr></table>",
        ),
        (
            "<table><tr><td>a<table><tr><td>in</td></tr></table>b</td></tr></table>",
            "<table><tr><td>a<table><tr><td>in</td></tr></table>b</td></tr></table>",
        ),
    ],
)
def test_tables_are_built_from_a_whitelist(viewer: Viewer, source: str, shown: str) -> None:
    page = viewer.open("#/", ".file")
    built = "(text) => folioscope.text.block({kind: 'table', text, level: 0}).innerHTML"
    assert page.evaluate(built, source) == shown


def test_the_keyboard_reaches_blocks_and_pages(viewer: Viewer) -> None:
    page = viewer.open(f"#/doc/{PAPER}?page=2", ".block")
    page.locator(".block").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".box.lit")).to_have_attribute("data-index", "1")
    page.keyboard.press("k")
    expect(page.locator(".stage-bar select")).to_have_value("1")


def test_the_theme_is_kept(viewer: Viewer) -> None:
    page = viewer.open("#/", ".file")
    before = page.locator("html").get_attribute("data-theme")
    page.get_by_role("button", name="light and dark").click()
    page.reload()
    page.wait_for_selector(".file")
    assert {before, page.locator("html").get_attribute("data-theme")} == {"light", "dark"}


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_is_wider_than_the_page(viewer: Viewer, width: int) -> None:
    viewer.page.set_viewport_size({"width": width, "height": 844})
    for route, ready in ROUTES.items():
        page = viewer.open(route, ready)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, route


AXE: dict[str, dict[str, Any]] = {
    "light": {"preload": False, "resultTypes": ["violations"]},
    "dark": {"preload": False, "resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}


@pytest.mark.parametrize("theme", AXE)
def test_axe_finds_nothing_serious(viewer: Viewer, theme: str) -> None:
    viewer.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for route, ready in ROUTES.items():
        page = viewer.open(route, ready)
        found = Axe().run(page, options=AXE[theme]).response["violations"]
        serious = [
            (violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
            for violation in found
            if violation["impact"] in ("serious", "critical")
        ]
        assert serious == [], (route, theme)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=40), st.sampled_from(["en", None]))
def test_the_page_cuts_words_as_the_index_does(viewer: Viewer, text: str, language: str | None) -> None:
    if viewer.page.url == "about:blank":
        viewer.open("#/", ".file")
    expected = terms(text, language)
    cut = viewer.page.evaluate(
        "([text, language, algorithms]) => folioscope.terms.terms(text, language, algorithms)",
        [text, language, STEMMERS],
    )
    assert cut == expected
    assert viewer.page.evaluate("(terms) => terms.map(folioscope.ranking.bucket)", expected) == [
        bucket(term) for term in expected
    ]
