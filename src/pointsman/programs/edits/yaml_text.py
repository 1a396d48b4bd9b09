"""YAML, changed at the places that PyYAML finds: what stands in lines of its own, and what stands in brackets."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .places import ABSENT, NotChangeable, NotReadable, Path, Step, step_in, told

_plain = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:[/.][A-Za-z0-9_-]+)*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def read(text: str) -> Any:
    """What it says; ABSENT of one that says nothing. Raises NotReadable."""
    try:
        found = _own(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise NotReadable(f"{where}{getattr(error, 'problem', None) or 'this is no YAML'}") from None
    return ABSENT if found is None else found


def _own(value: Any) -> Any:
    """With a value of its own at every place: what one reference stands for is one object, and would change at both."""
    if isinstance(value, dict):
        return {key: _own(one) for key, one in value.items()}
    return [_own(one) for one in value] if isinstance(value, list) else value


def put(text: str, path: Path, value: Any) -> str:
    """With `value` at `path`. Raises NotChangeable where it is written in a way that is not changed safely."""
    above, found = _found(text, path)
    if found is None:
        return _inserted(text, above, path, value)
    if _in_block(found):
        raise NotChangeable(f"{told(path)} has lines of its own")
    start, end = _span(found)
    return text[:start] + _flow(value) + text[end:]


def drop(text: str, path: Path) -> str:
    """Without what stands at `path`. Raises NotChangeable as `put` does."""
    above, found = _found(text, path)
    assert found is not None
    if above.flow_style:
        raise NotChangeable(f"{told(path)} stands in brackets")
    start = found.start_mark.index
    if isinstance(above, MappingNode):
        start = next(key.start_mark.index for key, value in reversed(above.value) if value is found)
    line = text.rfind("\n", 0, start) + 1
    mark = "-" if isinstance(above, SequenceNode) else ""
    if text[line:start].strip() != mark:
        raise NotChangeable(f"{told(path)} does not begin a line")
    stop = text.find("\n", _end(found))
    return text[:line] + ("" if stop < 0 else text[stop + 1 :])


def _found(text: str, path: Path) -> tuple[Any, Node | None]:
    """What holds the place, and what stands there; None where nothing does."""
    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise NotChangeable(str(error)) from None
    for depth, step in enumerate(path):
        if not isinstance(node, MappingNode | SequenceNode):
            raise NotChangeable(f"{told(path[:depth])} is written by a reference")
        below = _below(node, step)
        if depth == len(path) - 1:
            return node, below
        if below is None:
            raise NotChangeable(f"{told(path[: depth + 1])} is written by a reference")
        node = below
    raise AssertionError("a place has steps")


def _below(node: MappingNode | SequenceNode, step: Step) -> Any:
    if isinstance(step, str):
        if not isinstance(node, MappingNode):
            return None
        return next((value for key, value in reversed(node.value) if key.value == step), None)
    for one in node.value if isinstance(node, SequenceNode) else ():
        if isinstance(one, MappingNode):
            named = {key.value: value.value for key, value in one.value if isinstance(value, ScalarNode)}
            if step_in([named], step) is not None:
                return one
    return None


def _in_block(node: Node) -> bool:
    """Does it go over lines, by indentation?"""
    if isinstance(node, ScalarNode):
        return node.style in ("|", ">")
    return not getattr(node, "flow_style", False)


def _span(node: Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _end(node: Node) -> int:
    """Where its last word ends; PyYAML counts the space after a block to it."""
    if isinstance(node, MappingNode) and not node.flow_style:
        return _end(node.value[-1][1])
    if isinstance(node, SequenceNode) and not node.flow_style:
        return _end(node.value[-1])
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return int(node.end_mark.index) - 1
    return int(node.end_mark.index)


def _inserted(text: str, above: Any, path: Path, value: Any) -> str:
    last = path[-1]
    if above.flow_style:
        made = json.dumps({last: value} if isinstance(last, str) else [value], ensure_ascii=False)[1:-1]
        at = above.end_mark.index - 1
        return text[:at].rstrip(" ") + (", " if above.value else "") + made + text[at:]
    ends = "\r\n" if "\r\n" in text else "\n"
    first = above.value[0][0] if isinstance(above, MappingNode) else above.value[0]
    column = first.start_mark.column
    if isinstance(above, SequenceNode):
        column = above.start_mark.column
    lines = _lines({last: value} if isinstance(last, str) else [value])
    made = "".join(f"{' ' * column}{one}{ends}" for one in lines)
    at = text.find("\n", _end(above))
    if at < 0:
        return text + ends + made
    return text[: at + 1] + made + text[at + 1 :]


def _lines(value: Any) -> list[str]:
    """A group or a list, one of its values a line."""
    found = []
    if isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, list | dict) and one:
                found += [f"{_scalar(key)}:", *(f"  {line}" for line in _lines(one))]
            else:
                found.append(f"{_scalar(key)}: {_flow(one)}")
        return found
    for one in value:
        held = _lines(one) if isinstance(one, list | dict) and one else [_flow(one)]
        found += [f"- {held[0]}", *(f"  {line}" for line in held[1:])]
    return found


def _flow(value: Any) -> str:
    return _scalar(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _scalar(text: str) -> str:
    """Without quotes where it can only be read as text."""
    bare = _plain.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if bare else json.dumps(text, ensure_ascii=False)
