"""`pointsman webhook ...`: who is told when a budget is reached, a backend is down or back, a key is refused."""

from __future__ import annotations

from typing import Any

import click

from ..kinds import Topic
from .common import Invocation, local_time, note, table, with_options
from .once import Group

_SHOW = table(
    ("id", lambda row: row["id"]),
    ("url", "url"),
    ("on", lambda row: ", ".join(row["on"]) or "everything"),
    ("state", lambda row: "on" if row["enabled"] else "off"),
    ("delivered", lambda row: row["delivered"]),
    ("lost", lambda row: row["lost"]),
    ("waiting", lambda row: row["waiting"]),
    ("tried", lambda row: row["tried_at"] and local_time(row["tried_at"])),
    ("problem", "problem"),
    ("added", lambda row: local_time(row["created_at"])),
    empty="nobody is told of anything; add one with: pointsman webhook add URL",
)


@click.group("webhook", cls=Group)
def command() -> None:
    """Webhooks: who is told of budgets, backends and refused keys.

    Events are posted as JSON, signed, and sent again for about twelve minutes where they are not taken. They hold names
    and numbers, never a prompt, an answer or a key.
    """


@command.command("add")
@click.argument("url")
@click.option(
    "--on",
    multiple=True,
    type=click.Choice([topic.value for topic in Topic]),
    help="What it is told of; may be given several times. Everything where it is left out.",
)
@with_options
def add(invocation: Invocation, url: str, on: tuple[str, ...]) -> None:
    """Tell a URL of what happens, from now on.

    \b
    pointsman webhook add https://alerts.example/pointsman
    pointsman webhook add http://127.0.0.1:9000/hook --on budget --on key
    """
    invocation.finish("POST", "/api/webhooks", {"url": url, "on": list(on)}, show=_show_new)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the webhooks, and how it goes with them."""
    invocation.finish("GET", "/api/webhooks", show=_SHOW)


@command.command("update")
@click.argument("webhook", metavar="ID", type=click.IntRange(min=1))
@click.option("--url", help="Another address; the secret stays.")
@click.option(
    "--on",
    multiple=True,
    type=click.Choice([*(topic.value for topic in Topic), "everything"]),
    help="What it is told of, in place of what it was; may be given several times.",
)
@click.option("--enable/--disable", "enabled", default=None, help="Tell it, or of nothing for now.")
@with_options
def update(
    invocation: Invocation, webhook: int, url: str | None, on: tuple[str, ...], enabled: bool | None
) -> None:
    """Change where a webhook is, what it is told of, or switch it off.

    \b
    pointsman webhook update 1 --on budget --on key
    pointsman webhook update 1 --disable
    """
    topics = [] if "everything" in on else list(on)
    wish = {"url": url, "on": topics if on else None, "enabled": enabled}
    body = {name: value for name, value in wish.items() if value is not None}
    if not body:
        raise click.UsageError("say what to change: --url, --on, --enable or --disable")
    invocation.finish("PATCH", f"/api/webhooks/{webhook}", body, show=_SHOW)


@command.command("remove")
@click.argument("webhook", metavar="ID", type=click.IntRange(min=1))
@with_options
def remove(invocation: Invocation, webhook: int) -> None:
    """Tell it no more."""
    invocation.finish(
        "DELETE", f"/api/webhooks/{webhook}", show=lambda _: note(f"removed: webhook {webhook}")
    )


@command.command("test")
@click.argument("webhook", metavar="ID", type=click.IntRange(min=1))
@with_options
def test(invocation: Invocation, webhook: int) -> None:
    """Send it one event now. Exit code 1 where it is not taken."""
    with invocation.session():
        answer = invocation.send("POST", f"/api/webhooks/{webhook}/test")
    found: dict[str, Any] = answer.json()
    invocation.print(answer, lambda _: note(_said(webhook, found)))
    if not found["ok"]:
        raise SystemExit(1)


def _said(webhook: int, found: dict[str, Any]) -> str:
    if found["ok"]:
        return f"webhook {webhook} took it (status {found['status']})"
    why = found["problem"] or f"it answered with status {found['status']}"
    return f"webhook {webhook} did not take it: {why}"


def _show_new(row: dict[str, Any]) -> None:
    note(
        f"webhook {row['id']} is told of {', '.join(row['on']) or 'everything'}; its secret, shown only now:"
    )
    click.echo(row["secret"])
