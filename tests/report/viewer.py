"""A report open in a browser window, as its tests see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Page


@dataclass
class Viewer:
    """The report in a browser window. ``complaints`` holds what the console said, ``asked`` all that was loaded."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, route: str, ready: str) -> Page:
        """Go to a route and wait until ``ready``, a selector, is there."""
        self.page.goto(f"{self.address}{route}")
        self.page.wait_for_selector(ready)
        return self.page
