"""`python -m tests.docs [--write] [PAGE...]`: runs them and tells what is not as the page shows; --write puts what was
printed into the page's ```console blocks that differ. Read the diff then: `...` in them is gone, but for what is known to vary."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from .blocks import ROOT, blocks, is_as_shown
from .running import run, wrong

_VARIES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?\b"), "..."),
    (re.compile(r"  [0-9a-f]{8}  "), "  ...       "),
    (re.compile(r"^dns    ok  .*", re.MULTILINE), "dns    ok  ..."),
    (re.compile(r"^(models ok  |it answers: )\d+ models", re.MULTILINE), r"\1... models"),
    (re.compile(r"\(\d+ ms\)"), "(... ms)"),
    (re.compile(r"\b\d+ MiB of [\d.]+ GiB"), "... of ..."),
    (re.compile(r"\b\d+ MiB( +)"), r"...\1"),
    (re.compile(r"unix:/\S+"), "unix:..."),
    (
        re.compile(r'\{"id":"chatcmpl-.*'),
        '{"id":"chatcmpl-...","object":"chat.completion",...,"finish_reason":"stop"...',
    ),
    (
        re.compile(r'\{"id":"msg_.*'),
        '{"id":"msg_...","type":"message","role":"assistant",...,"stop_reason":"end_turn",...',
    ),
)
"""What is another each time, and how a page has it."""


def _same_each_time(printed: str) -> str:
    for varies, shown in _VARIES:
        printed = varies.sub(shown, printed)
    return "\n".join(map(str.rstrip, printed.split("\n")))


def _written(text: str, told: list[dict[str, Any]]) -> str:
    """The page with what was printed in place of what it shows."""
    lines = text.split("\n")
    for block in reversed(blocks(text)):
        mine = [one for one in told if one["line"] == block.line and "printed" in one]
        if block.kind == "sh" or all(is_as_shown(one["shown"], one["printed"]) for one in mine):
            continue
        new = []
        for one in mine:
            same = is_as_shown(one["shown"], one["printed"])
            said = (one["shown"] if same else _same_each_time(one["printed"])).strip("\n")
            new += ["$ " + one["command"].replace("\n", "\n> "), *([said] if said else [])]
        end = next(n for n in range(block.line, len(lines)) if lines[n] == "```")
        lines[block.line : end] = new
    return "\n".join(lines)


def main(words: list[str]) -> int:
    write, only = "--write" in words, [one for one in words if one != "--write"]
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), *only)
    failed = False
    for name, told in found.items():
        for text in filter(None, map(wrong, told)):
            failed = True
            sys.stdout.write(f"\n{name}: {text}\n")
        if write:
            path = ROOT / name
            path.write_text(_written(path.read_text(encoding="utf-8"), told), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
