"""How `make site` makes the pages a site: Sphinx, MyST and furo (docs/decisions/0020-site.md).

The pages stay plain Markdown that a code host shows as it is. What the site needs beyond that is made while they are read:
its navigation, which is the sections of docs/README.md and the tables of the other README pages, and tables in the place
of drawings, since what draws them would be fetched from elsewhere. Not here: any text.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[1]
project = "Pointsman"
project_copyright = "Pointsman contributors"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/**", "tests/**/*.md"]
exclude_patterns = [".*", "**/__pycache__", "docs/conf.py"]
root_doc = "README"
myst_heading_anchors = 6
html_theme = "furo"
html_title = "Pointsman"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it is fetched from the pages, which a browser does not do from a folder
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
smartquotes = False

_LINK = re.compile(r"(?<!!)\[([^\]\[]*)\]\(([\w./-]+)\)")
_DRAWING = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^ *(\w+): (.+)$", re.MULTILINE)
_ARROW = re.compile(r"^ *(\S+) --> (\S+)$", re.MULTILINE)
_ELSEWHERE = re.compile(
    r"""<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*\b(?:src|href|data|srcset)=["']?(?:https?:)?//[^>]*>"""
    r"""|@import|url\(["']?(?:https?:)?//[^)]*\)"""
)


def setup(app: Sphinx) -> None:
    app.add_lexer("layers", TextLexer)
    app.connect("source-read", _read)
    app.connect("build-finished", _finish)


def _read(_: Sphinx, name: str, content: list[str]) -> None:
    text = _DRAWING.sub(lambda found: _table(found[1]), content[0])
    folder = (ROOT / name).parent
    text = _LINK.sub(lambda found: found[1] if (folder / found[2]).is_dir() else found[0], text)
    if name == "README":
        text += _navigation()
    elif name.endswith("/README") and name != "docs/README":
        text += _contents(text)
    content[0] = text


def _navigation() -> str:
    """A part of the sidebar for each section of docs/README.md, with the pages that are linked there."""
    parts = (ROOT / "docs" / "README.md").read_text(encoding="utf-8").split("\n## ")[1:]
    found = _contents("[All pages](docs/README.md)", named=True)
    for part in parts:
        caption, _, text = part.partition("\n")
        found += _contents(text, caption, "docs/", named=True)
    return found


def _contents(text: str, caption: str = "", folder: str = "", *, named: bool = False) -> str:
    """The pages that a text links, in their order, each once; not those that stand in another folder's part.
    named: by what the link says, else by their own titles."""
    entries: dict[str, str] = {}
    for title, link in _LINK.findall(text):
        place = re.sub(r"^docs/\.\./", "", folder + link)
        if place.endswith(".md") and not place.startswith(".."):
            place = "self" if place == "README.md" else place
            entries.setdefault(place, f"{title} <{place}>" if named else place)
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["\n\n```{toctree}", *options, "", *entries.values(), "```", ""]) if entries else ""


def _table(drawn: str) -> str:
    """A drawing of what may follow what, as a table."""
    names = {"[*]": "start", **dict(_NAMED.findall(drawn))}
    after: dict[str, list[str]] = {}
    for one, other in _ARROW.findall(drawn):
        after.setdefault(names.get(one, one), []).append("end" if other == "[*]" else names.get(other, other))
    rows = [f"| {name} | {', '.join(following)} |" for name, following in after.items()]
    return "\n".join(["| after | may come |", "|---|---|", *rows])


def _finish(app: Sphinx, error: Exception | None) -> None:
    """The README is what a folder shows; and no page asks another host for anything as it is opened."""
    if error is not None:
        return
    out = Path(app.outdir)
    shutil.copy(out / "README.html", out / "index.html")
    files = [path for path in sorted(out.rglob("*")) if path.suffix in (".html", ".css")]
    asked = {
        path.name: found[0]
        for path in files
        if (found := _ELSEWHERE.search(path.read_text(encoding="utf-8")))
    }
    if asked:
        raise ExtensionError(f"asked of other hosts: {asked}")
