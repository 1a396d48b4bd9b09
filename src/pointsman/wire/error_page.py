"""What a browser is shown under `/ui` while nobody is there who makes pages: the control plane restarts, or its database
cannot be opened. Pure. Not here: the pages and their own errors (admin/web/)."""

from __future__ import annotations

_LINES = (
    b"content-type: text/html; charset=utf-8\r\n"
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"hx-retarget: #notice\r\nhx-reswap: innerHTML\r\nhx-reselect: #said\r\n"
)
"""hx-*: htmx puts the sentence where a page shows what could not be done (docs/web.md)."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Pointsman</title></head>
<body><main id="main"><div id="said" role="alert"><p>{text}</p></div></main></body></html>
"""


def for_browser(path: str, accept: bytes | None) -> bool:
    """Whether who asks for this path reads HTML: a page of ours that a browser, or htmx in it, asks for."""
    return (path == "/ui" or path.startswith("/ui/")) and b"text/html" in (accept or b"")


def error_page(text: str, again_after: int | None) -> tuple[bytes, bytes]:
    """(header lines, body). text: what happened and what to do. again_after: seconds, after which the browser asks again
    by itself."""
    from html import escape  # half a megabyte, which most processes never need

    lines = _LINES if again_after is None else _LINES + b"refresh: %d\r\n" % max(again_after, 2)
    return lines, _PAGE.format(text=escape(text)).encode()
