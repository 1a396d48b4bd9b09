"""`pointsman doctor`: looks for what is wrong and says how to fix it, with or without a gateway."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from ..errors import PointsmanError
from .client import ApiAnswer, NotAnswering, open_client
from .common import Invocation, coloured, fail_with, note, printable, with_options
from .once import Command

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command("doctor", cls=Command)
@click.option(
    "--report",
    "report_to",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help="Write all of it for an issue, without anything secret, to the screen or a new FILE.",
)
@with_options
def command(invocation: Invocation, *, report_to: str | None) -> None:
    """Look for what is wrong and say how to fix it. Exit code 1 when something is.

    With --report it is one text for an issue, with versions, the shape of what is set, and the last troubles of the log.
    Without keys, names of client keys, addresses, paths and texts that people typed; names of backends and models stay, and
    hosts of well-known providers. Read it before you send it.
    """
    asked: dict[str, Any] = {}
    try:
        with open_client(invocation.data_dir) as client:
            answer = client.request("GET", "/api/doctor")
            for path in PATHS if report_to is not None else ():
                other = client.request("GET", path)
                if other.status == 200:
                    asked[path] = other.json()
    except PointsmanError as error:
        answer = _without_database(invocation, error)
    if report_to is not None:
        _report(invocation, answer, asked, report_to)
        return
    found = invocation.print(answer, _show)
    if not found.get("ok", False):
        raise click.exceptions.Exit(1)


def _report(invocation: Invocation, answer: ApiAnswer, asked: dict[str, Any], report_to: str) -> None:
    from .report import made, written

    found = answer.json() if answer.status == 200 else {"checks": []}
    report = made(invocation.data_dir, found, asked, os.environ)
    text = json.dumps(report, indent=2) + "\n" if invocation.as_json else written(report)
    if report_to == "-":
        click.echo(text, nl=False)
        return
    try:
        with Path(report_to).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        fail_with(invocation, f"{report_to} cannot be written: {error.strerror}.")
    note(f"written: {report_to}; read it before you send it")


PATHS = ("/api/status", "/api/backends", "/api/config")
"""What a report has beside the checks."""


def _without_database(invocation: Invocation, error: PointsmanError) -> ApiAnswer:
    """The checks that need no database, after it could not be asked."""
    from ..admin.control import doctor

    what = "gateway" if isinstance(error, NotAnswering) else "database"
    checks = [doctor.error(what, "It cannot be asked.", error.public)]
    checks += doctor.examine_files(invocation.data_dir, os.environ)
    return ApiAnswer(200, doctor.report(checks).model_dump_json().encode())


def _show(found: dict[str, Any]) -> None:
    for check in found.get("checks", ()):
        word = coloured(f"{check['status']:<7}", _COLOURS.get(check["status"]))
        click.echo(f"{word} {printable(check['name'])}: {printable(check['detail'])}")
        if check.get("fix"):
            click.echo(f"        fix: {printable(check['fix'])}")
