"""Templates, styles and scripts as they lie there: nothing that the content security policy would block, nothing unescaped,
nothing of another host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsman.admin.web.rendering import ENVIRONMENT, TEMPLATES
from pointsman.admin.web.static_files import FOLDER

MARKUP = sorted(TEMPLATES.rglob("*.html"))
OURS = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.parent.name != "vendor")
NAMESPACES = ("http://www.w3.org/2000/svg",)

BLOCKED = {
    "an inline style": r"<style|\sstyle\s*=",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an event attribute": r"\son[a-z]+\s*=(?!=)",
    "an htmx feature that needs eval": r"hx-on|hx-vals\s*=\s*['\"]\s*js:|\bjs:|hx-trigger\s*=\s*\"[^\"]*\[|hx-vars",
    "an address that runs a script": r"javascript:",
    "a page's base": r"<base\b",
}
UNESCAPED = r"\|\s*safe\b|autoescape\s+false|\bMarkup\("
FIELDS_OF_PLACE = r"(?:href|src|action|hx-get|hx-post)\s*=\s*\"(?!/|#|\?|\{|\"|data:)"
"""An address that begins with none of: a path of ours, a piece of this page, what a view has made of them."""


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(path.parents[1])) for path in paths]


@pytest.mark.parametrize("path", MARKUP, ids=names(MARKUP))
def test_a_template_has_nothing_that_the_policy_blocks_or_that_is_not_escaped(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    assert re.search(UNESCAPED, text) is None
    # what is told to the template is no markup: `{% with one = row %}` is no attribute
    text = re.sub(r"\{%.*?%\}", "", text, flags=re.DOTALL)
    for what, pattern in BLOCKED.items():
        assert (found := re.search(pattern, text)) is None, (
            f"{what}: {text[found.start() : found.end() + 60]!r}"
        )
    assert (found := re.search(FIELDS_OF_PLACE, text)) is None, text[found.start() : found.end() + 60]


@pytest.mark.parametrize("path", [*MARKUP, *OURS], ids=names([*MARKUP, *OURS]))
def test_no_page_names_another_host_that_a_browser_would_ask(path: Path) -> None:
    text = path.read_text()
    for allowed in NAMESPACES:
        text = text.replace(allowed, "")
    asked = re.findall(
        r"""(?:src|import|url\(|@import|fetch\(|action)\s*=?\s*\(?["']?(?:https?:)?//[^\s"']+""", text
    )
    assert asked == []


def test_every_template_is_escaped() -> None:
    assert ENVIRONMENT.autoescape is True
    assert ENVIRONMENT.from_string("{{ one }}").render(one='<img src=x onerror="1">') == (
        "&lt;img src=x onerror=&#34;1&#34;&gt;"
    )


def test_what_is_looked_for_is_found() -> None:
    for what, text in {
        "an inline style": '<p style="color: red">',
        "an inline script": "<script>alert(1)</script>",
        "an event attribute": '<a onclick="x()">',
        "an htmx feature that needs eval": '<a hx-trigger="keyup[key==1]">',
    }.items():
        assert re.search(BLOCKED[what], text), what
    assert (
        re.search(BLOCKED["an inline script"], '<script type="module" src="/ui/static/x.js"></script>')
        is None
    )
