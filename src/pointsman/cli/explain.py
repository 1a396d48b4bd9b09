"""`pointsman explain MODEL`: where a model's requests would go, and why; `pointsman explain -`: one request's."""

from __future__ import annotations

import sys
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
@click.option("--path", default="", help="Where the request is posted, such as /v1/messages.")
@with_options
def command(invocation: Invocation, model: str, path: str) -> None:
    """Show where requests for MODEL would go, and why. Sends nothing to a model.

    With - for MODEL a whole request is read from standard input, its JSON or a curl command: what of it
    would be lost or refused, and about what it costs, is shown too.
    """
    if model != "-":
        invocation.finish("GET", f"/api/explain?{urlencode({'model': model})}", show=_show)
        return
    body = {"request": sys.stdin.read(), "path": path}
    invocation.finish("POST", "/api/explain", body, show=_show_request)


def _show(found: dict[str, Any]) -> None:
    for line in lines(found):
        click.echo(line)


def _show_request(found: dict[str, Any]) -> None:
    for line in request_lines(found):
        click.echo(line)


def request_lines(found: dict[str, Any]) -> Iterator[str]:
    """One request's, as people read it."""
    guessed = ", by what is in it" if found["guessed"] else ""
    yield f"{printable(found['model'] or '-')}: {printable(found['why'])}"
    if found["path"]:
        yield f"  posted to {printable(found['path'])} ({found['protocol']}{guessed})"
    if found["input_tokens"] is not None:
        most = "at most " if found["output_said"] else "say "
        yield f"  about {found['input_tokens']} tokens in, {most}{found['output_tokens']} out"
    for number, target in enumerate(found["targets"], 1):
        yield f"  {number}. {printable(target['target'])}  {printable(_fate(found, target))}"
        if target["url"]:
            how = "as it is" if target["as_it_is"] else "translated"
            yield f"     {printable(target['url'])} ({target['protocol']}, {how})"
        if target["changes"]:
            yield f"     lost or changed: {printable(', '.join(target['changes']))}"
        if target["doubt"]:
            yield f"     {printable(target['doubt'])}"
        if target["cost"] is not None:
            most = f", ${target['cost_most']:.6f} with its answer" if target["cost_most"] is not None else ""
            yield f"     about ${target['cost']:.6f}{most}"
    if found["refusal"]:
        yield f"  refused: {printable(found['refusal'])}"
    for text in found["notes"]:
        yield f"  note: {printable(text)}"


def _fate(found: dict[str, Any], target: dict[str, Any]) -> str:
    if target["refusal"]:
        return f"refuses it: {target['refusal']}"
    if not target["usable"]:
        return f"cannot be used: {target['reason']}"
    if target["passed_over"]:
        return f"passed over: {target['health']}"
    return "would be asked" if found["asked"] == target["target"] else "would be asked next"


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
