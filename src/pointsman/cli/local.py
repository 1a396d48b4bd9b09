"""`pointsman local ...`: model servers on this computer or network."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from ..kinds import Protocol
from .common import MAX_IN_FLIGHT, NO_MAX_IN_FLIGHT, Caller, note, read_secret, table, with_options
from .credential import run_test

_DIALECTS = click.Choice([protocol.value for protocol in Protocol])


@click.group("local")
def command() -> None:
    """Model servers on this computer or network."""


@command.command("add")
@click.argument("name")
@click.option(
    "--url", required=True, metavar="URL", help="Its address, with or without /v1: http://127.0.0.1:11434"
)
@click.option(
    "--key", "with_key", is_flag=True, help="It wants a key: read it from standard input or a hidden prompt."
)
@click.option("--allow-http", is_flag=True, help="Let plain http go to an address that is not private.")
@click.option(
    "--dialect", "dialects", multiple=True, type=_DIALECTS, help="A protocol it speaks; repeatable."
)
@click.option("--context-window", type=click.IntRange(min=1), metavar="TOKENS")
@MAX_IN_FLIGHT
@click.option(
    "--join-resends",
    is_flag=True,
    help="Let a request that a client sends again join the answer that is still being made.",
)
@with_options
def add(
    caller: Caller,
    name: str,
    url: str,
    with_key: bool,
    allow_http: bool,
    dialects: tuple[str, ...],
    context_window: int | None,
    max_in_flight: int | None,
    join_resends: bool,
) -> None:
    """Add a server under NAME.

    \b
    pointsman local add box --url http://127.0.0.1:8080
    """
    body: dict[str, Any] = {"name": name, "base_url": url}
    if with_key:
        body["api_key"] = read_secret(f"Key for local/{name}")
    if allow_http:
        body["allow_http"] = True
    if dialects:
        body["dialects"] = list(dialects)
    if context_window is not None:
        body["context_window"] = context_window
    if max_in_flight is not None:
        body["max_in_flight"] = max_in_flight
    if join_resends:
        body["join_resends"] = True
    caller.finish("POST", "/api/local", body, show=lambda row: _show([row]))


@command.command("list")
@with_options
def show_list(caller: Caller) -> None:
    """List them."""
    caller.finish("GET", "/api/local", show=_show)


@command.command("update")
@click.argument("name")
@click.option("--url", "base_url", metavar="URL")
@click.option(
    "--key", "with_key", is_flag=True, help="Replace its key: read from standard input or a hidden prompt."
)
@click.option("--no-key", is_flag=True, help="Forget its key.")
@click.option("--allow-http/--no-allow-http", default=None)
@click.option("--context-window", type=click.IntRange(min=1), metavar="TOKENS")
@MAX_IN_FLIGHT
@NO_MAX_IN_FLIGHT
@click.option("--join-resends/--no-join-resends", default=None)
@click.option("--enable/--disable", "enabled", default=None)
@with_options
def update(
    caller: Caller, /, name: str, with_key: bool, no_key: bool, no_max_in_flight: bool, **fields: Any
) -> None:
    """Change a server; what is not named stays as it is."""
    if with_key and no_key:
        raise click.UsageError("--key and --no-key exclude each other")
    if no_max_in_flight and fields["max_in_flight"] is not None:
        raise click.UsageError("--max-in-flight and --no-max-in-flight exclude each other")
    body = {field: value for field, value in fields.items() if value is not None}
    if with_key:
        body["api_key"] = read_secret(f"Key for local/{name}")
    if no_key:
        body["api_key"] = None
    if no_max_in_flight:
        body["max_in_flight"] = None
    if not body:
        raise click.UsageError("nothing to change; see pointsman local update --help")
    caller.finish("PATCH", _path(name), body, show=lambda row: _show([row]))


@command.command("remove")
@click.argument("name")
@with_options
def remove(caller: Caller, name: str) -> None:
    """Forget a server."""
    caller.finish("DELETE", _path(name), show=lambda _: note(f"local/{name} is removed"))


@command.command("test")
@click.argument("name")
@with_options
def test(caller: Caller, name: str) -> None:
    """List the server's models: one cheap call."""
    run_test(caller, f"{_path(name)}/test")


def _path(name: str) -> str:
    return f"/api/local/{quote(name, safe='')}"


def _show(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            row["name"],
            row["base_url"],
            row["enabled"],
            row.get("key_fingerprint"),
            ", ".join(row.get("dialects") or ()) or None,
            row.get("context_window"),
            row.get("max_in_flight"),
            "yes" if row.get("join_resends") else None,
        )
        for row in rows
    ]
    table(
        ("name", "base URL", "enabled", "key", "speaks", "context", "at once", "joins resends"),
        lines,
        empty="there is no local server yet; add one with: pointsman local add NAME --url URL",
    )
