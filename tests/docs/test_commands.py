"""Each block of commands of the pages does what the page says: every one is run, and what a page shows is what is printed.

In a namespace of its own (running.py): the names of providers lead to this machine, and nothing can leave it. Programs of
others are run where they are installed, on the PATH or in the folders of POINTSMAN_PROGRAMS. After a change of what a
command prints: `python -m tests.docs --write`, and read the diff.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsman.programs.registry import PROGRAMS
from pointsman.providers.known import KNOWN

from .blocks import ROOT, Block, blocks, is_as_shown, pages
from .running import possible, run, wrong

PAGES = pages()
NOT_RUN = 30
"""Blocks at most that carry a reason in place of being run."""
CLIENTS, PROVIDERS = ROOT / "docs" / "how-to" / "clients", ROOT / "docs" / "how-to" / "providers"


@pytest.mark.timeout(600)
def test_each_page_does_what_it_says(tmp_path: Path) -> None:
    """All of them beside one gateway, and so by one worker."""
    if not possible():
        pytest.skip("NO NAMESPACES here: the pages' commands are not run beside a network")
    report = run(tmp_path)
    assert report.keys() == PAGES.keys()
    found = {name: [text for one in told if (text := wrong(one))] for name, told in report.items()}
    said = "\n\n".join(f"{name}\n" + "\n".join(texts) for name, texts in found.items() if texts)
    assert not said, f"{said}\nHow a block is marked that cannot be run: tests/docs/blocks.py"


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    everywhere = {name: blocks(path.read_text(encoding="utf-8")) for name, path in PAGES.items()}
    skipped = [(name, one.line, one.why) for name, found in everywhere.items() for one in found if one.why]
    assert len(skipped) <= NOT_RUN, skipped
    assert sum(map(len, everywhere.values())) > 3 * len(skipped)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)
def test_each_program_has_a_page_that_connects_it(program: object) -> None:
    name = getattr(program, "name", "")
    texts = [path.read_text(encoding="utf-8") for path in CLIENTS.glob("*.md")]
    assert any(re.search(rf"^\$ pointsman connect {name}\b", text, re.MULTILINE) for text in texts)


@pytest.mark.parametrize("page", sorted(PROVIDERS.glob("*.md")), ids=lambda one: one.stem)
def test_a_provider_is_where_the_form_of_the_pages_puts_it(page: Path) -> None:
    """What is in capitals in a row is the reader's own."""
    rows = {f"{one.type}/{one.name}".rstrip("/"): one for one in KNOWN}
    shown = re.findall(
        r"^\$? ?pointsman credential set (\S+)(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert shown
    for name, options in shown:
        row, url = rows[name], re.search(r"--base-url (\S+)", options)
        if url is not None:
            like = re.sub(r"[A-Z]{3,}", "[a-z0-9-]+", re.escape(row.base_url))
            assert re.fullmatch(like, url[1])
        assert (f"--auth {row.auth}" in options) is (row.auth is not None)


def test_each_known_provider_that_has_a_page_names_it() -> None:
    """The reference links it."""
    pages_of = {f"{one.stem}.md" for one in PROVIDERS.glob("*.md")}
    linked = set(
        re.findall(r"how-to/providers/([\w-]+\.md)", (ROOT / "docs/reference/providers.md").read_text())
    )
    assert linked == pages_of


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a", "a\n", True),
        ("a", "b\n", False),
        ("a...c", "a b c", True),
        ("a  ...     b", "a  0123  b", True),
        ("...\nb\n...", "b", True),
        ("...\nb\n...", "a\nb  \nc\nd", True),
        ("...\nb", "a\nb\nc", False),
        ("", "", True),
        ("", "something", False),
    ],
)
def test_dots_stand_for_anything_and_for_nothing_else(shown: str, printed: str, same: bool) -> None:
    assert is_as_shown(shown, printed) is same


def test_a_block_is_what_is_typed() -> None:
    text = """
<!-- needs: claude -->
```console
$ one \\
>   two
said
$ three
```

<!-- not run: it serves -->
```sh
pointsman serve
```
"""
    first, second = blocks(text)
    assert first == Block(3, "console", "$ one \\\n>   two\nsaid\n$ three", needs="claude")
    assert first.commands == [("one \\\n  two", "said"), ("three", "")]
    assert (second.why, second.commands) == ("it serves", [("pointsman serve", None)])


def test_a_mark_that_nobody_knows_is_no_reason() -> None:
    with pytest.raises(ValueError, match="skip"):
        blocks("<!-- skip: why not -->\n```sh\nls\n```\n")
