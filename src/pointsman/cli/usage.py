"""`pointsman usage`: what was asked, who answered, how much it took."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from .common import Invocation, local_time, note, table, with_options


@click.command("usage")
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
    invocation.print(answer, _show)
    cursor = answer.headers.get("x-next-cursor")
    if cursor and not invocation.as_json:
        note(f"there is more: pointsman usage --cursor {cursor}")


def _show(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            local_time(row["at"]),
            row["model"] or None,
            row["target"],
            f"{row['attempt']}/{row['attempts']}" if row["attempts"] > 1 else None,
            row["status"] or None,
            row["outcome"] + (" (joined)" if row["joined"] else ""),
            row["fallback"],
            row["input_tokens"],
            row["output_tokens"],
            row["first_output_ms"],
            row["total_ms"],
            row["request"] or row["id"],
        )
        for row in rows
    ]
    columns = (
        "time",
        "model",
        "target",
        "try",
        "status",
        "outcome",
        "fallback",
        "in",
        "out",
        "first ms",
        "total ms",
        "request",
    )
    table(columns, lines, empty="nothing was asked yet")
