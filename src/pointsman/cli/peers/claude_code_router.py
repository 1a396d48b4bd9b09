"""claude-code-router's `config.json`: providers, and its scenarios as rules with conditions.

Its router's order, by its source (src/utils/router.ts, 2026): long context, background (Claude's small model), web search,
thinking, default; an image's model where the image agent is on.
"""

from __future__ import annotations

import re
from typing import Any

import click

from ...kinds import BackendType
from ...programs.edits import json_text
from ...programs.edits.places import NotReadable
from .carried import Carried, TheirTarget, dict_of, list_of

_MESSAGES = "/messages"
_LONG = 60_000
"""Its `longContextThreshold` where none is said."""
_SCENARIOS: tuple[tuple[str, str, int, tuple[str, ...]], ...] = (
    ("default", "*", 0, ()),
    ("think", "*", 10, ("thinking",)),
    ("webSearch", "*", 20, ("web-search",)),
    ("background", "*haiku*", 30, ()),
    ("longContext", "*", 40, ()),
    ("image", "*", 50, ("images",)),
)
"""(its name, our pattern, priority, conditions)."""
_FORMS: dict[str, BackendType | None] = {
    "Anthropic": BackendType.ANTHROPIC, "gemini": None, "vertex-gemini": None, "vertex-claude": None,
}  # fmt: skip
"""Transformers that say in which form a provider is asked; None: one that is not spoken here."""
_KNOWN = {"Providers", "providers", "Router"}
_OWN = {
    "APIKEY": "clients need a key of this gateway: pointsman key create",
    "HOST": "serve --host", "PORT": "serve --port", "PROXY_URL": "a backend's --proxy",
    "API_TIMEOUT_MS": "serve's limits (pointsman serve --help)", "LOG": "pointsman serve logs by itself",
    "LOG_LEVEL": "serve --log-level", "NON_INTERACTIVE_MODE": "nothing asks here",
    "CUSTOM_ROUTER_PATH": "JavaScript is not run; conditions of rules may do it (docs/conditions.md)",
    "StatusLine": "a status line is the client's own affair",
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def carry(text: str) -> Carried:
    """Raises click.UsageError for what is no such file."""
    config, carried = _read(text), Carried()
    backends = _providers(config.get("Providers") or config.get("providers") or [], carried)
    _rules(dict_of(config.get("Router")), backends, carried)
    if not backends:
        carried.left("Providers", "none of them could be read")
    for name in config:
        if name not in _KNOWN:
            carried.left(name, _OWN.get(name, "nobody here knows what it is"))
    return carried


def _read(text: str) -> dict[str, Any]:
    """JSON with comments and commas at ends, as it takes them."""
    try:
        found = json_text.read(text)
    except NotReadable as error:
        raise click.UsageError(f"this is no config.json of claude-code-router: {error}") from None
    if not isinstance(found, dict) or not {"Providers", "providers"} & found.keys():
        raise click.UsageError("this is no config.json of claude-code-router: it has no Providers")
    return found


def _providers(rows: Any, carried: Carried) -> dict[str, tuple[BackendType, str]]:
    found: dict[str, tuple[BackendType, str]] = {}
    for row in list_of(rows):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            carried.left("a provider", "it has no name")
            continue
        name, url = row["name"], row.get("api_base_url") or row.get("baseUrl")
        uses = dict_of(row.get("transformer"))
        words = [
            str(one[0]) if isinstance(one, list) and one else str(one) for one in list_of(uses.get("use"))
        ]
        forms = [_FORMS[one] for one in words if one in _FORMS]
        if None in forms:
            carried.left(
                f"provider {name}", "its own form is not spoken here; give an address that speaks OpenAI's"
            )
            continue
        kind = (forms[0] if forms else None) or _by_path(str(url))
        try:
            found[name] = carried.backend(name, url, kind, _key(row.get("api_key")))
        except ValueError as error:
            carried.left(f"provider {name}", str(error))
            continue
        said = sorted(set(words) - _FORMS.keys() - {name})
        said += [f"for {model}" for model in uses if model != "use"]
        if said:
            carried.note(
                f"provider {name}: transformers are not needed here, and are left out ({', '.join(said)}); what they set"
                " of a request can be a preset of a rule (mapping add --preset)"
            )
    return found


def _by_path(url: str) -> BackendType:
    """By what stands at the end of its address."""
    return BackendType.ANTHROPIC if _MESSAGES in url else BackendType.OPENAI


def _key(text: Any) -> str | None:
    if not isinstance(text, str) or not text:
        return None
    found = _VARIABLE.fullmatch(text.strip())
    return f"${found[1]}" if found else text.strip()


def _rules(router: dict[str, Any], backends: dict[str, tuple[BackendType, str]], carried: Carried) -> None:
    for name, pattern, priority, conditions in _SCENARIOS:
        text = router.get(name)
        if not text:
            continue
        provider, _, model = str(text).partition(",")
        backend = backends.get(provider.strip())
        if backend is None or not model.strip():
            carried.left(f"Router.{name}", f"{text!r} names no provider and model that were carried over")
            continue
        when = conditions
        if name == "longContext":
            when = (f"tokens>{_threshold(router)}",)
        carried.rule(
            pattern, [TheirTarget(*backend, model.strip())], priority=priority, conditions=list(when)
        )
    known = {name for name, *_ in _SCENARIOS} | {"longContextThreshold"}
    for name in router:
        if name not in known:
            carried.left(f"Router.{name}", "nobody here knows what it is")
    if router.get("default"):
        carried.note(
            "a model that a client names as `provider,model` is no special name here; add a rule for it"
        )


def _threshold(router: dict[str, Any]) -> int:
    said = router.get("longContextThreshold")
    return int(said) if isinstance(said, int | float | str) and str(said).isdigit() else _LONG
