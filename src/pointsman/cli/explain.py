"""`pointsman explain MODEL`: where a model's requests would go, and why."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from .common import Caller, marked, shown, time_shown, with_options


@click.command("explain")
@click.argument("model")
@with_options
def command(caller: Caller, model: str) -> None:
    """Show where requests for MODEL would go, and why. Sends nothing to a model."""
    caller.finish("GET", f"/api/explain?{urlencode({'model': model})}", show=_show)


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{shown(found['model'])}: {shown(found['why'])}")
    for number, target in enumerate(found["targets"], 1):
        word = marked(target["usable"], bad="no")
        click.echo(f"  {number}. {shown(target['target'])}  {word}  {shown(target['reason'])}")
        if target["health"] != "good":
            until = target["passed_over_until"]
            when = f" until {time_shown(until)}" if until else ""
            click.echo(f"     passed over{when} while another target remains: {shown(target['health'])}")
        for protocol, how in target["protocols"].items():
            click.echo(f"       {protocol}: {how}")
