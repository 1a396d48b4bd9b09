"""A rule as a form has it, both ways: every column that the API has. What was typed is shown again as it was typed.

Not here: what is valid (store/schemas.py), and the page (pages/mappings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...config import span_of
from ...conversation.presets import bare, read, written
from ...errors import PointsmanError
from ...kinds import ErrorKind, FallbackOn, parse_backend_key
from ...routing.conditions import parse
from ..store.tables import BackendMapping
from ..store.targets import MAX_TARGETS, targets_of
from .limit_forms import span
from .view import FormFields

REASONS: Mapping[FallbackOn, str] = {
    FallbackOn.CONTEXT: "the input is too long",
    FallbackOn.REFUSAL: "the model refuses",
    FallbackOn.BUSY: "every place there is taken",
    FallbackOn.COLD: "it does not run, or its model is not loaded",
    FallbackOn.ABILITY: "it sees no pictures or calls no tools",
    FallbackOn.MISS: "the recording has no answer",
    FallbackOn.STUCK: "the conversation does not get on there",
}
"""When a request also goes on, as people say it."""
_SYSTEM = "system"


@dataclass(slots=True)
class TargetTyped:
    backend: str = ""
    model: str = ""
    weight: str = ""


@dataclass(slots=True)
class RuleForm:
    """All as text. id: None of a rule to add. version: of the row that it was read from. problem: what to mend; field:
    where, by the column's name. meanwhile: what somebody else has made of the row since, as text by label."""

    id: int | None = None
    version: str = ""
    pattern: str = ""
    targets: list[TargetTyped] = field(default_factory=list)
    priority: str = "0"
    enabled: bool = True
    local_only: bool = False
    forward_auth: bool = False
    fallback_on: list[str] = field(default_factory=list)
    hedge_seconds: str = ""
    spread: bool = False
    system: str = ""
    system_if_silent: bool = False
    presets: str = ""
    conditions: str = ""
    stick: bool = False
    stuck_after: str = ""
    stuck_for: str = ""
    stop_loops: bool = False
    loop_repeats: str = ""
    recover_calls: bool = False
    customs: str = ""
    cache_seconds: str = ""
    cache_shared: bool = False
    cache_any_temperature: bool = False
    shadow: str = ""
    shadow_share: str = ""
    shadow_busy: str = ""
    problem: str = ""
    field: str = ""
    meanwhile: str = ""

    @property
    def rows(self) -> list[TargetTyped]:
        """As many as a rule may have."""
        return (self.targets + [TargetTyped() for _ in range(MAX_TARGETS)])[:MAX_TARGETS]

    @property
    def more(self) -> bool:
        """Is any of the seldom used columns set?"""
        seldom = (
            self.conditions,
            self.fallback_on,
            self.hedge_seconds,
            self.spread,
            self.system,
            self.presets,
        )
        more = (
            self.forward_auth,
            self.stick,
            self.stop_loops,
            self.loop_repeats,
            self.recover_calls,
            self.customs,
            self.cache_seconds,
            self.shadow,
        )
        return any(seldom) or any(more) or self.priority != "0"


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def of_row(row: BackendMapping) -> RuleForm:
    """As it stands."""
    weights = row.weights or []
    targets = [
        TargetTyped(ref.backend, ref.model or "", str(weights[at]) if at < len(weights) else "")
        for at, ref in enumerate(targets_of(row))
    ]
    presets = dict(row.presets or {})
    system = next((name for name in presets if bare(name) == _SYSTEM), "")
    text = str(presets.pop(system)) if system else ""
    return RuleForm(
        id=row.id,
        version=row.version,
        pattern=row.model_pattern,
        targets=targets,
        priority=str(row.priority),
        enabled=row.enabled,
        local_only=row.local_only,
        forward_auth=row.forward_auth,
        fallback_on=[str(one) for one in row.fallback_on],
        hedge_seconds="" if row.hedge_seconds is None else f"{row.hedge_seconds:g}",
        spread=row.spread,
        system=text,
        system_if_silent=system != _SYSTEM and bool(system),
        presets="\n".join(written(presets)),
        conditions="\n".join(row.conditions),
        stick=row.stick,
        stuck_after=_text(row.stuck_after),
        stuck_for=_text(row.stuck_for),
        stop_loops=row.stop_loops,
        loop_repeats=_text(row.loop_repeats),
        recover_calls=row.recover_calls,
        customs=row.customs or "",
        cache_seconds="" if row.cache_seconds is None else span_of(row.cache_seconds),
        cache_shared=row.cache_shared,
        cache_any_temperature=row.cache_any_temperature,
        shadow=row.shadow or "",
        shadow_share=_text(row.shadow_share),
        shadow_busy=_text(row.shadow_busy),
    )


