"""llama-swap's `config.yaml`: its commands as engines that are started on demand, its aliases as rules."""

from __future__ import annotations

import re
from typing import Any

from ...kinds import BackendType
from ..engine_recipe import EngineWords
from .carried import Carried, TheirTarget, config_of, dict_of, named, texts_of

_MACRO = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
_MOST = 10
"""Macros within macros."""
_OWN = {
    "healthCheckTimeout": "a start may take as long as it shows signs of life (`deadline` in the engine's file)",
    "logLevel": "serve --log-level", "logRequests": "every request is in `pointsman usage`",
    "metricsMaxInMemory": "usage is kept on disk", "startPort": "each engine gets a free port",
    "groups": "engines make room for each other by the memory that they take (serve --memory); --pin keeps one",
    "hooks": "what is to start with the gateway: local update NAME --preload",
    "includeAliasesInList": "rules' names are not listed", "sendLoadingState": "who waits is kept alive",
    "matrix": "engines make room for each other by the memory that they take (serve --memory)",
    "peers": "another gateway is a backend: local add, credential set --base-url",
    "apiKeys": "clients need a key of this gateway: pointsman key create",
    "captureBuffer": "pointsman capture", "globalTTL": "said of each engine",
}  # fmt: skip
_OF_MODEL = {
    "cmd", "aliases", "ttl", "env", "checkEndpoint", "proxy", "unlisted", "useModelName", "macros", "name", "description",
}  # fmt: skip


def carry(text: str) -> Carried:
    """Raises click.UsageError for what is no such file."""
    config = config_of(text, "llama-swap", "models", dict)
    carried = Carried()
    preloaded = set(texts_of(dict_of(dict_of(config.get("hooks")).get("on_startup")).get("preload")))
    for name, row in config["models"].items():
        if not isinstance(row, dict) or not isinstance(row.get("cmd"), str):
            carried.left(str(name), "it has no cmd")
            continue
        _model(str(name), row, config, preloaded, carried)
    for name in dict_of(config):
        if name not in ("models", "macros", "globalTTL") and not (name == "hooks" and preloaded):
            carried.left(name, _OWN.get(name, "nobody here knows what it is"))
    return carried


def _model(
    name: str, row: dict[str, Any], config: dict[str, Any], preloaded: set[str], carried: Carried
) -> None:
    macros = {"MODEL_ID": name, **_macros(config), **_macros(row)}
    command = _filled(_lines(row["cmd"]), macros)
    fixed = isinstance(row.get("proxy"), str) and "${PORT}" not in row["proxy"]
    port = re.search(r"^https?://(?:localhost|127\.0\.0\.1):(\d+)", str(row.get("proxy"))) if fixed else None
    command = command.replace("${PORT}", "{port}")
    if port is not None:
        command = re.sub(rf"\b{port[1]}\b", "{port}", command)
    unknown = _MACRO.search(command)
    if unknown is not None or (fixed and "{port}" not in command):
        why = (
            f"nobody says what {unknown[0]} is"
            if unknown
            else "it listens at an address of its own: local add --url"
        )
        carried.left(name, why)
        return
    ready = row.get("checkEndpoint")
    ttl = row.get("ttl", config.get("globalTTL", 0))
    ours = named(name)
    environment = "".join(f"{_quoted(one)} " for one in texts_of(row.get("env")))
    model = row.get("useModelName") if isinstance(row.get("useModelName"), str) else None
    carried.engines[ours] = EngineWords(
        command=f"env {environment}{command}" if environment else command,
        keep=float(ttl) if isinstance(ttl, int | float) and ttl > 0 else float("inf"),
        preload=True if name in preloaded else None,
        port=int(port[1]) if port else None,
        serves=() if row.get("unlisted") else (model or name,),
        ready=ready if isinstance(ready, str) and ready.startswith("/") else None,
    )
    names = [*([name] if model else []), *texts_of(row.get("aliases"))]
    for alias in names:
        carried.rule(alias, [TheirTarget(BackendType.LOCAL, ours, model or name)])
    for said in sorted(dict_of(row).keys() - _OF_MODEL):
        why = "a rule's --preset may set it" if said == "filters" else "nobody here knows what it is"
        carried.left(f"{name}: {said}", "it is stopped by a signal" if said == "cmdStop" else why)


def _lines(text: str) -> str:
    """A command as one line; a line that begins with # is a comment."""
    kept = [
        line.strip().removesuffix("\\").strip()
        for line in text.splitlines()
        if not line.strip().startswith("#")
    ]
    return " ".join(line for line in kept if line)


def _macros(row: dict[str, Any]) -> dict[str, str]:
    found = row.get("macros")
    if isinstance(found, list):
        found = {name: value for one in found if isinstance(one, dict) for name, value in one.items()}
    return {name: _lines(str(value)) for name, value in dict_of(found).items()}


def _filled(text: str, macros: dict[str, str]) -> str:
    for _ in range(_MOST):
        made = _MACRO.sub(lambda found: macros.get(found[1], found[0]), text)
        if made == text:
            break
        text = made
    return text


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
