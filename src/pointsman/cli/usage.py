"""`pointsman usage`: what was asked, who answered, how much it took."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from .common import Invocation, local_time, note, table, with_options
from .once import Command

_SHOW = table(
    ("time", lambda row: local_time(row["at"])),
    ("model", lambda row: row["model"] or None),
    ("target", "target"),
    ("try", lambda row: f"{row['attempt']}/{row['attempts']}" if row["attempts"] > 1 else None),
    ("status", lambda row: row["status"] or None),
    ("outcome", lambda row: row["outcome"] + (" (joined)" if row["joined"] else "")),
    ("fallback", "fallback"),
    ("in", "input_tokens"),
    ("out", "output_tokens"),
    ("first ms", "first_output_ms"),
    ("total ms", "total_ms"),
    ("request", lambda row: row["request"] or row["id"]),
    empty="nothing was asked yet",
)


@click.command("usage", cls=Command)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--model", help="Only this model, as the client named it.")
@click.option("--target", help="Only this target, such as openai:gpt-4o-mini.")
@click.option("--status", help="Only this status, e.g. 200 or 429.")
@click.option("--request", metavar="ID", help="Only this request (x-request-id), with all its attempts.")
@click.option("--since", metavar="TIME", help="From this time on (ISO 8601).")
@click.option("--until", metavar="TIME", help="Before this time (ISO 8601).")
@click.option("--cursor", help="Go on where an earlier list ended.")
@with_options
def command(invocation: Invocation, /, **filters: Any) -> None:
    """List requests, newest first, one row an attempt. Never a prompt or an answer: those are not stored."""
    query = urlencode({name: value for name, value in filters.items() if value is not None})
    with invocation.session():
        answer = invocation.send("GET", f"/api/usage?{query}")
    invocation.print(answer, _SHOW)
    cursor = answer.headers.get("x-next-cursor")
    if cursor and not invocation.as_json:
        note(f"there is more: pointsman usage --cursor {cursor}")
