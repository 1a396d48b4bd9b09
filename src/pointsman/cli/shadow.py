"""`pointsman shadow ...`: what came of asking local targets what clouds had answered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from .common import Invocation, note, printable, with_options
from .once import Group
from .when import When


@click.group("shadow", cls=Group)
def command() -> None:
    """Local answers beside a cloud's: how often they agree.

    Off unless a rule says --shadow. Numbers alone are kept, never a prompt or an answer.
    """


@command.command("report")
@click.argument("model", required=False)
@click.option("--since", type=When(), metavar="WHEN", help="From then on: 2026-12-01, 2026-12-01T08:00, 7d.")
@with_options
def report(invocation: Invocation, model: str | None, since: str | None) -> None:
    """Say how the local target did, and which rule would use it. MODEL: only requests for that name."""
    asked = {name: value for name, value in (("model", model), ("since", since)) if value is not None}
    path = f"/api/shadow?{urlencode(asked)}" if asked else "/api/shadow"
    invocation.finish("GET", path, show=_show)


@command.command("clear")
@click.option("--mapping", "mapping_id", type=click.IntRange(min=1), metavar="ID", help="Of this rule alone.")
@with_options
def clear(invocation: Invocation, mapping_id: int | None) -> None:
    """Take out what was compared, and begin anew."""
    path = "/api/shadow" if mapping_id is None else f"/api/shadow?mapping_id={mapping_id}"
    invocation.finish("DELETE", path, show=lambda _: note("what was compared is taken out"))


def _show(found: list[dict[str, Any]]) -> None:
    if not found:
        note(
            "nothing was compared yet; a rule does with: pointsman mapping update ID --shadow local/NAME=MODEL"
        )
    for place, one in enumerate(found):
        if place:
            click.echo()
        for line in lines_of(one):
            click.echo(printable(line))


def lines_of(one: dict[str, Any]) -> list[str]:
    """A rule's report, as people read it."""
    clouds = ", ".join(f"{name} ({count})" for name, count in one["clouds"].items()) or "nobody yet"
    pattern = "removed" if one["model_pattern"] is None else one["model_pattern"]
    lines = [
        f"rule {one['mapping_id']} ({pattern}): {one['local']} beside {clouds}",
        f"  compared from {one['first'][:16]} to {one['last'][:16]} UTC",
        f"  answered       {_share(one['asked'])}{_counts(one['failed'])}",
    ]
    if one["not_asked"]:
        lines.append(f"  not asked      {sum(one['not_asked'].values())}{_counts(one['not_asked'])}")
    if one["answers"]:
        lines += _agreement(one)
        lines += _lengths(one)
    lines.append(f"  {one['why']}")
    if one["command"]:
        lines += ["", "The rule that asks it first:", one["command"]]
    return lines


def _agreement(one: dict[str, Any]) -> list[str]:
    rows = (
        ("same tools", "tools"),
        ("and arguments", "arguments"),
        ("same JSON", "structured"),
        ("refusals alike", "refusals"),
        ("ends alike", "stops"),
    )
    lines = [f"  {title:<14} {_share(one[name])}" for title, name in rows if one[name]["of"]]
    if one["likeness"] is not None:
        lines.append(
            f"  texts alike    {one['likeness']:.2f}, a quarter below {one['likeness_low']:.2f} (share of words and pairs"
            " of words in common; 1 is the same)"
        )
    return lines


def _lengths(one: dict[str, Any]) -> list[str]:
    lines = [
        f"  {title:<14} {both['cloud']:,.0f}{unit} there, {both['local']:,.0f}{unit} here (medians)"
        for title, both, unit in (
            ("output tokens", one["tokens"], ""),
            ("characters", one["characters"], ""),
            ("first output", one["first_ms"], " ms"),
            ("whole answer", one["total_ms"], " ms"),
        )
        if both["of"]
    ]
    if one["slower"] is not None:
        lines.append(f"  took           {one['slower']:.1f} times as long (median)")
    if one["saved"] is not None:
        lines.append(
            f"  would have saved ${one['saved']:.6f} of ${one['cost']:.6f}, by {one['priced']} answers whose price is known"
        )
    return lines


def _share(one: dict[str, Any]) -> str:
    if not one["of"]:
        return "-"
    few = f"{one['count']} of {one['of']}"
    return f"{few:<12} {one['share']:>4.0%}  ({one['low']:.0%} to {one['high']:.0%} at 95 %)"


def _counts(why: dict[str, int]) -> str:
    return f"  [{', '.join(f'{name} {count}' for name, count in why.items())}]" if why else ""
