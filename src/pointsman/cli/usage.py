"""`pointsman usage`: what was asked, who answered, how much it took and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import click

from ..ledger import csv_rows
from .common import Invocation, Row, local_time, note, sized, table, with_options
from .once import Group
from .when import When

_TYPED = click.core.ParameterSource.COMMANDLINE
_PAGE = 1000
"""Rows that one call gives."""
_LIMIT = 50
_COUNTS = (
    "requests", "failed", "aborted", "rescued", "local", "attempts",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens",
    "cache_write_tokens", "cost", "saved", "extra", "unpriced", "sent_bytes",
)  # fmt: skip
NAMES = {
    "day": ("day",),
    "model": ("model",),
    "backend": ("backend",),
    "key": ("key_id", "key"),
    "client": ("client",),
    "mapping": ("mapping_id",),
    "session": ("session", "client", "key_id", "first_at", "last_at"),
}
"""What tells a group, by what --by says."""
COLUMNS = (
    "id", "at", "protocol", "path", "model", "target", "attempts", "fallback", "status", "outcome", "stream",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "first_output_ms", "total_ms", "key_id",
    "mapping_id", "request", "attempt", "joined", "client", "session", "cost", "flag", "saved", "extra", "tier",
    "cache_write_tokens", "cache_write_long_tokens", "web_searches", "overhead_ms", "warnings", "sent_bytes",
    "changed_at", "changed_in",
)  # fmt: skip
"""Of the list as CSV."""


def dollars(value: object) -> str | None:
    """USD, to the cent from a dollar on, below that four digits that say something, none less than a nano-dollar."""
    if not isinstance(value, int | float):
        return None
    if abs(value) >= 1 or not value:
        return f"${value:.2f}"
    shown = f"{value:.{min(9, 3 - math.floor(math.log10(abs(value))))}f}".rstrip("0")
    whole, _, part = shown.partition(".")
    return f"${whole}.{part:0<2}"


def _money(name: str) -> tuple[str, Any]:
    return name, lambda row: dollars(row[name])


def _cost(row: Row) -> str | None:
    """More than that where something in it is not priced."""
    known = dollars(row["cost"])
    return known if known is None or not row.get("unpriced") else f"{known} + {row['unpriced']} unknown"


def _cached(row: Row) -> str | None:
    """Of the input tokens, and how many of a hundred these are."""
    cached, given = row["cached_tokens"], row["input_tokens"]
    return cached if cached is None or not given else f"{cached} ({100 * cached // given}%)"


def _sent(row: Row) -> str | None:
    """In bytes; None of what an earlier version recorded."""
    size = row["sent_bytes"]
    return None if size is None else sized(size)


_ROWS: tuple[tuple[str, Any], ...] = (
    ("time", lambda row: local_time(row["at"])),
    ("model", lambda row: row["model"] or None),
    ("target", lambda row: row["target"] or ("cache" if row["flag"] == "cached" else None)),
    ("try", lambda row: f"{row['attempt']}/{row['attempts']}" if row["attempts"] > 1 else None),
    ("status", lambda row: row["status"] or None),
    ("outcome", lambda row: row["outcome"] + (" (joined)" if row["joined"] else "")),
    ("fallback", "fallback"),
    ("in", "input_tokens"),
    ("out", "output_tokens"),
    ("cost", lambda row: dollars(row["cost"]) or row["flag"]),
    ("sent", _sent),
    ("first ms", "first_output_ms"),
    ("total ms", "total_ms"),
    ("client", lambda row: row["client"] or None),
    ("request", lambda row: row["request"] or row["id"]),
)
_SUMS = (
    ("requests", "requests"),
    ("failed", "failed"),
    ("rescued", "rescued"),
    ("in", "input_tokens"),
    ("out", "output_tokens"),
    ("cached", _cached),
    ("sent", _sent),
    ("cost", _cost),
    _money("saved"),
    _money("extra"),
)
_LEFT = ("day", "backend", "model")
"""What tells a row of what left this machine."""
_LEFT_SHOWN: tuple[tuple[str, Any], ...] = (
    *((name, name) for name in _LEFT),
    ("requests", "attempts"),
    ("sent", _sent),
    ("in", "input_tokens"),
    ("out", "output_tokens"),
    ("cost", _cost),
)
_GROUPS: dict[str, tuple[tuple[str, Any], ...]] = {
    "day": (("day", "day"),),
    "model": (("model", lambda row: row["model"] or None),),
    "backend": (("backend", "backend"),),
    "key": (("key", "key_id"), ("name", "key")),
    "client": (("client", lambda row: row["client"] or None),),
    "mapping": (("rule", "mapping_id"),),
    "session": (
        ("session", "session"), ("client", lambda row: row["client"] or None), ("key", "key_id"),
        ("first", lambda row: local_time(row["first_at"])), ("last", lambda row: local_time(row["last_at"])),
    ),
}  # fmt: skip


@click.group("usage", cls=Group, invoke_without_command=True)
@click.option("--by", type=click.Choice([*NAMES]), help="Sums by this, and no list.")
@click.option("--limit", type=click.IntRange(1, _PAGE), help=f"Rows of the list.  [default: {_LIMIT}]")
@click.option("--model", help="Only this model, as the client named it.")
@click.option("--target", help="Only this target, such as openai:gpt-4o-mini.")
@click.option("--status", help="Only this status, e.g. 200 or 429.")
@click.option("--key", "key_id", type=int, metavar="ID", help="Only this client key.")
@click.option("--client", help="Only this program, such as claude-cli.")
@click.option("--session", help="Only this session of an agent.")
@click.option("--request", metavar="ID", help="Only this request (x-request-id), with all its attempts.")
@click.option(
    "--left-machine",
    is_flag=True,
    help="What went to backends that are not local, by day, backend and model.",
)
@click.option("--cached", is_flag=True, help="Only what was answered out of the cache.")
@click.option("--rows", is_flag=True, help="With --left-machine: the list of it, row by row.")
@click.option("--since", type=When(), metavar="WHEN", help="From then on: 2026-12-01, 2026-12-01T08:00, 7d.")
@click.option("--until", type=When(), metavar="WHEN", help="Before then.")
@click.option("--zone", help="Whose days, such as Europe/Berlin.  [default: this computer's]")
@click.option("--cursor", help="Go on where an earlier list ended.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="As CSV; of the list all rows, unless --limit says how many."
)
@with_options
def command(
    invocation: Invocation,
    /,
    by: str | None,
    limit: int | None,
    zone: str | None,
    cursor: str | None,
    as_csv: bool,
    rows: bool,
    **filters: Any,
) -> None:
    """List requests, newest first, one row an attempt, or with --by their sums.

    --left-machine alone tells what left this machine, by day, backend and model; with --by it gives the sums of that, and
    with --rows, --limit, --cursor or --request the list.

    Money is by the list price at the time of the call. Never a prompt or an answer: those are not stored.
    """
    if _is_for_another(click.get_current_context()):
        return
    if as_csv and invocation.as_json:
        raise click.UsageError("--csv and --json are two forms; give one")
    if by is not None and (limit is not None or cursor is not None):
        raise click.UsageError("--by gives all groups; --limit and --cursor are the list's")
    given = {name: value for name, value in filters.items() if value not in (None, False)}
    left = "left_machine" in given
    if rows and (by is not None or not left):
        raise click.UsageError("--rows goes with --left-machine alone; without both the list is shown anyway")
    left = left and by is None and not rows and limit is None and cursor is None and "request" not in given
    if zone is not None and by != "day" and not left:
        raise click.UsageError("--zone says whose days; give --by day or --left-machine alone too")
    in_zone = given | ({} if zone is None else {"zone": zone})
    if left:
        del in_zone["left_machine"]
        _left_machine(invocation, in_zone, as_csv=as_csv)
    elif by is not None:
        _sums(invocation, by, in_zone, as_csv=as_csv)
    elif as_csv:
        _all_rows(invocation, given, limit, cursor)
    else:
        _list(invocation, given | ({} if cursor is None else {"cursor": cursor}), limit or _LIMIT)


def _is_for_another(context: click.Context) -> bool:
    """`usage keep`, `usage delete`."""
    word = context.invoked_subcommand
    if word and any(context.get_parameter_source(name) is _TYPED for name in context.params):
        raise click.UsageError(f"options of {word} come behind it")
    return word is not None


class _Days(click.ParamType[int]):
    name = "DAYS|forever"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "forever":
            return 0
        if not str(value).isascii() or not str(value).isdigit() or int(value) < 1:
            self.fail(f"{str(value)[:40]!r} is no number of days; write 90, or forever", param, ctx)
        return int(value)


@command.command("keep")
@click.argument("days", type=_Days(), required=False)
@with_options
def keep(invocation: Invocation, /, days: int | None) -> None:
    """Say for how many DAYS records are kept (or `forever`), or show it.

    What is older is deleted at once, and from then on every hour. What budgets have counted stays counted.
    """
    if days is None:
        invocation.finish("GET", "/api/usage/keep", show=_show_kept)
        return

    def show(found: Row) -> None:
        _show_kept(found)
        _show_deleted(found)

    invocation.finish("PUT", "/api/usage/keep", {"days": days or None}, show=show)


@command.command("delete")
@click.option("--before", type=When(), required=True, metavar="WHEN", help="What is older: 2026-12-01, 90d.")
@with_options
def delete(invocation: Invocation, /, before: str) -> None:
    """Delete old records for good, and make the file smaller. What budgets have counted stays counted."""
    query = urlencode({"before": before})
    invocation.finish("DELETE", f"/api/usage?{query}", show=_show_deleted)


def _show_kept(found: Row) -> None:
    days = found["days"]
    click.echo("usage is kept for ever" if days is None else f"usage is kept for {days} days")


def _show_deleted(found: Row) -> None:
    before, after = (sized(found[name]) for name in ("bytes_before", "bytes_after"))
    click.echo(f"{found['records']} records deleted; the file had {before} and has {after}")


def _none(given: dict[str, Any]) -> str:
    """What an empty list says."""
    return "no record fits; without options all are listed" if given else "nothing was asked yet"


def _list(invocation: Invocation, given: dict[str, Any], limit: int) -> None:
    with invocation.session():
        answer = invocation.send("GET", f"/api/usage?{urlencode(given | {'limit': limit})}")
    invocation.print(answer, table(*_ROWS, empty=_none(given)))
    further = answer.headers.get("x-next-cursor")
    if further and not invocation.as_json:
        note(f"there is more: pointsman usage --cursor {further}")


def _sums(invocation: Invocation, by: str, given: dict[str, Any], *, as_csv: bool) -> None:
    path = f"/api/usage/by/{by}?{urlencode(given)}"
    if as_csv:
        _csv_of(invocation, path, NAMES[by])
    else:
        invocation.finish("GET", path, show=table(*_GROUPS[by], *_SUMS, empty=_none(given)))


def _left_machine(invocation: Invocation, given: dict[str, Any], *, as_csv: bool) -> None:
    path = f"/api/usage/left-machine?{urlencode(given)}"
    if as_csv:
        _csv_of(invocation, path, _LEFT)
        return
    shown = table(*_LEFT_SHOWN, empty="nothing left this machine")

    def show(rows: list[Row]) -> None:
        shown([*rows, _all_of(rows)] if rows else rows)

    invocation.finish("GET", path, show=show)


def _all_of(rows: Sequence[Row]) -> Row:
    """The line below them. Of values that nobody knows it is none."""
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in _COUNTS}
    return {name: sum(some) if some else None for name, some in columns.items()} | {"day": "all"}


def _csv_of(invocation: Invocation, path: str, names: Sequence[str]) -> None:
    """Sums. names: what tells a row."""
    with invocation.session():
        rows = invocation.send("GET", path).json()
    columns = (*names, *_COUNTS)
    click.echo(csv_rows.head(columns), nl=False)
    _echo_rows(columns, rows)


def _echo_rows(columns: Sequence[str], rows: Sequence[Row]) -> None:
    for row in rows:
        click.echo(csv_rows.line(columns, row), nl=False)


def _all_rows(invocation: Invocation, given: dict[str, Any], limit: int | None, cursor: str | None) -> None:
    """Page by page, so that a million rows need no more memory than a thousand."""
    click.echo(csv_rows.head(COLUMNS), nl=False)
    with invocation.session():
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            answer = invocation.send(
                "GET", f"/api/usage?{urlencode(given | more | {'limit': limit or _PAGE})}"
            )
            _echo_rows(COLUMNS, answer.json())
            cursor = answer.headers.get("x-next-cursor")
            if cursor is None or limit is not None:
                break
    if cursor is not None:
        note(f"there is more: pointsman usage --csv --cursor {cursor}")
