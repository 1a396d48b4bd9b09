"""A schema in the subset that Anthropic's structured outputs enforce
(docs/protocols/requests.md#anthropics-schema-subset).

What the subset lacks is said in words in the description, as the vendor's own SDKs do. Where the SDK of 2026-11
(anthropic 2.12 transform_schema) and this differ, the reason is that the SDK's result means something else:

- It closes every object. A map (`dict[str, int]`) or a free-form object could then only ever be `{}`: we refuse.
- It keeps `allOf` and closes each branch, so that no value satisfies two of them: we write the branches as one.
- It drops what stands beside a `$ref`, such as the description of a field: we put the target in its place.
- It does not stand a list of types (`["string", "null"]`) and raises: the API takes them.
- It drops `type` beside `enum`, and puts `pattern` into words: the API takes both, patterns without look-around.
- It orders the keys its own way: we keep the order, so that the model writes its answer in the order asked.
- It writes values as Python does (`None`, `{'a': True}`): ours are JSON, as the schema was.
- It puts `$schema` and `discriminator` into the description: they tell a model nothing.
- It does not check recursion and limits: each is a 400, and who asked can only be told before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .structure import (
    FORMATS,
    HINTS,
    MAX_DEPTH,
    SILENT,
    TYPES,
    Schema,
    Unsupported,
    children,
    described,
    merged,
    resolve,
    type_names,
)

MAX_OPTIONAL = 24
MAX_UNIONS = 16
"""Of one request, all its strict tools and its output format together: optional properties, and
properties of more than one type."""
_MAX_NODES = 4000
"""Schemas that references may be written out to."""
_MAX_REPEAT = 100
"""The page refuses "large ranges" in patterns and gives no number."""

_DEFS = ("$defs", "definitions")
_DEF = re.compile(r"#/(\$defs|definitions)/([^/~%]+)")
_UNION = ("anyOf", "oneOf")
_BAD_PATTERN = re.compile(r"\(\?(?!:)|\\[1-9bBkpPAZzuxc]|[*+?}][?+]")
_REPEATS = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_LEFT: Any = object()
"""Not a value: the keyword is said in words instead."""


class Room:
    """What is left of the limits of one request; each schema that is taken uses some of it up."""

    __slots__ = ("optional", "unions")

    def __init__(self) -> None:
        self.optional = MAX_OPTIONAL
        self.unions = MAX_UNIONS

    def copy(self) -> Room:
        """As much again."""
        made = Room()
        made.optional, made.unions = self.optional, self.unions
        return made

    def take(self, schema: Mapping[str, Any]) -> None:
        """Raises Unsupported, and takes nothing, where the request's schemas would be too many together."""
        optional, unions = _counted(schema)
        if optional > self.optional:
            raise Unsupported(f"more than {MAX_OPTIONAL} properties of the request's schemas are optional")
        if unions > self.unions:
            raise Unsupported(
                f"more than {MAX_UNIONS} properties of the request's schemas have several types"
            )
        self.optional -= optional
        self.unions -= unions


def for_anthropic(schema: Mapping[str, Any], room: Room | None = None) -> tuple[Schema, list[str]]:
    """The schema in the subset, and the paths of the constraints that became words. room: of its request, None for a
    schema that stands alone. Raises Unsupported."""
    _no_recursion(schema)
    work = _Subset(schema)
    out = work.convert(dict(schema), "", 0)
    (room or Room()).take(out)
    return out, work.moved


def _no_recursion(root: Mapping[str, Any]) -> None:
    """Raises Unsupported for a schema that contains itself ("no recursion"), or is nested without an end."""
    done: set[str] = set()
    active: set[str] = set()

    def visit(node: Any, depth: int) -> None:
        if not isinstance(node, dict):
            return
        if depth > MAX_DEPTH:
            raise Unsupported("the schema is nested too deeply")
        for _, sub in children(node):
            visit(sub, depth + 1)
        ref = node.get("$ref")
        if not isinstance(ref, str) or ref in done:
            return
        if ref in active or ref == "#":
            raise Unsupported("the schema contains itself")
        active.add(ref)
        visit(resolve(root, ref), depth + 1)
        active.discard(ref)
        done.add(ref)

    visit(root, 0)


