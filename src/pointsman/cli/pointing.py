"""What `connect` and `launch` share: which program, at which address, with which model and client key.

Not here: how a program is pointed somewhere (programs/).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import click
from click.shell_completion import CompletionItem

from ..config import CLIENT_KEY_VARIABLE, DEFAULT_PORT
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..programs.files.connecting import telling
from ..programs.program import Pointed, Program
from ..programs.registry import BY_NAME, PROGRAMS
from .client import serve_file
from .common import Invocation, note, read_secret
from .completing import models

PRACTICE = "practice"
_MOST = 200
_SHOWN = 12
_WAIT_SECONDS = 0.5
"""For servers that have not been asked lately."""
_ANY_KEY = "pm-"
"""How a client key begins that a gateway has made."""
FROM_INPUT = "-"
"""As a key's name: it is read, not made."""
MODEL = click.option(
    "--model",
    metavar="NAME",
    shell_complete=models,
    help="The model it asks for (default: the only one there is).",
)
URL = click.option("--url", metavar="URL", help="How it reaches the gateway (default: where it runs).")


class ProgramParam(click.ParamType[Any]):
    """A program, by its name or its command's. launched: only those that can be started."""

    name = "CLIENT"

    def __init__(self, *, launched: bool = False) -> None:
        self._launched = launched

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Program:
        if isinstance(value, Program):
            return value
        found = BY_NAME.get(value) or next(
            (p for p in PROGRAMS if p.launch and p.launch.command == value), None
        )
        if found is None or (self._launched and found.launch is None):
            names = ", ".join(self._names())
            self.fail(f"{str(value)[:100]!r} is none of: {names}", param, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See click."""
        return [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]

    def _names(self) -> list[str]:
        return [_called(p) if self._launched else p.name for p in PROGRAMS if p.launch or not self._launched]


def _called(program: Program) -> str:
    return program.launch.command if program.launch else program.name


class Chosen(NamedTuple):
    """What the command line says. key: a name for a new one, `-`: read it, None: neither."""

    program: Program
    url: str | None
    model: str | None
    key: str | None


class GatewayFacts(NamedTuple):
    """What the gateway says. url: None where none runs. names: models -> windows; more: than these."""

    url: str | None
    keys_required: bool
    names: dict[str, int | None]
    more: bool
    prefixes: tuple[str, ...]
    """How those of its client keys begin that are not revoked."""

    def at(self, asked: Chosen, key: str | None) -> Pointed:
        """Where the program is pointed. Raises UsageError where no model is named and several could be meant."""
        url = url_of(asked.url or self.url or f"http://127.0.0.1:{DEFAULT_PORT}")
        model = self._model() if asked.model is None else asked.model
        return Pointed(url, model, key, self.names.get(model))

    def _model(self) -> str:
        own = [name for name in self.names if name != PRACTICE]
        if not own:
            return PRACTICE
        if len(own) == 1 and not self.more:
            return own[0]
        shown = ", ".join(own[:_SHOWN]) + (", ..." if self.more or len(own) > _SHOWN else "")
        raise click.UsageError(f"name a model with --model; there are: {shown}")


@contextmanager
def asking(invocation: Invocation, chosen: Chosen) -> Iterator[GatewayFacts]:
    """What the gateway says, within a session. Of a gateway elsewhere nothing is asked, and no data folder is made here."""
    making = chosen.key is not None and chosen.key != FROM_INPUT
    if chosen.url is not None and not making and serve_file(invocation.data_dir) is None:
        if chosen.model is None:
            raise click.UsageError(
                "name a model with --model; no gateway runs here that could be asked for its models"
            )
        yield GatewayFacts(None, False, {}, False, (_ANY_KEY,))
        return
    with invocation.session():
        yield _known(invocation, chosen)


def _known(invocation: Invocation, chosen: Chosen) -> GatewayFacts:
    status = invocation.send("GET", "/api/status").json()
    wanted = "" if chosen.model is None else f"&q={quote(chosen.model, safe='')}"
    models = invocation.send("GET", f"/api/models?limit={_MOST}&wait={_WAIT_SECONDS}{wanted}").json()
    if chosen.model is not None and all(row["name"] != chosen.model for row in models["models"]):
        asked = invocation.send("GET", f"/api/explain?model={quote(chosen.model, safe='')}").json()
        if asked["code"] is not None:
            note(f"warning: {asked['why']}")
    keys = invocation.send("GET", "/api/keys").json() if status["keys_required"] else []
    live = (row["prefix"] for row in keys if row["revoked_at"] is None)
    return GatewayFacts(
        status["url"],
        status["keys_required"],
        {row["name"]: row["window"] for row in models["models"]},
        models["matched"] > len(models["models"]),
        telling(live),
    )


def url_of(text: str) -> str:
    """A gateway's address, without the `/v1` that programs may add. Raises UsageError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https", "unix") or not (parts.netloc or parts.scheme == "unix"):
        raise click.UsageError(
            f"--url {text[:100]!r} is no address; write one such as http://127.0.0.1:{DEFAULT_PORT}"
        )
    return text.rstrip("/").removesuffix("/v1").rstrip("/")


def key_told(key: str | None, *, may_read: bool = True) -> str | None:
    """A client key that there is already: read, or from the environment. may_read: standard input is not a program's."""
    if key == FROM_INPUT:
        if not may_read and not sys.stdin.isatty():
            raise click.UsageError(f"standard input is the program's; put the key into {CLIENT_KEY_VARIABLE}")
        return read_secret("Client key")
    return None if key else os.environ.get(CLIENT_KEY_VARIABLE) or None


def make_key(invocation: Invocation, name: str, **limits: Any) -> str:
    """A new client key's secret, inside `session`."""
    made = invocation.send("POST", "/api/keys", {"name": name, **limits}).json()
    note(f"client key {made['id']} is made: {name}")
    return str(made["secret"])


def no_key(program: Program) -> PointsmanError:
    """What to do where one is needed and none is named."""
    return PointsmanError(
        ErrorKind.UNAUTHORIZED,
        f"This gateway wants a client key. Make one for {program.title} with --key NAME, or give the one it has:"
        f" --key -, or {CLIENT_KEY_VARIABLE} in the environment.",
    )
