"""Compiles rows into the immutable snapshot the data plane serves by. Keys are opened here and
nowhere else.

A key that does not open is a backend with a problem, never an exception: the rest serves on. Not
here: the practice backend (the data plane adds its own) and sending (link).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlmodel import Session, col, select

from ...errors import PointsmanError
from ...kinds import AuthScheme, BackendType
from ...ledger.price_spec import PriceSpec
from ...link.messages import ClientKeySpec, Reference, Snapshot
from ...providers.catalog import CATALOG
from ...providers.urls import check_base_url, engine_of, parse_base_url
from ...routing.specs import BackendSpec, MappingSpec, TargetSpec, login_target
from ..vault import Secret, Vault, VaultError
from . import (
    captures,
    client_keys,
    credentials,
    customs,
    hosts,
    local_backends,
    mappings,
    origins,
    prices,
    sealing,
    settings,
)
from .limits import compile_limits
from .price_lists import built_in
from .tables import BackendMapping, ClientKey, CloudCredential, KeyGroup, LocalBackend
from .targets import targets_of

if TYPE_CHECKING:
    from .schemas import CloudCredentialCreate, LocalBackendCreate


def compile_snapshot(
    session: Session,
    vault: Vault,
    version: int,
    epoch: str,
    opened: sealing.Opened | None = None,
    local: Sequence[LocalBackend] | None = None,
) -> Snapshot:
    """Enabled rules and backends, live client keys. A cloud type without a credential row is in it
    only for rules that forward the client's own login. opened: see sealing.open_key(). local: all rows, where they
    were read already.

    Each table is read once: on a PostgreSQL every node does this at every change of any."""
    settings.read_all(session)
    stored = credentials.list_all(session)
    local = local_backends.list_all(session) if local is None else local
    live = select(ClientKey).where(col(ClientKey.revoked_at).is_(None)).order_by(col(ClientKey.id))
    keys = session.exec(live).all()
    groups = session.exec(select(KeyGroup).order_by(col(KeyGroup.id))).all()
    backends = [backend_spec(vault, row, opened) for row in stored]
    backends += [backend_spec(vault, row, opened) for row in local if row.enabled]
    rules = tuple(mapping_spec(row) for row in mappings.list_all(session) if row.enabled)
    backends += login_backends(rules, backends)
    costs, reference = _prices(session, stored)
    return Snapshot(
        version=version,
        epoch=epoch,
        mappings=rules,
        backends=tuple(backends),
        client_keys=tuple(map(client_key_spec, keys)),
        keys_required=bool(keys) or client_keys.required(session),
        pepper=settings.pepper(session),
        problems=() if vault.problem is None else (f"Stored keys cannot be used: {vault.problem}.",),
        hosts=tuple(hosts.list_all(session)),
        origins=tuple(row.origin for row in origins.list_all(session)),
        prices=costs,
        reference=reference,
        limits=compile_limits(keys, groups, stored),
        captures=captures.specs(session),
        customs=customs.for_all(session),
        own_patterns=customs.patterns(session),
    )


def _prices(
    session: Session, rows: list[CloudCredential]
) -> tuple[dict[str, tuple[PriceSpec, ...]], Reference | None]:
    """Of those backends that have any. The list is read only where a provider or a reference is stored."""
    stored, named = prices.list_all(session), prices.reference(session)
    local = {row.where for row in stored}
    found = {where: tuple(prices.own_specs(stored, where)) for where in local if where.startswith("local/")}
    if not rows and named is None:
        return found, None
    lists = prices.Lists(session, built_in())
    found |= {sealing.key_of(row): prices.of_backend(lists, stored, row) for row in rows}
    if named is None:
        return found, None
    try:
        return found, Reference(*prices.reference_specs(lists, stored, rows, named))
    except PointsmanError:  # its provider is no longer in the list
        return found, None


def client_key_spec(row: ClientKey) -> ClientKeySpec:
    given = len(row.prefix) == client_keys.GIVEN_PREFIX_LENGTH
    return ClientKeySpec(
        id=row.id or 0,
        name=row.name,
        digest=row.digest,
        begins=row.prefix if given else "",
        until=None if row.expires_at is None else row.expires_at.timestamp(),
        before=row.before or b"",
        before_until=0.0 if row.before_until is None else row.before_until.timestamp(),
        models=tuple(row.models),
        paths=tuple(row.paths),
        local_only=row.local_only,
        group=row.group_id,
        customs=row.customs,
        cache_seconds=row.cache_seconds,
        cache_any_temperature=row.cache_any_temperature,
    )


def mapping_spec(row: BackendMapping) -> MappingSpec:
    return MappingSpec(
        id=row.id or 0,
        pattern=row.model_pattern,
        targets=tuple(TargetSpec(ref.backend, ref.model) for ref in targets_of(row)),
        **_carried(row, MappingSpec, besides={"id"}),
    )


def _carried(
    row: BackendMapping | sealing.SealedRow, spec: type[msgspec.Struct], *, besides: Collection[str]
) -> dict[str, Any]:
    """The columns that the spec has under the same name. An empty one has the spec's own
    default.
    """
    columns = type(row).model_fields.keys() - besides
    values = {name: getattr(row, name) for name in spec.__struct_fields__ if name in columns}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def login_backends(rules: Iterable[MappingSpec], stored: Iterable[BackendSpec]) -> list[BackendSpec]:
    """The providers' own addresses, without a key, where a rule forwards the client's login and
    no key is stored.
    """
    known = {spec.key for spec in stored}
    meant = (login_target(rule.targets) for rule in rules if rule.forward_auth)
    wanted = {target.backend for target in meant if target is not None}
    return [
        BackendSpec(
            key=kind.value,
            type=kind.value,
            name="",
            base_url=provider.base_url,
            dialects=tuple(protocol.value for protocol in provider.dialects),
            stream_usage=provider.stream_usage,
            login_only=True,
        )
        for kind, provider in CATALOG.items()
        if provider.base_url is not None and kind.value in wanted - known
    ]


def backend_spec(vault: Vault, row: sealing.SealedRow, opened: sealing.Opened | None = None) -> BackendSpec:
    """The row with its type's defaults filled in and its key opened, or with why it cannot be
    used.
    """
    key, problem = _open(vault, row, opened)
    return _spec(row, key, problem, keyed=row.encrypted_api_key is not None)


def unsaved_spec(data: CloudCredentialCreate | LocalBackendCreate) -> BackendSpec:
    """What such a row would be, with the key that was typed. Nothing is stored, and its base URL was judged as one that is
    (schemas.py)."""
    table = CloudCredential if hasattr(data, "backend_type") else LocalBackend
    row = table(**data.model_dump(mode="json", include=set(table.model_fields)))
    key = None if data.api_key is None else Secret(data.api_key)
    return _spec(row, key, None, keyed=key is not None)


def _spec(row: sealing.SealedRow, key: Secret | None, problem: str | None, *, keyed: bool) -> BackendSpec:
    kind = sealing.type_of(row)
    provider = CATALOG[kind]
    base_url = sealing.base_url_of(row)
    dialects: tuple[str, ...] | None = tuple(row.dialects) if row.dialects else None
    sure = not provider.tried and (base_url == provider.base_url or not provider.tried_elsewhere)
    if dialects is None and sure:  # else it is asked (upstream/backend.py)
        dialects = tuple(protocol.value for protocol in provider.dialects)
    auth = row.auth or (provider.auth if keyed else AuthScheme.NONE)
    return BackendSpec(
        key=sealing.key_of(row),
        type=kind.value,
        base_url=base_url,
        dialects=dialects,
        auth=auth.value,
        api_key=key,
        stream_usage=provider.stream_usage,
        problem=problem,
        engine=engine_of(base_url) if kind is BackendType.LOCAL else None,
        **_carried(row, BackendSpec, besides={"base_url", "dialects", "auth"}),
    )


def _open(
    vault: Vault, row: sealing.SealedRow, opened: sealing.Opened | None
) -> tuple[Secret | None, str | None]:
    """(key, problem). The URL is judged again: a row edited by hand gains nothing."""
    try:
        check_base_url(sealing.type_of(row), parse_base_url(sealing.base_url_of(row)), row.allow_http)
    except ValueError as error:
        return None, f"The base URL of {sealing.key_of(row)} is not allowed: {error}."
    try:
        secret = sealing.open_key(vault, row, opened)
    except VaultError as error:
        return None, error.public
    if secret is None and sealing.type_of(row) is not BackendType.LOCAL:
        return None, f"There is no key for {sealing.key_of(row)}; add it with: pointsman credential set"
    return secret, None
