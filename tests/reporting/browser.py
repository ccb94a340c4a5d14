"""A real browser for tests: Chromium without a window, with the network closed to it but for what a test looks at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
REQUIRED = "WVB_TESTS_NEED_A_BROWSER"
"""Set where a test must not pass for want of a browser."""


def find_browser() -> str:
    """The browser of this machine; without one the test is skipped, or fails where one is required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and os.environ.get(REQUIRED):
        pytest.fail("no Chromium on this machine, and one is required here")
    if found is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    return found


@contextmanager
def start_browser() -> Iterator[Browser]:
    """The browser, for as long as it is needed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(SWITCHES))
        yield browser
        browser.close()


@contextmanager
def open_page(
    browser: Browser, *, width: int = 1100, is_dark: bool = False
) -> Iterator[tuple[Page, list[str], list[str]]]:
    """A page, what its console says, and the addresses that it asks for."""
    said: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if is_dark else "light")
    page = context.new_page()
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    yield page, said, asked
    context.close()
