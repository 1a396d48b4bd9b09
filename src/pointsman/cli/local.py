"""`pointsman local ...`: model servers on this computer or network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from ..providers.urls import engine_of, engine_url
from . import local_engines, local_models
from .columns import CA_FILE, DIALECT, MAX_IN_FLIGHT, PROXY, SILENT_END, Column, Verb, takes, way
from .common import Invocation, Row, fail_with, note, read_secret, table, with_options
from .completing import servers
from .credential import run_test, say_found, tries
from .engine_recipe import EngineWords, takes_engine
from .once import Group


def _key(given: bool | None) -> dict[str, Any]:
    """None: forget it."""
    name = click.get_current_context().params["name"]
    return {"api_key": read_secret(f"Key for local/{name}") if given else None}


COLUMNS = (
    Column(
        "--url", "base_url",
        "Its address: http://127.0.0.1:11434; a path is its own, where there is none /v1 is meant;"
        " unix:///run/llama.sock for a Unix socket.", "",
        metavar="URL",
    ),
    Column(
        "--key", "api_key",
        "It wants a key: read it from standard input or a hidden prompt.",
        "Replace its key: read from standard input or a hidden prompt.",
        kind=bool, body=_key, clear=("--no-key", "Forget its key."),
    ),
    Column(
        "--allow-http", "allow_http",
        "Let plain http go to an address that is not private.", "",
        kind=bool,
    ),
    DIALECT,
    Column(
        "--context-window", "context_window", "", "", kind=click.IntRange(min=1), metavar="TOKENS",
    ),
    MAX_IN_FLIGHT,
    Column(
        "--join-resends", "join_resends",
        "Let a request that a client sends again join the answer that is still being made.", "",
        kind=bool,
    ),
    SILENT_END,
    PROXY,
    CA_FILE,
    Column(
        "--node", "node",
        "Of several gateways on one PostgreSQL only this one reaches it; the others ask that one's gateway.", "",
        metavar="NAME", clear=("--no-node", "Each gateway reaches it by itself."),
    ),
    Column("--enable/--disable", "enabled", None, "", kind=bool),
)  # fmt: skip
"""What `add` and `update` take, in the order of their help."""


def _address(row: Row) -> str:
    return "on demand" if engine_of(row["base_url"]) else str(row["base_url"])


_FIELDS: tuple[tuple[str, str | Callable[[Row], object]], ...] = (
    ("name", "name"),
    ("base URL", _address),
    ("enabled", "enabled"),
    ("key", "key_fingerprint"),
    ("speaks", lambda row: ", ".join(row.get("dialects") or ()) or None),
    ("by", way),
    ("context", "context_window"),
    ("at once", "max_in_flight"),
    ("joins resends", lambda row: "yes" if row.get("join_resends") else None),
)
_NONE = "there is no local server yet; add one with: pointsman local add NAME --url URL"


def _show(found: Any) -> None:
    """A row, or a list of them."""
    _with_engines(found if isinstance(found, list) else [found], {})


def _with_engines(rows: list[Row], engines: dict[str, Row]) -> None:
    """The list with what is known of those that are started on demand, and whose they are where any is a node's."""

    def of(field: str) -> Callable[[Row], object]:
        say = local_engines.SHORT[field]
        return lambda row: say(engines[row["name"]]) if row["name"] in engines else None

    extra = tuple((field, of(field)) for field in local_engines.SHORT) if engines else ()
    whose = (("node", "node"),) if any(row.get("node") for row in rows) else ()
    table(*_FIELDS, *whose, *extra, empty=_NONE)(rows)


def _models(row: Row) -> str | None:
    """At most so many as fit on a line; a window behind each that tells it."""
    names = [
        one["name"] + (f" ({_tokens(one['window'])})" if one["window"] else "") + _mark(one)
        for one in row["models"]
    ]
    more = f", and {len(names) - _MOST_MODELS} more" if len(names) > _MOST_MODELS else ""
    return ", ".join(names[:_MOST_MODELS]) + more or None


def _mark(model: Row) -> str:
    if model["elsewhere"]:
        return f" -> {model['elsewhere']}"
    return "*" if model["loaded"] else ""


def _tokens(window: int) -> str:
    return f"{window // 1024}k" if window % 1024 == 0 else str(window)


def _standing(row: Row) -> str:
    if row["stored"]:
        return "kept"
    return "used" if row["used"] else f"not used: {row['reason']}"


_MOST_MODELS = 6

_SHOW_FOUND = table(
    ("name", "name"),
    ("server", "title"),
    ("base URL", "base_url"),
    ("state", "state"),
    ("speaks", lambda row: ", ".join(row["protocols"]) or None),
    ("models (* loaded)", _models),
    ("", _standing),
    empty="no model server runs on this computer at a usual port; one elsewhere: pointsman local add NAME --url URL",
)


@click.group("local", cls=Group)
def command() -> None:
    """Model servers on this computer or network."""


