"""The tables. What people set in a row is declared here once, as a class of columns: name, type
with its checks (values.py), default, and how the database keeps it. The table adds what the gateway
sets; schemas.py derives what the API takes and answers; the snapshot carries what the spec in
routing/specs.py names.

A table by itself needs nothing of ours: any SQLModel session on any engine can use it. Assigning a
wrong type or a naive time raises at once. Not here: rules that look at more than one field
(schemas.py) or at other rows (mappings.py and its siblings), and that what stands for a key is
sealed (sealing.py).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from ...kinds import AuthScheme, BackendType, Customs, Per
from ..vault import Sealed
from .audit_tables import AuditEntry, AuditRow
from .columns import SealedText, UtcDateTime, enum_column, utc_now
from .row import Numbered, Stamped, Table
from .values import (
    BackendName,
    BudgetMoney,
    BudgetTokens,
    CacheSeconds,
    CaFile,
    CaptureBytes,
    Conditions,
    ContextWindow,
    Dialects,
    FallbackReasons,
    FallbackTarget,
    HedgeSeconds,
    KeyModels,
    KeyName,
    KeyPaths,
    LimitNumber,
    LocalName,
    LoopRepeats,
    MaxInFlight,
    ModelName,
    Moment,
    NodeName,
    Note,
    Pattern,
    Percent,
    Presets,
    PriceAbove,
    PriceDay,
    PricePlace,
    PriceTier,
    Priority,
    Proxy,
    RowNumber,
    ShadowTarget,
    StuckAfter,
    StuckFor,
    Switch,
    TargetName,
    Topics,
    Url,
    WarnPercent,
    WebhookUrl,
    Weights,
    Zone,
)


def _off() -> Any:
    """A switch that is off until it is set."""
    return Field(default=False, sa_column_kwargs={"server_default": sa.false()})


def _on() -> Any:
    return Field(default=True, sa_column_kwargs={"server_default": sa.true()})


def _list() -> Any:
    """A list kept as JSON, empty until it is set."""
    return Field(default_factory=list, sa_column=sa.Column(sa.JSON, nullable=False, server_default="[]"))


def _optional_json() -> Any:
    """A list or an object kept as JSON."""
    return Field(default=None, sa_column=sa.Column(sa.JSON(none_as_null=True)))


def _enum(kind: type[StrEnum], check: str) -> Any:
    """check: the name of the CHECK constraint."""
    return Field(sa_column=sa.Column(enum_column(kind, check), nullable=False))


def _optional_enum(kind: type[StrEnum], check: str) -> Any:
    return Field(default=None, sa_column=sa.Column(enum_column(kind, check), nullable=True))


class MappingColumns(SQLModel):
    """A rule: model pattern -> backend, model override, fallbacks, priority
    (docs/design.md#data-model).
    """

    model_pattern: Pattern = Field(index=True)
    backend_type: BackendType = _enum(BackendType, "mapping_backend_type")
    backend_name: TargetName = Field(default="", sa_column_kwargs={"server_default": ""})
    backend_model: ModelName | None = None
    fallback_backend: BackendType | None = _optional_enum(BackendType, "mapping_fallback_backend")
    fallback_model: ModelName | None = None
    fallbacks: list[FallbackTarget] = _list()  # in a row: their JSON objects
    priority: Priority = Field(default=0, sa_column_kwargs={"server_default": "0"})
    enabled: Switch = _on()
    local_only: Switch = _off()
    forward_auth: Switch = _off()
    fallback_on: FallbackReasons = _list()
    hedge_seconds: HedgeSeconds | None = None
    spread: Switch = _off()
    weights: Weights | None = _optional_json()
    presets: Presets | None = _optional_json()
    conditions: Conditions = _list()
    stick: Switch = _off()
    stuck_after: StuckAfter | None = None
    stuck_for: StuckFor | None = None
    stop_loops: Switch = _off()
    loop_repeats: LoopRepeats | None = None
    recover_calls: Switch = _off()
    customs: Customs | None = Field(default=None, sa_type=sa.String, nullable=True)
    cache_seconds: CacheSeconds | None = None
    cache_shared: Switch = _off()
    cache_any_temperature: Switch = _off()
    shadow: ShadowTarget | None = None
    shadow_share: Percent | None = None
    shadow_busy: Percent | None = None


class CredentialAddress(SQLModel):
    """What names a cloud credential."""

    backend_type: BackendType = _enum(BackendType, "credential_backend_type")
    name: BackendName = Field(default="", sa_column_kwargs={"server_default": ""})


class BudgetColumns(SQLModel):
    """How much may be spent in each period, in dollars and in tokens. per: None is in all. zone: of its days, None is
    this computer's. warn: the percentage of it from which that is told.
    """

    budget_money: BudgetMoney | None = None
    budget_tokens: BudgetTokens | None = None
    per: Per | None = Field(default=None, sa_type=sa.String, nullable=True)
    zone: Zone | None = None
    warn: WarnPercent = Field(default=80, sa_column_kwargs={"server_default": "80"})


class LimitColumns(BudgetColumns):
    """How much a client key, or all keys of a group, may use: budgets, requests and tokens a minute, requests at once."""

    rate_requests: LimitNumber | None = None
    rate_tokens: LimitNumber | None = None
    parallel: LimitNumber | None = None


class ClientKeyColumns(LimitColumns):
    """Whose a client key is, what it may use, and how much. models, paths: patterns; empty is everything. customs: what is
    done about credentials in its requests that leave this machine. cache_seconds, cache_any_temperature: answers to its
    requests are kept, where the rule says nothing of that. expires_at: from when on it is worthless.
    """

    name: KeyName = Field(default="", sa_column_kwargs={"server_default": ""})
    owner: KeyName = Field(default="", sa_column_kwargs={"server_default": ""})
    note: Note = Field(default="", sa_column_kwargs={"server_default": ""})
    models: KeyModels = _list()
    paths: KeyPaths = _list()
    local_only: Switch = _off()
    customs: Customs | None = Field(default=None, sa_type=sa.String, nullable=True)
    cache_seconds: CacheSeconds | None = None
    cache_any_temperature: Switch = _off()
    expires_at: Moment | None = Field(default=None, sa_type=UtcDateTime)


class CredentialColumns(BudgetColumns):
    """How a cloud credential is used. base_url None: the provider's own. dialects None: the type's own. silent_end: its
    streams end without saying why. proxy: `none` or a proxy's URL, None: the environment's. ca_file: of the only authorities
    that may sign for it, None: the system's."""

    base_url: Url | None = None
    dialects: Dialects | None = _optional_json()
    auth: AuthScheme | None = _optional_enum(AuthScheme, "credential_auth")
    allow_http: Switch = _off()
    max_in_flight: MaxInFlight | None = None
    silent_end: Switch = _off()
    proxy: Proxy | None = None
    ca_file: CaFile | None = None


class LocalAddress(SQLModel):
    """What names a local server, and where it is."""

    name: LocalName = Field(unique=True)
    base_url: Url


class LocalColumns(SQLModel):
    """How a local server is used. dialects None: they are tried. context_window: tokens. silent_end: its streams end without
    saying why. proxy, ca_file: as for a credential. node: the only one of several gateways that asks it, and lets the others
    ask; None: each asks it by itself."""

    dialects: Dialects | None = _optional_json()
    auth: AuthScheme | None = _optional_enum(AuthScheme, "local_auth")
    context_window: ContextWindow | None = None
    enabled: Switch = _on()
    allow_http: Switch = _off()
    max_in_flight: MaxInFlight | None = None
    join_resends: Switch = _off()
    silent_end: Switch = _off()
    proxy: Proxy | None = None
    ca_file: CaFile | None = None
    node: NodeName | None = None


def _cloud_type(value: object) -> object:
    kind = BackendType(value)  # type: ignore[arg-type]  # what it is not, it refuses
    if kind is BackendType.LOCAL:
        raise ValueError("a cloud credential is for openai or anthropic; a local backend keeps its own key")
    return kind


class BackendMapping(Stamped, MappingColumns, Numbered, table=True):
    """A rule. Ids are never given twice: usage records keep naming the rule they meant."""

    __tablename__ = "backend_mappings"
    __table_args__ = ({"sqlite_autoincrement": True},)


class CloudCredential(Stamped, CredentialColumns, CredentialAddress, Numbered, table=True):
    """One key for one provider; a further compatible provider is a further name."""

    __tablename__ = "cloud_credentials"
    __table_args__ = (
        sa.UniqueConstraint("backend_type", "name", name="credential_type_name"),
        sa.CheckConstraint("backend_type != 'local'", name="credential_is_cloud"),
        {"sqlite_autoincrement": True},
    )
    _checks = {"backend_type": _cloud_type}

    encrypted_api_key: Sealed = Field(sa_type=SealedText, nullable=False, repr=False)
    key_fingerprint: str | None = None


class LocalBackend(Stamped, LocalColumns, LocalAddress, Numbered, table=True):
    """A model server on this computer or one's own network."""

    __tablename__ = "local_backends"
    __table_args__ = ({"sqlite_autoincrement": True},)

    encrypted_api_key: Sealed | None = Field(default=None, sa_type=SealedText, repr=False)
    key_fingerprint: str | None = None


class KeyGroup(Numbered, LimitColumns, table=True):
    """Client keys that share their limits, such as those of a team."""

    __tablename__ = "key_groups"
    __table_args__ = ({"sqlite_autoincrement": True},)

    name: str = Field(unique=True)
    note: str = Field(default="", sa_column_kwargs={"server_default": ""})
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


class ClientKey(Numbered, ClientKeyColumns, table=True):
    """A key that clients of the gateway send. Only its keyed digest is kept; a revoked one stays
    as a row. before, before_until: the digest that it had until it was rotated, and how long that
    one is good.
    """

    __tablename__ = "client_keys"
    __table_args__ = ({"sqlite_autoincrement": True},)

    digest: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False, unique=True), repr=False)
    prefix: str
    group_id: int | None = None
    before: bytes | None = Field(default=None, sa_column=sa.Column(sa.LargeBinary), repr=False)
    before_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AllowedOrigin(Numbered, table=True):
    """A web origin whose pages may use the model paths, in the form of wire/origins.py."""

    __tablename__ = "allowed_origins"
    __table_args__ = ({"sqlite_autoincrement": True},)

    origin: str = Field(unique=True)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


