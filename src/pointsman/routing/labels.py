"""Which names stand in labels of metrics: those of the configuration. What a client sends as a model's name makes no series
of its own (docs/metrics.md#labels). What was configured once is known until the process ends, since counters stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kinds import NONE, OTHER
from .pattern import is_wild
from .specs import MappingSpec

_MOST_LISTED = 200
"""Models of local servers that no rule names: so many are told apart."""


class Labels:
    """Grows by follow(), and by what local servers list."""

    def __init__(self) -> None:
        self._routes: dict[int, str] = {}
        self._models: set[str] = set()
        self._listed: set[str] = set()

    def follow(self, mappings: Iterable[MappingSpec]) -> None:
        """These are the rules from now on."""
        for one in mappings:
            self._routes[one.id] = one.pattern
            if not is_wild(one.pattern):
                self._models.add(one.pattern)
            self._models.update(target.model for target in one.targets if target.model is not None)
            if (shadow := one.shadow_target) is not None and shadow.model is not None:
                self._models.add(shadow.model)

    def route(self, mapping_id: int | None) -> str:
        """The rule's pattern. None: there was no rule, and a server's own list said where the model is."""
        return NONE if mapping_id is None else self._routes.get(mapping_id, OTHER)

    def target(self, label: str | None, *, listed: bool = False) -> str:
        """The target's label where its model is configured; None: no target was asked. listed: no rule was needed, so that a
        local server has told that model."""
        if label is None:
            return NONE
        backend, _, model = label.partition(":")
        if model in self._models or label in self._listed:
            return label
        if listed and len(self._listed) < _MOST_LISTED:
            self._listed.add(label)
            return label
        return f"{backend}:{OTHER}"

    def model(self, backend: str, model: str) -> str:
        """The model alone."""
        return model if model in self._models or f"{backend}:{model}" in self._listed else OTHER
