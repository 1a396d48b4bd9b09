"""The shapes of the admin API, made from the columns in tables.py: a key comes in through some and
goes out through none.

Updates are PATCHes: a field left out stays, an explicit null clears what can be empty. Here: what a
rule or a backend must be as a whole. Not here: single values (values.py), rules that need other
rows (mappings.py and its siblings).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, Strict, model_validator
from sqlmodel import SQLModel

from ...kinds import BackendType, Topic
from ...ledger.price_spec import QUANTITIES
from ...providers.urls import check_base_url, parse_base_url
from .shapes import Input, Output, patch_of, unchecked, with_fields
from .tables import (
    CaptureColumns,
    ClientKeyColumns,
    CredentialAddress,
    CredentialColumns,
    LimitColumns,
    LocalAddress,
    LocalColumns,
    MappingColumns,
    PriceColumns,
    WebhookColumns,
)
from .targets import problem_of
from .values import (
    ApiKey,
    GroupName,
    KeyName,
    Note,
    OriginSource,
    OwnPattern,
    PatternName,
    PerMillion,
    RowNumber,
    WebOrigin,
)


class _Numbered(SQLModel):
    id: int


class _Stamped(Output):
    created_at: datetime
    updated_at: datetime
    version: str
    warnings: list[str] = Field(default_factory=list)


class Spent(Output):
    """What a budget's period holds so far. money: dollars; tokens: input and output. period_start and period_end are null of
    what has none."""

    money: float
    tokens: int
    period_start: datetime | None = None
    period_end: datetime | None = None


class _Fingerprint(SQLModel):
    key_fingerprint: str | None = None


class _WithKey(SQLModel):
    api_key: ApiKey = Field(repr=False)


class _WithOptionalKey(SQLModel):
    api_key: ApiKey | None = Field(default=None, repr=False)


class BackendMappingCreate(MappingColumns, Input):
    """A rule to add; also what a changed rule must still be."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problem = problem_of(self)
        if problem is not None:
            raise ValueError(problem[1])
        return self


@patch_of(BackendMappingCreate)
class BackendMappingUpdate(Input):
    """What to change in a rule."""


class BackendMappingMove(Input):
    """Where a rule goes: directly before the rule of that number, or directly behind it."""

    before: RowNumber | None = None
    after: RowNumber | None = None

    @property
    def beside(self) -> tuple[int, bool]:
        """(the other rule, whether behind it)."""
        return (self.before, False) if self.before is not None else (self.after or 0, True)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.before is None) == (self.after is None):
            raise ValueError("say where it goes: before, or after, with a rule's number")
        return self


@unchecked
class BackendMappingResponse(_Stamped, MappingColumns, _Numbered):
    """A rule as it stands. warnings: what to look at, such as a backend that does not exist yet."""


class CloudCredentialCreate(CredentialColumns, _WithKey, CredentialAddress, Input):
    """A provider's key. Putting one replaces the whole row of the same (backend_type, name)."""

    model_config = {
        "json_schema_extra": {"examples": [{"backend_type": "openai", "name": "team", "api_key": "sk-..."}]}
    }

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.backend_type is BackendType.LOCAL:
            raise ValueError(
                "a cloud credential is for openai or anthropic; add a local server with: pointsman local add"
            )
        if self.base_url is not None:
            check_base_url(self.backend_type, parse_base_url(self.base_url), self.allow_http)
        return self


@patch_of(
    CloudCredentialCreate, without={*CredentialAddress.model_fields, "api_key", "base_url", "allow_http"}
)
class CloudCredentialUpdate(Input):
    """What to change in how a credential is used. Where its key goes stays: another address needs the key again (PUT)."""


class _OfCredential(_Stamped, _Fingerprint):
    spent: Spent | None = None


@unchecked
class CloudCredentialResponse(_OfCredential, CredentialColumns, CredentialAddress, _Numbered):
    """A credential without its key. key_fingerprint tells two keys apart and nothing more. spent: where it has a budget."""


