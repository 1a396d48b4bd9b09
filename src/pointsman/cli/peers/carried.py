"""What of another gateway's configuration is carried over, collected. Not here: any gateway's file."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ...kinds import BackendType, backend_key
from ...providers.catalog import CATALOG
from ...providers.known import KNOWN
from ...providers.urls import engine_url, parse_base_url

if TYPE_CHECKING:
    from ..common import Invocation
    from ..engine_recipe import EngineWords

_NAME = re.compile(r"[^a-z0-9._-]+")
_VARIABLE = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class TheirTarget:
    """A backend with a model there; None: as the client named it."""

    type: BackendType
    name: str
    model: str | None

    @property
    def columns(self) -> dict[str, Any]:
        said = {"backend_type": self.type.value, "backend_name": self.name, "backend_model": self.model}
        return {name: value for name, value in said.items() if value}

    @property
    def fallback(self) -> dict[str, Any]:
        said = {"backend_type": self.type.value, "backend_name": self.name, "model": self.model}
        return {name: value for name, value in said.items() if value}


@dataclass
class Carried:
    """document: ours (admin/store/configuration/document.py), with only what is added. keys: by the variables that it names;
    those that stood in the file itself. engines: what runs a model here, by name. report: for people."""

    document: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    engines: dict[str, EngineWords] = field(default_factory=dict)
    report: list[str] = field(default_factory=list)

    def left(self, what: str, why: str) -> None:
        """Something is not carried over."""
        self.report.append(f"not carried over: {what}: {why}")

    def note(self, text: str) -> None:
        self.report.append(f"note: {text}")

    def entries(self, section: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document.setdefault(section, [])
        return found

    def rule(self, pattern: str, targets: list[TheirTarget], **columns: Any) -> None:
        first, *further = targets
        said = {"model_pattern": pattern, **first.columns, "fallbacks": [one.fallback for one in further]}
        self.entries("mappings").append({name: value for name, value in (said | columns).items() if value})

    def backend(
        self, name: str, base_url: str | None, kind: BackendType, key: str | None
    ) -> tuple[BackendType, str]:
        """Of that address: a local server where it is on this computer or network. key: the key itself, or `$VARIABLE`; its
        own name where the type's address is meant. Raises ValueError for an address that is none."""
        url = None if base_url is None else parse_base_url(base_url).text
        if url is not None and url == CATALOG[kind].base_url:
            url = None
        name = named(name)
        if url is not None and _is_near(url):
            kind = BackendType.LOCAL
        elif url is None:
            name = ""
        local = kind is BackendType.LOCAL
        entry: dict[str, Any] = {} if local else {"backend_type": kind.value}
        if url is not None:
            entry["base_url"] = url
            if url.startswith("http://") and not local:
                entry["allow_http"] = True
        variable = self._variable(kind, name, key)
        if variable is not None:
            entry["key_env"] = variable
        return kind, self._entered(kind, name, entry)

    def _entered(self, kind: BackendType, name: str, entry: dict[str, Any]) -> str:
        """The name that it has: another one where that is another backend's, or comes with another key."""
        entries = self.entries("locals" if kind is BackendType.LOCAL else "credentials")
        for number in count(1):
            mine = name if number == 1 else f"{name or kind.value}-{number}"
            whole = {**({"name": mine} if mine else {}), **entry}
            same = [
                one
                for one in entries
                if one.get("name", "") == mine and one.get("backend_type") == entry.get("backend_type")
            ]
            if not same:
                if kind is not BackendType.LOCAL and "key_env" not in whole:
                    whole["key_env"] = _usual(kind, mine)
                    self.note(
                        f"no key stands there for {backend_key(kind, mine)}: it is taken from {whole['key_env']}"
                    )
                entries.append(whole)
                return mine
            if all(one.items() >= whole.items() for one in same):
                return mine
        raise AssertionError

    def _variable(self, kind: BackendType, name: str, key: str | None) -> str | None:
        if not key:
            return None
        if key.startswith("$"):
            return key[1:]
        variable = f"CARRIED_{_usual(kind, name)}"
        for number in count(2):
            if self.keys.setdefault(variable, key) == key:
                return variable
            variable = f"CARRIED_{_usual(kind, name)}_{number}"
        raise AssertionError

    def add_engines(self, invocation: Invocation, *, yes: bool) -> None:
        """The commands of local models, by the way of `local add --command`."""
        from .. import local_engines
        from ..common import note

        for name, words in self.engines.items():
            click.echo(f"+ local {name}\n    command: {words.command}", err=invocation.as_json)
        if not yes:
            note("these commands are not added yet: say --yes to do it")
            return
        with invocation.session():
            there = {row["name"] for row in invocation.send("GET", "/api/local").json()}
            for name, words in self.engines.items():
                try:
                    with local_engines.recipe(invocation, name, words, fresh=name not in there):
                        if name not in there:
                            body = {"name": name, "base_url": engine_url(name)}
                            invocation.send("POST", "/api/local", body)
                except click.UsageError as error:
                    note(f"not carried over: {name}: {error.message}")
                    self._forget(name)

    def _forget(self, local: str) -> None:
        """Rules that lead to a local backend that is not there."""
        rules = self.document.get("mappings", [])
        self.document["mappings"] = [
            one for one in rules if (one["backend_type"], one.get("backend_name")) != ("local", local)
        ]


def known_url(name: str) -> tuple[BackendType, str] | None:
    """Where a provider of that name is, as it is listed first."""
    found = [
        one
        for one in KNOWN
        if name in (one.name, one.title.lower()) and one.base_url and one.base_url == one.base_url.lower()
    ]
    return (found[0].type, found[0].base_url) if found else None


def config_of(text: str, whose: str, member: str, kind: type) -> dict[str, Any]:
    """A `config.yaml` with the member that makes it one of that gateway's. Raises click.UsageError."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise click.UsageError(f"this is no config.yaml of {whose}: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get(member), kind):
        raise click.UsageError(f"this is no config.yaml of {whose}: it has no {member}")
    return found


def list_of(value: object) -> list[Any]:
    """Itself where it is a list: others' files have what they have."""
    return value if isinstance(value, list) else []


def dict_of(value: object) -> dict[str, Any]:
    """Itself where it is an object, with texts for keys."""
    return {str(name): one for name, one in value.items()} if isinstance(value, dict) else {}


def texts_of(value: object) -> list[str]:
    """Of a list, those that are texts."""
    return [one for one in list_of(value) if isinstance(one, str)]


def named(name: str) -> str:
    """As a backend of ours may be called."""
    return _NAME.sub("-", name.lower()).strip("-._")[:64] or "model"


def _usual(kind: BackendType, name: str) -> str:
    word = name or kind.value
    return _VARIABLE.sub("_", word).upper().lstrip("0123456789") + "_API_KEY"


def _is_near(url: str) -> bool:
    """On this computer or network, by its address alone: no name is looked up."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return (
            host == "localhost"
            or host.endswith((".localhost", ".local", ".lan", ".internal"))
            or "." not in host
        )
    return address.is_private or address.is_loopback
