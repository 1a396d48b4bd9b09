"""Rules and backends as the data plane uses them: compiled from the database's rows, carried by the link.

Plain values. Not here: tables (store/tables.py) and how a rule is chosen (table.py).
"""

from __future__ import annotations

import msgspec


class TargetSpec(msgspec.Struct, frozen=True):
    """One target of a mapping. backend: key such as `openai`, `openai/groq`, `local/box`, or `local` (by model list).
    model: None = the name the client sent."""

    backend: str
    model: str | None = None


class MappingSpec(msgspec.Struct, frozen=True):
    """One enabled rule, its targets already in order (primary, fallback_backend, fallbacks)."""

    id: int
    pattern: str
    priority: int
    targets: tuple[TargetSpec, ...]
    local_only: bool = False
    forward_auth: bool = False


class BackendSpec(msgspec.Struct, frozen=True):
    """One backend as the data plane uses it.

    key: `openai`, `openai/groq`, `local/box`. type: local | openai | anthropic. base_url: without trailing slash
    and without `/v1`. dialects: protocols it speaks, None = not said. auth: an AuthScheme value. api_key: clear
    text, or None. problem: why it cannot be used (a sentence with the fix), or None.
    """

    key: str
    type: str
    name: str
    base_url: str
    dialects: tuple[str, ...] | None = None
    auth: str = "none"
    api_key: str | None = None
    allow_http: bool = False
    stream_usage: bool = False
    context_window: int | None = None
    problem: str | None = None
    login_only: bool = False  # no key is stored: only for rules that forward the client's own provider login

    def __repr__(self) -> str:
        return f"BackendSpec({self.key!r}, {self.base_url!r}, api_key={'***' if self.api_key else None})"
