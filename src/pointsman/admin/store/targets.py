"""The one place that turns a mapping into its ordered targets. Pure; works on rows and on
schemas alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...kinds import NODE, REPLAY, BackendType, FallbackOn, backend_key
from ...routing.pattern import is_wild
from ...routing.specs import equals
from .tables import MappingColumns

MAX_TARGETS = 4


@dataclass(frozen=True, slots=True)
class TargetRef:
    """One backend and the model to use there. name "" is the type's default; model None is the
    name sent.
    """

    type: BackendType
    name: str
    model: str | None

    @property
    def backend(self) -> str:
        """`openai`, `local/box`."""
        return backend_key(self.type, self.name)

    @property
    def text(self) -> str:
        """`local/box:qwen3`, as people write it."""
        return self.backend if self.model is None else f"{self.backend}:{self.model}"


def targets_of(mapping: MappingColumns) -> tuple[TargetRef, ...]:
    """Primary, then `fallback_backend` with its default backend, then `fallbacks` in order."""
    refs = [TargetRef(mapping.backend_type, mapping.backend_name, mapping.backend_model)]
    if mapping.fallback_backend is not None:
        refs.append(TargetRef(mapping.fallback_backend, "", mapping.fallback_model))
    refs.extend(_ref(item) for item in mapping.fallbacks or ())
    return tuple(refs)


def problem_of(mapping: MappingColumns) -> tuple[str, str] | None:
    """(field, what to do) for a mapping whose fields do not fit together, or None."""
    refs = targets_of(mapping)
    if len(refs) > MAX_TARGETS:
        return "fallbacks", (
            f"{len(refs)} targets are too many; a mapping has at most {MAX_TARGETS}, the first one included"
        )
    if mapping.fallback_model is not None and mapping.fallback_backend is None:
        return "fallback_model", "fallback_model needs a fallback_backend; set one, or leave both out"
    for ref in refs:
        if ref.name.startswith((REPLAY, NODE)) and ref.type is not BackendType.LOCAL:
            what = "recording" if ref.name.startswith(REPLAY) else "node"
            return "backend_type", f"{ref.name} is a {what}: write it with backend_type local"
    seen: dict[TargetRef, TargetRef] = {}
    for ref in refs:
        effective = _effective(ref, mapping.model_pattern)
        if effective in seen:
            return "fallbacks", f"{ref.text} stands twice in this mapping; remove one of the two"
        seen[effective] = ref
    cloud = [ref.text for ref in refs if ref.type is not BackendType.LOCAL]
    if mapping.local_only and cloud:
        return (
            "local_only",
            f"local_only keeps requests on this computer, but {cloud[0]} is not on it; remove one",
        )
    if mapping.forward_auth and not cloud:
        return (
            "forward_auth",
            "forward_auth passes on a client's login to a provider, but every target is local",
        )
    return (
        _hedge_problem(mapping, refs)
        or _spread_problem(mapping, refs)
        or _stuck_problem(mapping)
        or _cache_problem(mapping)
        or _shadow_problem(mapping, refs)
    )


def _hedge_problem(mapping: MappingColumns, refs: tuple[TargetRef, ...]) -> tuple[str, str] | None:
    if mapping.hedge_seconds is None:
        return None
    if mapping.local_only:
        return "hedge_seconds", "a local_only rule is never hedged; take hedge_seconds away, or local_only"
    if len(refs) == 1:
        return (
            "hedge_seconds",
            "there is no next target that hedge_seconds could start; add a fallback, or take hedge_seconds away",
        )
    return None


def _spread_problem(mapping: MappingColumns, refs: tuple[TargetRef, ...]) -> tuple[str, str] | None:
    weights = mapping.weights
    if mapping.spread and all(len(group) == 1 for group in equals([one.type for one in refs], spread=True)):
        return "spread", (
            "spread needs two targets that stand for each other, two local ones or two providers'; "
            "add a fallback of the same kind, or take spread away"
        )
    if weights and not mapping.spread:
        return (
            "weights",
            "weights say how a rule with spread shares its requests; set spread, or take weights away",
        )
    if weights and len(weights) != len(refs):
        return "weights", (
            f"weights has {len(weights)} numbers and the rule {len(refs)} targets "
            f"({', '.join(one.text for one in refs)}); give one number a target, in that order, or take weights away"
        )
    return None


def _stuck_problem(mapping: MappingColumns) -> tuple[str, str] | None:
    if FallbackOn.STUCK not in (mapping.fallback_on or ()):
        for name in ("stuck_after", "stuck_for"):
            if getattr(mapping, name) is not None:
                return (
                    name,
                    f"{name} says when and for how long a conversation is handed over; put stuck into fallback_on, or "
                    f"take {name} away",
                )
    return None


def _cache_problem(mapping: MappingColumns) -> tuple[str, str] | None:
    for name in ("cache_shared", "cache_any_temperature"):
        if mapping.cache_seconds is None and getattr(mapping, name):
            return name, f"{name} says which answers are kept; set cache_seconds, or take {name} away"
    return None


def _shadow_problem(mapping: MappingColumns, refs: tuple[TargetRef, ...]) -> tuple[str, str] | None:
    if mapping.shadow is None:
        for name in ("shadow_share", "shadow_busy"):
            if getattr(mapping, name) is not None:
                return name, f"{name} says how much a shadow is asked; set shadow, or take {name} away"
        return None
    if all(ref.type is BackendType.LOCAL for ref in refs):
        return (
            "shadow",
            "shadow compares a local answer with a cloud's, but every target is local; take shadow away, or add a provider",
        )
    return None


def _effective(ref: TargetRef, pattern: str) -> TargetRef:
    """With an exact pattern the name sent is known, so `openai` and `openai:gpt-4o` can be one
    target.
    """
    if ref.model is None and not is_wild(pattern):
        return TargetRef(ref.type, ref.name, pattern)
    return ref


def _ref(item: Any) -> TargetRef:
    """From a row's JSON object or a schema's FallbackTarget."""
    if isinstance(item, Mapping):
        return TargetRef(BackendType(item["backend_type"]), item.get("backend_name") or "", item.get("model"))
    return TargetRef(item.backend_type, item.backend_name, item.model)
