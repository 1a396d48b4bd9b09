"""One row a backend type: the defaults a credential or local backend gets where its own row is silent.

A compatible provider needs no code: it is a credential row with a base URL. Not here: anybody's key.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..kinds import AuthScheme, BackendType, Protocol
from .urls import parse_base_url

OPENAI_FAMILY = (Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.COMPLETIONS, Protocol.EMBEDDINGS)


@dataclass(frozen=True, slots=True)
class Provider:
    """Defaults of a type. base_url: None = must be given. dialects: what it speaks when
    its row does not say; `tried`: protocols sent on as they are until it answers that it does not know the path.
    tried_elsewhere: of `dialects`, those that a compatible provider under another base URL may not know. stream_usage:
    understands `stream_options.include_usage`.
    list_path: of its models, all of them. headers: sent when the client sent none of the
    name. v1_behind_path: its SDK puts `/v1` behind any base URL, where others' take one that has a path as it is."""

    type: BackendType
    base_url: str | None
    dialects: tuple[Protocol, ...]
    auth: AuthScheme
    tried: tuple[Protocol, ...] = ()
    tried_elsewhere: tuple[Protocol, ...] = ()
    stream_usage: bool = False
    list_path: bytes = b"/v1/models"
    headers: tuple[tuple[str, str], ...] = ()
    v1_behind_path: bool = False


CATALOG: dict[BackendType, Provider] = {
    BackendType.OPENAI: Provider(
        type=BackendType.OPENAI,
        base_url="https://api.openai.com",
        dialects=OPENAI_FAMILY,
        auth=AuthScheme.BEARER,
        tried_elsewhere=(Protocol.OPENAI_RESPONSES,),
        stream_usage=True,
    ),
    BackendType.ANTHROPIC: Provider(
        type=BackendType.ANTHROPIC,
        base_url="https://api.anthropic.com",
        dialects=(Protocol.ANTHROPIC_MESSAGES,),
        auth=AuthScheme.X_API_KEY,
        list_path=b"/v1/models?limit=1000",  # 20 a page otherwise
        # docs/protocols/models.md#versions-of-anthropics-api
        headers=(("anthropic-version", "2023-06-01"),),
        v1_behind_path=True,
    ),
    BackendType.LOCAL: Provider(
        type=BackendType.LOCAL,
        base_url=None,
        dialects=(Protocol.OPENAI_CHAT, Protocol.COMPLETIONS, Protocol.EMBEDDINGS),
        auth=AuthScheme.BEARER,
        tried=(Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES),
    ),
}


def origin_of(kind: BackendType, base_url: str | None) -> str:
    """`https://api.groq.com`: the one place to which a key for that base URL may go; None is the type's own. A key is sealed
    for it, and it is shown before anybody saves one. Raises ValueError with what to write instead."""
    return parse_base_url(base_url or CATALOG[kind].base_url or "").origin
