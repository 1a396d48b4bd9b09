"""profile_for(backend, protocol, model): what the target takes, composed of the rows that apply to it. Cached.

Later rows win: the protocol's, the backend type's, the model family's, the backend's own row. No vendor is asked for by
name: a vendor's own cloud is a row without a name, or with the catalogue's base URL.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ..conversation.profile import Profile
from ..kinds import BackendType, Protocol
from ..routing.pattern import wild_match
from ..routing.specs import BackendSpec
from . import profile_rows as rows
from .catalog import CATALOG

_DATE = re.compile(r"[-@]\d{8}(?:-v\d+(?::\d+)?)?$|-\d{4}-\d{2}-\d{2}$|-latest$|-v\d+:\d+$")
_BASE: dict[Protocol, dict[str, Any]] = {
    Protocol.OPENAI_CHAT: {},
    Protocol.OPENAI_RESPONSES: rows.RESPONSES,
    Protocol.ANTHROPIC_MESSAGES: rows.MESSAGES,
}
_CLOUD: dict[tuple[str, Protocol], tuple[dict[str, Any], ...]] = {
    (BackendType.OPENAI, Protocol.OPENAI_CHAT): (rows.OPENAI_CLOUD,),
    (BackendType.OPENAI, Protocol.OPENAI_RESPONSES): (
        rows.OPENAI_CLOUD,
        rows.RESPONSES,
        rows.OPENAI_RESPONSES_CLOUD,
    ),
    (BackendType.ANTHROPIC, Protocol.ANTHROPIC_MESSAGES): (rows.ANTHROPIC_CLOUD,),
}
_FAMILIES: dict[tuple[str, bool], tuple[rows.Row, ...]] = {
    (BackendType.OPENAI, True): rows.OPENAI,
    (BackendType.OPENAI, False): rows.MODEST + rows.OPENAI,
    (BackendType.ANTHROPIC, True): rows.CLAUDE,
    (BackendType.ANTHROPIC, False): rows.CLAUDE,
    (BackendType.LOCAL, False): rows.MODEST,
    (BackendType.LOCAL, True): rows.MODEST,
}
"""By backend type, and whether it is the vendor's own service."""
_ORDER: dict[str, tuple[Protocol, ...]] = {
    BackendType.OPENAI: (Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES),
    BackendType.ANTHROPIC: (Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES),
    BackendType.LOCAL: (Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES),
}


@lru_cache(maxsize=2048)
def profile_for(spec: BackendSpec, protocol: Protocol, model: str) -> Profile:
    """What this model there takes when it is spoken to in this protocol."""
    values: dict[str, Any] = dict(_BASE.get(protocol, {}))
    name = family_name(model)
    if _is_vendors_own(spec):
        for more in _CLOUD.get((spec.type, protocol), ()):
            values |= more
    elif spec.type == BackendType.LOCAL:
        values |= rows.LOCAL
    for patterns, more in _FAMILIES[spec.type, _is_vendors_own(spec)]:
        if any(wild_match(pattern, name) for pattern in patterns):
            values |= more
            break
    if protocol is Protocol.OPENAI_RESPONSES:
        values["stop"] = 0
    if spec.context_window is not None:
        values["context_window"] = spec.context_window
    values["stream_usage"] = spec.stream_usage or spec.type == BackendType.LOCAL
    return Profile(backend=spec.key, model=model, **values)


def dialect_order(spec: BackendSpec, model: str, client: Protocol, tools: bool) -> tuple[Protocol, ...]:
    """Which protocol to speak to a backend that does not speak the client's, best first."""
    order = _ORDER[spec.type]
    if tools and _is_vendors_own(spec) and spec.type == BackendType.OPENAI:
        name = family_name(model)
        if any(wild_match(pattern, name) for pattern in rows.NO_TOOLS_WITH_REASONING):
            return (
                Protocol.OPENAI_RESPONSES,
                *(one for one in order if one is not Protocol.OPENAI_RESPONSES),
            )
    return order


def family_name(model: str) -> str:
    """A model's name without what does not tell its family: vendor prefixes, regions, dates, versions of a host."""
    name = model.lower().rpartition("/")[2]
    before, dot, rest = name.rpartition("anthropic.")
    if dot and (not before or before.endswith(".")):
        name = rest
    name = re.sub(r"claude-(\w+)-(\d)\.(\d)", r"claude-\1-\2-\3", name)
    while (shorter := _DATE.sub("", name)) != name:
        name = shorter
    return name


def _is_vendors_own(spec: BackendSpec) -> bool:
    """The backend is the vendor's own service, perhaps behind a proxy; a compatible provider is a further name of the
    type (DESIGN.md section 2)."""
    return not spec.name or spec.base_url == CATALOG[BackendType(spec.type)].base_url