class _Subset:
    """One conversion. moved: paths of constraints that are now words."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.moved: list[str] = []
        self._nodes = 0

    def convert(self, node: Any, path: str, depth: int) -> Schema:
        if not isinstance(node, dict):
            raise Unsupported("a schema that is not an object stands for any value, or none")
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > _MAX_NODES:
            raise Unsupported("the schema is too large")
        defs = {key: node[key] for key in _DEFS if not path and isinstance(node.get(key), dict)}
        body = {key: value for key, value in node.items() if key not in _DEFS and key not in SILENT}
        while "allOf" in body:
            body = self._one(body)
        out = self._body(body, path, depth)
        kept = {key: {name: self.convert(sub, f"{key}.{name}.", depth + 1) for name, sub in value.items()}
                for key, value in defs.items()}  # fmt: skip
        return {
            key: kept[key] if key in kept else out[key] for key in [*node, *out] if key in kept or key in out
        }

    def _body(self, body: Schema, path: str, depth: int) -> Schema:
        if isinstance(body.get("$ref"), str):
            if len(body) == 1 and _DEF.fullmatch(body["$ref"]):
                return body
            return self._plain_or_union(self._without_ref(body), path, depth)
        return self._plain_or_union(body, path, depth)

    def _plain_or_union(self, body: Schema, path: str, depth: int) -> Schema:
        while "allOf" in body:
            body = self._one(body)
        if any(key in body for key in _UNION):
            return self._union(body, path, depth)
        return self._plain(body, path, depth)

    def _one(self, body: Schema) -> Schema:
        """`allOf` written as one schema."""
        branches = body["allOf"]
        rest = {key: value for key, value in body.items() if key != "allOf"}
        if not isinstance(branches, list) or not all(isinstance(one, dict) for one in branches):
            raise Unsupported("'allOf' is not a list of schemas")
        out: Schema = {}
        for branch in branches:
            out = merged(out, self._without_ref(branch))
        return merged(out, rest)

    def _without_ref(self, node: Any) -> Schema:
        """The node with the target of its reference in the reference's place."""
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            rest = {key: value for key, value in node.items() if key != "$ref"}
            target = resolve(self.root, node["$ref"])
            node = merged(target, rest) if isinstance(target, dict) else target
        if not isinstance(node, dict):
            raise Unsupported("a reference does not lead to a schema")
        return {key: value for key, value in node.items() if key not in _DEFS and key not in SILENT}

    def _union(self, body: Schema, path: str, depth: int) -> Schema:
        """`oneOf` too: the variants that people write exclude each other. What stands beside them holds for each."""
        if all(key in body for key in _UNION):
            raise Unsupported("'anyOf' and 'oneOf' stand on one schema")
        base = {key: value for key, value in body.items() if key not in _UNION and key not in HINTS}
        out: Schema = {}
        left: Schema = {}
        for key, value in body.items():
            if key in _UNION:
                if not isinstance(value, list) or not value:
                    raise Unsupported(f"'{key}' is not a list of schemas")
                out["anyOf"] = [
                    self.convert(
                        merged(base, self._without_ref(one)) if base else one, f"{path}{key}[{i}].", depth + 1
                    )
                    for i, one in enumerate(value)
                ]
            elif key in ("title", "description"):
                out[key] = value
            elif key in HINTS:
                left[key] = value
        if left:
            out["description"] = described(out.get("description"), left)
        return out

    def _plain(self, body: Schema, path: str, depth: int) -> Schema:
        types = _types_of(body)
        out: Schema = {}
        left: Schema = {}
        if "type" not in body and not _literal(body):
            out["type"] = types[0]  # SDK: a schema must say its type
        for key, value in body.items():
            kept = self._keyword(key, value, types, path, depth)
            if kept is _LEFT:
                left[key] = value
                if key not in HINTS:
                    self.moved.append(f"{path}{key}")
            else:
                out[key] = kept
        if "object" in types:
            self._close(out, body, path)
        if left:
            out["description"] = described(out.get("description"), left)
        return out

    def _close(self, out: Schema, body: Schema, path: str) -> None:
        more = body.get("additionalProperties")
        if more is not False and not out.get("properties"):
            raise Unsupported("an object without fixed properties cannot be enforced")
        out.setdefault("properties", {})
        out["additionalProperties"] = False
        if isinstance(out.get("required"), list):
            known = [name for name in out["required"] if isinstance(name, str) and name in out["properties"]]
            if len(known) < len(out["required"]):
                self.moved.append(f"{path}required")
                out["required"] = known

    def _keyword(self, key: str, value: Any, types: tuple[str, ...], path: str, depth: int) -> Any:
        """The value to keep, or _LEFT."""
        match key:
            case "properties" if "object" in types and isinstance(value, dict):
                at = f"{path}properties"
                return {name: self.convert(sub, f"{at}.{name}.", depth + 1) for name, sub in value.items()}
            case "required" if "object" in types and isinstance(value, list):
                return list(value)
            case "additionalProperties" if "object" in types:
                if value is not False:
                    self.moved.append(f"{path}additionalProperties")
                return False
            case "items" if "array" in types and isinstance(value, dict):
                return self.convert(value, f"{path}items.", depth + 1)
        return value if _is_kept(key, value, types) else _LEFT


