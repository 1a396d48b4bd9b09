"""Rows as a configuration's entries, one kind a section: what is there, what tells an entry, how one is added, changed and
removed. Everything is done by the functions that the admin API calls. Functions take a Session. Not here: what is to be done
(changes.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlmodel import Session

from ....errors import PointsmanError
from ....kinds import BackendType, ErrorKind, backend_key
from ....ledger.price_spec import QUANTITIES, dollars
from ....providers.urls import engine_of
from ...vault import Secret, Vault
from .. import (
    client_keys,
    credentials,
    customs,
    hosts,
    key_groups,
    local_backends,
    mappings,
    origins,
    prices,
    webhooks,
)
from ..rows import valid
from ..schemas import (
    BackendMappingCreate,
    BackendMappingUpdate,
    ClientKeyUpdate,
    CloudCredentialCreate,
    CloudCredentialUpdate,
    CustomsPattern,
    KeyGroupCreate,
    KeyGroupUpdate,
    LocalBackendCreate,
    LocalBackendUpdate,
    PriceCreate,
    WebhookCreate,
    WebhookUpdate,
)
from .document import CredentialEntry, KeyEntry, LocalEntry

Values = dict[str, Any]
"""An entry as JSON, without what is as usual."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry that is there. row: what `change` and `remove` take; fingerprint: of its sealed key, where it has one."""

    values: Values
    row: Any
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class EntryKind:
    """noun: as the command line has it. whose: what tells an entry from others. title: of one, for people.

    add: gives the secret that was made, to be shown once. change: `values` as a whole. key: of a backend, where there is
    a new one. left: how many rows cannot be told in a file, and why."""

    section: str
    noun: str
    shape: type[BaseModel]
    whose: Callable[[Values], Hashable]
    title: Callable[[Values], str]
    stored: Callable[[Session], list[StoredEntry]]
    add: Callable[[Session, Vault, Values, str | None], Secret | None]
    change: Callable[[Session, Vault, StoredEntry, Values, str | None], None]
    remove: Callable[[Session, StoredEntry], object]
    needs_key: bool = False
    left: Callable[[Session], str | None] = lambda _: None


def told(shape: type[BaseModel], values: Mapping[str, Any]) -> Values:
    """As an entry has it. Raises PointsmanError INVALID."""
    made = valid(shape, values)
    return made.model_dump(mode="json", exclude_defaults=True)


def differing(shape: type[BaseModel], before: Values, after: Values) -> Values:
    """What a PATCH must say to make the one the other: what `after` leaves out is as usual again."""
    usual = {name: info.get_default(call_default_factory=True) for name, info in shape.model_fields.items()}
    return {
        name: after.get(name, usual[name])
        for name in shape.model_fields
        if name in before.keys() | after.keys() and before.get(name) != after.get(name)
    }


def _of_rows(shape: type[BaseModel], rows: Iterable[Any]) -> list[StoredEntry]:
    return [StoredEntry(_entry(shape, row), row, getattr(row, "key_fingerprint", None)) for row in rows]


def _entry(shape: type[BaseModel], row: Any, **more: Any) -> Values:
    """A row that was edited by hand, and is none any more, is told as it stands."""
    names = [name for name in shape.model_fields if hasattr(row, name)]
    values = {name: getattr(row, name) for name in names} | more
    try:
        return told(shape, values)
    except PointsmanError:
        return {name: value for name, value in values.items() if value is not None}


# -- backends


def _credential_row(values: Values) -> str:
    return backend_key(BackendType(values["backend_type"]), values.get("name", ""))


def _add_credential(session: Session, vault: Vault, values: Values, key: str | None) -> None:
    said = {name: value for name, value in values.items() if name != "key_env"}
    credentials.put(session, vault, valid(CloudCredentialCreate, said | {"api_key": key}))


def _change_credential(
    session: Session, vault: Vault, one: StoredEntry, values: Values, key: str | None
) -> None:
    if key is not None:
        _add_credential(session, vault, values, key)
        return
    changes = differing(CredentialEntry, one.values, values)
    if changes.keys() & {"base_url", "allow_http"}:
        raise PointsmanError(
            ErrorKind.INVALID,
            f"{_credential_row(values)} leads elsewhere in the file, and its key was given for where it leads now: name the"
            " environment variable that has it (key_env).",
            param="key_env",
        )
    changes.pop("key_env", None)
    data = valid(CloudCredentialUpdate, changes)
    credentials.update(session, one.row.backend_type, one.row.name, data)


