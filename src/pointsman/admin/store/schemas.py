"""The shapes of the admin API, apart from the tables: a key comes in through some and goes out through none.

Each check says what to do. Updates are PATCHes: a field left out stays, an explicit null clears what can be
empty. Not here: rules that need other rows (mappings.py and its siblings).
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ...kinds import BACKEND_NAME, PRACTICE, AuthScheme, BackendType, FallbackOn, Protocol
from ...providers.urls import check_base_url, parse_base_url
from .targets import problem_of

PATTERN_LENGTH = 256
KEY_LENGTH = 8192
NAME_LENGTH = 64
PRIORITY_LIMIT = 1_000_000


def _plain_text(text: str, what: str) -> str:
    if not text:
        raise ValueError(f"{what} is empty; write a model name such as gpt-4o or a pattern such as gpt-*")
    if len(text) > PATTERN_LENGTH:
        raise ValueError(f"{what} has {len(text)} characters; at most {PATTERN_LENGTH} are allowed")
    # Cc control, Cf invisible, Cs half characters, Zl and Zp line ends: none can be seen, so none is meant
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
        raise ValueError(f"{what} holds a control or invisible character; remove it")
    if text != text.strip():
        raise ValueError(f"{what} begins or ends with a space; remove it")
    return text


def _pattern(text: str) -> str:
    return _plain_text(text, "the model pattern")


def _model(text: str) -> str:
    return _plain_text(text, "the model name")


def _backend_name(text: str) -> str:
    if text and not BACKEND_NAME.fullmatch(text):
        raise ValueError(
            f"{text[:NAME_LENGTH]!r} is not a backend name; use lower-case letters, digits, '.', '_' and '-',"
            f" at most {NAME_LENGTH}, beginning with a letter or digit"
        )
    return text


def _local_name(text: str) -> str:
    if not text:
        raise ValueError("a local backend needs a name, such as box")
    if text == PRACTICE:
        raise ValueError(f"{PRACTICE} is the built-in backend's name; choose another")
    return _backend_name(text)


def _api_key(text: str) -> str:
    key = text.strip()  # a pasted line end is not part of a key
    if not key:
        raise ValueError("the API key is empty; paste the key")
    if len(key) > KEY_LENGTH:
        raise ValueError(f"the API key is longer than {KEY_LENGTH} characters")
    if not all("!" <= char <= "~" for char in key):
        raise ValueError(
            "the API key holds a space or a character that cannot stand in a header; paste it again"
        )
    return key


def _base_url(text: str) -> str:
    return parse_base_url(text).text


def _dialects(values: list[Protocol]) -> list[Protocol]:
    if not values:
        raise ValueError("dialects is empty; name at least one, or leave it out")
    return list(dict.fromkeys(values))


def _key_name(text: str) -> str:
    if len(text) > NAME_LENGTH:
        raise ValueError(f"the name has {len(text)} characters; at most {NAME_LENGTH} are allowed")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
        raise ValueError("the name holds a control or invisible character; remove it")
    return text.strip()


Pattern = Annotated[str, AfterValidator(_pattern)]
ModelName = Annotated[str, AfterValidator(_model)]
BackendName = Annotated[str, AfterValidator(_backend_name)]
LocalName = Annotated[str, AfterValidator(_local_name)]
ApiKey = Annotated[str, AfterValidator(_api_key), Field(json_schema_extra={"writeOnly": True})]
Url = Annotated[str, AfterValidator(_base_url)]
Dialects = Annotated[list[Protocol], AfterValidator(_dialects)]
Priority = Annotated[int, Field(ge=-PRIORITY_LIMIT, le=PRIORITY_LIMIT)]
MaxInFlight = Annotated[int, Field(ge=1, le=10_000)]
HedgeSeconds = Annotated[float, Field(ge=0.05, le=600, allow_inf_nan=False)]
FallbackReasons = Annotated[list[FallbackOn], AfterValidator(lambda values: list(dict.fromkeys(values)))]
ContextWindow = Annotated[int, Field(ge=1, le=1_000_000_000)]


class _Input(BaseModel):
    """An unknown field is an error, never dropped. Errors do not quote what was sent: it may be a key."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Output(BaseModel):
    """Built from a row by naming each field; never the row itself."""

    model_config = ConfigDict(from_attributes=True)


def _no_null(cls: type[BaseModel], value: Any, info: Any) -> Any:
    if value is None:
        raise ValueError(f"{info.field_name} cannot be null; leave it out to keep it")
    return value


class FallbackTarget(_Input):
    """A further target of a mapping. model: None = the name the client sent."""

    backend_type: BackendType
    backend_name: BackendName = ""
    model: ModelName | None = None


def _hedge_problem(rule: BackendMappingCreate) -> tuple[str, str] | None:
    """(field, what to do)."""
    if rule.hedge_seconds is None:
        return None
    if rule.local_only:
        return "hedge_seconds", "a local_only rule is never hedged; take hedge_seconds away, or local_only"
    if rule.fallback_backend is None and not rule.fallbacks:
        return (
            "hedge_seconds",
            "there is no next target that hedge_seconds could start; add a fallback, or take hedge_seconds away",
        )
    return None


