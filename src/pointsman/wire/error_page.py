"""What a browser is shown under `/ui` while nobody is there who makes pages: the control plane restarts, or its database
cannot be opened. Pure. Not here: the pages and their own errors (admin/web/), what else a browser is told (shield.py)."""

from __future__ import annotations

from typing import NamedTuple

_LINES = (
    b"content-type: text/html; charset=utf-8\r\n"
    b"hx-retarget: #notice\r\nhx-reswap: innerHTML\r\nhx-reselect: #said\r\n"
)
"""hx-*: htmx puts the sentence where a page shows what could not be done (docs/web.md)."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Pointsman</title></head>
<body><main id="main"><div id="said" role="alert"><p>{text}</p></div>{more}</main></body></html>
"""
_MORE = """
<p>{before}</p>
<pre>{commands}</pre>
<p>{after}</p>"""


class WayOut(NamedTuple):
    """What to do where it is more than a sentence: commands, and what is said before and after them."""

    before: str
    commands: str
    after: str


def for_browser(path: str, accept: bytes | None) -> bool:
    """Whether who asks for this path reads HTML: a page of ours that a browser, or htmx in it, asks for."""
    return (path == "/ui" or path.startswith("/ui/")) and b"text/html" in (accept or b"")


def error_page(text: str, again_after: int | None, way_out: WayOut | None = None) -> tuple[bytes, bytes]:
    """(header lines, body). text: what happened and what to do. again_after: seconds, after which the browser asks again
    by itself."""
    from html import escape  # half a megabyte, which most processes never need

    lines = _LINES if again_after is None else _LINES + b"refresh: %d\r\n" % max(again_after, 2)
    more = "" if way_out is None else _MORE.format(**{n: escape(t) for n, t in way_out._asdict().items()})
    return lines, _PAGE.format(text=escape(text), more=more).encode()