class WebhookColumns(SQLModel):
    """Where events are posted to, and which: all where none is named. enabled: it is told at all."""

    url: WebhookUrl = Field(unique=True)
    on: Topics = Field(default_factory=list, sa_column=sa.Column("on", sa.JSON, nullable=False))
    enabled: Switch = _on()


class Webhook(WebhookColumns, Numbered, table=True):
    """Somebody who is told of events. Its secret signs what is sent there."""

    __tablename__ = "webhooks"
    __table_args__ = ({"sqlite_autoincrement": True},)

    sealed_secret: Sealed = Field(sa_type=SealedText, repr=False)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


class CaptureColumns(SQLModel):
    """Whose requests' bodies are kept: those of a rule, or with a client key."""

    mapping_id: RowNumber | None = None
    key_id: RowNumber | None = None
    most_bytes: CaptureBytes = 262_144


class Capture(CaptureColumns, Numbered, table=True):
    """For a while: until then bodies are kept, sealed, of requests of that rule or key."""

    __tablename__ = "captures"
    __table_args__ = ({"sqlite_autoincrement": True},)

    until: datetime = Field(sa_type=UtcDateTime, nullable=False)
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


class PriceColumns(SQLModel):
    """A price that holds instead of the list's (docs/prices.md#your-own-prices). where: a backend's
    key, or a provider of the list. tier: as answers tell it, "" the usual one. above: it holds for an
    input of more tokens. since: a day (UTC), "" for always.
    """

    where: PricePlace = Field(index=True)
    model: Pattern
    tier: PriceTier = Field(default="", sa_column_kwargs={"server_default": ""})
    above: PriceAbove = Field(default=0, sa_column_kwargs={"server_default": "0"})
    since: PriceDay = Field(default="", sa_column_kwargs={"server_default": ""})


