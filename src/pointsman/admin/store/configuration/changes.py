"""What a configuration file would change, and changing it: all of it or nothing. Functions take a Session.

Not here: the shape (document.py), and one entry (kinds.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from sqlmodel import Session

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...vault import Secret, Vault, fingerprint
from .. import customs, prices, settings
from .document import ConfigDocument
from .kinds import KINDS, EntryKind, StoredEntry, Values, told

Action = Literal["add", "change", "remove"]


class FieldChange(BaseModel):
    """null: as usual."""

    before: Any = None
    after: Any = None


class ConfigChange(BaseModel):
    """One entry. kind: as the command line names it. key: the key of a backend that is not stored yet is needed (`missing`),
    or is taken from the environment variable `key_env` (`given`). secret: of a client key or a webhook that was made; it is
    shown only this once."""

    kind: str
    title: str
    action: Action
    fields: dict[str, FieldChange] = {}
    key: Literal["missing", "given"] | None = None
    key_env: str | None = None
    secret: str | None = None


class ConfigChanges(BaseModel):
    """Nothing is to be done where there are none. notes: what a file cannot say of what is stored."""

    changes: list[ConfigChange] = []
    notes: list[str] = []


class ConfigStep:
    """A change with what it is done with. stored: None of what is added; values: None of what goes."""

    def __init__(
        self, kind: EntryKind, stored: StoredEntry | None, values: Values | None, key: str | None
    ) -> None:
        self.kind, self.stored, self.values, self.key = kind, stored, values, key

    @property
    def told(self) -> ConfigChange:
        kind, stored, values = self.kind, self.stored, self.values
        before, after = {} if stored is None else stored.values, values or {}
        action: Action = "add" if stored is None else "remove" if values is None else "change"
        fields = {
            name: FieldChange(before=before.get(name), after=after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name) and name not in ("key_env", "value")
        }
        missing = kind.needs_key and stored is None and self.key is None
        return ConfigChange(
            kind=kind.noun,
            title=kind.title(values or before),
            action=action,
            fields={} if action == "remove" else fields,
            key="given" if self.key is not None else "missing" if missing else None,
            key_env=after.get("key_env"),
        )


def exported(session: Session) -> tuple[dict[str, Any], list[str]]:
    """(the document as JSON, every section in it; what of the rows it cannot say)."""
    found: dict[str, Any] = {"version": 1, **_settings(session)}
    for kind in KINDS:
        entries = [one.values for one in kind.stored(session)]
        found[kind.section] = [one["value"] for one in entries] if _is_texts(kind) else entries
    return found, untold(session)


def untold(session: Session) -> list[str]:
    """What of the rows no document can say."""
    return [note for kind in KINDS if (note := kind.left(session)) is not None]


def compared(
    session: Session, document: ConfigDocument, keys: Mapping[str, str], *, prune: bool
) -> list[ConfigStep]:
    """What is to be done, in order. keys: by the name of the variable that an entry's `key_env` says. prune: what the file's
    sections do not have goes."""
    put, gone = [], []
    for kind in KINDS:
        wished = getattr(document, kind.section)
        if wished is None:
            continue
        entries = [
            {"value": one} if _is_texts(kind) else told(kind.shape, one.model_dump()) for one in wished
        ]
        pairs, rest = _paired(kind, kind.stored(session), entries)
        for stored, values in pairs:
            key = _new_key(session, stored, keys.get(values.get("key_env") or ""))
            if stored is None or key is not None or _differ(stored.values, values):
                put.append(ConfigStep(kind, stored, values, key))
        if prune:
            gone += [ConfigStep(kind, stored, None, None) for stored in rest]
    return [*reversed(gone), *put]


def apply(
    session: Session, vault: Vault, steps: list[ConfigStep]
) -> list[tuple[ConfigChange, Secret | None]]:
    """Each with the secret that was made. Raises PointsmanError with the entry that cannot be; then the caller's
    transaction must be given up."""
    done = []
    for step in steps:
        change, secret = step.told, None
        try:
            if step.values is None:
                assert step.stored is not None
                step.kind.remove(session, step.stored)
            elif step.stored is None:
                secret = step.kind.add(session, vault, step.values, step.key)
            else:
                step.kind.change(session, vault, step.stored, step.values, step.key)
        except PointsmanError as error:
            wrong = ErrorKind.INVALID if error.kind is ErrorKind.NOT_FOUND else error.kind
            raise PointsmanError(
                wrong, f"{step.kind.noun} {change.title}: {error.public}", param=error.param
            ) from error
        done.append((change, secret))
    return done


def settings_of(document: ConfigDocument) -> dict[str, Any]:
    """Those that it speaks of."""
    said = {"usage_days": document.usage_days, "compare": document.compare, "customs": document.customs}
    return {name: value for name, value in said.items() if value is not None}


def settings_changes(session: Session, document: ConfigDocument) -> list[ConfigChange]:
    """Of single settings."""
    stands = _settings(session)
    return [
        ConfigChange(
            kind="setting", title=name, action="change",
            fields={name: FieldChange(before=stands[name], after=value)},
        )
        for name, value in settings_of(document).items()
        if value != stands[name]
    ]  # fmt: skip


def _settings(session: Session) -> dict[str, Any]:
    days = settings.get(session, settings.USAGE_DAYS) or "0"
    return {
        "usage_days": int(days) if days.isdigit() else 0,
        "compare": prices.reference(session) or "",
        "customs": customs.for_all(session) or "off",
    }


def _new_key(session: Session, stored: StoredEntry | None, key: str | None) -> str | None:
    """None also where that one is stored already."""
    if key is None or stored is None or stored.fingerprint is None:
        return key
    return None if fingerprint(settings.pepper(session), Secret(key)) == stored.fingerprint else key


def _is_texts(kind: EntryKind) -> bool:
    return kind.section in ("hosts", "origins")


def _differ(before: Values, after: Values) -> bool:
    """Where a file has no zone, the one that a budget was given stays; a key is no part of what stands."""
    left = {"key_env"} if "zone" in after else {"key_env", "zone"}
    return any(
        before.get(name) != after.get(name) for name in before.keys() | after.keys() if name not in left
    )


def _paired(
    kind: EntryKind, stored: list[StoredEntry], wished: list[Values]
) -> tuple[list[tuple[StoredEntry | None, Values]], list[StoredEntry]]:
    """(each wished entry with the one that it is of, those that none is of): alike ones first, for two rules may have one
    pattern; then by what tells them, in their order."""
    left: dict[Hashable, list[StoredEntry]] = defaultdict(list)
    for one in stored:
        left[kind.whose(one.values)].append(one)
    found: dict[int, StoredEntry] = {}
    for same in (True, False):
        for place, values in enumerate(wished):
            some = left[kind.whose(values)] if place not in found else []
            match = next((one for one in some if not same or not _differ(one.values, values)), None)
            if match is not None:
                some.remove(match)
                found[place] = match
    return [(found.get(place), values) for place, values in enumerate(wished)], [
        one for some in left.values() for one in some
    ]
