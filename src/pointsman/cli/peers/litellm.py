"""LiteLLM's `config.yaml`: its model list as backends and rules, its fallbacks as targets that follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...kinds import BackendType
from .carried import Carried, TheirTarget, config_of, dict_of, known_url, list_of, texts_of


@dataclass(frozen=True, slots=True)
class TheirProvider:
    """What stands before a model's name. name: ours. base_url: where it is, if nothing is said. known: it is in our list of
    providers by that name; own: it is the vendor that the type is named after. path: behind an address of its own."""

    type: BackendType = BackendType.OPENAI
    name: str = ""
    base_url: str | None = None
    known: bool = False
    own: bool = False
    path: str = ""


_OLLAMA = TheirProvider(BackendType.LOCAL, base_url="http://localhost:11434")
_OPENAI, _ANTHROPIC = TheirProvider(own=True), TheirProvider(BackendType.ANTHROPIC, own=True)
_PROVIDERS: dict[str, TheirProvider] = {
    "openai": _OPENAI, "text-completion-openai": _OPENAI, "anthropic": _ANTHROPIC,
    "anthropic_text": _ANTHROPIC, "ollama_chat": _OLLAMA,
    "azure": TheirProvider(name="azure", path="/openai/v1"),
    "together_ai": TheirProvider(name="together", known=True), "fireworks_ai": TheirProvider(name="fireworks", known=True),
    "nvidia_nim": TheirProvider(name="nvidia", known=True), "dashscope": TheirProvider(name="qwen", known=True),
}  # fmt: skip
"""Those that are not called as ours are. Its list of them: docs.litellm.ai, Providers."""
_CHAT = "_chat"
"""A provider with that behind its name is the same one, asked on another path."""
_UNKNOWN = {"azure_ai", "bedrock", "vertex_ai", "sagemaker", "watsonx", "cohere", "replicate", "palm", "oci"}
"""What they speak is no OpenAI's form, at an address of its own."""
_UNSAID = (("claude", "anthropic"), ("", "openai"))
"""Where nothing stands before a model's name: (how it begins, whose it is)."""
_PARAMS = {"model", "api_base", "base_url", "api_key", "api_version"}
_RATES = {"rpm", "tpm", "max_parallel_requests"}
_OWN = {
    "general_settings.master_key": "clients need a key of this gateway: pointsman key create",
    "general_settings.database_url": "keys and budgets are made anew: pointsman key create",
    "litellm_settings.drop_params": "parameters that a backend does not know are left out and told anyway",
    "litellm_settings.num_retries": "what has failed goes to the next target",
    "litellm_settings.request_timeout": "serve's limits (pointsman serve --help)",
    "litellm_settings.callbacks": "metrics, webhooks and OpenTelemetry (docs/metrics.md, docs/telemetry.md)",
    "litellm_settings.success_callback": "metrics, webhooks and OpenTelemetry (docs/metrics.md, docs/telemetry.md)",
    "litellm_settings.failure_callback": "metrics, webhooks and OpenTelemetry (docs/metrics.md, docs/telemetry.md)",
    "router_settings.routing_strategy": "equals take turns (--spread)",
    "router_settings.num_retries": "what has failed goes to the next target",
    "router_settings.timeout": "serve's limits (pointsman serve --help)",
    "router_settings.redis_host": "nothing is shared by Redis",
    "environment_variables": "set them where the gateway is started",
}
_FALLBACKS = ("litellm_settings.fallbacks", "router_settings.fallbacks", "litellm_settings.context_window_fallbacks",
              "router_settings.context_window_fallbacks", "litellm_settings.default_fallbacks")  # fmt: skip
_VARIABLE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


def carry(text: str) -> Carried:
    """Raises click.UsageError for what is no such file."""
    config = config_of(text, "LiteLLM", "model_list", list)
    carried = Carried()
    targets = _models(config["model_list"], carried)
    further, on_context = _fallbacks(config, carried)
    for name, own in targets.items():
        others = [
            TheirTarget(one.type, one.name, one.model or other)
            for other in further.get(name, further.get("*", []))
            for one in targets.get(other, [])
        ]
        alike = len({one.type is BackendType.LOCAL for one in own}) == 1
        columns: dict[str, Any] = {"spread": True} if len(own) > 1 and not others and alike else {}
        if len(own) > 1 and not columns:
            carried.note(f"{name}: its deployments are asked one after another, not in turns")
        if name in on_context:
            columns["fallback_on"] = ["context"]
        carried.rule(name, [*own, *(one for one in others if one not in own)], **columns)
    _aliases(config, targets, carried)
    _left(config, carried)
    return carried


