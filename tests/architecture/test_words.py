"""One word, one meaning: a class's name stands for one thing, and a module's for one page."""

from __future__ import annotations

import ast
from collections import defaultdict

from .test_shape import modules

PROMISED = {"Reply": "practice/exchange.py"}
"""Names that others' tests import from `pointsman.practice`: they stay, though one of ours is the same."""
MATTERS = {"ModelLists", "Runtime", "Health", "Board", "Plan", "Verdict", "Stage", "Judge"}
"""Words that not even a protocol may have as its own."""


def classes() -> dict[str, list[str]]:
    """A public class's name -> the modules that define one. Each protocol's own shapes are its own."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    return found


def is_a_protocols_own(module: str) -> bool:
    return module.count("/") == 2 and module.startswith("dialects/")


def test_a_classes_name_stands_for_one_thing() -> None:
    doubled = {
        name: where
        for name, found in classes().items()
        if len(where := [one for one in found if not is_a_protocols_own(one)]) > 1
    }
    assert {name: where for name, where in doubled.items() if PROMISED.get(name) not in where} == {}
    assert set(PROMISED) <= set(doubled)


def test_the_words_that_matter_stand_for_one_thing_everywhere() -> None:
    found = classes()
    assert {word: found[word] for word in MATTERS if len(found[word]) > 1} == {}


def test_no_two_boards() -> None:
    assert [name for name in modules() if name.endswith("/board.py")] == ["resilience/board.py"]
