"""Facts of an answer are set in one place, the dialect's seen.py: the readers and replies beside it set none."""

from __future__ import annotations

import ast

from pointsman.dialects.base import Seen

from .test_shape import modules

BY_WHICH_MORE_IS_TOLD = {"again", "given", "heard_in", "hears", "part"}
"""A reader's own (Seen.more): they say which text goes on, and nothing of the answer."""
FACTS = set(Seen.__slots__) - BY_WHICH_MORE_IS_TOLD


def assigned(tree: ast.AST) -> set[tuple[int, str]]:
    """(line, name) of each fact that is set on any object, however it is written."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and node.attr in FACTS
        ):
            found.add((node.lineno, node.attr))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            found.add((node.lineno, "setattr"))
    return found


def test_readers_and_replies_set_no_fact() -> None:
    judged = {
        name: tree
        for name, tree in modules().items()
        if name.startswith("dialects/") and name.endswith(("/reader.py", "/reply.py"))
    }
    assert len(judged) >= 6
    # The stop and usage of a neutral Reply are its own, of the same name.
    allowed = {"stop", "usage"}
    found = {
        f"{name}:{line} {fact}"
        for name, tree in judged.items()
        for line, fact in assigned(tree)
        if not (fact in allowed and not name.endswith("/reader.py"))
    }
    assert found == set()


def test_the_gateway_sets_no_fact_of_a_reading() -> None:
    own = {"seen", "reader", "_reader", "watch"}
    found = {
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        if name.startswith(("gateway/", "translation/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr in FACTS
        and ast.unparse(node.value).rpartition(".")[2] in own
    }
    assert found == set()


def test_the_guard_itself_sees_what_it_should() -> None:
    for code in (
        "self.output = True",
        "self.a, self.stop = 1, 2",
        "self.malformed += 1",
        "seen.error: X = y",
    ):
        assert assigned(ast.parse(code)), code
    assert not assigned(ast.parse("x = self.output"))