def _engines(session: Session) -> str | None:
    found = [row.name for row in local_backends.list_all(session) if engine_of(row.base_url)]
    return (
        f"what starts {', '.join(found)}: that stands in the data folder (engines/NAME.json)"
        if found
        else None
    )


def _add_local(session: Session, vault: Vault, values: Values, key: str | None) -> None:
    said = {name: value for name, value in values.items() if name != "key_env"}
    local_backends.create(session, vault, valid(LocalBackendCreate, said | {"api_key": key}))


def _change_local(session: Session, vault: Vault, one: StoredEntry, values: Values, key: str | None) -> None:
    changes = differing(LocalEntry, one.values, values)
    changes.pop("key_env", None)
    if key is not None:
        changes["api_key"] = key
    local_backends.update(session, vault, one.row.name, valid(LocalBackendUpdate, changes))


# -- clients


def _live_keys(session: Session) -> list[Any]:
    return [row for row in client_keys.list_all(session) if row.revoked_at is None]


def _named_keys(session: Session) -> list[StoredEntry]:
    groups, live = key_groups.names(session), _live_keys(session)
    often = Counter(row.name for row in live)
    return [
        StoredEntry(_entry(KeyEntry, row, group=groups.get(row.group_id or 0)), row)
        for row in live
        if row.name and often[row.name] == 1
    ]


def _unnamed_keys(session: Session) -> str | None:
    count = len(_live_keys(session)) - len(_named_keys(session))
    if not count:
        return None
    keys = (
        "1 client key has no name of its own"
        if count == 1
        else f"{count} client keys have no names of their own"
    )
    return f"{keys}, and cannot be told in a file: pointsman key update ID --name NAME"


def _add_key(session: Session, _: Vault, values: Values, __: str | None) -> Secret:
    return Secret(client_keys.create(session, valid(KeyEntry, values))[1])


def _change_key(session: Session, _: Vault, one: StoredEntry, values: Values, __: str | None) -> None:
    changes = valid(ClientKeyUpdate, differing(KeyEntry, one.values, values))
    client_keys.update(session, one.row.id, changes)


def _change_group(session: Session, _: Vault, one: StoredEntry, values: Values, __: str | None) -> None:
    changes = valid(KeyGroupUpdate, differing(KeyGroupCreate, one.values, values))
    key_groups.update(session, one.row.name, changes)


def _add_group(session: Session, _: Vault, values: Values, __: str | None) -> None:
    key_groups.create(session, valid(KeyGroupCreate, values))


# -- what else there is


def _prices(session: Session) -> list[StoredEntry]:
    rows = prices.list_all(session)
    rows.sort(
        key=lambda row: (row.where, row.model, bool(row.tier or row.above))
    )  # the usual one comes first
    return [
        StoredEntry(
            _entry(PriceCreate, row, **{n: dollars(v, n) for n, v in row.prices.items() if n in QUANTITIES}),
            row,
        )
        for row in rows
    ]


def _put_price(session: Session, _: Vault, values: Values, __: str | None) -> None:
    prices.put(session, valid(PriceCreate, values))


def _add_webhook(session: Session, vault: Vault, values: Values, _: str | None) -> Secret:
    return webhooks.create(session, vault, valid(WebhookCreate, values))[1]


def _change_webhook(session: Session, vault: Vault, one: StoredEntry, values: Values, _: str | None) -> None:
    changes = valid(WebhookUpdate, differing(WebhookCreate, one.values, values))
    webhooks.update(session, vault, one.row.id, changes)


def _rule(values: Values) -> Hashable:
    return values["model_pattern"], tuple(sorted(values.get("conditions", ())))


def _rule_title(values: Values) -> str:
    conditions = values.get("conditions")
    return str(values["model_pattern"]) + (f" when {' and '.join(conditions)}" if conditions else "")


def _add_rule(session: Session, _: Vault, values: Values, __: str | None) -> None:
    mappings.create(session, valid(BackendMappingCreate, values))


