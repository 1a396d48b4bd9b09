"""Does a value fit a schema? What of JSON Schema says so for arguments of tools; what is not known here forbids nothing, so
that no call is told wrong that may be right. Pure.

Not here: `pattern` and `format` (a stranger's expression may take for ever), and schemas for a target (rewrite.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_DEEPEST = 64
"""Levels; deeper ones fit."""
_MOST_STEPS = 20_000
"""Of one value: schemas that refer to each other can be made to take for ever. What is not looked at fits."""
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def misfit(value: Any, schema: Mapping[str, Any] | None) -> str | None:
    """Where and why the value does not fit, such as `a.b: it is required`; None where nothing is against it. value: decoded
    JSON. schema: None takes anything."""
    if not isinstance(schema, Mapping):
        return None
    return _Look(schema).at(value, schema, "", 0)


class _Look:
    """root: what references are resolved in."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MOST_STEPS

    def at(self, value: Any, schema: Any, path: str, depth: int) -> str | None:
        self._left -= 1
        if schema is False:
            return _told(path, "nothing may stand here")
        if not isinstance(schema, Mapping) or depth > _DEEPEST or self._left < 0:
            return None
        found = self._itself(value, schema, path) or self._inside(value, schema, path, depth)
        return found or self._others(value, schema, path, depth)

    def _itself(self, value: Any, schema: Mapping[str, Any], path: str) -> str | None:
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if isinstance(kinds, list) and kinds and not any(_is_a(value, kind) for kind in kinds):
            return _told(path, f"it is not of type {' or '.join(map(str, kinds))}")
        if "const" in schema and not _same(value, schema["const"]):
            return _told(path, "it is not the one value that may stand here")
        allowed = schema.get("enum")
        if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
            return _told(path, "it is none of the values that may stand here")
        return _measured(value, schema, path)

    def _inside(self, value: Any, schema: Mapping[str, Any], path: str, depth: int) -> str | None:
        if isinstance(value, dict):
            return self._object(value, schema, path, depth)
        if isinstance(value, list):
            first = schema.get("prefixItems")
            first = first if isinstance(first, list) else []
            rest = schema.get("items", True)
            for number, one in enumerate(value):
                wanted = first[number] if number < len(first) else rest
                found = self.at(one, wanted, f"{path}[{number}]", depth + 1)
                if found is not None:
                    return found
        return None

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str, depth: int) -> str | None:
        required = schema.get("required")
        for name in required if isinstance(required, list) else ():
            if isinstance(name, str) and name not in value:
                return _told(_member(path, name), "it is required")
        known = schema.get("properties")
        known = known if isinstance(known, Mapping) else {}
        rest = schema.get("additionalProperties", True)
        open_ended = isinstance(schema.get("patternProperties"), Mapping)
        for name, one in value.items():
            if name not in known and open_ended:
                continue
            if name not in known and rest is False:
                return _told(_member(path, name), "there is no such member")
            found = self.at(one, known.get(name, rest), _member(path, name), depth + 1)
            if found is not None:
                return found
        return None

    def _others(self, value: Any, schema: Mapping[str, Any], path: str, depth: int) -> str | None:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found = self.at(value, self._meant(reference), path, depth + 1)
            if found is not None:
                return found
        for one in _list(schema, "allOf"):
            found = self.at(value, one, path, depth + 1)
            if found is not None:
                return found
        for word in ("anyOf", "oneOf"):
            choices = _list(schema, word)
            if choices and all(self.at(value, one, path, depth + 1) is not None for one in choices):
                return _told(path, "it is none of what may stand here")
        return None

    def _meant(self, reference: str) -> Any:
        """What `#/$defs/name` stands for; anything where it is not in the schema."""
        if not reference.startswith("#"):
            return True
        found: Any = self._root
        for step in reference[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name, True) if isinstance(found, Mapping) else True
        return found


def _list(schema: Mapping[str, Any], word: str) -> Sequence[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else ()


def _is_a(value: Any, kind: Any) -> bool:
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        whole = isinstance(value, float) and math.isfinite(value) and value == int(value)
        return whole or (isinstance(value, int) and not isinstance(value, bool))
    wanted = _TYPES.get(kind) if isinstance(kind, str) else None
    return True if wanted is None else isinstance(value, wanted)


def _same(value: Any, other: Any) -> bool:
    """In JSON true is no number."""
    return value == other and isinstance(value, bool) is isinstance(other, bool)


def _measured(value: Any, schema: Mapping[str, Any], path: str) -> str | None:
    def limit(word: str) -> float | None:
        found = schema.get(word)
        good = isinstance(found, (int, float)) and not isinstance(found, bool)
        return found if good else None

    size: float | None = None
    words = ("", "")
    if isinstance(value, str):
        size, words = len(value), ("minLength", "maxLength")
    elif isinstance(value, list):
        size, words = len(value), ("minItems", "maxItems")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        size, words = value, ("minimum", "maximum")
    if size is None:
        return None
    least, most = (limit(word) for word in words)
    if least is not None and size < least:
        return _told(path, f"it is less than {words[0]} {least:g}")
    if most is not None and size > most:
        return _told(path, f"it is more than {words[1]} {most:g}")
    return None


def _member(path: str, name: str) -> str:
    return f"{path}.{name[:80]}" if path else name[:80]


def _told(path: str, what: str) -> str:
    return f"{path or 'the arguments'}: {what}"
