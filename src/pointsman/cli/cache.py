"""`pointsman cache ...`: answers that rules and client keys keep for equal requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..config import span_of
from .columns import Column
from .common import Invocation, Row, note, printable, table, with_options
from .once import Group
from .rule_params import TimeParam

_ANY_TEMPERATURE = "With --cache: also where the temperature is above 0, or not said."


def said(row: Row) -> list[str]:
    """What a row says of keeping answers, for a list."""
    found = [] if row["cache_seconds"] is None else [f"cache={span_of(row['cache_seconds'])}"]
    return found + (["cache_any_temperature"] if row["cache_any_temperature"] else [])


def column(what: str, body: Callable[[int | None], dict[str, Any]]) -> Column:
    """How long answers are kept. what: the help. body: of the request."""
    return Column(
        "--cache", "cache_seconds", what, what, kind=TimeParam(), metavar="[TIME]", alone="1h",
        clear=("--no-cache", "Keep no answers any more."),
        body=body,
        summary=lambda seconds: [f"cache={span_of(seconds)}"] if seconds else [],
        sentence=lambda seconds: f"keeps answers for equal requests for {span_of(seconds)}" if seconds else None,
    )  # fmt: skip


ANY_TEMPERATURE = Column(
    "--cache-any-temperature", "cache_any_temperature", _ANY_TEMPERATURE, "",
    kind=bool, summary=lambda on: ["cache_any_temperature"] if on else [],
    sentence=lambda on: "keeps also answers that were left to chance (temperature above 0)" if on else None,
)  # fmt: skip
"""Of a rule, and of a client key."""

_RULES = table(
    ("rule", lambda row: row["mapping_id"] or "none"),
    ("pattern", "model_pattern"),
    ("answers", "entries"),
    ("bytes", "bytes"),
    empty="no answer is kept; a rule keeps them with: pointsman mapping update ID --cache 1h, a client key with:"
    " pointsman key update ID --cache 1h",
)


@click.group("cache", cls=Group)
def command() -> None:
    """Answers that rules and client keys keep for equal requests.

    Off unless a rule or a client key says --cache. They are sealed with the master key.
    """


@command.command("show")
@with_options
def show(invocation: Invocation) -> None:
    """Show what is kept, of which rules, and what it saved."""
    invocation.finish("GET", "/api/cache", show=_show)


@command.command("clear")
@click.option("--mapping", "mapping_id", type=click.IntRange(min=1), metavar="ID", help="Of this rule alone.")
@with_options
def clear(invocation: Invocation, mapping_id: int | None) -> None:
    """Take out all kept answers, or those of one rule."""
    path = "/api/cache" if mapping_id is None else f"/api/cache?mapping_id={mapping_id}"
    whose = (
        "no answer is kept any more"
        if mapping_id is None
        else f"no answer of rule {mapping_id} is kept any more"
    )
    invocation.finish("DELETE", path, show=lambda _: note(whose))


def _show(found: dict[str, Any]) -> None:
    _RULES(found["rules"])
    click.echo(f"{found['entries']} answers, {found['bytes']} of {found['most_bytes']} bytes")
    saved = "" if found["saved"] is None else f", ${found['saved']:.6f} saved"
    click.echo(
        printable(f"{found['hits']} hits and {found['misses']} misses since the gateway started{saved}")
    )
