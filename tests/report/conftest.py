"""A browser for the report's tests: Debian's chromium, driven by Playwright; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_rows import published
from drawn_rows import published_drawn
from playwright.sync_api import Browser, expect, sync_playwright
from viewer import Viewer

from folioscope.pipeline.report.sharp import SharpLimits
from folioscope.pipeline.report.site import write_report
from folioscope.pipeline.storage.store import OutputStore

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here; .ci/run installs it with apt-get")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(OutputStore(str(published(folder / "out"))), OutputStore(str(folder / "site")), 100)
    return folder / "site"


@pytest.fixture(scope="session")
def drawn_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose pages are drawn from files that are there, one of them changed since, and that a model read."""
    folder = tmp_path_factory.mktemp("drawn report")
    output = published_drawn(folder)
    write_report(OutputStore(str(output)), OutputStore(str(folder / "site")), 100, SharpLimits())
    return folder / "site"


@contextmanager
def watched(browser: Browser, site: Path) -> Iterator[Viewer]:
    """A window in which no report may have anything to say, or ask for what is not its own."""
    page = browser.new_page(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    found = Viewer(page, (site / "index.html").as_uri())
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    yield found
    page.close()
    assert found.complaints == []
    own = (site.as_uri() + "/", "data:")
    assert [url for url in found.asked if not url.startswith(own)] == []


@pytest.fixture
def viewer(browser: Browser, site: Path) -> Iterator[Viewer]:
    with watched(browser, site) as found:
        yield found


@pytest.fixture
def drawn_viewer(browser: Browser, drawn_site: Path) -> Iterator[Viewer]:
    with watched(browser, drawn_site) as found:
        yield found
