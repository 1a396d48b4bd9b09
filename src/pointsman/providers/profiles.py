"""profile_for(backend, protocol, model): what the target takes, composed of the rows that apply to it. Cached.

The tables of a backend are laid one over the other, later ones win; what the backend's own row says wins over all. No
vendor is asked for by name: its own service is one of the hosts in CLOUD_HOSTS, the catalogue's base URL, or, for the
vendor's own models (OWN_NAMES), the type's backend without a name, which stands for the vendor whatever proxy it goes
through (docs/decisions/0006-translation.md).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ..conversation.profile import Profile
from ..dialects.registry import DIALECTS, derived
from ..kinds import BackendType, Protocol
from ..routing.pattern import wild_match
from ..routing.specs import BackendSpec
from . import claude_models as claude
from . import openai_models as openai
from . import profile_rows as rows
from .catalog import CATALOG

_CHAT, _RESPONSES, _MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES

_Tables = tuple[rows.Table, ...]
_MODEST: dict[Protocol, _Tables] = {
    _CHAT: (openai.MODELS, rows.MODEST, rows.THINKERS),
    _RESPONSES: (rows.RESPONSES, openai.MODELS, rows.MODEST_RESPONSES),
    _MESSAGES: (rows.MESSAGES, *claude.ELSEWHERE),
}
_TABLES: dict[tuple[str, bool], dict[Protocol, _Tables]] = {
    (BackendType.OPENAI, True): {
        **_MODEST,
        _CHAT: (openai.CHAT, openai.MODELS, openai.EXTRAS),
        _RESPONSES: (
            rows.RESPONSES, openai.RESPONSES, openai.MODELS, openai.EXTRAS, openai.RESPONSES_EXTRAS,
        ),
    },
    (BackendType.OPENAI, False): _MODEST,
    (BackendType.ANTHROPIC, True): {**_MODEST, _MESSAGES: (rows.MESSAGES, *claude.CLOUD)},
    (BackendType.ANTHROPIC, False): _MODEST,
    (BackendType.LOCAL, False): {
        _CHAT: (rows.LOCAL_CHAT, rows.MODEST, rows.THINKERS),
        _RESPONSES: (rows.RESPONSES, rows.LOCAL_RESPONSES, rows.MODEST_RESPONSES),
        _MESSAGES: (rows.MESSAGES, rows.LOCAL_MESSAGES),
    },
}  # fmt: skip
"""By backend type, and whether it is the vendor's own service. A local model may carry any vendor's name as an alias, so
that a local backend never gets a vendor's rows."""

_HOSTS: dict[Protocol, rows.Table] = {_CHAT: rows.HOSTS, _RESPONSES: rows.RESPONSES_HOSTS}
"""Rows by a compatible provider's host, over those of its type."""

_ORDER: dict[str, tuple[Protocol, ...]] = {
    BackendType.OPENAI: (_CHAT, _RESPONSES, _MESSAGES),
    BackendType.ANTHROPIC: (_MESSAGES, _CHAT, _RESPONSES),
    BackendType.LOCAL: (_CHAT, _RESPONSES, _MESSAGES),
}
_ANY_REQUEST: dict[tuple[str, bool], tuple[str, ...]] = {(BackendType.OPENAI, True): openai.ONLY_RESPONSES}
_WITH_TOOLS: dict[tuple[str, bool], tuple[str, ...]] = {
    (BackendType.OPENAI, True): openai.TOOLS_NEED_RESPONSES,
}
"""Patterns of models for which Responses comes before the order of the type."""

_DATE = re.compile(r"[-@]\d{8}(?=$|[-:@])|-20\d\d-\d\d-\d\d(?=$|[-:@])|-latest$|@default$|-v\d+(?::\d+)?$")
_FAMILY = re.compile(
    r"claude(?=-)|(?:chat)?gpt-(?=\d|oss|audio|4o)|(?<![a-z0-9])o[134](?=$|[-:])|codex-(?=mini|max)"
)
_DOTTED = re.compile(r"claude-[^:@]*")
"""Names whose versions some hosts write with a dot."""
_NAME_MAX = 256
"""Characters of a model's name that are looked at; a client can send any."""


def profile_for(spec: BackendSpec, protocol: Protocol, model: str) -> Profile:
    """What this model there takes when it is spoken to in this protocol."""
    return _profile(
        spec.key, spec.type, spec.name, spec.base_url, spec.context_window, spec.stream_usage, spec.silent_end,
        protocol, model,
    )  # fmt: skip


