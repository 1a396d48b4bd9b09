"""Lines of the log: what is told of a request has its id where docs/logs.md says, and every part can be named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pointsman.config import LOG_PARTS

SOURCE = Path(__file__).parents[2] / "src" / "pointsman"
OF_REQUESTS = ("gateway/request", "gateway/attempt", "gateway/lane", "translation")
CALLS = {"debug", "info", "warning", "error", "exception", "critical"}


def _messages(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        whose = node.func.value
        if node.func.attr in CALLS and isinstance(whose, ast.Name) and whose.id == "log":
            message = node.args[0]
            yield node.lineno, message.value if isinstance(message, ast.Constant) else ""


def test_what_is_told_of_a_request_begins_with_its_id() -> None:
    told = {
        f"{path.relative_to(SOURCE)}:{number}": message
        for folder in OF_REQUESTS
        for path in sorted((SOURCE / folder).rglob("*.py"))
        for number, message in _messages(path)
    }
    assert len(told) >= 10
    assert {where: message for where, message in told.items() if not message.startswith("request %s")} == {}


def test_every_log_of_ours_is_a_part_that_can_be_named() -> None:
    named = {
        found
        for path in SOURCE.rglob("*.py")
        for found in re.findall(r'getLogger\("pointsman\.(\w+)"\)', path.read_text())
    }
    assert named == set(LOG_PARTS)
