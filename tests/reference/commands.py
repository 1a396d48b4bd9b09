"""docs/reference/commands.md: every command as its `--help` says it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pointsman.cli.main import main


def page() -> str:
    lines = [
        "# Commands",
        "",
        "Made from the code by `make docs`; `pointsman COMMAND --help` says the same.",
        "",
    ]
    for name, command in _all(main, "pointsman", None):
        context = click.Context(
            command, info_name=name, terminal_width=100, max_content_width=100, **main.context_settings
        )
        command._help_option = None  # click keeps the one that the first caller's context made
        lines += [f"## {name}", "", "```", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def _all(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name, parent=parent)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _all(found, f"{name} {inner}", context)
