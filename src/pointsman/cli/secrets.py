"""`pointsman secrets ...`: the master key."""

from __future__ import annotations

from typing import Any

import click

from .common import Invocation, read_secret, with_options
from .once import Group


@click.group("secrets", cls=Group)
def command() -> None:
    """The master key that seals stored keys."""


@command.command("rotate")
@with_options
def rotate(invocation: Invocation) -> None:
    """Seal every stored key under a new master key, while the gateway serves.

    When the master key comes from the environment, the new one (32 bytes in base64 or hex) is read from
    standard input or a hidden prompt; set it there before the next start.

    \b
    openssl rand -base64 32 > new.key && pointsman secrets rotate < new.key
    """
    with invocation.session():
        state = invocation.send("GET", "/api/secrets").json()
        body = {"new_key": read_secret("New master key")} if state["needs_new_key"] else {}
        answer = invocation.send("POST", "/api/secrets/rotate", body)
    invocation.print(answer, _show)


def _show(found: dict[str, Any]) -> None:
    click.echo(f"stored keys sealed anew: {found['resealed']} (master key {found['key_id']})")
    if found.get("next_step"):
        click.echo(found["next_step"])
