"""`pointsman prices ...`: what models cost, and by whose price local answers are measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from .common import Invocation, Row, fail_with, note, table, with_options
from .once import Group

_OPTIONS = (
    ("input", "A million tokens of input."),
    ("output", "A million tokens of output, reasoning included."),
    ("cached", "A million tokens read from a cache; without it they cost as input."),
    ("cache-write", "A million tokens written to a cache."),
    ("cache-write-long", "The same, where they are kept for the longer time (an hour)."),
    ("reasoning", "A million tokens of reasoning, where they cost other than output."),
    ("audio-input", "A million tokens of sound in the input."),
    ("audio-output", "A million tokens of sound in the output."),
    ("image-input", "A million tokens of images in the input."),
    ("image-output", "A million tokens of images in the output."),
    ("web-search", "One search of the web."),
    ("request", "One request."),
)
_OTHERS = ("cache_write", "cache_write_long", "reasoning", "audio_input", "audio_output", "image_input", "image_output",
           "web_search", "request")  # fmt: skip


def _usd(name: str) -> Callable[[Row], object]:
    return lambda row: None if row[name] is None else f"{row[name]:.10g}"


def _which(row: Row) -> str | None:
    """For which answers it holds."""
    above = f"above {row['above']} tokens" if row["above"] else None
    return ", ".join(filter(None, [row["tier"], above, row.get("window")])) or None


def _others(row: Row) -> str | None:
    told = [f"{name} {row[name]:.10g}" for name in _OTHERS if row[name] is not None]
    return ", ".join(told) or None


_SHOW = table(
    ("id", "id"),
    ("where", "where"),
    ("model", "model"),
    ("for", _which),
    ("from", lambda row: row["since"] or None),
    ("input", _usd("input")),
    ("cached", _usd("cached")),
    ("output", _usd("output")),
    ("also", _others),
    ("says", "source"),
    empty="no price is known; set one with: pointsman prices set BACKEND MODEL --input USD --output USD",
)


@click.group("prices", cls=Group)
def command() -> None:
    """What models cost, in USD for a million tokens, and what local answers save.

    A list of many providers' prices comes with the gateway; your own prices hold instead. A model whose price nobody knows
    costs null, with the reason, never 0. Local servers are free unless you set a price for local/NAME.
    """


@command.command("list")
@click.option("--model", metavar="NAME", help="Of models of that name, or with that in it.")
@click.option("--provider", metavar="NAME", help="Of a provider of the list, such as groq.")
@click.option("--own", is_flag=True, help="Only those that you have set.")
@with_options
def show_list(invocation: Invocation, model: str | None, provider: str | None, *, own: bool) -> None:
    """List prices: yours, and those of the providers that you have a key for."""
    asked = {"model": model, "provider": provider, "own": "true" if own else None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    invocation.finish("GET", f"/api/prices?{query}" if query else "/api/prices", show=_SHOW)


def _quantities(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_OPTIONS):
        command = click.option(f"--{name}", type=float, metavar="USD", help=text)(command)
    return command


@command.command("set")
@click.argument("where")
@click.argument("model")
@_quantities
@click.option(
    "--tier", default="", metavar="WORD", help="For answers served so: flex, priority, fast, batch."
)
@click.option(
    "--above", default=0, type=int, metavar="TOKENS", help="For answers to an input of more tokens."
)
@click.option(
    "--from", "since", default="", metavar="DAY", help="From that day on (UTC), such as 2026-12-01."
)
@with_options
def set_price(
    invocation: Invocation,
    /,
    where: str,
    model: str,
    tier: str,
    above: int,
    since: str,
    **given: float | None,
) -> None:
    """Set what a model costs, or change it. It holds for answers from now on, instead of all that the list says of it.

    WHERE is a backend (openai/groq, local/box) or a provider of the list (groq); MODEL may hold * and ?.

    \b
    pointsman prices set openai gpt-5.4 --input 2.5 --cached 0.25 --output 15
    pointsman prices set openai gpt-5.4 --tier flex --input 1.25 --output 7.5
    pointsman prices set local/box '*' --input 0.05 --output 0.05     what its power costs
    """
    prices = {name: price for name, price in given.items() if price is not None}
    body = {"where": where, "model": model, "tier": tier, "above": above, "since": since, **prices}
    invocation.finish("POST", "/api/prices", body, show=_SHOW)


@command.command("remove")
@click.argument("price_id", metavar="ID", type=int)
@with_options
def remove(invocation: Invocation, price_id: int) -> None:
    """Remove a price of yours: the list's holds again."""
    invocation.finish(
        "DELETE", f"/api/prices/{price_id}", show=lambda _: note(f"price {price_id} is removed")
    )


