"""No import circles: also none that only a type checker sees, and none that an import inside a function hides."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from .test_shape import modules

PACKAGE = "pointsman"


def dotted(path: str) -> str:
    """`wire/http1.py` -> `pointsman.wire.http1`, a package's `__init__.py` -> the package."""
    parts = [PACKAGE, *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(name: str, is_package: bool, tree: ast.AST, known: frozenset[str]) -> set[str]:
    """The modules of ours that an `import` anywhere in the tree names: at the top, in a function, and
    under TYPE_CHECKING alike."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in nearest(alias.name, known)}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")
                above = above[: len(above) - node.level + is_package]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                found |= nearest(f"{base}.{alias.name}", known)
    return found - {name}


def nearest(text: str, known: frozenset[str]) -> set[str]:
    """The module that `from package import thing` reaches: `package.thing` where that is a module."""
    while text and text not in known:
        text = text.rpartition(".")[0]
    return {text} if text else set()


def graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    known = frozenset(dotted(path) for path in trees)
    return {
        dotted(path): imported(dotted(path), path.endswith("__init__.py"), tree, known)
        for path, tree in trees.items()
    }


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one module (Tarjan), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(found)


def parsed(files: Iterable[tuple[str, str]]) -> dict[str, ast.Module]:
    return {path: ast.parse(text) for path, text in files}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(graph(modules())) == []


def test_the_finder_sees_every_kind_of_import() -> None:
    whole = "from .b import x"
    for back in (
        "from .a import y",
        "from . import a",
        "import pointsman.a",
        "from pointsman.a import y",
        "from pointsman import a",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import y",
        "def f():\n    from .a import y",
        "class C:\n    def m(self):\n        import pointsman.a as late",
    ):
        edges = graph(parsed([("__init__.py", ""), ("a.py", whole), ("b.py", back)]))
        assert circles(edges) == [["pointsman.a", "pointsman.b"]], back
    straight = graph(
        parsed([("__init__.py", ""), ("a.py", whole), ("b.py", "from .c.d import z"), ("c/d.py", "")])
    )
    assert circles(straight) == []
    three = parsed([("a.py", "from .c import d"), ("c/__init__.py", ""), ("c/d.py", "from ..e import q")])
    three |= parsed([("e.py", "from . import a")])
    assert circles(graph(three)) == [["pointsman.a", "pointsman.c.d", "pointsman.e"]]
