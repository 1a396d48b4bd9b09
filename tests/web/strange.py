"""Records whose every text is what an attacker, or a careless program, would send; for pages that must show them as text."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from pathlib import Path

from pointsman.admin.store.usage_file import UsageFile
from pointsman.config import USAGE_FILE
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord

STRANGE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(2)>",
    "{{ 7 * 7 }}",
    "\u202egnp.exe\u2066",
    "=HYPERLINK(\"http://evil\")",
    "+1", "-1", "@SUM(A1)", "\tx", "a\r\nb",
    "x" * 512,
    "&lt;b&gt;&amp;amp;",
)  # fmt: skip


def strange_records(count: int = 48) -> list[UsageRecord]:
    """Of the last two hours and of yesterday; each text in each column, some failed, rescued or left."""
    now, found = time.time(), []
    for number in range(count):
        text, other = STRANGE[number % len(STRANGE)], STRANGE[(number * 5 + 1) % len(STRANGE)]
        outcome = ("ok", "error", "ok", "aborted")[number % 4]
        name = f"req_5555555555{number:08x}"
        found.append(
            UsageRecord(
                name, now - (number * 100 if number % 2 else 86400 + number), "openai_chat", "/v1/chat/completions", text,
                f"{('openai', other, 'local/box')[number % 3]}:{text}", 1 + (number % 4 == 2),
                "connect" if number % 4 == 2 else None, {"ok": 200, "error": 502, "aborted": 499}[outcome], outcome,
                False, 1000 + number, 10, None, None, 100.0 + number, 900.0, None, None, name, 1, False, None, other, text,
                1_000_000 * number if number % 3 else None, None, 2_000_000, None,
                sent_bytes=1000 * number if number % 5 else None,
            )
        )  # fmt: skip
    return found


def fill(folder: Path, records: list[UsageRecord]) -> None:
    """Into a data folder that no gateway has open."""
    folder.mkdir(mode=0o700, exist_ok=True)
    usage = UsageFile(folder / USAGE_FILE)
    usage.add(block_of(records))
    usage.tend()
    usage.close()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]
        if tag in ("img", "iframe", "object", "embed"):
            self.found.append(tag)
        if tag == "script" and not dict(attrs).get("src"):
            self.found.append("script without src")
        self.found += names


def alien_tags(page: str) -> list[str]:
    """What a browser would make of a page that no template of ours has."""
    reader = _Tags()
    reader.feed(page)
    return reader.found
