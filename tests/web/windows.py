"""Pages of a browser, each in a context of its own, watched and signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .accessible import Theme
from .visitor import Visitor
from .watch import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.e2e.gateway import Gateway

ZONE = "Europe/Berlin"
WAIT_MS = 15_000  # a loaded machine


class Windows:
    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._opened: list[tuple[BrowserContext, Watch]] = []

    def open(
        self,
        gateway: Gateway,
        *,
        theme: Theme = "light",
        width: int = 1440,
        height: int = 900,
        signed_in: bool = True,
        script: bool = True,
    ) -> Page:
        """A page that is nowhere yet: `page.goto("/ui")`. script=False: a browser that runs none."""
        context = self._browser.new_context(
            base_url=gateway.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            java_script_enabled=script,
            timezone_id=ZONE,
            locale="en-GB",
            has_touch=width < 700,
        )
        context.set_default_timeout(WAIT_MS)
        self._opened.append((context, Watch(context, gateway.url)))
        if signed_in:
            sign_in(context, gateway)
        return context.new_page()

    def watch(self, page: Page) -> Watch:
        """Who watches a page: it is told what a test brings about on purpose."""
        return next(watch for context, watch in self._opened if context == page.context)

    def verdict(self) -> None:
        """Raises AssertionError with what went wrong in any of them."""
        for _, watch in self._opened:
            watch.verdict()

    def close(self) -> None:
        for context, _ in self._opened:
            context.close()
        self._opened.clear()


def sign_in(context: BrowserContext, gateway: Gateway) -> None:
    """Gives a browser the cookie of a session of its own, and that of its zone, which the sign-in page tells."""
    who = Visitor(gateway.url, gateway.admin_token)
    who.close()
    zone = {"name": "zone", "value": ZONE, "domain": gateway.host, "path": "/ui"}
    context.add_cookies([zone])  # type: ignore[list-item]
    for name, value in who.cookies.items():
        context.add_cookies(
            [
                {
                    "name": name,
                    "value": value,
                    "domain": gateway.host,
                    "path": "/ui",
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )
