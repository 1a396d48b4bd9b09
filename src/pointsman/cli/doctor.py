"""`pointsman doctor`: looks for what is wrong and says how to fix it, with or without a gateway."""

from __future__ import annotations

import os
from typing import Any

import click

from ..errors import PointsmanError
from .client import ApiAnswer, NotAnswering, open_client
from .common import Invocation, on_terminal, printable, with_options
from .once import Command

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command("doctor", cls=Command)
@with_options
def command(invocation: Invocation) -> None:
    """Look for what is wrong and say how to fix it. Exit code 1 when something is."""
    try:
        with open_client(invocation.data_dir) as client:
            answer = client.request("GET", "/api/doctor")
    except PointsmanError as error:
        answer = _without_database(invocation, error)
    found = invocation.print(answer, _show)
    if not found.get("ok", False):
        raise click.exceptions.Exit(1)


def _without_database(invocation: Invocation, error: PointsmanError) -> ApiAnswer:
    """The checks that need no database, after it could not be asked."""
    from ..admin.control import doctor

    what = "gateway" if isinstance(error, NotAnswering) else "database"
    checks = [doctor.error(what, "It cannot be asked.", error.public)]
    checks += doctor.examine_files(invocation.data_dir, os.environ)
    return ApiAnswer(200, doctor.report(checks).model_dump_json().encode())


def _show(found: dict[str, Any]) -> None:
    for check in found.get("checks", ()):
        word = check["status"]
        if on_terminal() and not os.environ.get("NO_COLOR"):
            word = click.style(f"{word:<7}", fg=_COLOURS.get(word))
        click.echo(f"{word:<7} {printable(check['name'])}: {printable(check['detail'])}")
        if check.get("fix"):
            click.echo(f"        fix: {printable(check['fix'])}")
