"""`pointsman serve`: hands the options to the supervisor."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from ..config import DEFAULT_HOST, DEFAULT_PORT, HOSTS_VARIABLE, LEAN_PYTHON, ORIGINS_VARIABLE, OWN_PYTHON
from ..kinds import NODE_NAME
from ..providers.urls import node_url
from ..wire.authority import parse_host
from ..wire.origins import parse_origin
from .common import Invocation, MemoryParam, with_options
from .once import Command

if TYPE_CHECKING:
    from ..process.serve_options import ServeOptions


class _Variable(click.Option):
    """One whose value may come from the environment: a mistyped one is told by the variable's name, in one line, with exit
    code 1. Nobody who reads a container's log has typed an option."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.BadParameter as error:
            if ctx.get_parameter_source(self.name or "") is not ParameterSource.ENVIRONMENT:
                raise
            raise click.ClickException(f"{self.envvar}: {error.message}") from None


class _Mistyped(click.ClickException):
    """In one line; what stands after it would hide it."""

    exit_code = 2


def _parsed(parse: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], Any]:
    """A callback for an option that may be given several times. parse: raises ValueError saying what is wrong."""

    def callback(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        found: list[str] = []
        for value in values:
            try:
                found.append(parse(value))
            except ValueError as error:
                raise _Mistyped(f"{param.opts[0]} {value[:100]!r} {error}") from None
        return tuple(found)

    return callback


def _socket_path(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """The whole path. Raises BadParameter for what other programs mean otherwise, and a file of that name would surprise."""
    if path is None:
        return None
    text = str(path)
    if text.startswith("@"):
        raise click.BadParameter(
            "an abstract socket (@NAME) has no mode: everybody on this machine could use it. Name a path."
        )
    if text.startswith("unix:"):
        raise click.BadParameter("it is written as a path, /run/pointsman.sock, without unix:")
    return Path(os.path.abspath(path.expanduser()))


def _node_name(_context: click.Context, _param: click.Parameter, name: str) -> str:
    if name and not NODE_NAME.fullmatch(name):
        raise click.BadParameter("a node's name is up to 63 letters, digits, dots, dashes and underscores.")
    return name


def _node_url(_context: click.Context, _param: click.Parameter, url: str) -> str:
    """In its normal form."""
    if not url:
        return ""
    try:
        return node_url(url)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command("serve", cls=Command)
@click.option(
    "--host",
    cls=_Variable,
    default=DEFAULT_HOST,
    show_default=True,
    envvar="POINTSMAN_HOST",
    help="Address to listen on.",
)
@click.option(
    "--port",
    cls=_Variable,
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    envvar="POINTSMAN_PORT",
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--unix",
    cls=_Variable,
    type=click.Path(path_type=Path),
    metavar="PATH",
    callback=_socket_path,
    envvar="POINTSMAN_UNIX",
    help="Listen on this Unix socket, mode 0600; on a port, too, only where --host or --port is given.",
)
@click.option(
    "--unix-group",
    cls=_Variable,
    metavar="GROUP",
    envvar="POINTSMAN_UNIX_GROUP",
    help="Let this group use the socket, too (mode 0660).",
)
@click.option(
    "--workers",
    cls=_Variable,
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    envvar="POINTSMAN_WORKERS",
    help="Data-plane processes.",
)
@click.option(
    "--discover/--no-discover",
    cls=_Variable,
    default=True,
    show_default=True,
    envvar="POINTSMAN_DISCOVER",
    help="Look for model servers on this computer, and use them for names that no rule matches.",
)
@click.option(
    "--discover-port",
    "discover_ports",
    cls=_Variable,
    multiple=True,
    type=click.IntRange(1, 65535),
    metavar="PORT",
    envvar="POINTSMAN_DISCOVER_PORT",
    help="Look there, too, beside the usual ports; repeatable, with spaces in the variable.",
)
@click.option(
    "--memory",
    "engine_budget",
    cls=_Variable,
    type=MemoryParam(share=True),
    metavar="SIZE|PERCENT",
    envvar="POINTSMAN_MEMORY",
    help="What engines that are started on demand may take of the memory together, such as 24GB or 70% (default: 75%).",
)
@click.option(
    "--node",
    cls=_Variable,
    default="",
    metavar="NAME",
    callback=_node_name,
    envvar="POINTSMAN_NODE",
    help="This gateway's name among several on one PostgreSQL (default: the computer's).",
)
@click.option(
    "--node-url",
    cls=_Variable,
    default="",
    metavar="URL",
    callback=_node_url,
    envvar="POINTSMAN_NODE_URL",
    help="Where the other nodes reach this one, such as http://10.0.0.5:4480 (default: where it listens, if that is one"
    " address that others can use).",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    callback=_parsed(parse_host),
    help=f"A further Host name clients may use; more in {HOSTS_VARIABLE}, with commas.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    callback=_parsed(parse_origin),
    help="A web origin whose pages may call us, such as https://chat.example, http://localhost:*, app://obsidian.md, "
    f"null; more in {ORIGINS_VARIABLE}, with commas, or without a restart: pointsman origin add.",
)
@with_options
def command(invocation: Invocation, /, unix: Path | None, unix_group: str | None, **options: Any) -> None:
    """Serve: one endpoint for every model.

    With --json one line {"url": ..., "pid": ...} is printed when it answers.
    """
    from ..process.serve_options import ServeOptions

    if unix_group is not None and unix is None:
        raise click.UsageError("--unix-group is for the socket of --unix PATH")
    _hand_on(
        ServeOptions(
            unix=unix,
            unix_group=unix_group,
            tcp=unix is None or _given("host") or _given("port"),
            data_dir=invocation.data_dir,
            told=_told(),
            json=invocation.as_json,
            screen=(*OWN_PYTHON, "-m", "pointsman.cli.welcome", sys.argv[0], str(invocation.data_dir)),
            **options,
        )
    )


def _hand_on(options: ServeOptions) -> NoReturn:
    """Become serving.py. Nothing of what serves is imported here."""
    from ..process.serve_options import as_text

    sys.stdout.flush()
    sys.stderr.flush()
    words = [*LEAN_PYTHON, "-m", "pointsman.cli.serving", as_text(options), *sys.argv[1:]]
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted


_BY = {ParameterSource.COMMANDLINE: "option", ParameterSource.ENVIRONMENT: "environment"}


def _told() -> str:
    """What each option came to, and by whom, for the page Settings; Hosts and origins have lists of their own."""
    context = click.get_current_context()
    found = []
    for param in context.command.params:
        name = param.name or ""
        if not isinstance(param, _Variable):
            continue
        value = context.params.get(name)
        source = _BY.get(context.get_parameter_source(name) or ParameterSource.DEFAULT, "default")
        told = {"name": param.opts[0].lstrip("-").replace("-", " "), "option": param.opts[0]}
        found.append(told | {"variable": str(param.envvar or ""), "value": _shown(value), "by": source})
    return json.dumps(found)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def _given(name: str) -> bool:
    """By an option or a variable?"""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT
