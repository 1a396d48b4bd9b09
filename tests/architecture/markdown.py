"""Markdown pages of the clone as a reader sees them: headings and the anchors they get, links. Not here: any rule."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from .test_shape import ROOT

_FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
_MARKUP = re.compile(r"[^\w\- ]")


@cache
def pages() -> tuple[Path, ...]:
    """Every page by its place: at the top, under docs/ and beside tests."""
    below = (page for folder in ("docs", "tests") for page in sorted((ROOT / folder).rglob("*.md")))
    return (*sorted(ROOT.glob("*.md")), *below)


@cache
def anchors(page: Path) -> frozenset[str]:
    """As code hosts make them: lower case, marks left out, spaces as hyphens, -1, -2 for a heading that repeats."""
    seen: dict[str, int] = {}
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = _MARKUP.sub("", text.lower()).strip().replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return frozenset(found)


def links(page: Path) -> list[str]:
    """Targets of its links that stay in the clone."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]


def missing(page: Path, link: str) -> str | None:
    """What a link of a page does not find, None when it finds all."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if target.is_dir() and not anchor:
        return None
    if not target.is_file():
        return f"{link}: no such file"
    if anchor and (target.suffix != ".md" or anchor not in anchors(target)):
        return f"{link}: no such heading"
    return None