def of_fields(form: FormFields, number: int | None) -> RuleForm:
    """As it was typed."""
    targets = [
        TargetTyped(*(form.text(f"{name}{at}") for name in ("backend", "model", "weight")))
        for at in range(MAX_TARGETS)
    ]
    return RuleForm(
        id=number,
        version=form.text("version"),
        pattern=form.text("pattern"),
        targets=[one for one in targets if one.backend or one.model],
        priority=form.text("priority", "0") or "0",
        enabled=form.has("enabled"),
        local_only=form.has("local_only"),
        forward_auth=form.has("forward_auth"),
        fallback_on=form.all("fallback_on"),
        hedge_seconds=form.text("hedge_seconds"),
        spread=form.has("spread"),
        system=form.text("system").replace("\r\n", "\n"),
        system_if_silent=form.has("system_if_silent"),
        presets=form.text("presets").replace("\r\n", "\n"),
        conditions=form.text("conditions").replace("\r\n", "\n"),
        stick=form.has("stick"),
        stuck_after=form.text("stuck_after"),
        stuck_for=form.text("stuck_for"),
        stop_loops=form.has("stop_loops"),
        loop_repeats=form.text("loop_repeats"),
        recover_calls=form.has("recover_calls"),
        customs=form.text("customs"),
        cache_seconds=form.text("cache_seconds"),
        cache_shared=form.has("cache_shared"),
        cache_any_temperature=form.has("cache_any_temperature"),
        shadow=form.text("shadow").strip(),
        shadow_share=form.text("shadow_share"),
        shadow_busy=form.text("shadow_busy"),
    )


def columns_of(typed: RuleForm) -> dict[str, Any]:
    """As the API takes them; presets are all that there shall be. Raises INVALID naming the field."""
    first, *others = _targets(typed)
    return {
        "model_pattern": typed.pattern,
        "backend_type": first["backend_type"],
        "backend_name": first["backend_name"],
        "backend_model": first["model"],
        "fallback_backend": None,
        "fallback_model": None,
        "fallbacks": others,
        "priority": _number(typed.priority, "priority", int),
        "enabled": typed.enabled,
        "local_only": typed.local_only,
        "forward_auth": typed.forward_auth,
        "fallback_on": typed.fallback_on,
        "hedge_seconds": _number(typed.hedge_seconds, "hedge_seconds", float)
        if typed.hedge_seconds
        else None,
        "spread": typed.spread,
        "weights": _weights(typed),
        "presets": _presets(typed),
        "conditions": _conditions(typed),
        "stick": typed.stick,
        "stuck_after": _turns(typed.stuck_after, "stuck_after"),
        "stuck_for": _turns(typed.stuck_for, "stuck_for"),
        "stop_loops": typed.stop_loops,
        "loop_repeats": _turns(typed.loop_repeats, "loop_repeats"),
        "recover_calls": typed.recover_calls,
        "customs": typed.customs or None,
        "cache_seconds": span(typed.cache_seconds, "cache_seconds"),
        "cache_shared": typed.cache_shared,
        "cache_any_temperature": typed.cache_any_temperature,
        "shadow": typed.shadow or None,
        "shadow_share": _percent(typed.shadow_share, "shadow_share"),
        "shadow_busy": _percent(typed.shadow_busy, "shadow_busy"),
    }


def _targets(typed: RuleForm) -> list[dict[str, Any]]:
    if not typed.targets or not typed.targets[0].backend:
        raise _invalid("Say where its requests go: choose a backend.", "backend_type")
    found = []
    for one in typed.targets:
        if not one.backend:
            raise _invalid(f"Say which backend has the model {one.model}.", "fallbacks")
        try:
            kind, name = parse_backend_key(one.backend)
        except ValueError as error:
            raise _invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.", "fallbacks") from None
        found.append({"backend_type": kind.value, "backend_name": name, "model": one.model or None})
    return found


def _weights(typed: RuleForm) -> list[int] | None:
    said = [one.weight for one in typed.targets]
    if not any(said):
        return None
    return [_number(one or "1", "weights", int) for one in said]


def _presets(typed: RuleForm) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for line in filter(str.strip, typed.presets.split("\n")):
        try:
            name, value = read(line.strip())
        except ValueError as error:
            raise _invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.", "presets") from None
        found[name] = value
    if typed.system:
        found[f"{_SYSTEM}?" if typed.system_if_silent else _SYSTEM] = typed.system
    return found or None


def _percent(text: str, name: str) -> int | None:
    return _turns(text.strip().removesuffix("%"), name)


def _turns(text: str, name: str) -> int | None:
    return _number(text, name, int) if text.strip() else None


def _conditions(typed: RuleForm) -> list[str]:
    found = []
    for line in filter(str.strip, typed.conditions.split("\n")):
        try:
            found.append(parse(line).text)
        except ValueError as error:
            raise _invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.", "conditions") from None
    return found


def _number(text: str, name: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(text.replace(",", "."))
    except ValueError:
        what = "a whole number" if kind is int else "a number of seconds"
        raise _invalid(f"{text[:40]!r} is not {what}.", name) from None


def _invalid(text: str, param: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text, param=param)
