"""`pointsman explain MODEL`: where a model's requests would go, and why; `pointsman explain -`: one request's;
`pointsman explain --last`: where the last one went."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlencode

import click

from .columns import sentences
from .common import Invocation, local_time, marked, printable, with_options
from .completing import models
from .mapping import COLUMNS
from .once import Command


@click.command("explain", cls=Command)
@click.argument("model", required=False, shell_complete=models)
@click.option(
    "--request",
    "request",
    type=click.File("r"),
    help="A request's JSON or curl command; - is standard input.",
)
@click.option("--path", default="", help="Where the request is posted, such as /v1/messages.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header that it has; repeatable."
)
@click.option("--key", help="The name of the client key that it comes with; '' for none.")
@click.option("--last", is_flag=True, help="Explain the last request that came, or the last one for MODEL.")
@click.option("--session", help="With --last: of this session of an agent.")
@with_options
def command(
    invocation: Invocation,
    model: str | None,
    request: IO[str] | None,
    path: str,
    headers: tuple[str, ...],
    key: str | None,
    last: bool,
    session: str | None,
) -> None:
    """Show where requests for MODEL would go, and why. Sends nothing to a model.

    With --request a whole request is explained as it would be for MODEL: which conditions of rules hold, what of it
    would be lost or refused, and about what it costs. With - for MODEL it is read from standard input, for the model
    that it names. With --last it is told what became of the last request: who was asked, how much of its prompt the
    server had in its cache, and the first byte that changed since its session's last turn.
    """
    if last:
        if request is not None or path or headers or key is not None or model == "-":
            raise click.UsageError("--last is of a request that came; it takes MODEL and --session alone")
        asked = {"model": model, "session": session}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        invocation.finish("GET", f"/api/explain/last?{query}", show=_show_last)
        return
    if session is not None:
        raise click.UsageError("--session says of which session; give --last too")
    if model is None:
        raise click.UsageError("say which MODEL, or --last")
    if model != "-" and request is None:
        if path or headers or key is not None:
            raise click.UsageError("--path, --header and --key are of a request; say which: --request FILE")
        invocation.finish("GET", f"/api/explain?{urlencode({'model': model})}", show=_show)
        return
    body = {"request": (request or sys.stdin).read(), "path": path, "headers": _headers(headers), "key": key}
    body |= {} if model == "-" else {"model": model}
    invocation.finish("POST", "/api/explain", body, show=_show_request)


def _headers(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition(":")
        if not sign or not name.strip():
            raise click.UsageError(f"{text!r} is no header; write one as NAME:VALUE")
        found[name.strip()] = value.strip()
    return found


def _choices(found: dict[str, Any]) -> Iterator[str]:
    """Rules with conditions that are asked before the one that is told of."""
    for one in found["choices"]:
        who = f"  rule {one['mapping_id']} ({printable(one['pattern'])})"
        if one["takes"] is None:
            when = " and ".join(condition["text"] for condition in one["checked"])
            first = " first" if found["targets"] else ""
            yield f"{who} takes it{first} when {printable(when)}: {printable(', '.join(one['targets']))}"
            continue
        yield f"{who} {'takes it' if one['takes'] else 'does not take it'}"
        for condition in one["checked"]:
            yield f"     {_HELD[condition['held']]} {printable(condition['text'])}"


_HELD = {True: "holds:         ", False: "does not hold: ", None: "cannot be told:"}


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
    yield from _choices(found)
    if found["path"]:
        yield f"  posted to {printable(found['path'])} ({found['protocol']}{guessed})"
    if found["input_tokens"] is not None:
        most = "at most " if found["output_said"] else "say "
        yield f"  about {found['input_tokens']} tokens in, {most}{found['output_tokens']} out"
    for number, target in enumerate(found["targets"], 1):
        yield f"  {number}. {printable(target['target'])}  {printable(_fate(found, target))}"
        if target["url"]:
            how = "as it is" if target["as_it_is"] else "translated"
            if target["looked_through"]:
                how = "read and written anew, since the rule makes calls of text"
            yield f"     {printable(target['url'])} ({target['protocol']}, {how})"
        if target["changes"]:
            yield f"     lost or changed: {printable(', '.join(target['changes']))}"
        if target["doubt"]:
            yield f"     {printable(target['doubt'])}"
        if target["cost"] is not None:
            most = f", ${target['cost_most']:.6f} with its answer" if target["cost_most"] is not None else ""
            yield f"     about ${target['cost']:.6f}{most}"
    if found["stuck"]:
        yield f"  the next target takes over: {printable(found['stuck'])}"
    if found["cached"]:
        yield f"  cache: {printable(found['cached'])}"
    if found["shadowed"]:
        yield f"  shadow: {printable(found['shadowed'])}"
    if found["refusal"]:
        yield f"  refused: {printable(found['refusal'])}"
    for text in found["notes"]:
        yield f"  note: {printable(text)}"


def _show_last(found: dict[str, Any]) -> None:
    for line in last_lines(found):
        click.echo(line)


def last_lines(found: dict[str, Any]) -> Iterator[str]:
    """The last request's, as people read it."""
    who = f" from {printable(found['client'])}" if found["client"] else ""
    yield f"{printable(found['model'] or '-')}: {found['request']}{who}, {local_time(found['at'])}"
    if found["mapping_id"] is not None:
        pattern = "" if found["pattern"] is None else f" ({printable(found['pattern'])})"
        yield f"  rule {found['mapping_id']}{pattern}"
    if not found["attempts"]:
        yield f"  no target was asked: it was answered with {found['status']}"
    for number, one in enumerate(found["attempts"], 1):
        left = "" if one["local"] else "; it left this machine"
        yield f"  {number}. {printable(one['target'])}  {printable(one['told'])}{left}"
        if one["warnings"]:
            yield f"     lost or changed: {printable(', '.join(one['warnings']))}"
    turn = found["turn"]
    if turn["input_tokens"] is not None:
        yield f"  {turn['input_tokens']:,} tokens in, {_cache(turn)}"
    if turn["prompt"]:
        yield f"  {printable(turn['prompt'])}"
    if found["advice"]:
        yield f"  {printable(found['advice'])}"
    if found["earlier"]:
        yield "  turns before it:"
    for one in found["earlier"]:
        place = f", changed at byte {one['changed_at']:,} in {one['changed_in']}" if one["changed_in"] else ""
        given = "-" if one["input_tokens"] is None else f"{one['input_tokens']:,}"
        yield f"    {local_time(one['at'])}  {given} tokens in, {_cache(one)}{printable(place)}"


def _cache(turn: dict[str, Any]) -> str:
    if turn["cached_tokens"] is None:
        return "the server does not say what its cache had"
    share = "" if turn["cached"] is None else f" ({100 * turn['cached']:.0f}%)"
    return f"{turn['cached_tokens']:,} of them from its cache{share}"


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
    yield from _choices(found)
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
        yield from _trouble(target)
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


def _trouble(target: dict[str, Any]) -> Iterator[str]:
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
