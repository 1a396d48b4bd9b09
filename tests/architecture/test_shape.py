"""The shape of the source: sizes, docstrings, and the rules of the working contract that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pointsman"
MAX_FILE = 400
MAX_FUNCTION = 50


@cache
def modules() -> dict[str, ast.Module]:
    """Every source file, by its path under src/pointsman."""
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"), str(path))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def text_of(name: str) -> str:
    return (SOURCE / name).read_text(encoding="utf-8")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_source() -> None:
    assert len(modules()) > 80


def test_every_module_says_what_it_is() -> None:
    """In words: a name in backticks alone says nothing."""
    bare = {}
    for name, tree in modules().items():
        text = ast.get_docstring(tree) or ""
        if len(re.sub(r"`[^`]*`", "", text).split()) < 2:
            bare[name] = text
    assert bare == {}


def test_no_file_is_too_long() -> None:
    sizes = {name: text_of(name).count("\n") for name in modules()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


def test_no_function_is_too_long() -> None:
    sizes = {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in modules().items()
        for node in functions(tree)
    }
    assert {where: size for where, size in sizes.items() if size > MAX_FUNCTION} == {}


def test_whoever_catches_everything_tells_or_raises() -> None:
    """A broad `except` stands only where a failure is logged with its cause, rendered with it, or raised again."""
    silent = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = (
                {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
                if node.type
                else {"BaseException"}
            )
            if not caught & {"Exception", "BaseException"}:
                continue
            raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
            tells = any(
                word in ast.unparse(node)
                for word in (".exception(", "traceback", "repr(error)", "error!r", ".broke(error)")
            )
            if not raises and not tells:
                silent.append(f"{name}:{node.lineno}")
    assert silent == []


def test_no_machine_paths_and_no_leftovers() -> None:
    words = ("/home/", "/Users/", "/work/", "/root/", "TODO", "FIXME", "XXX", "breakpoint()", "import pdb")
    assert [(name, word) for name in modules() for word in words if word in text_of(name)] == []


def test_no_mutable_default_arguments() -> None:
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules().items()
        for node in functions(tree)
        for default in (*node.args.defaults, *node.args.kw_defaults)
        if isinstance(default, ast.List | ast.Dict | ast.Set)
    ]
    assert found == []


def test_every_folder_of_source_is_a_package() -> None:
    assert [str(p.parent) for p in SOURCE.rglob("*.py") if not (p.parent / "__init__.py").exists()] == []


def test_every_test_file_says_what_it_is() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert [
        str(path) for path in files if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ] == []


def test_a_request_s_stage_and_an_attempt_s_state_are_written_in_one_place_each() -> None:
    owners = {"stage": "gateway/request/delivery.py", "state": "gateway/attempt/judge.py"}
    found = [
        f"{name}:{node.lineno} .{node.attr}"
        for name, tree in modules().items()
        if name.startswith("gateway/") and name not in owners.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in owners and isinstance(node.ctx, ast.Store)
    ]
    assert found == []
    for attribute, owner in owners.items():
        assert any(
            isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Store)
            for node in ast.walk(modules()[owner])
        )