@command.command("update")
@click.option(
    "--from", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A list of prices."
)
@click.option("--built-in", is_flag=True, help="Go back to the list that came with the gateway.")
@with_options
def update(invocation: Invocation, file: Path | None, *, built_in: bool) -> None:
    """Read a newer list of prices. Nothing is fetched: get the file yourself.

    Known are what `prices list --own --json` prints, genai-prices' data.json, and LiteLLM's
    model_prices_and_context_window.json. Providers that are in it are replaced; prices of your own stay.
    """
    if (file is None) is not built_in:
        raise click.UsageError("name a file with --from, or --built-in")
    if file is None:
        invocation.finish(
            "DELETE", "/api/price-lists", show=lambda _: note("the list that came with the gateway holds")
        )
        return
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        fail_with(invocation, f"{file} cannot be read as JSON: {error}")
    models: dict[str, int] = {}
    own = 0
    with invocation.session():
        for part in _parts(data):
            answer = invocation.send("POST", "/api/price-lists", {"source": file.name, "data": part})
            told = answer.json()
            models |= told["models"]
            own += told["own"]
    if invocation.as_json:
        click.echo(json.dumps({"models": models, "own": own}))
        return
    if models:
        note(f"{sum(models.values())} models of {len(models)} providers have the prices of {file.name}")
    if own or not models:
        note(f"{own} prices of yours are set")


_COMMENTS = ("description", "price_comments", "pricing_urls", "extractors")


_LARGEST = 400_000
"""Characters of one call of the API, about, but for a provider that has more."""


def _parts(data: Any) -> Iterator[Any]:
    """What one call of the API takes: whole providers, as many as have room."""
    if isinstance(data, dict) and any(
        isinstance(one, dict) and "litellm_provider" in one for one in data.values()
    ):
        from ..ledger.price_files import litellm_provider

        by_provider: dict[str, dict[str, Any]] = {}
        for name, one in data.items():
            if name != "sample_spec" and isinstance(one, dict):
                by_provider.setdefault(litellm_provider(str(one.get("litellm_provider"))), {})[name] = one
        for group in _together(list(by_provider.values())):
            yield {name: one for models in group for name, one in models.items()}
    elif isinstance(data, list) and all(isinstance(one, dict) and "models" in one for one in data):
        yield from _together([_bare(one) for one in data])
    else:
        yield data


def _together(parts: list[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    size = 0
    for part in parts:
        length = len(json.dumps(part))
        if group and size + length > _LARGEST:
            yield group
            group, size = [], 0
        group.append(part)
        size += length
    if group:
        yield group


def _bare(value: Any) -> Any:
    """Without what is there for people."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, dict):
        return {name: _bare(one) for name, one in value.items() if name not in _COMMENTS}
    return value


@command.command("reference")
@click.argument("target", metavar="BACKEND:MODEL|none", required=False)
@with_options
def reference(invocation: Invocation, target: str | None) -> None:
    """Say by which model's price local answers are measured; without an argument, show it.

    What they would have cost there is `saved` in the usage.

    \b
    pointsman prices reference openai:gpt-5.4
    pointsman prices reference anthropic:claude-sonnet-5     works without a key for it
    pointsman prices reference none
    """
    if target is None:
        invocation.finish("GET", "/api/price-reference", show=_show_reference)
    else:
        body = {"target": None if target == "none" else target}
        invocation.finish("PUT", "/api/price-reference", body, show=_show_reference)


def _show_reference(found: Row) -> None:
    if found["target"] is None:
        note("local answers are measured by nothing; say by what: pointsman prices reference BACKEND:MODEL")
    else:
        click.echo(f"local answers are measured by {found['target']}")
