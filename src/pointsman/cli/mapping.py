"""`pointsman mapping ...`: the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from ..kinds import BackendType, FallbackOn, backend_key
from . import cache
from .columns import Column, Verb, summary, takes
from .common import BackendParam, Invocation, Row, SecondsParam, note, printable, table, with_options
from .customs import COLUMN as CUSTOMS
from .once import Group
from .rule_params import (
    ConditionParam,
    FallbackParam,
    PercentParam,
    PresetParam,
    ReasonParam,
    ShadowParam,
    Target,
    WeightsParam,
)


def _reasons(given: Sequence[tuple[str, int | None]]) -> dict[str, Any]:
    return {
        "fallback_on": [word for word, _ in given],
        "stuck_after": next((number for word, number in given if word == FallbackOn.STUCK), None),
    }


def fallback_fields(targets: Sequence[Target]) -> dict[str, Any]:
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


_ONWARD = (
    "Also go to the next target when the input is too long (context), the model refuses (refusal), every place there is"
    " taken (busy), it does not run or has not loaded the model (cold), the model sees no pictures or calls no tools"
    " (ability), or the conversation has not got on for 3 turns (stuck; stuck=4: for 4); repeatable."
)
_STUCK_FOR = "Turns that the next target then has (5)."
_STOP_LOOPS = "End an answer that says one phrase again and again; with --fallback-on stuck the next turn is handed over."
_RECOVER = (
    "Make a call of what a local server gives as the text of one (<tool_call>...), where it fits a tool."
)
_CACHE = (
    "Keep each answer for so long (1h) and give it to an equal request of the same client key, without asking anybody: where"
    " the temperature is 0."
)
_SHARED = "With --cache: also to equal requests of other client keys."
_SHADOW = (
    "Also ask this local target a share of what a cloud answered, behind the client's back, and compare: pointsman shadow"
    " report."
)
_SHADOW_SHARE = "With --shadow: of how many requests in a hundred (10%)."
_SHADOW_BUSY = "With --shadow: how much of that engine's time it may take (20%)."
_REPEATS = "Times in a row that a phrase stands there until it counts (20)."
_STICK = "Let a conversation stay with the target that it began with, as long as that one lives."
_WHEN = (
    "Take a request only when this holds, all of them where there are several: tokens>N (of its input, estimated), images,"
    " documents, audio, tools, web-search, thinking, effort=high, structured, client=claude-code, key=NAME,"
    " protocol=openai_chat, header:NAME=VALUE, hours=22-7; repeatable."
)
_SPREAD = "Ask the targets in turn: local ones are each other's equals, and so are providers."
_WEIGHTS = "Their shares, one number a target in the order that `mapping list` shows: 3,1."
_HEDGE = "Ask the next target too when there is no output after so long; the first to answer wins."


_IN_TURN = (
    "equals are asked in turn, chosen for each request: the model loaded, then the fewest requests in flight;"
    " their order now:"
)


_SET = (
    "Set this in each request: temperature=0.2, system=TEXT, thinking=false, chat_template_kwargs.NAME=VALUE ...;"
    " NAME?=VALUE only where the client says nothing of it; repeatable."
)
_SHOWN = 60
"""Characters of a preset in a list or a sentence."""


def _presets(presets: dict[str, Any] | None) -> list[str]:
    from ..conversation.presets import written

    return [one if len(one) <= _SHOWN else one[:_SHOWN] + "..." for one in written(presets or {})]


def _flag(field: str) -> Callable[[Any], list[str]]:
    return lambda on: [field] if on else []


def _cache(seconds: int | None) -> dict[str, Any]:
    """Without it nothing is left that the others could be about."""
    if seconds is None:
        return {"cache_seconds": None, "cache_shared": False, "cache_any_temperature": False}
    return {"cache_seconds": seconds}


def _shadow(target: Target | None) -> dict[str, Any]:
    """Without it nothing is left that the others could be about."""
    if target is None:
        return {"shadow": None, "shadow_share": None, "shadow_busy": None}
    kind, name, model = target
    return {"shadow": target_text(kind.value, name, model)}


COLUMNS = (
    Column("--pattern", "model_pattern", None, "Another pattern."),
    Column(
        "--to", "to",
        "The backend: openai, anthropic, local/NAME, openai/NAME ...",
        "Another backend.",
        kind=BackendParam(), required=True,
        body=lambda to: {"backend_type": to[0].value, "backend_name": to[1]},
    ),
    Column(
        "--model", "backend_model",
        "The model's name there (default: the name the client sent).",
        "The model's name there; '' for the name the client sent.",
        blank_clears=True,
    ),
    Column(
        "--fallback", "fallbacks",
        "Where to go when that fails; repeatable.",
        "Replaces all fallbacks; repeatable.",
        kind=FallbackParam(), many=True, body=fallback_fields,
        clear=("--no-fallback", "Remove all fallbacks."),
    ),
    Column(
        "--when", "conditions", _WHEN, _WHEN,
        kind=ConditionParam(), many=True, clear=("--always", "Take every request again."),
        summary=lambda conditions: [f"when:{one}" for one in conditions],
        sentence=lambda conditions: f"takes a request when: {' and '.join(conditions)}" if conditions else None,
    ),
    Column("--priority", "priority", "Higher is asked first.", "", kind=int, default=0),
    Column(
        "--local-only", "local_only", "Never let a request leave this computer.", "",
        kind=bool, summary=_flag("local_only"),
    ),
    Column(
        "--forward-auth", "forward_auth",
        "Send the client's own provider login on, instead of the stored key.", "",
        kind=bool, summary=_flag("forward_auth"),
    ),
    Column(
        "--fallback-on", "fallback_on", _ONWARD, _ONWARD,
        kind=ReasonParam(), many=True, body=_reasons,
        clear=("--no-fallback-on", "Tell the client of those again."),
        summary=lambda reasons: [f"on_{reason}" for reason in reasons],
        sentence=lambda reasons: f"also goes to the next target on: {', '.join(reasons)}" if reasons else None,
    ),
    Column(
        "--stuck-after", "stuck_after",  # said by --fallback-on stuck=N
        summary=lambda turns: [f"stuck_after={turns}"] if turns else [],
    ),
    Column(
        "--stuck-for", "stuck_for", _STUCK_FOR, _STUCK_FOR, kind=int, metavar="TURNS",
        clear=("--no-stuck-for", "As many as usual."),
        summary=lambda turns: [f"stuck_for={turns}"] if turns else [],
    ),
    Column(
        "--stop-loops", "stop_loops", _STOP_LOOPS, "", kind=bool, summary=_flag("stop_loops"),
        sentence=lambda on: "ends an answer that goes round in circles" if on else None,
    ),
    Column(
        "--loop-repeats", "loop_repeats", _REPEATS, _REPEATS, kind=int, metavar="N",
        clear=("--no-loop-repeats", "As often as usual."),
        summary=lambda times: [f"loop_repeats={times}"] if times else [],
    ),
    Column(
        "--recover-calls", "recover_calls", _RECOVER, "", kind=bool, summary=_flag("recover_calls"),
        sentence=lambda on: "makes calls of what a local server gives as their text" if on else None,
    ),
    CUSTOMS,
    Column(
        "--stick", "stick", _STICK, "", kind=bool, summary=_flag("stick"),
        sentence=lambda on: "a conversation stays with the target that it began with" if on else None,
    ),
    cache.column(_CACHE, _cache),
    Column(
        "--cache-shared", "cache_shared", _SHARED, "", kind=bool, summary=_flag("cache_shared"),
        sentence=lambda on: "a kept answer is given to every client key" if on else None,
    ),
    cache.ANY_TEMPERATURE,
    Column(
        "--shadow", "shadow", _SHADOW, _SHADOW, kind=ShadowParam(), body=_shadow,
        clear=("--no-shadow", "Ask no local target beside the client's answers any more."),
        summary=lambda target: [f"shadow={target}"] if target else [],
        sentence=lambda target: f"a share of what a cloud answers is compared with {target}" if target else None,
    ),
    Column(
        "--shadow-share", "shadow_share", _SHADOW_SHARE, _SHADOW_SHARE, kind=PercentParam(),
        clear=("--no-shadow-share", "As many as usual."),
        summary=lambda share: [f"shadow_share={share}%"] if share else [],
    ),
    Column(
        "--shadow-busy", "shadow_busy", _SHADOW_BUSY, _SHADOW_BUSY, kind=PercentParam(),
        clear=("--no-shadow-busy", "As much as usual."),
        summary=lambda share: [f"shadow_busy={share}%"] if share else [],
    ),
    Column(
        "--hedge", "hedge_seconds", _HEDGE, _HEDGE,
        kind=SecondsParam(), metavar="SECONDS",
        clear=("--no-hedge", "Ask one target after the other again."),
        summary=lambda seconds: [] if seconds is None else [f"hedge={seconds:g}s"],
        sentence=lambda seconds: (
            None if seconds is None else f"asks the next target too after {seconds:g} s without output"
        ),
    ),
    Column(
        "--spread", "spread", _SPREAD, "", kind=bool, summary=_flag("spread"),
        sentence=lambda on: _IN_TURN if on else None,
    ),
    Column(
        "--weights", "weights", _WEIGHTS, _WEIGHTS, kind=WeightsParam(),
        clear=("--no-weights", "Share alike again."),
        summary=lambda weights: [f"weights={','.join(map(str, weights))}"] if weights else [],
    ),
    Column(
        "--set", "presets", _SET, "Set this too, or otherwise; repeatable.",
        kind=PresetParam(), many=True, clear=("--no-set", "Set nothing any more."),
        body=lambda pairs: {"presets": dict(pairs) if pairs else None},
        summary=lambda presets: [f"set:{one}" for one in _presets(presets)],
        sentence=lambda presets: f"sets in each request: {', '.join(_presets(presets))}" if presets else None,
    ),
    Column("--unset", "unset", None, "Set this one no more; repeatable.", metavar="NAME", many=True),
    Column("--enable/--disable", "enabled", None, "", kind=bool),
)  # fmt: skip
"""What `add` and `update` take, in the order of their help."""


def target_text(kind: str, name: str | None, model: str | None) -> str:
    """`openai/groq:llama-3`, without the model where the client's own name is used."""
    backend = backend_key(BackendType(kind), name or "")
    return f"{backend}:{model}" if model else backend


def _fallbacks(row: Row) -> str | None:
    targets = [(one["backend_type"], one.get("backend_name"), one.get("model")) for one in row["fallbacks"]]
    if row["fallback_backend"]:
        targets.insert(0, (row["fallback_backend"], "", row["fallback_model"]))
    return ", ".join(target_text(*target) for target in targets) or None


_SHOW = table(
    ("id", "id"),
    ("enabled", "enabled"),
    ("priority", "priority"),
    ("pattern", "model_pattern"),
    ("to", lambda row: target_text(row["backend_type"], row["backend_name"], row["backend_model"])),
    ("fallbacks", _fallbacks),
    ("", lambda row: summary(COLUMNS, row)),
    empty="there is no rule yet; add one with: pointsman mapping add PATTERN --to TYPE[/NAME]",
)


@click.group("mapping", cls=Group)
def command() -> None:
    """Rules: which model goes to which backend."""


@command.command("add")
@click.argument("pattern")
@takes(COLUMNS, Verb.ADD)
@with_options
def add(invocation: Invocation, pattern: str, body: dict[str, Any]) -> None:
    """Add a rule for models that match PATTERN (* and ? are wild).

    \b
    pointsman mapping add 'gpt-*' --to openai --fallback local/box=qwen3
    pointsman mapping add fast --to openai --model gpt-4o-mini
    """
    body = {"model_pattern": pattern} | body
    invocation.finish("POST", "/api/mappings", body, show=_SHOW)


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List the rules in the order in which they are asked: the first that matches decides."""
    with invocation.session():
        rules = invocation.send("GET", "/api/mappings")
        order = invocation.send("GET", "/api/mapping-order")
    invocation.print(rules, _SHOW)
    for rule in order.json():
        if rule["problem"]:
            text = f"rule {rule['id']} ({rule['pattern']}): {rule['problem']}; mend it: {rule['fix']}"
            note(f"warning: {printable(text)}")


@command.command("move")
@click.argument("mapping_id", metavar="ID", type=int)
@click.option("--before", type=int, metavar="ID", help="The rule that it goes directly before.")
@click.option("--after", type=int, metavar="ID", help="The rule that it goes directly behind.")
@with_options
def move(invocation: Invocation, mapping_id: int, before: int | None, after: int | None) -> None:
    """Put a rule before or behind another; changes as few priorities as it takes."""
    if (before is None) == (after is None):
        raise click.UsageError("say where it goes: --before ID, or --after ID")
    body = {"before": before} if after is None else {"after": after}
    invocation.finish("POST", f"/api/mappings/{mapping_id}/move", body, show=_show_moved)


def _show_moved(rows: list[Row]) -> None:
    if not rows:
        note("it stood there already; nothing was changed")
    for row in rows:
        click.echo(f"rule {row['id']} ({printable(row['model_pattern'])}) has priority {row['priority']} now")


@command.command("update")
@click.argument("mapping_id", metavar="ID", type=int)
@takes(COLUMNS, Verb.UPDATE)
@with_options
def update(invocation: Invocation, mapping_id: int, body: dict[str, Any]) -> None:
    """Change a rule; what is not named stays as it is."""
    names = body.pop("unset", ())
    if names and body.get("presets", ()) is not None:
        away = {spelled: None for name in names for spelled in (name, f"{name}?")}
        body["presets"] = away | body.get("presets", {})
    invocation.finish("PATCH", f"/api/mappings/{mapping_id}", body, show=_SHOW)


@command.command("remove")
@click.argument("mapping_id", metavar="ID", type=int)
@with_options
def remove(invocation: Invocation, mapping_id: int) -> None:
    """Remove a rule."""
    invocation.finish(
        "DELETE", f"/api/mappings/{mapping_id}", show=lambda _: note(f"rule {mapping_id} is removed")
    )
