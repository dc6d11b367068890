"""Pages in a real browser: Debian's Chromium, headless and offline, through Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Route, sync_playwright

_MISSING = "there is no chromium on the PATH: run 'make setup', or install Debian's package chromium"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. As root it goes without its own sandbox, which refuses to be started so."""
    path = shutil.which("chromium")
    assert path, _MISSING
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu", *sandbox])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def offline(browser: Browser) -> Iterator[tuple[BrowserContext, list[str]]]:
    """A context without a network, and the addresses that its pages asked for all the same."""
    asked: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
            return
        asked.append(route.request.url)
        route.abort()

    context = browser.new_context(offline=True)
    context.set_default_timeout(60_000)
    context.route("**/*", refuse)
    try:
        yield context, asked
    finally:
        context.close()
