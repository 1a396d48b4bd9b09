"""`pointsman explain MODEL`: where a model's requests would go, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click

from .columns import sentences
from .common import Invocation, local_time, marked, printable, with_options
from .mapping import COLUMNS
from .once import Command


@click.command("explain", cls=Command)
@click.argument("model")
@with_options
def command(invocation: Invocation, model: str) -> None:
    """Show where requests for MODEL would go, and why. Sends nothing to a model."""
    invocation.finish("GET", f"/api/explain?{urlencode({'model': model})}", show=_show)


def _show(found: dict[str, Any]) -> None:
    for line in lines(found):
        click.echo(line)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The REST answer as people read it."""
    yield f"{printable(found['model'])}: {printable(found['why'])}"
    for sentence in sentences(COLUMNS, found):
        yield f"  {printable(sentence)}"
    for number, target in enumerate(found["targets"], 1):
        word = marked(target["usable"], bad="no")
        yield f"  {number}. {printable(target['target'])}  {word}  {printable(target['reason'])}"
        if target["weight"] is not None:
            cold = ", the model is not loaded" if target["loaded"] is False else ""
            yield f"     weight {target['weight']}{cold}"
        if target["proxy"]:
            yield f"     through the proxy {printable(target['proxy'])}"
        if target["ca_file"]:
            yield f"     trusts {printable(target['ca_file'])} alone"
        yield f"     {_price(target)}"
        yield from _condition(target)
        for protocol, how in target["protocols"].items():
            yield f"       {protocol}: {how}"
        for protocol, told in target["presets"].items():
            yield f"       set in {protocol}: {', '.join(told) or 'all of it'}"
        for protocol, url in target["urls"].items():
            yield f"       asked in {protocol}: {printable(url)}"


def _price(target: dict[str, Any]) -> str:
    price = target["price"]
    if price is None:
        backend, model = printable(target["backend"]), printable(target["model"])
        return (
            f"its price is not known; set it: pointsman prices set {backend} {model} --input USD --output USD"
        )
    if not price:
        return "costs nothing"
    return (
        "costs " + ", ".join(f"{name} {usd:.10g}" for name, usd in price.items()) + " (USD; a million tokens)"
    )


def _condition(target: dict[str, Any]) -> Iterator[str]:
    """What the data plane last saw of it, where that is of interest."""
    if target["passed_over"]:
        until = target["passed_over_until"]
        when = f" until {local_time(until)}" if until else ""
        yield f"     passed over{when} while another target remains: {printable(target['health'])}"
    elif target["health"] != "good":
        yield f"     {printable(target['health'])}"
    if target["in_flight"] or target["queued"] or target["max_in_flight"] is not None:
        limit = target["max_in_flight"]
        most = f" (limit: {limit}, over all processes)" if limit is not None else ""
        yield f"     requests at once: {target['in_flight']}{most}, waiting: {target['queued']}"
