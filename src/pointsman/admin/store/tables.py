"""The tables. Rows never leave `store` and `control` as they are: answers are built from schemas.py.

Assigning a wrong type of backend, a naive time or a non-key raises at once. Not here: rules that look at more
than one field (schemas.py) or at other rows (mappings.py and its siblings).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from ...kinds import AuthScheme, BackendType
from ..vault import Sealed
from .columns import SealedText, UtcDateTime, enum_column, utc_now


def _backend_type(value: Any) -> object:
    return None if value is None else BackendType(value)


def _cloud_type(value: object) -> object:
    kind = _backend_type(value)
    if kind is BackendType.LOCAL:
        raise ValueError("a cloud credential is for openai or anthropic; a local backend keeps its own key")
    return kind


def _auth(value: Any) -> object:
    return None if value is None else AuthScheme(value)


def _sealed(value: object) -> object:
    if value is None:
        return None
    sealed = Sealed.of(value)
    if not isinstance(value, Sealed) and sealed.key_id is None:
        raise ValueError("this is not a sealed key; a plain key never stands in a row")
    return sealed


def _aware(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time without a time zone is not stored; use datetime.now(UTC)")
        return value.astimezone(UTC)
    return value


class _Table(SQLModel):
    """SQLModel does not validate tables. These checks run on every assignment and at construction."""

    _checks: ClassVar[dict[str, Callable[[object], object]]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._checks.get(name)
        super().__setattr__(name, value if check is None else check(value))


def _created() -> Any:
    return Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)


def _updated() -> Any:
    return Field(
        default_factory=utc_now, sa_type=UtcDateTime, nullable=False, sa_column_kwargs={"onupdate": utc_now}
    )


class BackendMapping(_Table, table=True):
    """A rule: model pattern -> backend, model override, fallbacks, priority (DESIGN.md section 2)."""

    __tablename__ = "backend_mappings"
    # ids are never given twice: usage records keep naming the rule they meant
    __table_args__ = ({"sqlite_autoincrement": True},)
    _checks = {
        "backend_type": _backend_type,
        "fallback_backend": _backend_type,
        "created_at": _aware,
        "updated_at": _aware,
    }

    id: int | None = Field(default=None, primary_key=True)
    model_pattern: str = Field(index=True)
    backend_type: BackendType = Field(
        sa_column=sa.Column(enum_column(BackendType, "mapping_backend_type"), nullable=False)
    )
    backend_name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    backend_model: str | None = None
    fallback_backend: BackendType | None = Field(
        default=None, sa_column=sa.Column(enum_column(BackendType, "mapping_fallback_backend"), nullable=True)
    )
    fallback_model: str | None = None
    fallbacks: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=sa.Column(sa.JSON, nullable=False, server_default="[]")
    )
    priority: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    local_only: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    forward_auth: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    fallback_on: list[str] = Field(
        default_factory=list, sa_column=sa.Column(sa.JSON, nullable=False, server_default="[]")
    )
    hedge_seconds: float | None = None
    created_at: datetime = _created()
    updated_at: datetime = _updated()


class CloudCredential(_Table, table=True):
    """One key for one provider; a further compatible provider is a further name."""

    __tablename__ = "cloud_credentials"
    __table_args__ = (
        sa.UniqueConstraint("backend_type", "name", name="credential_type_name"),
        sa.CheckConstraint("backend_type != 'local'", name="credential_is_cloud"),
        {"sqlite_autoincrement": True},
    )
    _checks = {
        "backend_type": _cloud_type,
        "auth": _auth,
        "encrypted_api_key": _sealed,
        "created_at": _aware,
        "updated_at": _aware,
    }

    id: int | None = Field(default=None, primary_key=True)
    backend_type: BackendType = Field(
        sa_column=sa.Column(enum_column(BackendType, "credential_backend_type"), nullable=False)
    )
    name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    encrypted_api_key: Sealed = Field(sa_type=SealedText, nullable=False, repr=False)
    key_fingerprint: str | None = None
    base_url: str | None = None
    dialects: list[str] | None = Field(default=None, sa_column=sa.Column(sa.JSON(none_as_null=True)))
    auth: AuthScheme | None = Field(
        default=None, sa_column=sa.Column(enum_column(AuthScheme, "credential_auth"), nullable=True)
    )
    allow_http: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    max_in_flight: int | None = None
    created_at: datetime = _created()
    updated_at: datetime = _updated()


class LocalBackend(_Table, table=True):
    """A model server on this computer or one's own network."""

    __tablename__ = "local_backends"
    __table_args__ = ({"sqlite_autoincrement": True},)
    _checks = {"auth": _auth, "encrypted_api_key": _sealed, "created_at": _aware, "updated_at": _aware}

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    base_url: str
    encrypted_api_key: Sealed | None = Field(default=None, sa_type=SealedText, repr=False)
    key_fingerprint: str | None = None
    dialects: list[str] | None = Field(default=None, sa_column=sa.Column(sa.JSON(none_as_null=True)))
    auth: AuthScheme | None = Field(
        default=None, sa_column=sa.Column(enum_column(AuthScheme, "local_auth"), nullable=True)
    )
    context_window: int | None = None
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    allow_http: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    max_in_flight: int | None = None
    join_resends: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    created_at: datetime = _created()
    updated_at: datetime = _updated()


class ClientKey(_Table, table=True):
    """A key that clients of the gateway send. Only its keyed digest is kept; a revoked one stays as a row."""

    __tablename__ = "client_keys"
    __table_args__ = ({"sqlite_autoincrement": True},)
    _checks = {"created_at": _aware, "revoked_at": _aware}

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    digest: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False, unique=True), repr=False)
    prefix: str
    created_at: datetime = _created()
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Setting(_Table, table=True):
    """What the gateway keeps for itself. Some values are secret, so none is shown."""

    __tablename__ = "settings"

    key: str = Field(primary_key=True)
    value: str = Field(repr=False)