class BackendMappingCreate(_Input):
    """A rule to add; also what a changed rule must still be."""

    model_pattern: Pattern
    backend_type: BackendType
    backend_name: BackendName = ""
    backend_model: ModelName | None = None
    fallback_backend: BackendType | None = None
    fallback_model: ModelName | None = None
    fallbacks: list[FallbackTarget] = Field(default_factory=list)
    priority: Priority = 0
    enabled: bool = True
    local_only: bool = False
    forward_auth: bool = False
    fallback_on: FallbackReasons = Field(default_factory=list)
    hedge_seconds: HedgeSeconds | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problem = problem_of(self) or _hedge_problem(self)
        if problem is not None:
            raise ValueError(problem[1])
        return self


class BackendMappingUpdate(_Input):
    """What to change in a rule."""

    model_pattern: Pattern | None = None
    backend_type: BackendType | None = None
    backend_name: BackendName | None = None
    backend_model: ModelName | None = None
    fallback_backend: BackendType | None = None
    fallback_model: ModelName | None = None
    fallbacks: list[FallbackTarget] | None = None
    priority: Priority | None = None
    enabled: bool | None = None
    local_only: bool | None = None
    forward_auth: bool | None = None
    fallback_on: FallbackReasons | None = None
    hedge_seconds: HedgeSeconds | None = None

    _no_null = field_validator(
        "model_pattern",
        "backend_type",
        "backend_name",
        "fallbacks",
        "priority",
        "enabled",
        "local_only",
        "forward_auth",
        "fallback_on",
        mode="before",
    )(classmethod(_no_null))


class BackendMappingResponse(_Output):
    """A rule as it stands. warnings: what to look at, such as a backend that does not exist yet."""

    id: int
    model_pattern: str
    backend_type: BackendType
    backend_name: str = ""
    backend_model: str | None = None
    fallback_backend: BackendType | None = None
    fallback_model: str | None = None
    fallbacks: list[FallbackTarget] = Field(default_factory=list)
    priority: int = 0
    enabled: bool = True
    local_only: bool = False
    forward_auth: bool = False
    fallback_on: list[FallbackOn] = Field(default_factory=list)
    hedge_seconds: float | None = None
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default_factory=list)


class CloudCredentialCreate(_Input):
    """A provider's key. Putting one replaces the whole row of the same (backend_type, name)."""

    backend_type: BackendType
    name: BackendName = ""
    api_key: ApiKey = Field(repr=False)
    base_url: Url | None = None
    dialects: Dialects | None = None
    auth: AuthScheme | None = None
    allow_http: bool = False
    max_in_flight: MaxInFlight | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.backend_type is BackendType.LOCAL:
            raise ValueError(
                "a cloud credential is for openai or anthropic; add a local server with: pointsman local add"
            )
        if self.base_url is not None:
            check_base_url(self.backend_type, parse_base_url(self.base_url), self.allow_http)
        return self


class CloudCredentialResponse(_Output):
    """A credential without its key. key_fingerprint tells two keys apart and nothing more."""

    id: int
    backend_type: BackendType
    name: str = ""
    base_url: str | None = None
    dialects: list[Protocol] | None = None
    auth: AuthScheme | None = None
    allow_http: bool = False
    max_in_flight: int | None = None
    key_fingerprint: str | None = None
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default_factory=list)


class LocalBackendCreate(_Input):
    """A local server to add."""

    name: LocalName
    base_url: Url
    api_key: ApiKey | None = Field(default=None, repr=False)
    dialects: Dialects | None = None
    auth: AuthScheme | None = None
    context_window: ContextWindow | None = None
    enabled: bool = True
    allow_http: bool = False
    max_in_flight: MaxInFlight | None = None
    join_resends: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_base_url(BackendType.LOCAL, parse_base_url(self.base_url), self.allow_http)
        return self


class LocalBackendUpdate(_Input):
    """What to change in a local server. Its name stays: rules and its sealed key refer to it."""

    base_url: Url | None = None
    api_key: ApiKey | None = Field(default=None, repr=False)
    dialects: Dialects | None = None
    auth: AuthScheme | None = None
    context_window: ContextWindow | None = None
    enabled: bool | None = None
    allow_http: bool | None = None
    max_in_flight: MaxInFlight | None = None
    join_resends: bool | None = None

    _no_null = field_validator("base_url", "enabled", "allow_http", "join_resends", mode="before")(
        classmethod(_no_null)
    )


class LocalBackendResponse(_Output):
    """A local server without its key. key_fingerprint is None where it has none."""

    id: int
    name: str
    base_url: str
    dialects: list[Protocol] | None = None
    auth: AuthScheme | None = None
    context_window: int | None = None
    enabled: bool = True
    allow_http: bool = False
    max_in_flight: int | None = None
    join_resends: bool = False
    key_fingerprint: str | None = None
    created_at: datetime
    updated_at: datetime
    warnings: list[str] = Field(default_factory=list)


class ClientKeyCreate(_Input):
    """A key for a client of this gateway."""

    name: Annotated[str, AfterValidator(_key_name)] = ""


class ClientKeyResponse(_Output):
    """A client key as listed: its first characters, never the key."""

    id: int
    name: str = ""
    prefix: str
    created_at: datetime
    revoked_at: datetime | None = None


class ClientKeyCreated(ClientKeyResponse):
    """The one answer that holds the key: it is shown once and cannot be shown again."""

    secret: str = Field(repr=False)
