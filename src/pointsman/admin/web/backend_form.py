"""A stored backend as a form has it, both ways: every column but its key, under the column's own name, so that meanwhile.py
can hold it against the row. What was typed is shown again as it was typed.

Not here: what is valid (store/schemas.py), adding one (pages/backend_trials.py), and how an engine is run: its recipe is the
command line's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...errors import PointsmanError
from ...kinds import BACKEND_PROTOCOLS, AuthScheme, BackendType, ErrorKind
from ...models import CloudCredentialResponse, LocalBackendResponse
from ...providers.catalog import CATALOG, origin_of
from ...providers.urls import engine_of
from ..control.destination import Destination, Typed, destination_of
from .limit_forms import PERIODS, budget
from .view import FormFields

StoredBackend = CloudCredentialResponse | LocalBackendResponse

_BUDGET = ("budget_money", "budget_tokens", "per", "zone", "warn")
_TEXTS = ("base_url", "auth", "max_in_flight", "context_window", "proxy", "ca_file", "node", *_BUDGET)
_SWITCHES = ("enabled", "allow_http", "join_resends", "silent_end")
_ADDRESS = frozenset({"base_url", "allow_http"})

CHOICES = {"protocols": BACKEND_PROTOCOLS, "schemes": tuple(AuthScheme), "periods": PERIODS}


class BackendForm(NamedTuple):
    """values: text by column, a switch is `on` or "". speaks: protocols. version: of the row that it was read from. engine:
    it has no address of its own. was: where its key may go, where it has one and the address that stands here is another's;
    else "". problem: why it was not saved."""

    values: dict[str, str]
    speaks: list[str]
    version: str
    local: bool
    engine: bool
    keyed: bool
    destination: Destination | None
    was: str
    problem: str = ""


def of_stored(row: StoredBackend) -> BackendForm:
    """As it stands."""
    stands = row.model_dump(mode="json")
    values = {name: _text(stands.get(name)) for name in (*_TEXTS, *_SWITCHES)}
    if values["per"] == "total":
        values["per"] = ""
    return _form(row, values, [str(one) for one in stands["dialects"] or ()], row.version)


def of_sent(row: StoredBackend, form: FormFields, problem: str = "") -> BackendForm:
    """As it was typed."""
    values = {name: form.text(name) for name in (*_TEXTS, *_SWITCHES)}
    return _form(row, values, form.all("dialects"), form.text("version"), problem)


def _form(
    row: StoredBackend, values: dict[str, str], speaks: list[str], version: str, problem: str = ""
) -> BackendForm:
    engine = engine_of(row.base_url or "") is not None
    return BackendForm(
        values,
        speaks,
        version,
        isinstance(row, LocalBackendResponse),
        engine,
        row.key_fingerprint is not None,
        None if engine else destination_of(typed_address(_kind(row), values)),
        key_given_for(row, values),
        problem,
    )


def columns_of(row: StoredBackend, form: FormFields) -> dict[str, Any]:
    """As the API takes them, less the address of a provider and of an engine. Raises INVALID naming the field."""
    local = isinstance(row, LocalBackendResponse)
    found: dict[str, Any] = {name: form.text(name) or None for name in ("auth", "proxy", "ca_file")}
    found["max_in_flight"] = form.number("max_in_flight")
    found["dialects"] = form.all("dialects") or None
    found["silent_end"] = bool(form.text("silent_end"))
    if not local:
        return found | budget(form, None)
    found["context_window"] = form.number("context_window")
    found["node"] = form.text("node") or None
    found |= {name: bool(form.text(name)) for name in ("enabled", "join_resends")}
    return found if engine_of(row.base_url or "") is not None else found | address_of(form)


def address_of(form: FormFields) -> dict[str, Any]:
    """Where it is, and whether plain http is allowed on the way."""
    return {"base_url": form.text("base_url") or None, "allow_http": bool(form.text("allow_http"))}


def moved(row: StoredBackend, values: dict[str, str]) -> bool:
    """Is the address that stands there another than the row's?"""
    if engine_of(row.base_url or "") is not None:
        return False
    goes = destination_of(typed_address(_kind(row), values))
    typed = (goes.base_url or values["base_url"]) if values["base_url"] else None
    return (typed, bool(values["allow_http"])) != (row.base_url, row.allow_http)


def key_given_for(row: StoredBackend, values: dict[str, str]) -> str:
    """The origin that its key was given for, where the address that stands there needs the key again; else "". A local
    server's does at another origin, a provider's for any other address, as PUT does."""
    if row.key_fingerprint is None or not moved(row, values):
        return ""
    kind = _kind(row)
    try:
        before = origin_of(kind, row.base_url)
    except ValueError:  # edited by hand: there is nothing it could go to
        before = row.base_url or CATALOG[kind].base_url or ""
    if kind is BackendType.LOCAL and destination_of(typed_address(_kind(row), values)).origin == before:
        return ""
    return before


def check_address(row: StoredBackend, form: FormFields) -> tuple[bool, bool]:
    """(is it moved, is the key said again or forgotten). Raises INVALID where a key that was stored for one address would
    go to another, and where a key is typed that none is asked for."""
    values = {name: form.text(name) for name in _ADDRESS}
    if not moved(row, values):
        if row.key_fingerprint and (form.text("api_key") or form.has("forget")):
            text = 'The address stays, and so does its key. To replace the key use "Rotate the key".'
            raise PointsmanError(ErrorKind.INVALID, text, param="api_key")
        return False, bool(form.text("api_key"))
    goes = destination_of(typed_address(_kind(row), values))
    if goes.problem is not None:
        raise PointsmanError(ErrorKind.INVALID, goes.problem, param="base_url")
    said = bool(form.text("api_key")) or form.has("forget")
    before = key_given_for(row, values)
    if before and not said:
        text = f"The stored key was given for {before} and does not move to {goes.origin}: paste the key for this address."
        raise PointsmanError(ErrorKind.INVALID, text, param="api_key")
    return True, said


def _kind(row: StoredBackend) -> BackendType:
    return BackendType.LOCAL if isinstance(row, LocalBackendResponse) else row.backend_type


def typed_address(kind: BackendType, values: dict[str, str]) -> Typed:
    """The address as it stands in a form."""
    return Typed(
        backend_type=kind,
        base_url=values.get("base_url") or None,
        allow_http=bool(values.get("allow_http")),
    )


def _text(value: object) -> str:
    if value is None or value is False:
        return ""
    return "on" if value is True else f"{value:.10g}" if isinstance(value, float) else str(value)
