"""How much a browser loads, compressed: under 75 KB for any page, under 150 KB for all of them together; kept for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pointsman.admin.web.menu import MENU
from pointsman.admin.web.static_files import files, packed
from tests.e2e.gateway import Gateway

from .visitor import Visitor

A_PAGE = 75_000
ALL = 150_000
HTML = 15_000
"""A page's own markup, compressed; a list of many rows comes in pieces."""
_FILE = re.compile(r"/ui/static/[0-9a-f]+/([\w./-]+\.(?:js|css|svg))")
_IMPORT = re.compile(r"""import\s*(?:[\w{}\s,*]*\sfrom\s*)?["']\./([\w./-]+)["']""")


def with_imports(names: set[str]) -> set[str]:
    """These files and what their modules import."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        if name.endswith(".js") and not name.startswith("vendor/"):
            left += _IMPORT.findall(files()[name].decode())
    return found


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """At a gateway of his own: what other tests have made is no page's weight."""
    with Gateway(tmp_path_factory.mktemp("light") / "data") as gateway:
        made = Visitor(gateway.url, gateway.admin_token)
        yield made
        made.close()


def test_everything_that_a_browser_can_load_is_small() -> None:
    loaded = {name: len(packed(name)) for name in files() if not name.endswith(".txt")}
    assert sum(loaded.values()) < ALL - HTML, loaded


@pytest.mark.parametrize("path", [entry.path for entry in MENU])
def test_a_page_is_small(newcomer: Visitor, path: str) -> None:
    answer = newcomer.get(path, accept_encoding="gzip")
    text = newcomer.text(path)
    loaded = with_imports(set(_FILE.findall(text)))
    assert {"app.css", "shell.js", "keys.js", "time.js", "vendor/htmx.min.js"} <= loaded
    sizes = {name: len(packed(name)) for name in loaded}
    html = len(answer.body)
    assert html < HTML, f"{html} bytes of markup"
    assert sum(sizes.values()) + html < A_PAGE, sizes


def test_a_file_is_compressed_and_kept_for_ever(visitor: Visitor) -> None:
    (path,) = set(re.findall(r"/ui/static/[0-9a-f]+/app\.css", visitor.text("/ui")))
    packed_answer = visitor.get(path, accept_encoding="gzip, br")
    assert packed_answer.header("content-encoding") == "gzip"
    assert packed_answer.header("cache-control") == "public, max-age=31536000, immutable"
    assert packed_answer.header("vary") == "accept-encoding"
    assert visitor.get(path).body == files()["app.css"]