def abilities_for(spec: BackendSpec, protocol: Protocol, model: str) -> Profile:
    """The same in any protocol: one that has no rows takes what the model takes in Chat."""
    return profile_for(spec, protocol if protocol in _MODEST else _CHAT, model)


@lru_cache(maxsize=1024)
def _profile(
    key: str, type: str, name: str, base_url: str, window: int | None, stream_usage: bool, silent_end: bool,
    protocol: Protocol, model: str,
) -> Profile:  # fmt: skip
    """By parts of the spec, so that the cache does not hold its key."""
    family = family_name(model)
    own = _is_own(type, name, base_url, family)
    values: dict[str, Any] = {}
    for table in _TABLES[type, own].get(protocol, ()):
        values |= _first(table, family)
    if not own:
        values |= _first(_HOSTS.get(protocol, ()), _host(base_url))
    if window is not None:
        values["context_window"] = window
    values["stream_usage"] = stream_usage or type == BackendType.LOCAL
    values["silent_end"] = silent_end
    return Profile(backend=key, model=model, protocol=protocol.value, **values)


def dialect_order(spec: BackendSpec, model: str, client: Protocol, tools: bool) -> tuple[Protocol, ...]:
    """Which protocol to speak to a backend that does not speak the client's, best first; () for a protocol that is
    never translated. Not asked: whether the backend speaks it."""
    if DIALECTS[client].half_at(DIALECTS[client].endpoint.path) is None:
        return ()
    return _order(spec.type, spec.name, spec.base_url, model, tools)


def demanded(spec: BackendSpec, model: str, tools: bool) -> Protocol | None:
    """The one protocol in which the vendor's own service takes this model, or tools of it; None
    where any that it speaks will do."""
    return _demanded(spec.type, spec.name, spec.base_url, model, tools)


@derived
def _demanded(type: str, name: str, base_url: str, model: str, tools: bool) -> Protocol | None:
    family = family_name(model)
    kind = (type, _is_own(type, name, base_url, family))
    patterns = _ANY_REQUEST.get(kind, ()) + (_WITH_TOOLS.get(kind, ()) if tools else ())
    return _RESPONSES if _matches(patterns, family) else None


@derived
def _order(type: str, name: str, base_url: str, model: str, tools: bool) -> tuple[Protocol, ...]:
    best = _demanded(type, name, base_url, model, tools)
    first = _ORDER[type] if best is None else (best, *_ORDER[type])
    others = (one for one, dialect in DIALECTS.items() if dialect.translation is not None)
    return tuple(dict.fromkeys((*first, *others)))


def is_own(spec: BackendSpec, model: str) -> bool:
    """Is it the vendor's own service for this model, or one that stands for it?"""
    return _is_own(spec.type, spec.name, spec.base_url, family_name(model))


def family_name(model: str) -> str:
    """A model's name without what does not tell its family: whose it is, region, host, date, version of a host.

    `us.anthropic.claude-sonnet-4-5-20250929-v1:0` and `anthropic/claude-sonnet-4.5` are both `claude-sonnet-4-5`.
    """
    name = model[-_NAME_MAX:].lower().rpartition("/")[2]
    found = _FAMILY.search(name)
    if found is not None:
        name = _DOTTED.sub(lambda dotted: dotted[0].replace(".", "-"), name[found.start() :])
    while (shorter := _DATE.sub("", name)) != name:
        name = shorter
    return name


def _first(table: rows.Table, name: str) -> rows.Values:
    return next((values for patterns, values in table if _matches(patterns, name)), {})


def _is_own(type: str, name: str, base_url: str, family: str) -> bool:
    if type == BackendType.LOCAL:
        return False
    host = _host(base_url)
    if base_url == CATALOG[BackendType(type)].base_url or _matches(rows.CLOUD_HOSTS[type], host):
        return True
    another = any(_first(table, host) for table in _HOSTS.values())  # a vendor whose rules are known
    return not name and not another and _matches(rows.OWN_NAMES[type], family)


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    return any(wild_match(pattern, text) for pattern in patterns)


def _host(base_url: str) -> str:
    """Host of a base URL as it is stored; "" of a Unix socket."""
    return base_url.partition("://")[2].partition("/")[0].partition(":")[0]
