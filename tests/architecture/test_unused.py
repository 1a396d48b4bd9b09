"""What only tests use is no part of the product: every name at the top of a module is used by the source."""

from __future__ import annotations

import ast

from .test_circles import dotted
from .test_shape import modules

PUBLIC = {
    "pointsman.dialects.registry.register",  # how a protocol from outside is added
    "pointsman.dialects.registry.unregister",
}
OPEN = {"pointsman.gateway.attempt.judge.Judge", "pointsman.gateway.attempt.moves.ENDS",
        "pointsman.gateway.attempt.moves.REACHES"}  # fmt: skip
"""Written before its user; each goes from here when the source uses it."""
FOUND_BY_NAME = ("admin/store/migrations/", "practice/")
"""Alembic reads its modules by name, the practice model's protocols are looked up as modules."""


def defined(tree: ast.Module) -> set[str]:
    """Names that a module makes at its top, without those that a decorator hands to somebody."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.decorator_list:
                found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("__")}


def used(trees: dict[str, ast.Module]) -> set[str]:
    """`module.name` of every name that is read in its own module, imported by another one, or read from it."""
    known = {dotted(path) for path in trees}
    found: set[str] = set()
    for path, tree in trees.items():
        me = dotted(path)
        alias: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = me.split(".")
                    above = above[: len(above) - node.level + path.endswith("__init__.py")]
                    base = ".".join([*above, *filter(None, [base])])
                for name in node.names:
                    whole = f"{base}.{name.name}"
                    found.add(whole)
                    if whole in known:
                        alias[name.asname or name.name] = whole
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(f"{me}.{node.id}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(f"{me}.{node.value}")  # an annotation in quotes, `__all__`
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found.add(f"{alias.get(node.value.id, '')}.{node.attr}")
    return found


def unused(trees: dict[str, ast.Module]) -> set[str]:
    everywhere = {f"{dotted(path)}.{name}" for path, tree in trees.items() for name in defined(tree)}
    return everywhere - used(trees)


def test_the_source_uses_every_name_it_defines() -> None:
    judged = {path: tree for path, tree in modules().items() if not path.startswith(FOUND_BY_NAME)}
    assert unused(judged) - PUBLIC - OPEN == set()


def test_the_finder_sees_what_it_should() -> None:
    texts = {
        "__init__.py": "",
        "a.py": "from .b import f\nfrom . import c\nX = f\ny: int = c.g()\n_Z = X, y\nprint(_Z)",
        "b.py": "def f(): ...\ndef dead(): ...\nclass Dead: ...\nDEAD = 1",
        "c.py": "def g() -> 'Quoted': ...\nclass Quoted: ...\n@hand\ndef handed(): ...\nlost = 0",
    }
    found = unused({path: ast.parse(text) for path, text in texts.items()})
    assert found == {f"pointsman.{name}" for name in ("b.dead", "b.Dead", "b.DEAD", "c.lost")}
