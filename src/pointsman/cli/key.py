"""`pointsman key ...`: client keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from . import cache
from .columns import Column, Verb, takes
from .common import Invocation, Row, local_time, note, table, with_options
from .customs import COLUMN as CUSTOMS
from .limits import BUDGET, RATES, check_amount, said, spent
from .once import Group
from .when import When, seconds_of

_NAME = "Whose it is, for lists and usage."
_MODEL = "A model that it may use, as its backend calls it, or BACKEND:MODEL; with * for any; repeatable."
_PATH = "A path that it may use, such as /v1/embeddings; with * for any; repeatable."
_LOCAL = "Use only models on this computer, whatever the rules say."
_EXPIRES = "From then on it is worthless: 2027-01-31, or from now on such as 30d."
_CACHE = (
    "Keep each answer to it for so long (1h) and give it to its equal requests, where the rule says nothing of that and the"
    " temperature is 0."
)


def _cache(seconds: int | None) -> dict[str, Any]:
    """Without it nothing is left that the other could be about."""
    return {"cache_seconds": seconds} | ({"cache_any_temperature": False} if seconds is None else {})


COLUMNS = (
    Column("--name", "name", _NAME, _NAME),
    *BUDGET,
    *RATES,
    Column(
        "--model", "models", _MODEL, _MODEL, metavar="PATTERN", many=True,
        clear=("--any-model", "Let it use every model."), body=lambda values: {"models": list(values or ())},
    ),
    Column(
        "--path", "paths", _PATH, _PATH, metavar="PATTERN", many=True,
        clear=("--any-path", "Let it use every path."), body=lambda values: {"paths": list(values or ())},
    ),
    Column("--local-only", "local_only", _LOCAL, _LOCAL, kind=bool),
    CUSTOMS,
    cache.column(_CACHE, _cache),
    cache.ANY_TEMPERATURE,
    Column(
        "--expires", "expires_at", _EXPIRES, _EXPIRES, kind=When(ahead=True), metavar="WHEN",
        clear=("--never-expires", "Take its end away."),
    ),
    Column(
        "--group", "group", "Share the limits of this group.", "Share the limits of this group.", metavar="GROUP",
        clear=("--no-group", "Take it out of its group."),
    ),
    Column("--owner", "owner", "Who answers for it.", "Who answers for it."),
    Column("--note", "note", "What it is for.", "What it is for."),
)  # fmt: skip


def _may(row: Row) -> str | None:
    parts = ["only local"] if row["local_only"] else []
    parts += [f"customs={row['customs']}"] if row["customs"] else []
    parts += cache.said(row)
    return " ".join([*parts, *row["models"], *row["paths"]]) or None


def _ends(row: Row) -> str | None:
    if row["revoked_at"] is not None:
        return f"revoked {local_time(row['revoked_at'])}"
    if row["expires_at"] is None:
        return None
    over = datetime.fromisoformat(row["expires_at"]) <= datetime.now(UTC)
    return f"{'expired ' if over else ''}{local_time(row['expires_at'])}"


_SHOW = table(
    ("id", "id"),
    ("name", lambda row: row["name"] or None),
    ("key", lambda row: f"{row['prefix']}..."),
    ("group", "group"),
    ("may use", _may),
    ("limits", said),
    ("spent", spent),
    ("created", lambda row: local_time(row["created_at"])),
    ("ends", _ends),
    empty="there is no client key: everybody on this computer may use the gateway",
)


@click.group("key", cls=Group)
def command() -> None:
    """Client keys: who may use the gateway, and how much.

    Without any, everybody on this computer may. From the first one on a key is needed, also after the last
    is revoked.
    """


@command.command("create")
@takes(COLUMNS, Verb.ADD)
@with_options
def create(invocation: Invocation, body: dict[str, Any]) -> None:
    """Make a key. It is printed once and stored nowhere."""
    check_amount(body)
    invocation.finish("POST", "/api/keys", body, show=_show_new)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the keys by their first characters, with what they have spent."""
    invocation.finish("GET", "/api/keys", show=_SHOW)


@command.command("update")
@click.argument("key_id", metavar="ID", type=int)
@takes(COLUMNS, Verb.UPDATE)
@with_options
def update(invocation: Invocation, key_id: int, body: dict[str, Any]) -> None:
    """Change what a key may use; what is not named stays."""
    invocation.finish("PATCH", f"/api/keys/{key_id}", body, show=_SHOW)


@command.command("rotate")
@click.argument("key_id", metavar="ID", type=int)
@click.option(
    "--grace", metavar="SPAN", default="24h", show_default=True, help="How long the old one is good, too."
)
@with_options
def rotate(invocation: Invocation, key_id: int, grace: str) -> None:
    """Give a key a new secret; its limits and usage go on. It is printed once."""
    body = {"grace_seconds": seconds_of(grace)}
    invocation.finish("POST", f"/api/keys/{key_id}/rotate", body, show=_show_new)


@command.command("revoke")
@click.argument("key_id", metavar="ID", type=int)
@with_options
def revoke(invocation: Invocation, key_id: int) -> None:
    """Make a key worthless at once."""
    invocation.finish("DELETE", f"/api/keys/{key_id}", show=lambda _: note(f"key {key_id} is revoked"))


def _show_new(row: dict[str, Any]) -> None:
    note(f"key {row['id']}; this is the only time it is shown:")
    click.echo(row["secret"])
