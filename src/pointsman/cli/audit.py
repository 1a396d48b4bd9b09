"""`pointsman audit ...`: who changed what of rules, backends and keys, and taking it back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from .common import Invocation, Row, local_time, note, table, with_options
from .once import Group

_MOST_VALUE = 40


@click.group("audit", cls=Group)
def command() -> None:
    """Every change of rules, backends, keys and settings: who, when, before and after.

    Keys are shown by their fingerprints or first characters, never whole. The newest 10,000 changes of the last year are
    kept.
    """


@command.command("list")
@click.option("--of", "noun", metavar="NOUN", help="Of such rows alone: mapping, credential, local, key, ...")
@click.option("--row", metavar="ID", help="Of this row alone.")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="How many.")
@with_options
def show_list(invocation: Invocation, noun: str | None, row: str | None, limit: int) -> None:
    """List the changes, the newest first.

    \b
    pointsman audit list
    pointsman audit list --of mapping --row 3
    """
    wanted = {"noun": noun, "row": row, "limit": limit}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    invocation.finish("GET", f"/api/audit?{query}", show=_SHOW)


@command.command("show")
@click.argument("entry", type=int)
@with_options
def show_one(invocation: Invocation, entry: int) -> None:
    """Show one change with every row that it changed."""
    invocation.finish("GET", f"/api/audit/{entry}", show=_show_rows)


@command.command("undo")
@click.argument("entry", type=int)
@with_options
def undo(invocation: Invocation, entry: int) -> None:
    """Take a change back, whole.

    What was created goes, what was changed is as before, what was deleted is there again. Refused where it has changed
    since, and of keys that were replaced, revoked or deleted: they are not kept. An undo is a change, and can be undone.
    """
    invocation.finish(
        "POST",
        f"/api/audit/{entry}/undo",
        show=lambda done: note(f"undone: change {entry} (this is change {done['id']})"),
    )


def _who(entry: Row) -> str:
    return f"{entry['who']} {entry['session']}".rstrip()


def _what(entry: Row) -> str:
    said = [_said(row) for row in entry["rows"][:2]]
    if entry["changed"] > len(said):
        said.append(f"and {entry['changed'] - len(said)} more")
    undone = f"undid {entry['undoes']}: " if entry["undoes"] is not None else ""
    return undone + ", ".join(said)


def _said(row: Row) -> str:
    text = f"{row['noun']} {row['row']} {row['name']} {row['did']}"
    if row["did"] == "changed":
        text += f" ({', '.join(sorted({*row['before'], *row['after'], *row['withheld']}))})"
    return text


_SHOW = table(
    ("id", lambda entry: entry["id"]),
    ("at", lambda entry: local_time(entry["at"])),
    ("by", _who),
    ("what", _what),
    ("undo", lambda entry: "-" if entry["why_not"] else "yes"),
    empty="nothing was changed yet",
)


def _show_rows(entry: Row) -> None:
    rows = [{"said": _said(row), **change} for row in entry["rows"] for change in _changes(row)]
    table(
        ("row", "said"),
        ("column", "column"),
        ("before", lambda one: _short(one["before"])),
        ("after", lambda one: _short(one["after"])),
        empty="no row is kept of it",
    )(rows)
    if entry["why_not"]:
        note(f"cannot be undone: {entry['why_not']}")


def _changes(row: Row) -> list[dict[str, Any]]:
    names = sorted({*row["before"], *row["after"], *row["withheld"]})
    return [
        {"column": name, "before": _side(row, "before", name), "after": _side(row, "after", name)}
        for name in names
    ]


def _side(row: Row, side: str, name: str) -> object:
    values = row[side]
    return values[name] if name in values else "(not kept)" if name in row["withheld"] else None


def _short(value: object) -> object:
    text = str(value)
    return value if len(text) <= _MOST_VALUE else f"{text[: _MOST_VALUE - 1]}…"
