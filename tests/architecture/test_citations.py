"""The reasons are in the clone: whatever page, heading, file or room a comment or a page names is there."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .markdown import anchors, links, missing, pages
from .test_shape import ROOT, SOURCE

CITATION = re.compile(r"\bdocs/[\w./-]+\.md(?:#[\w-]+)?")
OUTSIDE = re.compile(
    r"\b(?:PROTOCOLS|RELIABILITY|DESIGN|FIELD|HABITS|ECOSYSTEM|PERFORMANCE|MONEY|NODES)"
    r"(?:\.md\b|(?=,? (?:sections?|finding|items?|R\d|\d)))"
)
"""Pages that are in nobody's clone."""
SHOWN = re.compile(r"`([\w./-]+)`")
TOP = (".importlinter", "Makefile", "pyproject.toml")
SELF = Path(__file__).resolve()


def texts() -> Iterator[tuple[Path, str]]:
    """Every text of ours that may cite: source, tests, pages and what stands beside them."""
    code = (path for folder in ("src", "tests") for path in sorted((ROOT / folder).rglob("*.py")))
    for path in (*code, *pages(), *(ROOT / name for name in TOP)):
        if path != SELF:
            yield path, path.read_text(encoding="utf-8")


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lost_citations(text: str) -> list[str]:
    return [found for cited in CITATION.findall(text) if (found := missing(ROOT / "x", cited)) is not None]


def test_every_citation_finds_its_heading() -> None:
    assert {where(path): lost for path, text in texts() if (lost := lost_citations(text))} == {}


def test_nothing_is_cited_that_a_clone_has_not() -> None:
    found = {
        where(path): sorted(set(OUTSIDE.findall(text))) for path, text in texts() if OUTSIDE.search(text)
    }
    assert found == {}


def test_the_rules_are_cited_at_all() -> None:
    cited = [name for path, text in texts() if path.suffix == ".py" for name in CITATION.findall(text)]
    assert len(cited) > 150


@pytest.mark.parametrize(
    "text",
    ["see docs/nowhere.md", "see docs/design.md#no-such-heading", "docs/protocols/streams.md#A-Stream"],
)
def test_a_lost_citation_is_found(text: str) -> None:
    assert lost_citations(text) != []


@pytest.mark.parametrize("text", ["RELIABILITY.md R6", "DESIGN section 5", "FIELD.md 1.4", "PROTOCOLS.md"])
def test_an_outside_page_is_found(text: str) -> None:
    assert OUTSIDE.search(text)


def test_every_link_of_a_page_resolves() -> None:
    lost = {where(page): [w for link in links(page) if (w := missing(page, link))] for page in pages()}
    assert {page: found for page, found in lost.items() if found} == {}


def linked(page: Path) -> set[Path]:
    return {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}


def test_every_page_is_in_the_contents() -> None:
    """By a link of docs/README.md, or of a README.md beside it that is linked there: this is what the site is made by."""
    contents = ROOT / "docs" / "README.md"
    assert contents in linked(ROOT / "README.md")
    reached = {contents}
    waiting = [contents]
    while waiting:
        found = linked(waiting.pop()) - reached
        reached |= found
        waiting += [page for page in found if page.name == "README.md" and page.is_file()]
    assert [where(page) for page in pages() if page not in reached] == [], "link it in docs/README.md"


def test_pictures_are_links_that_are_looked_at() -> None:
    shown = [link for page in pages() for link in links(page) if link.endswith(".png")]
    assert len(shown) > 5
    assert missing(ROOT / "README.md", "docs/images/no-such-picture.png") is not None


def rooms() -> set[str]:
    """Packages of the source down to the second floor, as the table of rooms names them."""
    found = {path.parent.relative_to(SOURCE).as_posix() + "/" for path in SOURCE.rglob("__init__.py")}
    return {name for name in found if name != "./" and name.count("/") <= 2}


def test_pages_name_files_and_rooms_that_are_there() -> None:
    """In backticks: `tests/...`, `docs/...` from the top of the clone, `gateway/...` from the source. NAME, in a
    recipe, is the reader's own."""
    bases = {name.partition("/")[0]: SOURCE for name in rooms()} | dict.fromkeys(
        ("tests", "docs", "src"), ROOT
    )
    lost = []
    for page in pages():
        for name in SHOWN.findall(page.read_text(encoding="utf-8")):
            base = bases.get(name.partition("/")[0]) if "/" in name and "NAME" not in name else None
            if base is not None and not any(base.glob(name.rstrip("/"))):
                lost.append(f"{where(page)}: {name}")
    assert lost == []


def test_the_table_of_rooms_has_every_room_and_no_other() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("## Rooms")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("|")]
    named = {name for cell in cells for name in re.findall(r"`([\w/]+/)`", cell)}
    pure_dialects = {name for name in rooms() if name.startswith("dialects/") and name != "dialects/"}
    assert named == rooms() - pure_dialects


def test_the_picture_of_imports_is_the_contract() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    layers = contracts["importlinter:contract:layers"]["layers"].split("\n")
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawn = text.partition("```layers\n")[2].partition("\n```")[0].split("\n")
    assert drawn == [line.strip() for line in layers if line.strip()]


def test_headings_have_the_anchors_that_hosts_give_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`, three\n\n## R1\n\n```\n# not one\n```\n\n## R1\n\n## A [link](x.md)'s end\n"
    )
    assert anchors(page) == {"one-two-three", "r1", "r1-1", "a-links-end"}