def _models(rows: list[Any], carried: Carried) -> dict[str, list[TheirTarget]]:
    found: dict[str, list[TheirTarget]] = {}
    for row in rows:
        params = row.get("litellm_params") if isinstance(row, dict) else None
        name = row.get("model_name") if isinstance(row, dict) else None
        if (
            not isinstance(params, dict)
            or not isinstance(name, str)
            or not isinstance(params.get("model"), str)
        ):
            carried.left("an entry of model_list", "it names no model")
            continue
        reached = _reached(name, params, carried)
        if reached is not None and reached not in found.setdefault(name, []):
            found[name].append(reached)
        for said in sorted(dict_of(params).keys() - _PARAMS):
            why = (
                "a client key has rates, and a backend --max-in-flight"
                if said in _RATES
                else "a rule's --preset may set it"
            )
            carried.left(f"{name}: {said}", why)
    return {name: own for name, own in found.items() if own}


def _reached(name: str, params: dict[str, Any], carried: Carried) -> TheirTarget | None:
    word, sign, model = params["model"].partition("/")
    if not sign:
        model = params["model"]
        word = next(whose for beginning, whose in _UNSAID if model.startswith(beginning))
    if model == "*" and name != "*":
        carried.left(name, "no part of a name is taken off here: add a rule for the names without it")
        return None
    url = params.get("api_base") or params.get("base_url")
    provider = _PROVIDERS.get(word) or _PROVIDERS.get(word + _CHAT)
    provider = provider or TheirProvider(name=word, known=word not in _UNKNOWN)
    try:
        kind, url = _address(provider, url, word)
        called = provider.name or (_host(url) if provider.own and url else word.removesuffix(_CHAT))
        backend = carried.backend(called, url, kind, _key(params.get("api_key")))
    except ValueError as error:
        carried.left(name, str(error))
        return None
    return TheirTarget(*backend, None if model in (name, "*") else model)


def _address(provider: TheirProvider, url: object, word: str) -> tuple[BackendType, str | None]:
    """Raises ValueError where nobody knows it."""
    if isinstance(url, str):
        variable = _VARIABLE.fullmatch(url)
        if variable is not None:
            raise ValueError(f"its address stands in the variable {variable[1]}; write it into the file")
        return provider.type, url.rstrip("/") + ("" if provider.path in url else provider.path)
    if provider.base_url is not None or provider.own:
        return provider.type, provider.base_url
    where = known_url(provider.name) if provider.known else None
    if where is None:
        raise ValueError(f"{word} is not known here by name; give its OpenAI-compatible address: api_base")
    return where


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.hostname or 'backend'}-{parts.port}" if parts.port else parts.hostname or "backend"


def _key(text: Any) -> str | None:
    if (
        not isinstance(text, str)
        or not text
        or text.lower() in ("none", "dummy", "fake-key", "sk-no-key-required")
    ):
        return None
    found = _VARIABLE.fullmatch(text)
    return f"${found[1]}" if found else text


def _fallbacks(config: dict[str, Any], carried: Carried) -> tuple[dict[str, list[str]], set[str]]:
    """(further names by name, "*" for all; those that go on for a full context, too)."""
    further: dict[str, list[str]] = {}
    on_context: set[str] = set()
    for place in _FALLBACKS:
        value = _at(config, place)
        if place.endswith("default_fallbacks"):
            further["*"] = texts_of(value)
            continue
        for one in list_of(value):
            for name, others in dict_of(one).items():
                known = further.setdefault(name, [])
                known += [other for other in texts_of(others) if other not in known]
                if "context" in place:
                    on_context.add(name)
    return further, on_context


def _aliases(config: dict[str, Any], targets: dict[str, list[TheirTarget]], carried: Carried) -> None:
    for name, aliased in dict_of(_at(config, "router_settings.model_group_alias")).items():
        other = aliased if isinstance(aliased, str) else str(dict_of(aliased).get("model"))
        own = targets.get(other)
        if own is None:
            carried.left(f"model_group_alias {name}", "what it stands for was not carried over")
            continue
        carried.rule(name, [TheirTarget(one.type, one.name, one.model or other) for one in own])


def _left(config: dict[str, Any], carried: Carried) -> None:
    for section, values in dict_of(config).items():
        if section == "model_list":
            continue
        for name in values if isinstance(values, dict) else [None]:
            place = section if name is None or section in _OWN else f"{section}.{name}"
            if place not in _FALLBACKS and place != "router_settings.model_group_alias":
                carried.left(place, _OWN.get(place, "nobody here knows what it is"))
            if section in _OWN:
                break


def _at(config: dict[str, Any], place: str) -> Any:
    section, _, name = place.partition(".")
    values = config.get(section)
    return values.get(name) if isinstance(values, dict) else None