def _change_rule(session: Session, _: Vault, one: StoredEntry, values: Values, __: str | None) -> None:
    changes = differing(BackendMappingCreate, one.values, values)
    if changes.get("presets") is not None:  # those are changed one by one
        gone = (one.values.get("presets") or {}).keys() - changes["presets"].keys()
        changes["presets"] = changes["presets"] | dict.fromkeys(gone)
    mappings.update(session, one.row.id, valid(BackendMappingUpdate, changes))


def _add_origin(session: Session, _: Vault, values: Values, __: str | None) -> None:
    origins.create(session, _value(values))


class _Text(BaseModel):
    value: str


def _texts(found: Iterable[tuple[str, Any]]) -> list[StoredEntry]:
    return [StoredEntry({"value": text}, row) for text, row in found]


def _value(values: Values) -> str:
    text: str = values["value"]
    return text


KINDS: tuple[EntryKind, ...] = (
    EntryKind(
        "hosts", "host", _Text, _value, _value,
        lambda session: _texts((host, host) for host in hosts.list_all(session)),
        lambda session, _, values, __: hosts.create(session, _value(values)),
        lambda *_: None,
        lambda session, one: hosts.delete(session, one.row),
    ),
    EntryKind(
        "origins", "origin", _Text, _value, _value,
        lambda session: _texts((row.origin, row) for row in origins.list_all(session)),
        _add_origin,
        lambda *_: None,
        lambda session, one: origins.delete(session, one.row.id),
    ),
    EntryKind(
        "locals", "local", LocalEntry, lambda values: values["name"], lambda values: values["name"],
        lambda session: _of_rows(LocalEntry, local_backends.list_all(session)),
        _add_local, _change_local,
        lambda session, one: local_backends.delete(session, one.row.name),
        left=_engines,
    ),
    EntryKind(
        "credentials", "credential", CredentialEntry, _credential_row, _credential_row,
        lambda session: _of_rows(CredentialEntry, credentials.list_all(session)),
        _add_credential, _change_credential,
        lambda session, one: credentials.delete(session, one.row.backend_type, one.row.name),
        needs_key=True,
    ),
    EntryKind(
        "groups", "group", KeyGroupCreate, lambda values: values["name"], lambda values: values["name"],
        lambda session: _of_rows(KeyGroupCreate, key_groups.list_all(session)),
        _add_group, _change_group,
        lambda session, one: key_groups.delete(session, one.row.name),
    ),
    EntryKind(
        "keys", "key", KeyEntry, lambda values: values["name"], lambda values: values["name"],
        _named_keys, _add_key, _change_key,
        lambda session, one: client_keys.revoke(session, one.row.id),
        left=_unnamed_keys,
    ),
    EntryKind(
        "prices", "price", PriceCreate,
        lambda values: tuple(values.get(name) or 0 for name in ("where", "model", "tier", "above", "since")),
        lambda values: f"{values['where']}:{values['model']}",
        _prices, _put_price,
        lambda session, vault, _, values, key: _put_price(session, vault, values, key),
        lambda session, one: prices.remove(session, one.row.id),
    ),
    EntryKind(
        "webhooks", "webhook", WebhookCreate, lambda values: values["url"], lambda values: values["url"],
        lambda session: _of_rows(WebhookCreate, webhooks.list_all(session)),
        _add_webhook, _change_webhook,
        lambda session, one: webhooks.delete(session, one.row.id),
    ),
    EntryKind(
        "patterns", "pattern", CustomsPattern, lambda values: values["name"], lambda values: values["name"],
        lambda session: [
            StoredEntry({"name": name, "pattern": one}, name) for name, one in customs.patterns(session).items()
        ],
        lambda session, _, values, __: customs.add(session, values["name"], values["pattern"]),
        lambda session, _, __, values, ___: customs.change(session, values["name"], values["pattern"]),
        lambda session, one: customs.remove(session, one.row),
    ),
    EntryKind(
        "mappings", "mapping", BackendMappingCreate, _rule, _rule_title,
        lambda session: _of_rows(BackendMappingCreate, mappings.list_all(session)),
        _add_rule, _change_rule,
        lambda session, one: mappings.delete(session, one.row.id),
    ),
)  # fmt: skip
"""In the order of the document's sections."""