class LocalBackendCreate(LocalColumns, _WithOptionalKey, LocalAddress, Input):
    """A local server to add."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        check_base_url(BackendType.LOCAL, parse_base_url(self.base_url), self.allow_http)
        return self


@patch_of(LocalBackendCreate, without={"name"})
class LocalBackendUpdate(Input):
    """What to change in a local server. Its name stays: rules and its sealed key refer to it."""


@unchecked
class LocalBackendResponse(_Stamped, _Fingerprint, LocalColumns, LocalAddress, _Numbered):
    """A local server without its key. key_fingerprint is None where it has none."""


class ClientKeyCreate(ClientKeyColumns, Input):
    """A key for a client of this gateway. group: the name of one whose limits it shares. A budget without `per` is one in
    all."""

    group: KeyName | None = None


@patch_of(ClientKeyCreate)
class ClientKeyUpdate(Input):
    """What to change in a client key."""


class ClientKeyRotate(Input):
    """grace_seconds: how long the key that is replaced is good beside the new one."""

    grace_seconds: Annotated[int, Strict()] = Field(default=24 * 3600, ge=0, le=366 * 24 * 3600)


class _OfKey(Output):
    prefix: str
    version: str
    group: str | None = None
    created_at: datetime
    revoked_at: datetime | None = None
    grace_until: datetime | None = None
    last_used_at: datetime | None = None
    spent: Spent | None = None


@unchecked
class ClientKeyResponse(_OfKey, ClientKeyColumns, _Numbered):
    """A client key as listed: its first characters, never the key. spent: where it has a budget. grace_until: so long the
    key that it replaced is good, too. last_used_at: to the hour where that is longer ago than a day."""


class KeyGroupCreate(LimitColumns, Input):
    """Limits that several client keys share."""

    name: GroupName
    note: Note = ""


@patch_of(KeyGroupCreate)
class KeyGroupUpdate(Input):
    """What to change in a group."""


class _OfGroup(Output):
    version: str
    keys: list[int] = Field(default_factory=list)
    created_at: datetime
    spent: Spent | None = None


class _Named(_Numbered):
    name: str
    note: str


@unchecked
class KeyGroupResponse(_OfGroup, LimitColumns, _Named):
    """A group, and the ids of its keys. spent: where it has a budget."""


class ClientKeyCreated(ClientKeyResponse):
    """The one answer that holds the key: it is shown once and cannot be shown again."""

    secret: str = Field(repr=False)


class AllowedOriginCreate(Input):
    """A web origin to let in."""

    origin: WebOrigin


class AllowedOriginResponse(Output):
    """A web origin that is let in. sources: `stored` (added here), `option` (--allow-origin), `environment`
    (POINTSMAN_ALLOW_ORIGIN); only a stored one has an id, and can be removed while the gateway runs. warnings: what to
    know of it."""

    id: int | None = None
    origin: str
    sources: list[OriginSource]
    created_at: datetime | None = None
    warnings: list[str] = Field(default_factory=list)


class CaptureCreate(CaptureColumns, Input):
    """Keep the bodies of a rule's requests, or of a client key's, for so many minutes."""

    minutes: Annotated[int, Strict()] = Field(60, ge=1, le=1440)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.mapping_id is None) == (self.key_id is None):
            raise ValueError("name a rule (mapping_id) or a client key (key_id)")
        return self


class CaptureResponse(Output):
    """Whose bodies are kept, and until when."""

    id: int
    mapping_id: int | None
    key_id: int | None
    most_bytes: int
    until: datetime
    created_at: datetime


class CapturedSummary(Output):
    """One request whose bodies were kept. asked_size, answered_size: bytes of them; of what is longer
    the beginning is kept."""

    request_id: str
    at: datetime
    path: str
    model: str
    target: str | None
    mapping_id: int | None
    key_id: int | None
    status: int | None
    asked_size: int
    answered_size: int


class CapturedBodies(CapturedSummary):
    """With what was asked and answered, without what looks like a key, an address or a number of a card."""

    asked: str
    asked_cut: bool
    answered: str
    answered_cut: bool


class CustomsPattern(Input):
    """One of the user's own (docs/customs.md). pattern: an expression that begins with three plain characters and says of
    all that repeats how often at most. Its first group is the credential, all of it where there is none."""

    name: PatternName
    pattern: OwnPattern


class WebhookCreate(WebhookColumns, Input):
    """Whom to tell of events, and of which: all where none is named."""


@patch_of(WebhookCreate)
class WebhookUpdate(Input):
    """What to change in a webhook. Its secret stays, at another URL too."""


class WebhookResponse(Output):
    """Who is told of events. on: which, empty = all. Since the gateway started: delivered, and lost: events that were given
    up. waiting: events that are still to be sent. tried_at: when one was sent last. problem: why that was not taken."""

    id: int
    url: str
    on: list[Topic]
    enabled: bool
    created_at: datetime
    version: str
    delivered: int = 0
    lost: int = 0
    waiting: int = 0
    tried_at: datetime | None = None
    problem: str | None = None


class WebhookCreated(WebhookResponse):
    """With the secret that signs what is sent; it is shown only this once."""

    secret: str = Field(repr=False)


class WebhookTest(Output):
    """What came of one event that was sent at once."""

    ok: bool
    status: int | None = None
    problem: str | None = None


_PRICES: dict[str, Any] = dict.fromkeys(QUANTITIES, (PerMillion | None, None))


@with_fields(_PRICES)
class PriceCreate(PriceColumns, Input):
    """A price to set, in USD: for a million tokens, and for one search and one request. What is left out is charged as what
    it is a part of: cached and written input as input, reasoning as output.
    """

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in QUANTITIES):
            raise ValueError(f"name at least one price: {', '.join(QUANTITIES)}")
        return self


@unchecked
@with_fields(_PRICES)
class PriceResponse(PriceColumns, Output):
    """A price, in USD. source: `own`, which has an id and a version, or the list it comes from. window: the time of day
    (UTC) at which it holds, None for all of it.
    """

    id: int | None = None
    version: str | None = None
    source: str
    window: str | None = None
    warnings: list[str] = Field(default_factory=list)
