"""What the pages read of the source itself: constants with the words below or beside them. Not here: any page."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "pointsman"


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """(file below the source, what is in it)."""
    files = sorted(SOURCE.rglob("*.py"))
    return tuple((path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8")) for path in files)


@cache
def described(pattern: str, sign: str) -> dict[str, str]:
    """Constants of modules whose text is like that: what the string below each says. sign: stands in every such module."""
    found = {}
    for _, text in texts():
        body = ast.parse(text).body if sign in text else []
        for node, below in pairwise(body):
            match node, below:
                case (
                    ast.Assign(value=ast.Constant(value=str(name))),
                    ast.Expr(value=ast.Constant(value=str(says))),
                ) if re.fullmatch(pattern, name):
                    found[name] = " ".join(says.split())
    return found


def beside(file: str, line: str) -> dict[str, str]:
    """The comment at the end of each line of a file that is `line` (a pattern whose group is its name)."""
    text = (SOURCE / file).read_text(encoding="utf-8")
    return dict(re.findall(rf"^{line}.*?  # (.+)$", text, re.MULTILINE))
