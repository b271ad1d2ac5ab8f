"""In a real browser: pages that turn sharp when they are enlarged, and what a second reader found of a model's words."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from drawn_rows import CHANGED, LEDGER, WIDTH
from playwright.sync_api import expect
from viewer import Viewer


def test_a_page_is_sharp_once_it_is_larger_than_the_kept_picture(drawn_viewer: Viewer) -> None:
    drawn_viewer.page.set_viewport_size({"width": 1400, "height": 900})
    page = drawn_viewer.open(f"#/doc/{LEDGER}?page=2", ".paper img.sharp")
    assert abs(page.locator(".paper img").evaluate("(picture) => picture.naturalWidth") - WIDTH) <= 1
    page.keyboard.press("+")
    expect(page.locator(".zoomed")).to_have_text("75 %")
    page.keyboard.press("+")
    expect(page.locator(".zoomed")).to_have_text("100 %")
    expect(page.locator(".blurred")).to_be_hidden()
    page.keyboard.press("+")
    expect(page.locator(".blurred")).to_contain_text("the size at which it was read")
    page.keyboard.press("j")
    expect(page.locator(".paper img.sharp")).to_have_attribute("src", re.compile(r"/3-sharp\.webp$"))


def test_the_sharp_picture_is_loaded_only_where_it_is_needed(drawn_viewer: Viewer) -> None:
    page = drawn_viewer.open(f"#/doc/{LEDGER}?page=4", ".paper img")
    page.keyboard.press("+")
    expect(page.locator(".zoomed")).to_have_text("75 %")
    assert not [url for url in drawn_viewer.asked if "-sharp" in url], "this page was kept as large as it was read"


def test_a_page_that_is_not_sharp_says_why(drawn_viewer: Viewer) -> None:
    page = drawn_viewer.open(f"#/doc/{CHANGED}?page=1", ".paper img")
    page.keyboard.press("+")
    expect(page.locator(".blurred")).to_have_text(
        "Enlarged from 45 pixels: the file has changed since it was read; run the job and the report again."
    )


def test_words_that_nobody_else_found_are_marked(drawn_viewer: Viewer) -> None:
    page = drawn_viewer.open(f"#/doc/{LEDGER}?page=1", ".block")
    expect(page.locator(".block mark.unsupported")).to_have_text(["very old", "4711"])
    expect(page.locator(".block strong mark")).to_have_text("very old")
    expect(page.locator(".block td mark")).to_have_text("4711")
    expect(page.locator(".block").first).to_contain_text("𝔄 very old oak & ash")
    expect(page.locator(".key")).to_contain_text("3 words")
    expect(page.locator(".box")).to_have_count(4)
    expect(page.locator(".box.doubted")).to_have_count(2)
    expect(page.locator(".box.omission")).to_have_attribute("title", "Not in the text: the bridge is closed")
    expect(page.locator(".left-out")).to_contain_text("the bridge is closed")
    trust = page.locator(".trust")
    for words in ("Checked by its text layer", "Supported80 %", "Left out25 %", "Invented"):
        expect(trust).to_contain_text(words)
    assert not [text for text in page.locator(".panel").all_inner_texts() if "\ufdd0" in text or "\ufdd1" in text]


def test_marks_change_nothing_that_is_shown(drawn_viewer: Viewer) -> None:
    page = drawn_viewer.open("#/", ".file")
    shown = "([given, places]) => { const made = folioscope.text.block(given, places); return [made.textContent, [...made.querySelectorAll('mark')].map((mark) => mark.textContent).join('|')]; }"
    for kind, text, places, marked in (
        ("text", "a \ufdd0b\ufdd1 c", [[2, 5]], "\ufffdb\ufffd"),
        ("text", "one **two** three", [[0, 3], [6, 9]], "one|two"),
        ("text", "ends here", [[5, 9]], "here"),
        ("text", "beyond", [[2, 99], [3, 3], [4, 1]], ""),
        ("heading", "## **All** of it", [[5, 16]], "All| of it"),
        ("table", "<table><tr><td>3 &lt; 4</td></tr></table>", [[15, 23]], "3 < 4"),
        ("code", "```py\nx = 1\n```", [[6, 11]], "x = 1"),
    ):
        whole, marks = page.evaluate(shown, [{"kind": kind, "text": text, "level": 1}, places])
        assert marks == marked, text
        plain = page.evaluate(shown, [{"kind": kind, "text": text, "level": 1}, []])[0]
        assert whole == plain.replace("\ufdd0", "\ufffd").replace("\ufdd1", "\ufffd"), text


def test_the_error_bound_stands_where_an_owner_looks(drawn_viewer: Viewer) -> None:
    page = drawn_viewer.open("#/", ".bound")
    words = (
        "Of 40 pages read by a model, at most 0.87 % of the words are unsupported and at most 3.1 % of the page's "
        "are left out (95 % interval from 40 checked)."
    )
    expect(page.locator(".bound")).to_contain_text(words)
    page.get_by_role("link", name="By folder").click()
    expect(page.locator(".bounds")).to_contain_text(words)
    expect(page.locator(".bounds tbody tr")).to_have_count(2)
    expect(page.locator(".bounds tbody tr").last).to_contain_text("/oaks")
    expect(page.locator(".bounds tbody tr").last).to_contain_text("2.0 % (1.0 % to 3.1 %)")


def test_no_model_no_bound(viewer: Viewer) -> None:
    page = viewer.open("#/", ".file")
    expect(page.locator(".bound")).to_have_count(0)
    viewer.open("#/runs", ".chart")
    expect(page.locator(".bounds")).to_have_count(0)


def test_marks_and_bounds_can_be_read_by_all(drawn_viewer: Viewer) -> None:
    for theme in ("light", "dark"):
        drawn_viewer.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in (1400, 390):
            drawn_viewer.page.set_viewport_size({"width": width, "height": 844})
            for route, ready in (("#/", ".bound"), ("#/runs", ".bounds"), (f"#/doc/{LEDGER}?page=1", ".left-out")):
                page = drawn_viewer.open(route, ready)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, route
                found = (
                    Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
                )
                serious = [one for one in found if one["impact"] in ("serious", "critical")]
                assert [(one["id"], one["nodes"][0]["html"][:160]) for one in serious] == [], (route, theme)
