"""The `pointsman` command: names of commands and where they live. Each module is imported when its command
is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from .. import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMMANDS = {
    "serve": "Serve: one endpoint for every model.",
    "ui": "Open the pages in a browser, signed in.",
    "connect": "Point a program at this gateway by its settings file.",
    "launch": "Start a program that asks this gateway, this once.",
    "mapping": "Rules: which model goes to which backend.",
    "credential": "Keys and base URLs of cloud providers.",
    "local": "Model servers on this computer or network.",
    "explain": "Show where a model's requests would go, and why.",
    "key": "Client keys: who may use the gateway, and how much.",
    "group": "Groups of client keys, which share their limits.",
    "customs": "Credentials in what leaves this machine.",
    "prices": "What models cost, and what local answers save.",
    "host": "Host names that clients may use for this gateway.",
    "node": "Gateways that share one PostgreSQL.",
    "origin": "Web origins: which other pages may use the gateway.",
    "webhook": "Who is told of budgets, backends and refused keys.",
    "capture": "Bodies of some requests, to look into them.",
    "record": "Record answers, to be given again by replay/NAME.",
    "recording": "Recorded answers: list, export, import, delete.",
    "cache": "Answers that rules keep for equal requests.",
    "shadow": "Local answers beside a cloud's: how often they agree.",
    "audit": "Who changed what, and taking it back.",
    "config": "All that people set, as one file: write, check, compare, import.",
    "apply": "Make rules, backends and keys stand as a file says.",
    "backup": "Copy rules, keys and settings into a file.",
    "restore": "Put a backup back.",
    "db": "The database: from SQLite to PostgreSQL, and back.",
    "secrets": "The master key that seals stored keys.",
    "requests": "What runs now, and the end of one of it.",
    "top": "Watch the gateway: requests, backends, tokens a second.",
    "logs": "What the gateway told of itself, and on as it comes.",
    "usage": "What was asked, who answered, how much it took and cost.",
    "chaos": "Rehearse an outage: a proxy that plays faults.",
    "install-service": "Run it from sign-in on, by systemd or launchd.",
    "completion": "Tab completes commands, options and names in your shell.",
    "doctor": "Look for what is wrong and say how to fix it.",
    "version": "Print the version.",
}


class _Lazy(click.Group):
    """Knows its commands by name and one line each, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f".{cmd_name.replace('-', '_')}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """See click."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=told) for name, told in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pointsman")
def main() -> None:
    """Pointsman: one endpoint for every language model.

    OpenAI and Anthropic APIs on one port, local first, with fallbacks. Start it with `pointsman serve`.
    Every command takes --data-dir and --json, and works whether the gateway runs or not.
    """
