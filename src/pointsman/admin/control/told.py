"""What is set, and by whom: options of the start, the environment, the database, or nobody. For people; no secret's value
is in it. Not here: what is done with it.
"""

from __future__ import annotations

import os
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ...config import (
    CLIENT_KEY_VARIABLE,
    DATA_DIR_VARIABLE,
    DATABASE_VARIABLE,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    LOG_VARIABLE,
    OTEL_VARIABLE,
    Limits,
)
from ..store import client_keys, prices, settings
from ..vault import Source
from .opening import StartValue

if TYPE_CHECKING:
    from .control_plane import ControlPlane

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_KEY_SOURCES = {
    Source.ENVIRONMENT: KEY_VARIABLE,
    Source.NAMED_FILE: KEY_FILE_VARIABLE,
    Source.DATA_DIR: "master.key in the data folder",
}


class SetBy(StrEnum):
    """Who has set a value."""

    OPTION = "option"
    ENVIRONMENT = "environment"
    DATABASE = "database"
    DEFAULT = "default"


class SetValue(BaseModel):
    """One setting. value: as a person writes it; `set` in place of what may be a secret. by: who has set it. change: the
    option, variable or command that changes it. restart: that is so from the next start on."""

    name: str
    value: str
    by: SetBy
    change: str
    restart: bool


def everything(control: ControlPlane) -> list[SetValue]:
    """How it listens, what it trusts, what is kept; not the limits, which are many."""
    return [
        *(_of_start(one) for one in control.options.told),
        SetValue(
            name="data folder",
            value=str(control.data_dir),
            by=_by(DATA_DIR_VARIABLE),
            change=f"--data-dir or {DATA_DIR_VARIABLE}",
            restart=True,
        ),
        _secret("database", DATABASE_VARIABLE, "pointsman.db in the data folder"),
        _master_key(control),
        _given_key(control),
        _plain("log", LOG_VARIABLE, "INFO"),
        _secret("collector of traces", OTEL_VARIABLE, "none"),
        _proxies(),
        *_stored(control),
    ]


def limits() -> list[SetValue]:
    """Each bound of a request and of the gateway."""
    stand, usual = Limits.from_environment(), Limits()
    return [
        SetValue(
            name=field.name.replace("_", " "),
            value=_number(getattr(stand, field.name)),
            by=SetBy.DEFAULT
            if getattr(stand, field.name) == getattr(usual, field.name)
            else SetBy.ENVIRONMENT,
            change=f"POINTSMAN_{field.name.upper()}",
            restart=True,
        )
        for field in fields(Limits)
    ]


def _of_start(one: StartValue) -> SetValue:
    change = f"{one.option} or {one.variable}" if one.variable else one.option
    return SetValue(name=one.name, value=one.value, by=SetBy(one.by), change=change, restart=True)


def _stored(control: ControlPlane) -> list[SetValue]:
    with control.read() as session:
        days = settings.get(session, settings.USAGE_DAYS)
        measure = prices.reference(session)
        made = client_keys.required(session)
    always = control.options.require_keys
    return [
        SetValue(
            name="usage is kept",
            value=f"{days} days" if days else "for ever",
            by=SetBy.DATABASE if days is not None else SetBy.DEFAULT,
            change="pointsman usage keep",
            restart=False,
        ),
        SetValue(
            name="client keys needed",
            value="yes" if always or made else "no",
            by=SetBy.OPTION if always else SetBy.DATABASE if made else SetBy.DEFAULT,
            change="pointsman key create: from the first on; always where other machines reach it",
            restart=False,
        ),
        SetValue(
            name="local answers are measured by",
            value=measure or "nothing",
            by=SetBy.DATABASE if measure else SetBy.DEFAULT,
            change="pointsman prices reference",
            restart=False,
        ),
    ]


def _master_key(control: ControlPlane) -> SetValue:
    source = control.vault.source
    return SetValue(
        name="master key",
        value=f"{control.vault.key_id or 'none'}, from {_KEY_SOURCES[source]}",
        by=SetBy.DEFAULT if source is Source.DATA_DIR else SetBy.ENVIRONMENT,
        change="pointsman secrets rotate",
        restart=source is Source.ENVIRONMENT,
    )


def _given_key(control: ControlPlane) -> SetValue:
    given = control.options.client_key is not None  # which stands in no environment any more
    return SetValue(
        name="first client key",
        value="set" if given else "none",
        by=SetBy.ENVIRONMENT if given else SetBy.DEFAULT,
        change=CLIENT_KEY_VARIABLE,
        restart=True,
    )


def _secret(name: str, variable: str, otherwise: str) -> SetValue:
    """A key, or an address that may hold one."""
    value = "set" if _by(variable) is SetBy.ENVIRONMENT else otherwise
    return SetValue(name=name, value=value, by=_by(variable), change=variable, restart=True)


def _plain(name: str, variable: str, otherwise: str) -> SetValue:
    value = os.environ.get(variable) or otherwise
    return SetValue(name=name, value=value, by=_by(variable), change=variable, restart=True)


def _proxies() -> SetValue:
    there = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    return SetValue(
        name="proxies",
        value=", ".join(there) or "none",
        by=SetBy.ENVIRONMENT if there else SetBy.DEFAULT,
        change="HTTPS_PROXY, NO_PROXY",
        restart=True,
    )


def _by(variable: str) -> SetBy:
    return SetBy.ENVIRONMENT if os.environ.get(variable) else SetBy.DEFAULT


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"
