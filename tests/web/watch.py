"""What went wrong in a page without a test asking: words in its console, errors, requests to anybody but its gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

INSIDE = frozenset({"data", "blob", "about"})


class Watch:
    """Of one context. expected: pieces of console messages that a test brings about on purpose: a gateway that it stops, a
    form that is refused (`status of 409`)."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.expected: list[str] = []
        self._host = urlsplit(url).netloc
        self._said: list[str] = []
        self._others: list[str] = []
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def verdict(self) -> None:
        """Raises AssertionError with everything that was seen."""
        said = [text for text in self._said if not any(one in text for one in self.expected)]
        assert said == [], "the page's console is not empty:\n" + "\n".join(said)
        assert self._others == [], f"the page asked another host: {self._others}"

    def _console(self, message: ConsoleMessage) -> None:
        self._said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _error(self, error: WebError) -> None:
        self._said.append(f"error: {error.error}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in INSIDE and parts.netloc != self._host:
            self._others.append(request.url)