def _is_kept(key: str, value: Any, types: tuple[str, ...]) -> bool:
    """Does a keyword without schemas in it stay as it is?"""
    match key:
        case "type":
            return True
        case "title" | "description":
            return isinstance(value, str)
        case "enum":
            return isinstance(value, list) and bool(value) and all(map(_primitive, value))
        case "const":
            return _primitive(value)
        case "minItems":
            return "array" in types and type(value) is int and value in (0, 1)
        case "format":
            return "string" in types and isinstance(value, str) and value in FORMATS
        case "pattern":
            return "string" in types and isinstance(value, str) and _is_kept_pattern(value)
    return False


def _is_kept_pattern(pattern: str) -> bool:
    largest = max((int(high or low) for low, high in _REPEATS.findall(pattern)), default=0)
    return not _BAD_PATTERN.search(pattern) and largest <= _MAX_REPEAT


def _primitive(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _literal(body: Mapping[str, Any]) -> bool:
    return any(key in body and _is_kept(key, body[key], ()) for key in ("const", "enum"))


def _types_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The types, said or plain from the other keywords. Raises Unsupported for one that says nothing."""
    types = type_names(body)
    if types and all(one in TYPES for one in types) and len(types) == len(set(types)):
        return types
    if "type" in body:
        raise Unsupported(f"{body['type']!r} is not a type")
    if "properties" in body or "additionalProperties" in body or "required" in body:
        return ("object",)
    if "items" in body or "prefixItems" in body:
        return ("array",)
    if _literal(body):
        return ()
    raise Unsupported("a schema without a type stands for any value")


def _counted(out: Mapping[str, Any]) -> tuple[int, int]:
    """(optional properties, properties of several types), as the API counts them."""
    optional = unions = 0
    rest: list[Any] = [out]
    while rest:
        node = rest.pop()
        if not isinstance(node, dict):
            continue
        rest.extend(sub for _, sub in children(node))
        required = node.get("required", ())
        optional += sum(1 for name in node.get("properties", ()) if name not in required)
        unions += "anyOf" in node or isinstance(node.get("type"), list)
    return optional, unions
