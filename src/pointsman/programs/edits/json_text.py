"""JSON, with the comments and the commas at the end that editors allow: read with its places, and changed there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .places import ABSENT, NotReadable, Path, Row

_space = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_string = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_word = re.compile(r"[-+.\w]+")
_blank = re.compile(r"[ \t]*")
_MOST_DEEP = 100


@dataclass(slots=True)
class _Node:
    """A value and where it stands. members: of an object, its key's start with each. comma: one stands after the last."""

    start: int
    end: int
    value: Any
    members: list[tuple[str, int, _Node]] = field(default_factory=list)
    items: list[_Node] = field(default_factory=list)
    comma: bool = False

    def parts(self) -> list[tuple[int, int]]:
        """Where each member or entry begins and ends."""
        return [(at, node.end) for _, at, node in self.members] + [(one.start, one.end) for one in self.items]


def read(text: str) -> Any:
    """Its value; ABSENT of one that holds nothing but space and comments. Raises NotReadable."""
    root = _root(text)
    return ABSENT if root is None else root.value


def put(text: str, path: Path, value: Any) -> str:
    """With `value` at `path`."""
    above, found = _found(text, path)
    if found is not None:
        start, end = found
        return text[:start] + _written(value, text, _indent(text, start)) + text[end:]
    last = path[-1]
    name = f"{json.dumps(last, ensure_ascii=False)}: " if isinstance(last, str) else ""
    return _inserted(text, above, name, value)


def drop(text: str, path: Path) -> str:
    """Without what stands at `path`."""
    above, found = _found(text, path)
    assert found is not None
    parts = above.parts()
    last = path[-1]
    if isinstance(last, str):
        start = max(at for key, at, _ in above.members if key == last)
    else:
        start = found[0]
    index = next(i for i, (at, _) in enumerate(parts) if at == start)
    end = parts[index][1]
    after = _space.match(text, end)
    assert after is not None
    if index + 1 < len(parts) or above.comma:
        comma = after.end()
        return _cut(text, start, comma + 1)
    if index:  # the comma before it goes, what stands between does not
        before = parts[index - 1][1]
        gap = _space.match(text, before)
        assert gap is not None
        comma = gap.end()
        made = _cut(text, start, end)
        return made[:comma] + made[comma + 1 :]
    return _cut(text, start, end)


def _cut(text: str, start: int, end: int) -> str:
    """Without that, and without its lines where nothing else is on them."""
    line = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    rest = _blank.match(text, end)
    assert rest is not None
    if not text[line:start].strip(" \t"):
        stop = rest.end()
        if text[stop : stop + 2] == "\r\n":
            return text[:line] + text[stop + 2 :]
        if text[stop : stop + 1] in ("\n", "\r") and stop < len(text):
            return text[:line] + text[stop + 1 :]
        return text[:start] + text[stop:]
    return text[:start].rstrip(" \t") + text[end:]


def _found(text: str, path: Path) -> tuple[_Node, tuple[int, int] | None]:
    """What holds the place, and where its value stands; None where none does."""
    node = _root(text)
    assert node is not None
    for depth, step in enumerate(path):
        below = _below(node, step)
        if depth == len(path) - 1:
            return node, None if below is None else (below.start, below.end)
        assert below is not None
        node = below
    raise AssertionError("a place has steps")


def _below(node: _Node, step: str | Row) -> _Node | None:
    if isinstance(step, str):
        return next((below for key, _, below in reversed(node.members) if key == step), None)
    return next(
        (
            one
            for one in node.items
            if isinstance(one.value, dict) and one.value.get(step.field) == step.value
        ),
        None,
    )


def _inserted(text: str, above: _Node, name: str, value: Any) -> str:
    parts, close = above.parts(), above.end - 1
    inside = text[above.start + 1 : close]
    newline = "\n" in inside or "\r" in inside
    if not newline and (parts or inside.strip() or text[: above.start].strip() or text[above.end :].strip()):
        made = name + _written(value, text, None)
        if not parts:
            return text[:close] + made + text[close:]
        at = parts[-1][1] if not above.comma else _space_end(text, parts[-1][1]) + 1
        return text[:at] + ("" if above.comma else ",") + " " + made + text[at:]
    ends = _line_end(text)
    outer = _indent(text, above.start)
    inner = (
        _indent(text, parts[0][0])
        if newline and parts and _begins_line(text, parts[0][0])
        else outer + _unit(text)
    )
    tail = len(text[:close].rstrip(" \t\r\n"))
    made = ends + inner + name + _written(value, text, inner) + ("," if above.comma else "") + ends + outer
    text = text[:tail] + made + text[close:]
    if parts and not above.comma:
        at = parts[-1][1]
        text = text[:at] + "," + text[at:]
    return text


def _written(value: Any, text: str, indent: str | None) -> str:
    """indent: of its first line; None: all in one line."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).split("\n")
    return (_line_end(text) + indent).join(lines)


def _unit(text: str) -> str:
    """By how much it is indented: its first line that is."""
    found = re.search(r"[{\[][ \t]*\r?\n([ \t]+)[^\s/]", text)
    return found[1] if found else "  "


def _indent(text: str, at: int) -> str:
    line = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    found = _blank.match(text, line)
    return found[0] if found else ""


def _begins_line(text: str, at: int) -> bool:
    line = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    return not text[line:at].strip(" \t")


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _space_end(text: str, at: int) -> int:
    found = _space.match(text, at)
    assert found is not None
    return found.end()


def _root(text: str) -> _Node | None:
    at = _space_end(text, 0)
    if at == len(text):
        return None
    node = _value(text, at, 0)
    at = _space_end(text, node.end)
    if at < len(text):
        raise _wrong(text, at, "something stands after its end")
    return node


def _value(text: str, at: int, depth: int) -> _Node:
    first = text[at : at + 1]
    if first in ("{", "["):
        if depth >= _MOST_DEEP:
            raise _wrong(text, at, "it is nested too deep")
        return _held(text, at, depth)
    found = _string.match(text, at) or _word.match(text, at)
    if found is None:
        raise _wrong(text, at, "a value is missing")
    try:
        return _Node(at, found.end(), json.loads(found[0]))
    except ValueError:
        raise _wrong(text, at, "this is no value") from None


def _held(text: str, start: int, depth: int) -> _Node:
    """An object or a list."""
    mapping = text[start] == "{"
    node, close = _Node(start, start, {} if mapping else []), "}" if mapping else "]"
    at = _space_end(text, start + 1)
    while text[at : at + 1] != close:
        if (node.members or node.items) and not node.comma:
            raise _wrong(text, at, "a comma is missing")
        key_at, key = at, ""
        if mapping:
            found = _string.match(text, at)
            if found is None:
                raise _wrong(text, at, "a name in double quotes is missing")
            try:
                key = json.loads(found[0])
            except ValueError:
                raise _wrong(text, at, "this is no name") from None
            at = _space_end(text, found.end())
            if text[at : at + 1] != ":":
                raise _wrong(text, at, "a colon is missing")
            at = _space_end(text, at + 1)
        below = _value(text, at, depth + 1)
        if mapping:
            node.members.append((key, key_at, below))
            node.value[key] = below.value
        else:
            node.items.append(below)
            node.value.append(below.value)
        at = _space_end(text, below.end)
        node.comma = text[at : at + 1] == ","
        if node.comma:
            at = _space_end(text, at + 1)
    node.end = at + 1
    return node


def _wrong(text: str, at: int, what: str) -> NotReadable:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return NotReadable(f"line {line}, column {column}: {what}")
