"""What is compiled has its members declared (`.pxd`): one that a class gained in Python alone would end the compiled gateway
when it starts, and no test of pure Python would see it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pointsman import native

ROOT = Path(native.__file__).parent
_CLASS = re.compile(r"^cdef class (\w+)(?:\((\w+)\))?:\n((?:(?:[ \t].*)?\n)*)", re.MULTILINE)
_MEMBERS = re.compile(r"^    cdef (?:public |readonly )?[\w.]+ ([\w, ]+)$", re.MULTILINE)


def declared(module: str) -> dict[str, tuple[str, set[str]]]:
    """Class -> (what it extends, its own members) of the module's `.pxd`."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".pxd")
    text = path.read_text(encoding="utf-8") + "\n" if path.exists() else ""
    return {
        name: (base, {one.strip() for line in _MEMBERS.findall(body) for one in line.split(",")})
        for name, base, body in _CLASS.findall(text)
    }


def slots(module: str) -> dict[str, set[str]]:
    """Class -> the names in its `__slots__`."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ClassDef):
            continue
        for statement in node.body:
            named = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__"
            if named and isinstance(statement, ast.Assign):
                value = ast.literal_eval(statement.value)
                found[node.name] = {value} if isinstance(value, str) else set(value)
    return found


@pytest.mark.parametrize("module", [one for one in native.MODULES if declared(one) and slots(one)])
def test_every_slot_is_declared(module: str) -> None:
    types = declared(module)
    lacking = {name: names - types[name][1] for name, names in slots(module).items() if name in types}
    assert {name: names for name, names in lacking.items() if names} == {}


def test_a_class_is_compared() -> None:
    assert "turns" in declared("gateway.data_plane")["DataPlane"][1]
    assert "turns" in slots("gateway.data_plane")["DataPlane"]
