"""`pointsman recording ...`: recorded answers, which `replay/NAME` gives again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from ..process.private_files import write_over
from .common import Invocation, fail_with, local_time, note, sized, table, with_options
from .once import Group

_LIST = table(
    ("name", "name"),
    ("answers", "answers"),
    ("bytes", "bytes"),
    ("rules", lambda row: ", ".join(map(str, row["rules"])) or "-"),
    ("now", lambda row: "being made" if row["running"] else "-"),
    empty="there is no recording; make one with: pointsman record NAME",
)
_REQUESTS = table(
    ("answer", lambda row: str(row["number"])),
    ("at", lambda row: local_time(row["at"])),
    ("path", "path"),
    ("model", "model"),
    ("stream", "stream"),
    ("answered by", lambda row: row["target"] or "-"),
    ("asked", lambda row: str(row["asked_bytes"])),
    ("answered", lambda row: str(row["answered_bytes"])),
    empty="nothing is recorded in it",
)


@click.group("recording", cls=Group)
def command() -> None:
    """Recorded answers, which replay/NAME gives again.

    Made by `pointsman record NAME`. They are sealed with the master key, and in no backup: export what must last.
    """


@command.command("list")
@with_options
def show_list(invocation: Invocation) -> None:
    """List all recordings, and the rules that answer out of them."""
    invocation.finish("GET", "/api/recordings", show=_LIST)


@command.command("show")
@click.argument("name", metavar="NAME")
@with_options
def show(invocation: Invocation, name: str) -> None:
    """List the requests that one answers. What was asked and answered stands in its export alone."""
    invocation.finish("GET", _path(name), show=lambda found: _REQUESTS(found["requests"]))


@command.command("export")
@click.argument("name", metavar="NAME")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@with_options
def export(invocation: Invocation, name: str, file: Path | None) -> None:
    """Write one into FILE, to stand beside a program's tests; without FILE to standard output.

    All of it is in clear there: prompts, answers, and whatever secret somebody put into a prompt. Read it before you commit
    it.
    """
    with invocation.session():
        answer = invocation.send("GET", f"{_path(name)}/file")
    text = json.dumps(answer.json(), indent=1, ensure_ascii=False) + "\n"
    if file is None:
        click.echo(text, nl=False)
    else:
        try:
            write_over(file, text)
        except OSError as error:
            fail_with(invocation, f"{file} cannot be written ({error.strerror}).")
        note(f"saved: {file} ({sized(len(text.encode()))})")
    note("It holds prompts and answers in clear.")


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Under this name (default: its own).")
@with_options
def take_in(invocation: Invocation, file: Path, name: str | None) -> None:
    """Take in one that was exported. It takes the place of one of that name."""
    try:
        found: Any = json.loads(file.read_bytes())
    except (OSError, ValueError):
        fail_with(
            invocation, f"{file} holds no JSON; give a file that pointsman recording export has written."
        )
    if isinstance(found, dict) and name is not None:
        found["name"] = name
    invocation.finish(
        "POST",
        "/api/recordings",
        found,
        show=lambda row: note(f"taken in: {row['name']}, {row['answers']} answers"),
    )


@command.command("delete")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_options
def delete(invocation: Invocation, name: str, yes: bool) -> None:
    """Delete one, for good."""
    if not yes:
        click.confirm(f"Delete the recording {name} for good?", abort=True, err=True)
    invocation.finish("DELETE", _path(name), show=lambda _: note(f"deleted: {name}"))


def _path(name: str) -> str:
    return f"/api/recordings/{quote(name, safe='')}"
