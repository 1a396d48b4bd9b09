"""One word, one meaning: a class's name stands for one thing, and a module's for one page."""

from __future__ import annotations

import ast
from collections import defaultdict

from .test_shape import modules

OWN_WORDS = ("practice/", "chaos/", "cli/", "admin/routers/")
"""Rooms whose words nobody else reads: two share no code with the gateway, the commands and the admin API's
shapes are named for the people who see them."""
MATTERS = {"ModelLists", "Runtime", "Health", "Board", "Plan", "Verdict", "Stage", "Judge"}
"""Words that must be one thing in the whole project, whatever the room."""


def classes() -> dict[str, list[str]]:
    """A public class's name -> the modules that define one. Each protocol's own shapes are its own."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    return found


def is_private(module: str) -> bool:
    return module.startswith(OWN_WORDS) or (module.count("/") == 2 and module.startswith("dialects/"))


def test_a_classes_name_stands_for_one_thing() -> None:
    doubled = {
        name: where
        for name, where in classes().items()
        if sum(not is_private(module) for module in where) > 1
    }
    assert doubled == {}


def test_the_words_that_matter_stand_for_one_thing_everywhere() -> None:
    found = classes()
    rooms = {word: [m for m in found[word] if not m.startswith(("practice/", "chaos/"))] for word in MATTERS}
    assert {word: where for word, where in rooms.items() if len(where) > 1} == {}


def test_no_two_boards() -> None:
    assert [name for name in modules() if name.endswith("/board.py")] == ["resilience/board.py"]
