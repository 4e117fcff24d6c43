"""A real browser, as people open pages with: Chromium, driven over its DevTools protocol, with nothing that it asks of any network."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

MISSING = "no browser: install Debian's chromium (apt-get install chromium), or name one in the variable CHROMIUM"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str:
    """The browser's path. Raises AssertionError that says how to get one."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    raise AssertionError(MISSING)


@contextmanager
def started() -> Iterator[Browser]:
    """One browser for as long as the context lasts; it takes a second to begin."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page that was opened, and what happened while it was: `requests` but for the page itself, and what stood in the console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def opened(browser: Browser, path: Path, width: int = 1100, scheme: str = "light") -> Iterator[Opened]:
    """The page at `path` in a window of this width."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    shown = Opened(page)
    page.on("request", lambda request: shown.requests.append(request.url))
    page.on("console", lambda message: shown.said.append(message.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    try:
        page.goto(path.as_uri())
        shown.requests.remove(path.as_uri())
        yield shown
    finally:
        page.close()