@command.command("add")
@click.argument("name")
@takes_engine(Verb.ADD)
@takes(COLUMNS, Verb.ADD)
@tries
@with_options
def add(invocation: Invocation, name: str, body: dict[str, Any], engine: EngineWords, *, tried: bool) -> None:
    """Add under NAME a server that runs (--url), or one that is started on demand (--mlx, --gguf, --command).

    \b
    pointsman local add box --url http://127.0.0.1:8080
    pointsman local add qwen --gguf ~/models/qwen3-4b.gguf --keep 10m
    pointsman local add big --command 'vllm serve Qwen/Qwen3-32B --port {port}' --serves Qwen/Qwen3-32B

    How it says that it is ready, its environment and more: DATA/engines/NAME.json (docs/engines-on-demand.md).
    """
    ways = [*(["--url"] if "base_url" in body else []), *engine.sources]
    if len(ways) != 1:
        said = f"{' and '.join(ways)} exclude each other" if ways else "say what it is"
        raise click.UsageError(f"{said}: --url URL, --mlx PATH|REPO, --gguf PATH or --command '...'")
    if engine.sources:
        _add_engine(invocation, name, body, engine)
        return
    if engine:
        raise click.UsageError("these options go with --mlx, --gguf or --command; see local add --help")
    with invocation.session():
        answer = invocation.send("POST", "/api/local", {"name": name} | body)
        invocation.print(answer, _show)
        if tried:
            say_found(invocation, f"{_path(name)}/test")


def _add_engine(invocation: Invocation, name: str, body: dict[str, Any], engine: EngineWords) -> None:
    body = {"name": name, "base_url": engine_url(name)} | _context(engine) | body
    with invocation.session():
        _refuse_elsewhere(invocation, body.get("node"))
        if any(row["name"] == name for row in invocation.send("GET", "/api/local").json()):
            invocation.send(
                "POST", "/api/local", body
            )  # which says so; what runs by that name keeps its recipe
        with local_engines.recipe(invocation, name, engine, fresh=True):
            answer = invocation.send("POST", "/api/local", body)
        invocation.print(answer, _show)
    local_engines.say_what_next(invocation, name)


def _refuse_elsewhere(invocation: Invocation, node: str | None) -> None:
    """How an engine is started is a file of the node that starts it."""
    if node is None:
        return
    here = next((one["name"] for one in invocation.send("GET", "/api/nodes").json() if one["this"]), node)
    if here != node:
        fail_with(
            invocation,
            f"An engine of the node {node} is added there, since its recipe is a file of that node; this is {here}.",
        )


def _context(engine: EngineWords) -> dict[str, Any]:
    return {} if engine.context is None else {"context_window": engine.context}


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List them, with the state of those that are started on demand."""
    with invocation.session():
        answer = invocation.send("GET", "/api/local")
        engines = {} if invocation.as_json else local_engines.of_rows(invocation, answer.json())
    invocation.print(answer, lambda rows: _with_engines(rows, engines))


@command.command("discover")
@with_options
def discover(invocation: Invocation) -> None:
    """Look for model servers that run on this computer.

    Names that no rule matches go to them by themselves while a gateway serves; `local adopt` keeps one.
    """
    invocation.finish("GET", "/api/discovery", show=_SHOW_FOUND)


@command.command("adopt")
@click.argument("name")
@click.option("--as", "kept_as", metavar="NAME", help="Another name for it here.")
@with_options
def adopt(invocation: Invocation, name: str, kept_as: str | None) -> None:
    """Keep a server that `local discover` shows.

    \b
    pointsman local adopt ollama --as box
    """
    with invocation.session():
        found = {one["name"]: one for one in invocation.send("GET", "/api/discovery").json()}
        one = found.get(name)
        if one is None:
            names = ", ".join(sorted(found)) or "nothing"
            fail_with(invocation, f"There is no {name!r} on this computer now; found: {names}.")
        body = {"name": kept_as or name, "base_url": one["base_url"]}
        invocation.print(invocation.send("POST", "/api/local", body), _show)


@command.command("update")
@click.argument("name", shell_complete=servers)
@takes_engine(Verb.UPDATE)
@takes(COLUMNS, Verb.UPDATE, besides="engine")
@with_options
def update(invocation: Invocation, name: str, body: dict[str, Any], engine: EngineWords) -> None:
    """Change a server; what is not named stays as it is."""
    if not engine:
        invocation.finish("PATCH", _path(name), body, show=_show)
        if "base_url" in body:
            local_engines.forget(invocation, name)  # it was one that is started, if there is a recipe
        return
    if "base_url" in body:
        raise click.UsageError("--url is of a server that runs; the other options are of one that is started")
    moved = {"base_url": engine_url(name)} if engine.sources else {}
    with local_engines.recipe(invocation, name, engine):
        invocation.finish("PATCH", _path(name), moved | _context(engine) | body, show=_show)


@command.command("remove")
@click.argument("name", shell_complete=servers)
@with_options
def remove(invocation: Invocation, name: str) -> None:
    """Forget a server; one that is started on demand is stopped, its recipe and log are removed."""
    with invocation.session():
        rows = invocation.send("GET", "/api/local").json()
        if not local_engines.is_one(invocation, name) or any(row["name"] == name for row in rows):
            answer = invocation.send("DELETE", _path(name))
            invocation.print(answer, lambda _: note(f"local/{name} is removed"))
    local_engines.forget(invocation, name)


@command.command("test")
@click.argument("name", shell_complete=servers)
@with_options
def test(invocation: Invocation, name: str) -> None:
    """List the server's models: one cheap call."""
    run_test(invocation, f"{_path(name)}/test")


def _path(name: str) -> str:
    return f"/api/local/{quote(name, safe='')}"


local_engines.add_to(command)
local_models.add_to(command)
