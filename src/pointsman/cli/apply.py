"""`pointsman apply FILE`: makes the gateway stand as a configuration file says, all of it or nothing; shown first."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from . import config_file
from .common import Invocation, note, printable, with_options
from .once import Command

_SIGNS = {"add": "+", "change": "~", "remove": "-"}
_MANY = 12
"""Fields of an added entry that are shown."""


@click.command("apply", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--yes", is_flag=True, help="Do not ask; without it nothing is changed where nobody can be asked."
)
@with_options
def command(invocation: Invocation, file: Path, yes: bool) -> None:
    """Make rules, backends, keys and the like stand as FILE says; what its sections do not have is removed.

    What would change is shown first. Sections that FILE does not have stay as they are. A client key that goes is revoked;
    one that comes is shown once. `pointsman config export` writes such a file, `pointsman audit` takes single changes back.
    """
    document = config_file.read(file)
    carry_out(invocation, document, config_file.keys_for(document), prune=True, yes=yes, where=str(file))


def carry_out(
    invocation: Invocation,
    document: dict[str, Any],
    keys: dict[str, str],
    *,
    prune: bool,
    yes: bool,
    where: str,
) -> None:
    """Shows what would change, asks, and does it. prune: what the sections do not have goes."""
    body, query = {"document": document, "keys": keys}, f"prune={str(prune).lower()}"
    with invocation.session():
        found = invocation.send("POST", f"/api/config/diff?{query}", body).json()
        changes = found["changes"]
        if not invocation.as_json or not yes:
            for line in lines(changes):
                click.echo(line, err=invocation.as_json)
        for one in found["notes"]:
            note(f"not touched: {one}")
        if not changes:
            if invocation.as_json:
                click.echo(json.dumps({"changes": [], "notes": found["notes"]}))
            else:
                say_none(where)
            return
        if not yes and not _agreed(where):
            raise click.exceptions.Exit(1)
        answer = invocation.send("POST", f"/api/config/apply?{query}", body)
    invocation.print(answer, _show_done)


def _agreed(where: str) -> bool:
    if where == "-" or not sys.stdin.isatty():
        note("nothing was changed: say --yes to do it")
        return False
    return click.confirm("Do this?", err=True)


def say_none(where: object) -> None:
    note(f"nothing to do: all is as {where} says")


def _show_done(found: dict[str, Any]) -> None:
    for one in found["changes"]:
        if one["secret"] is not None:
            click.echo(one["secret"])
            note(f"{one['kind']} {one['title']}; this is the only time it is shown:")
    note(f"done: {len(found['changes'])} changed")


def lines(changes: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A change a line, what differs below it."""
    for one in changes:
        yield f"{_SIGNS[one['action']]} {one['kind']} {printable(one['title'])}"
        for name, value in list(one["fields"].items())[:_MANY]:
            after = "as usual" if value["after"] is None else _said(value["after"])
            before = "" if one["action"] == "add" else f"{_said(value['before'])} -> "
            yield f"    {name}: {printable(before + after)}"
        if len(one["fields"]) > _MANY:
            yield f"    and {len(one['fields']) - _MANY} more"
        if one["key"] == "missing":
            named = f"; {one['key_env']} is not set" if one["key_env"] else "; name its variable with key_env"
            yield f"    its key is not here{named}"
        elif one["key"] == "given":
            yield f"    its key: from {one['key_env']}"


def _said(value: object) -> str:
    return "as usual" if value is None else value if isinstance(value, str) and value else json.dumps(value)
