"""`pointsman credential ...`: keys and base URLs of cloud providers."""

from __future__ import annotations

from typing import Any

import click

from ..kinds import AuthScheme, BackendType, backend_key
from .columns import CA_FILE, DIALECT, MAX_IN_FLIGHT, PROXY, SILENT_END, Column, Verb, takes, way
from .common import (
    BackendParam,
    Invocation,
    Row,
    local_time,
    marked,
    note,
    read_secret,
    table,
    with_options,
)
from .limits import BUDGET, said, spent
from .once import Group

_Key = tuple[BackendType, str]


COLUMNS = (
    Column(
        "--base-url", "base_url", "Another provider that speaks this type's protocol; with its path, as its page says.",
        metavar="URL", clear=("--default-url", "Go back to the provider's own URL."),
    ),
    Column("--allow-http", "allow_http", "Let the key travel over plain http to that URL.", kind=bool),
    Column(
        "--auth", "auth", "Which header carries the key, where the provider wants another than its type's own.", "",
        kind=click.Choice([one.value for one in AuthScheme if one is not AuthScheme.NONE]),
        clear=("--own-auth", "Go back to the type's own."),
    ),
    DIALECT,
    MAX_IN_FLIGHT,
    SILENT_END,
    PROXY,
    CA_FILE,
    *BUDGET,
)  # fmt: skip
"""What `set` takes, in the order of its help."""


_SHOW = table(
    ("backend", lambda row: backend_key(BackendType(row["backend_type"]), row["name"])),
    ("base URL", lambda row: row["base_url"] or "the provider's own"),
    ("key", "key_fingerprint"),
    ("speaks", lambda row: ", ".join(row.get("dialects") or ()) or None),
    ("at once", "max_in_flight"),
    ("budget", said),
    ("spent", spent),
    ("by", way),
    ("set", lambda row: local_time(row["updated_at"])),
    empty="there is no key yet; set one with: pointsman credential set openai",
)


tries = click.option(
    "--try/--no-try", "tried", default=True, help="Try the address that is given, and say what answers there."
)


@click.group("credential", cls=Group)
def command() -> None:
    """Keys and base URLs of cloud providers."""


@command.command("set")
@click.argument("backend", metavar="TYPE[/NAME]", type=BackendParam(cloud=True))
@takes(COLUMNS, Verb.SET)
@tries
@with_options
def set_credential(invocation: Invocation, backend: _Key, body: dict[str, Any], *, tried: bool) -> None:
    """Store a key, or replace it. The key is read from standard input or a hidden prompt.

    A key that is replaced keeps its base URL unless another is named: it must not go elsewhere by
    omission.

    \b
    pointsman credential set openai < key.txt
    pointsman credential set openai/groq --base-url https://api.groq.com/openai/v1
    """
    given = body.get("base_url") is not None
    body["api_key"] = read_secret(f"Key for {backend_key(*backend)}")
    with invocation.session():
        if "base_url" not in body:
            body = _kept(invocation, backend) | body
        answer = invocation.send("PUT", _path(backend), body)
        invocation.print(answer, _SHOW)
        if given and tried:
            say_found(invocation, f"{_path(backend)}/test")


@command.command("update")
@click.argument("backend", metavar="TYPE[/NAME]", type=BackendParam(cloud=True))
@takes(COLUMNS, Verb.UPDATE)
@with_options
def update(invocation: Invocation, backend: _Key, body: dict[str, Any]) -> None:
    """Change how a key is used, such as its budget; the key and its base URL stay.

    \b
    pointsman credential update openai --budget-money 20 --per day
    """
    invocation.finish("PATCH", _path(backend), body, show=_SHOW)


SET_BY_THE_API = {
    "id",
    "backend_type",
    "name",
    "key_fingerprint",
    "created_at",
    "updated_at",
    "version",
    "warnings",
    "spent",
}
"""What the API answers beside a credential's columns: its address, and what nobody sets."""


def _kept(invocation: Invocation, backend: _Key) -> Row:
    """The columns of the row that is being replaced; where it leads is said on standard error."""
    for row in invocation.send("GET", "/api/credentials").json():
        if (row["backend_type"], row["name"]) != (backend[0].value, backend[1]):
            continue
        if row["base_url"] is not None:
            note(f"it stays at {row['base_url']} (change that with --base-url or --default-url)")
        return {field: value for field, value in row.items() if field not in SET_BY_THE_API}
    return {}


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List them; never a key."""
    invocation.finish("GET", "/api/credentials", show=_SHOW)


@command.command("remove")
@click.argument("backend", metavar="TYPE[/NAME]", type=BackendParam(cloud=True))
@with_options
def remove(invocation: Invocation, backend: _Key) -> None:
    """Forget a key."""
    invocation.finish("DELETE", _path(backend), show=lambda _: note(f"{backend_key(*backend)} is removed"))


@command.command("test")
@click.argument("backend", metavar="TYPE[/NAME]", type=BackendParam(cloud=True))
@with_options
def test(invocation: Invocation, backend: _Key) -> None:
    """List the provider's models with the stored key: one cheap call."""
    run_test(invocation, f"{_path(backend)}/test")


def run_test(invocation: Invocation, path: str) -> None:
    """Shows what a test found; exit code 1 when it did not work."""
    found = invocation.finish("POST", path, show=_show_test)
    if not found["ok"]:
        raise click.exceptions.Exit(1)


def say_found(invocation: Invocation, path: str) -> None:
    """What a test found at an address that has just been given, on standard error; it is stored whatever that is."""
    found = invocation.send("POST", path).json()
    if found.get("ok"):
        note(f"it answers: {len(found['models'])} models")
    for step in found.get("steps", ()):
        if not step["ok"]:
            note(f"tried: {step['name']}: {step['detail']}")


def _show_test(found: dict[str, Any]) -> None:
    for step in found["steps"]:
        took = f" ({step['ms']:.0f} ms)" if step.get("ms") is not None else ""
        click.echo(f"{step['name']:<6} {marked(step['ok'])}  {step['detail']}{took}".rstrip())
    models = found["models"]
    if models:
        more = f" and {len(models) - 8} more" if len(models) > 8 else ""
        click.echo(f"models {', '.join(models[:8])}{more}")


def _path(backend: _Key) -> str:
    return f"/api/credentials/{backend_key(*backend)}"
