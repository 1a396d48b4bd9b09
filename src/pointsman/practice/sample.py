"""A value that fits a JSON schema, for tool arguments and structured output. Not a validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEEPEST = 16
_MOST = 1000  # values in one sample: a schema that refers to itself many times must not hold up the loop


def sample(schema: Mapping[str, Any], text: str) -> Any:
    """Every property is there; texts hold `text`."""
    return _Sampler(schema, text).value(schema, 0)


class _Sampler:
    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        self.root = root
        self.text = text
        self.left = _MOST

    def value(self, schema: Any, depth: int) -> Any:
        self.left -= 1
        if not isinstance(schema, dict) or depth > _DEEPEST or self.left < 0:
            return self.text  # `true` is a schema too
        if "$ref" in schema:
            return self.value(self._named(schema["$ref"]), depth + 1)
        for word in ("const", "default"):
            if word in schema:
                return schema[word]
        for word in ("enum", "anyOf", "oneOf", "allOf"):
            options = schema.get(word)
            if isinstance(options, list) and options:
                return options[0] if word == "enum" else self.value(options[0], depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = kind[0] if kind else "string"
        if kind == "object":
            fields = schema.get("properties")
            inner = fields if isinstance(fields, dict) else {}
            return {name: self.value(field, depth + 1) for name, field in inner.items()}
        if kind == "array":
            items = schema.get("items")
            return [self.value(items, depth + 1)] if isinstance(items, dict) and self.left > 0 else []
        plain: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
        return plain.get(str(kind), self.text)

    def _named(self, reference: Any) -> Any:
        """What a local reference (`#/$defs/Name`) stands for."""
        kind, _, name = str(reference).removeprefix("#/").partition("/")
        group = self.root.get(kind)
        return group.get(name) if isinstance(group, dict) else None
