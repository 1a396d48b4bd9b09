"""`pointsman config`: all that people set as one file: written, checked, compared, taken in. Not here: `apply`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from . import config_file
from .apply import carry_out, lines, say_none
from .common import Invocation, fail_with, note, printable, with_options
from .once import Command, Group
from .peers import PEERS

_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


@click.group("config", cls=Group)
def command() -> None:
    """All that people set, as one file without keys."""


@command.command("export", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Write over FILE where it is there.")
@with_options
def export(invocation: Invocation, file: Path | None, force: bool) -> None:
    """Write rules, backends, client keys, prices and the like as TOML, to FILE or the screen.

    No key and no secret is in it. `pointsman apply FILE` puts it back, here or on another computer.
    """
    if file is not None and file.exists() and not force:
        fail_with(invocation, f"{file} is there already; name another file, or say --force.")
    with invocation.session():
        answer = invocation.send("GET", "/api/config")
    if invocation.as_json:
        click.echo(answer.body)
        return
    found = answer.json()
    text = config_file.written(found["document"], found["notes"])
    if file is None:
        click.echo(text, nl=False)
    else:
        try:
            file.write_text(text, "utf-8")
        except OSError as error:
            fail_with(invocation, f"{file} cannot be written: {error.strerror}.")
        note(f"written: {file}")
    for one in found["notes"]:
        note(f"not in it: {one}")


@command.command("validate", cls=Command)
@click.argument("file", type=_FILE)
@with_options
def validate(invocation: Invocation, file: Path) -> None:
    """Check FILE without a gateway: its TOML, each field, and what does not go together.

    \b
    Exit code 0: it can be applied (where the backends' keys are there). 1: it cannot.
    """
    wrong = list(_problems(config_file.read(file)))
    if invocation.as_json:
        click.echo(json.dumps([{"param": where, "detail": text} for where, text in wrong]))
    else:
        for where, text in wrong:
            note(f"error: {where + ': ' if where else ''}{text}")
        if not wrong:
            note(f"{file} is well formed")
    if wrong:
        raise click.exceptions.Exit(1)


def _problems(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from pydantic import ValidationError

    from ..admin.store.configuration.document import ConfigDocument

    try:
        ConfigDocument.model_validate(document)
    except ValidationError as error:
        for one in error.errors(include_input=False, include_url=False):
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
            yield where.removeprefix("."), one["msg"].removeprefix("Value error, ")


@command.command("schema", cls=Command)
@with_options
def schema(_: Invocation) -> None:
    """Print the file's JSON Schema, for editors."""
    from ..admin.store.configuration.document import ConfigDocument

    click.echo(json.dumps(ConfigDocument.model_json_schema(), indent=2))


@command.command("diff", cls=Command)
@click.argument("file", type=_FILE)
@click.option("--import", "merges", is_flag=True, help="What `config import` would do: nothing is removed.")
@with_options
def diff(invocation: Invocation, file: Path, merges: bool) -> None:
    """Show what `pointsman apply FILE` would change. Changes nothing."""
    document = config_file.read(file)
    body = {"document": document, "keys": config_file.keys_for(document)}
    found = invocation.finish(
        "POST", f"/api/config/diff?prune={str(not merges).lower()}", body, show=lambda found: _show(found)
    )
    if not invocation.as_json and not found["changes"]:
        say_none(file)


def _show(found: dict[str, Any]) -> None:
    for line in lines(found["changes"]):
        click.echo(line)
    for one in found["notes"]:
        note(f"not touched: {one}")


@command.command("import", cls=Command)
@click.argument("file", type=_FILE)
@click.option("--from", "peer", type=click.Choice([*PEERS]), help="FILE is of another gateway.")
@click.option("--print", "prints", is_flag=True, help="Print what it becomes as TOML, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_options
def take_in(invocation: Invocation, file: Path, peer: str | None, prints: bool, yes: bool) -> None:
    """Add and change what FILE says, and remove nothing. Shows it first, and asks.

    With --from the configuration of LiteLLM, claude-code-router or llama-swap is read, and what of it does not carry over is
    told, line by line.
    """
    if peer is None:
        document, keys = config_file.read(file), None
    else:
        carried = PEERS[peer](config_file.read_text(file))
        document, keys = carried.document, carried.keys
        for line in carried.report:
            note(printable(line))
        if prints:
            for name in keys:
                note(f"its key is not printed: give it in the environment variable {name}")
    if prints:
        click.echo(config_file.written(document), nl=False)
        return
    if peer is not None and carried.engines:
        carried.add_engines(invocation, yes=yes)
    given = config_file.keys_for(document) | (keys or {})
    carry_out(invocation, document, given, prune=False, yes=yes, where=str(file))
