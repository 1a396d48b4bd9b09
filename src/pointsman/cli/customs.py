"""`pointsman customs ...`: credentials in what leaves this machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from ..kinds import Customs
from .columns import Column
from .common import Invocation, note, table, with_options
from .once import Group

_WHAT = "What is done about credentials in a request that leaves this machine: warn, mask or refuse."
MODES = click.Choice([mode.value for mode in Customs])
_SAID = {"warn": "told of", "mask": "masked", "refuse": "refused"}
COLUMN = Column(
    "--customs", "customs", _WHAT, _WHAT, kind=MODES,
    clear=("--no-customs", "Do about credentials what the setting for all says."),
    summary=lambda mode: [f"customs={mode}"] if mode else [],
    sentence=lambda mode: f"credentials in what leaves this machine are {_SAID[mode]}" if mode else None,
)  # fmt: skip
"""Of a rule, and of a client key."""

_FOUND = table(
    ("line", "line"),
    ("column", "column"),
    ("characters", "length"),
    ("kind", "kind"),
    empty="nothing here looks like a credential",
)


@click.group("customs", cls=Group)
def command() -> None:
    """Customs: what goes to a backend that is not local is looked through for credentials.

    Off until a rule (mapping add --customs), a client key (key create --customs) or `customs set` says otherwise; of all
    that say something the strictest counts. What is masked comes back in the answer.
    """


@command.command("set")
@click.argument("mode", type=click.Choice([*MODES.choices, "off"]))
@with_options
def set_mode(invocation: Invocation, mode: str) -> None:
    """Say what is done for all that leaves this machine: warn, mask, refuse or off."""
    body = {"mode": None if mode == "off" else mode}
    invocation.finish("PATCH", "/api/customs", body, show=_show_mode)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """Show what is done, your own patterns, and the kinds that are known without any."""
    invocation.finish("GET", "/api/customs", show=_show)


@command.command("add")
@click.argument("name")
@click.argument("pattern")
@with_options
def add(invocation: Invocation, name: str, pattern: str) -> None:
    """Look for a pattern of your own, at once.

    \b
    pointsman customs add badge 'acme_[a-z0-9]{32}'
    pointsman customs add license 'LICENSE=([A-Z0-9-]{20,40})'    the group alone is the credential

    It begins with three plain characters and says of all that repeats how often at most, so that nothing that is tried on
    it can take long.
    """
    body = {"name": name, "pattern": pattern}
    invocation.finish(
        "POST", "/api/customs/patterns", body, show=lambda row: note(f"{row['name']} is looked for")
    )


@command.command("remove")
@click.argument("name")
@with_options
def remove(invocation: Invocation, name: str) -> None:
    """Look for a pattern of your own no more."""
    path = f"/api/customs/patterns/{quote(name, safe='')}"
    invocation.finish("DELETE", path, show=lambda _: note(f"removed: {name}"))


@command.command("try")
@click.argument("file", type=click.File("r", errors="replace"), default="-")
@with_options
def attempt(invocation: Invocation, file: Any) -> None:
    """Show what would be found in a text, from a file or standard input. It is kept nowhere."""
    invocation.finish("POST", "/api/customs/try", {"text": file.read()}, show=_FOUND)


def _show_mode(state: dict[str, Any]) -> None:
    mode = state["mode"]
    done = "nothing is done" if mode is None else f"credentials are {_SAID[mode]}"
    note(
        f"in what leaves this machine {done}"
        + (", but where a rule or a key says so" if mode is None else "")
    )


def _show(state: dict[str, Any]) -> None:
    _show_mode(state)
    for one in state["patterns"]:
        click.echo(f"{one['name']}: {one['pattern']}")
    click.echo(f"known without: {', '.join(state['kinds'])}")
