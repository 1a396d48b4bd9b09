"""The browser that the tests of the pages look with: Debian's chromium, steered by Playwright's package. Playwright's own
download is never used. Where one of them is not here, `missing()` says so, and how to get it.

Its headless shell goes first where there is one (Debian has it as a package): the same engine without the windows of a
desktop, for half of the CPU.

`python -m tests.web.chrome` installs one where that needs no question, and otherwise says what will be left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench import tools
from tests.bench.machine import BenchError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def path() -> str | None:
    """The browser's program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def missing() -> str | None:
    """What a test cannot be run without, in a sentence; None when all is here."""
    if importlib.util.find_spec("playwright") is None:
        return "NO PAGE WAS LOOKED AT: playwright is not here (pip install -r requirements/dev.lock)"
    if path() is None:
        return "NO PAGE WAS LOOKED AT: there is no chromium (Debian: sudo apt-get install chromium-headless-shell)"
    return None


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window. Its process ends with the block.

    While it lives, Playwright's event loop counts as running in this thread: no `asyncio.run()` in between.
    """
    from playwright.sync_api import sync_playwright

    options = [
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # chromium refuses root with it; who tests as a user keeps it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path(), args=options, timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()


def _offered() -> bool:
    """Does apt know the shell's package?"""
    apt = shutil.which("apt-cache")
    return apt is not None and subprocess.run([apt, "show", SHELL], capture_output=True).returncode == 0


def get() -> None:
    """Installs the shell, or else the whole browser; says so where there is none then."""
    if shutil.which(SHELL):
        return
    if path() is None or _offered():
        with contextlib.suppress(BenchError):  # this user may not, or the system has none
            tools.require(SHELL)
            return
    if path() is None:
        try:
            tools.require("chromium")
        except BenchError as error:
            print(f"THE PAGES WILL NOT BE LOOKED AT: {error}", file=sys.stderr)


if __name__ == "__main__":
    get()
