"""`pointsman mapping ...`: the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ..kinds import BackendType, FallbackOn, backend_key
from .common import Backend, Caller, note, shown, table, with_options

_Target = tuple[BackendType, str, str | None]


class _Fallback(click.ParamType[Any]):
    """`TYPE[/NAME][=MODEL]`."""

    name = "TYPE[/NAME][=MODEL]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> _Target:
        if isinstance(value, tuple):
            return value
        backend, sign, model = str(value).partition("=")
        if sign and not model:
            self.fail("there is nothing after '='; leave it out to keep the model's own name", param, ctx)
        backend_type, name = Backend().convert(backend, param, ctx)
        return backend_type, name, model or None


_FALLBACK_ON = click.option(
    "--fallback-on",
    multiple=True,
    type=click.Choice([reason.value for reason in FallbackOn]),
    help="Also go to the next target when the input is too long (context) or the model refuses; repeatable.",
)
_HEDGE = click.option(
    "--hedge",
    "hedge_seconds",
    type=float,
    metavar="SECONDS",
    help="Ask the next target too when there is no output after so long; the first to answer wins.",
)


@click.group("mapping")
def command() -> None:
    """Rules: which model goes to which backend."""


@command.command("add")
@click.argument("pattern")
@click.option(
    "--to", required=True, type=Backend(), help="The backend: openai, anthropic, local/NAME, openai/NAME ..."
)
@click.option("--model", help="The model's name there (default: the name the client sent).")
@click.option(
    "--fallback",
    "fallbacks",
    multiple=True,
    type=_Fallback(),
    help="Where to go when that fails; repeatable.",
)
@click.option("--priority", type=int, default=0, show_default=True, help="Higher is asked first.")
@click.option("--local-only", is_flag=True, help="Never let a request leave this computer.")
@click.option(
    "--forward-auth", is_flag=True, help="Send the client's own provider login on, instead of the stored key."
)
@_FALLBACK_ON
@_HEDGE
@with_options
def add(
    caller: Caller,
    pattern: str,
    to: tuple[BackendType, str],
    model: str | None,
    fallbacks: tuple[_Target, ...],
    priority: int,
    local_only: bool,
    forward_auth: bool,
    fallback_on: tuple[str, ...],
    hedge_seconds: float | None,
) -> None:
    """Add a rule for models that match PATTERN (* and ? are wild).

    \b
    pointsman mapping add 'gpt-*' --to openai --fallback local/box=qwen3
    pointsman mapping add fast --to openai --model gpt-4o-mini
    """
    body: dict[str, Any] = {"model_pattern": pattern, "backend_type": to[0].value, "priority": priority}
    if to[1]:
        body["backend_name"] = to[1]
    if model is not None:
        body["backend_model"] = model
    body |= {"local_only": True} if local_only else {}
    body |= {"forward_auth": True} if forward_auth else {}
    body |= {"fallback_on": list(fallback_on)} if fallback_on else {}
    body |= {"hedge_seconds": hedge_seconds} if hedge_seconds is not None else {}
    if fallbacks:
        body |= fallback_fields(fallbacks)
    caller.finish("POST", "/api/mappings", body, show=lambda row: _show([row]))


@command.command("list")
@with_options
def show_list(caller: Caller) -> None:
    """List the rules, in the order of their priority."""
    caller.finish("GET", "/api/mappings", show=_show)


@command.command("update")
@click.argument("mapping_id", metavar="ID", type=int)
@click.option("--pattern", help="Another pattern.")
@click.option("--to", type=Backend(), help="Another backend.")
@click.option("--model", help="The model's name there; '' for the name the client sent.")
@click.option(
    "--fallback", "fallbacks", multiple=True, type=_Fallback(), help="Replaces all fallbacks; repeatable."
)
@click.option("--no-fallback", is_flag=True, help="Remove all fallbacks.")
@click.option("--priority", type=int)
@click.option("--local-only/--no-local-only", default=None)
@click.option("--forward-auth/--no-forward-auth", default=None)
@_FALLBACK_ON
@click.option("--no-fallback-on", is_flag=True, help="Tell the client of those again.")
@_HEDGE
@click.option("--no-hedge", is_flag=True, help="Ask one target after the other again.")
@click.option("--enable/--disable", "enabled", default=None)
@with_options
def update(
    caller: Caller,
    /,
    mapping_id: int,
    to: tuple[BackendType, str] | None,
    fallbacks: tuple[_Target, ...],
    no_fallback: bool,
    fallback_on: tuple[str, ...],
    no_fallback_on: bool,
    no_hedge: bool,
    **fields: Any,
) -> None:
    """Change a rule; what is not named stays as it is."""
    for named, none, option in (
        (fallbacks, no_fallback, "fallback"),
        (fallback_on, no_fallback_on, "fallback-on"),
        (fields["hedge_seconds"] is not None, no_hedge, "hedge"),
    ):
        if named and none:
            raise click.UsageError(f"--{option} and --no-{option} exclude each other")
    names = {"pattern": "model_pattern", "model": "backend_model"}
    body = {names.get(name, name): value for name, value in fields.items() if value is not None}
    if body.get("backend_model") == "":
        body["backend_model"] = None
    if to is not None:
        body |= {"backend_type": to[0].value, "backend_name": to[1]}
    if fallbacks or no_fallback:
        body |= fallback_fields(fallbacks)
    if fallback_on or no_fallback_on:
        body["fallback_on"] = list(fallback_on)
    if no_hedge:
        body["hedge_seconds"] = None
    if not body:
        raise click.UsageError("nothing to change; see pointsman mapping update --help")
    caller.finish("PATCH", f"/api/mappings/{mapping_id}", body, show=lambda row: _show([row]))


@command.command("remove")
@click.argument("mapping_id", metavar="ID", type=int)
@with_options
def remove(caller: Caller, mapping_id: int) -> None:
    """Remove a rule."""
    caller.finish(
        "DELETE", f"/api/mappings/{mapping_id}", show=lambda _: note(f"rule {mapping_id} is removed")
    )


def fallback_fields(targets: Sequence[_Target]) -> dict[str, Any]:
    """The first target without a name is `fallback_backend`, the others are `fallbacks`. Says so on
    standard error when that changes the order in which they are tried."""
    plain = next((i for i, (_, name, _) in enumerate(targets) if not name), None)
    rest = [target for i, target in enumerate(targets) if i != plain]
    fields: dict[str, Any] = {
        "fallback_backend": None,
        "fallback_model": None,
        "fallbacks": [
            {"backend_type": kind.value, "backend_name": name, "model": model} for kind, name, model in rest
        ],
    }
    if plain is not None:
        fields["fallback_backend"], fields["fallback_model"] = targets[plain][0].value, targets[plain][2]
        if plain > 0:
            first, second = targets[plain][0].value, backend_key(*targets[0][:2])
            note(f"note: {first} is tried before {second}: a fallback without a name comes first")
    return fields


def target_text(kind: str, name: str | None, model: str | None) -> str:
    """`openai/groq:llama-3`, without the model where the client's own name is used."""
    backend = f"{kind}/{name}" if name else kind
    return f"{backend}:{model}" if model else backend


def _show(rows: list[dict[str, Any]]) -> None:
    lines = []
    for row in rows:
        targets = (
            [target_text(row["fallback_backend"], "", row["fallback_model"])]
            if row["fallback_backend"]
            else []
        )
        targets += [
            target_text(t["backend_type"], t.get("backend_name"), t.get("model"))
            for t in row.get("fallbacks") or ()
        ]
        flags = [word for word in ("local_only", "forward_auth") if row.get(word)]
        flags += [f"on_{reason}" for reason in row.get("fallback_on") or ()]
        if row.get("hedge_seconds") is not None:
            flags.append(f"hedge={row['hedge_seconds']:g}s")
        lines.append(
            (
                row["id"],
                row["enabled"],
                row["priority"],
                row["model_pattern"],
                target_text(row["backend_type"], row.get("backend_name"), row["backend_model"]),
                ", ".join(targets) or None,
                shown(" ".join(flags)),
            )
        )
    empty = "there is no rule yet; add one with: pointsman mapping add PATTERN --to TYPE[/NAME]"
    table(("id", "enabled", "priority", "pattern", "to", "fallbacks", ""), lines, empty=empty)
