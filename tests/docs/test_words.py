"""Every `pointsman` command that a page names is one that there is, with options that it has: in blocks, in lines and in
running text. What its values may be is for who runs it (test_commands.py)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from pointsman.cli.main import main
from tests.architecture.markdown import pages

from .blocks import ROOT

_BLOCK = re.compile(r"^```(?:sh|console|bash)$(.*?)^```$|((?:^    .*\n)+)", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(?:\$ )?(pointsman [^`]+)`")
_COMMAND = re.compile(
    r"^\s*(?:[$>] )?(?:\S*=\S* )*(?:exec |docker exec \S+ |\.venv/bin/)?(pointsman (?!\|).*)$", re.MULTILINE
)
_END = re.compile(r"\s(?:[|<>]|2>|&&|;|--\s)|\s--$|\s#|$")
"""Where a command's own words end."""
_CHANGES = ROOT / "CHANGELOG.md"
"""Tells of what was, too."""
_NO_COMMANDS = {"pointsman test"}
"""What usage calls the tests of a backend."""


def named(text: str) -> Iterator[str]:
    """The commands in a page, less what goes on behind them."""
    blocks = "\n".join(one[1] or one[2] for one in _BLOCK.finditer(text)).replace("\\\n", " ")
    for command in (*_COMMAND.findall(blocks), *(one.replace("\n", " ") for one in _INLINE.findall(text))):
        if command not in _NO_COMMANDS:
            yield command[: _END.search(command).start()].strip()  # type: ignore[union-attr]


def problem(command: str) -> str | None:
    """What is not there; None of a command that is."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        words = command.split()[1:]
    at: click.Command = main
    context = click.Context(main)
    while isinstance(at, click.Group) and words and not words[0].startswith("-"):
        word = words.pop(0).rstrip(".,;:")
        if not word.islower():  # `pointsman CLIENT`, `pointsman ...`
            return None
        found = at.get_command(context, word)
        if found is None:
            return f"no command {word!r}: {command}"
        at = found
    known = {name for one in at.get_params(context) for name in (*one.opts, *one.secondary_opts)}
    for word in words:
        name = word.partition("=")[0].strip("[](),.")
        if re.fullmatch(r"--?[a-z][a-z-]*", name) and name not in {*known, "--help", "-h"}:
            return f"no option {name}: {command}"
    return None


def test_each_command_that_a_page_names_is_there() -> None:
    texts = {
        page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
        for page in pages()
        if page != _CHANGES
    }
    wrong = {name: [found for one in named(text) if (found := problem(one))] for name, text in texts.items()}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert sum(len(list(named(text))) for text in texts.values()) > 400


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```sh\npointsman frobnicate\n```\n", ["no command 'frobnicate': pointsman frobnicate"]),
        ("```sh\nX=1 pointsman local start qwen --hard  # now\n```\n", ["no option --hard: pointsman local start qwen --hard"]),
        ("    pointsman local ad box\n", ["no command 'ad': pointsman local ad box"]),
        ("say `pointsman key create --name NAME` and\n`pointsman mapping add X --too local/box`",
         ["no option --too: pointsman mapping add X --too local/box"]),
        ("```console\n$ pointsman launch claude -- --nonsense\n```\n", []),
        ("```sh\npointsman config schema > schema.json\npointsman usage --by key --csv | head -n 3\n```\n", []),
    ],
)  # fmt: skip
def test_what_is_not_there_is_found(text: str, told: list[str]) -> None:
    assert [found for command in named(text) if (found := problem(command))] == told
