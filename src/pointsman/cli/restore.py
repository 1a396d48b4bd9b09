"""`pointsman restore FILE`: puts a backup back, looked at first, with what is there kept aside."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .backup import backups_folder
from .common import Invocation, fail_with, note, with_options
from .once import Command


@click.command("restore", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--usage", is_flag=True, help="The usage records, too, where FILE has some.")
@click.option("--other-gateway", is_flag=True, help="FILE may be another gateway's.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_options
def command(invocation: Invocation, file: Path, usage: bool, other_gateway: bool, yes: bool) -> None:
    """Put rules, backends, keys and settings back as FILE has them, while the gateway serves.

    FILE is a backup, a copy of pointsman.db, or a name in the data folder's backups/. It is looked at first; what is there
    now is kept in backups/, and named.
    """
    with invocation.session(), _in_folder(invocation, file) as name:
        found = invocation.send("GET", f"/api/backups/{name}").json()
        note(f"{file}: {_said(found)}")
        if not yes and not click.confirm("Put it in the place of what is there now?", err=True):
            raise click.Abort
        wish = {"usage": usage, "other_gateway": other_gateway}
        answer = invocation.send("POST", f"/api/backups/{name}/restore", wish)
    invocation.print(
        answer, lambda done: note(f"restored; what was there is kept in backups/{done['kept_aside']}")
    )


def _said(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {noun}" for noun, number in found["counts"].items() if number)
    usage = " and usage records" if found["with_usage"] else ""
    whose = "" if found["same_gateway"] else "; another gateway's"
    return f"{counts or 'nothing yet'}{usage} (tables {found['revision']}{whose})"


@contextmanager
def _in_folder(invocation: Invocation, file: Path) -> Iterator[str]:
    """The name of the file in the folder from which the gateway takes it; a copy goes again."""
    folder = backups_folder(invocation)
    if len(file.parts) == 1 and not file.exists() and (folder / file).is_file():
        yield file.name
        return
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / f"restore-{secrets.token_hex(6)}{'.db' if file.suffix == '.db' else '.tar'}"
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(file, copy)
    except OSError as error:
        fail_with(invocation, f"{file} cannot be read ({error.strerror}).")
    try:
        yield copy.name
    finally:
        copy.unlink(missing_ok=True)