class Price(Stamped, PriceColumns, Numbered, table=True):
    """prices: by quantity, in pico-dollars (ledger/price_spec.py)."""

    __tablename__ = "prices"
    __table_args__ = (
        sa.UniqueConstraint("where", "model", "tier", "above", "since", name="price_of_what"),
        {"sqlite_autoincrement": True},
    )

    prices: dict[str, int] = Field(sa_column=sa.Column(sa.JSON, nullable=False))


class ProviderList(Table, table=True):
    """A provider's prices that were read in, in place of those that came with the gateway. models: a JSON list of
    PriceSpec.
    """

    __tablename__ = "price_lists"

    provider: str = Field(primary_key=True)
    source: str
    hosts: str = Field(default="", sa_column_kwargs={"server_default": ""})
    others: list[str] = _list()
    models: str = Field(sa_column=sa.Column(sa.Text, nullable=False), repr=False)
    read_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


class Setting(Table, table=True):
    """What the gateway keeps for itself. Some values are secret, so none is shown."""

    __tablename__ = "settings"

    key: str = Field(primary_key=True)
    value: str = Field(repr=False)

    def hidden(self) -> frozenset[str]:
        """See Table."""
        return frozenset() if self.key in PLAIN_SETTINGS else frozenset({"value"})


PLAIN_SETTINGS = frozenset({"usage_days", "price_reference", "allowed_hosts", "customs", "customs_patterns"})
"""Those whose values may be shown; of any other the audit says only that it was set."""


_MODELS: tuple[type[SQLModel], ...] = (
    BackendMapping, CloudCredential, LocalBackend, KeyGroup, ClientKey, AllowedOrigin, Price, ProviderList, Setting,
    Webhook, Capture, AuditEntry, AuditRow,
)  # fmt: skip
TABLES = [SQLModel.metadata.tables[str(model.__tablename__)] for model in _MODELS]
"""Ours: an application that has these classes may have others beside them."""
