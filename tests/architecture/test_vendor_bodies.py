"""What vendors send is made in one place, tests/vendor_bodies: no other function of the tests builds a frame or an answer.

A test may write one out, and so may a table of cases: those show what they are about. A second builder would come to differ.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TYPES = frozenset(
    {
        "chat.completion", "chat.completion.chunk", "text_completion",
        "message_start", "message_delta", "message_stop",
        "content_block_start", "content_block_delta", "content_block_stop",
    }
)  # fmt: skip
WHOLE = ({"choices"}, {"content", "stop_reason"}, {"output", "status"})
"""Keys that together are a whole answer."""
WRITTEN = ('"choices":', '"type":"message_start', '"type":"content_block', '"type":"response.')
BUILDERS: dict[str, str] = {}
"""file:function -> why it stands apart."""


def is_frame(node: ast.AST) -> bool:
    if isinstance(node, ast.Dict):
        keys = {
            key.value: value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        kinds = [keys.get("type"), keys.get("object")]
        said = [kind.value for kind in kinds if isinstance(kind, ast.Constant)]
        said += [ast.unparse(kind)[2:] for kind in kinds if isinstance(kind, ast.JoinedStr)]
        named = any(kind in TYPES or str(kind).startswith("response.") for kind in said)
        return named or any(whole <= set(keys) for whole in WHOLE)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        return any(words in text.replace('": ', '":') for words in WRITTEN)
    return False


def builders(tree: ast.Module) -> Iterator[ast.AST]:
    """Functions and lambdas that make a frame and are no test; those inside a test are its own case."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                name = getattr(child, "name", "lambda")
                if not name.startswith("test_") and any(map(is_frame, ast.walk(child))):
                    yield child
            else:
                waiting.append(child)


def test_vendor_bodies_are_built_in_one_place() -> None:
    found = {
        f"{path.relative_to(TESTS)}:{getattr(node, 'name', 'lambda')}"
        for path in TESTS.rglob("*.py")
        if path.parent.name != "vendor_bodies"
        for node in builders(ast.parse(path.read_text()))
    }
    assert found == set(BUILDERS)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('def f(): return {"choices": []}', 1),
        ('def f(x): return {"type": f"response.{x}", "delta": "a"}', 1),
        ('def f(): return {"type": "message_start"}', 1),
        ('def f(): return {"content": [], "stop_reason": None}', 1),
        ("def f(): return b'data: {\"choices\":[]}'", 1),
        ('class A:\n    def f(self): return {"object": "chat.completion"}', 1),
        ('f = lambda: {"choices": []}', 1),
        ('def test_f(): return {"choices": []}', 0),
        ('ROWS = [{"choices": []}]', 0),
        ('def f(): return {"type": "text"}', 0),
    ],
)
def test_the_finder_finds_them(code: str, count: int) -> None:
    assert len(list(builders(ast.parse(code)))) == count
