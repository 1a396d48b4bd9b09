"""`pointsman logs`: the gateway's log from the file in its data folder (docs/logs.md), with or without a gateway.

Not here: who writes it (process/log_file.py); what an engine printed (`pointsman local logs`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..config import LOG_FILE, LOG_LEVELS
from .common import (
    Invocation,
    coloured,
    exit_on_failure,
    fail_with,
    local_time,
    note,
    printable,
    with_options,
)
from .once import Command

_LEVELS = tuple(level.lower() for level in LOG_LEVELS)
_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


class LogLine(NamedTuple):
    """One line. fields: of its JSON; empty where it holds none, as a line cut short by a full disk."""

    text: str
    fields: dict[str, Any]


class _Wanted(NamedTuple):
    """level: and all that is worse. request: its id."""

    level: str | None
    request: str | None

    def takes(self, line: LogLine) -> bool:
        fields = line.fields
        if self.request is not None and fields.get("request_id") != self.request:
            return False
        if self.level is None:
            return True
        level = fields.get("level")
        return level in _LEVELS and _LEVELS.index(level) >= _LEVELS.index(self.level)


@click.command("logs", cls=Command)
@click.option("-f", "--follow", "on", is_flag=True, help="And what is told from now on, until Ctrl-C.")
@click.option(
    "--lines", type=click.IntRange(min=0), default=50, show_default=True, metavar="N", help="The last N."
)
@click.option("--level", type=click.Choice(_LEVELS), help="This, and what is worse.")
@click.option("--request", metavar="ID", help="Only of this request, as x-request-id told it.")
@with_options
def command(invocation: Invocation, *, on: bool, lines: int, level: str | None, request: str | None) -> None:
    """Show the gateway's log: the last lines, oldest first. Needs no gateway, and goes on over its restart.

    \b
    pointsman logs -f                       # and on, until Ctrl-C
    pointsman logs --level error --lines 5
    pointsman logs --request req_...        # what was told of one request

    How much is told says POINTSMAN_LOG when the gateway starts. With --json each line is a JSON object.
    """
    from ..process.tail import follow

    path, wanted = invocation.data_dir / LOG_FILE, _Wanted(level, request)
    with exit_on_failure(invocation.as_json):
        more: Iterable[str] = ()
        try:
            if on:
                texts, more = follow(path, MOST)
                there = [_read(text) for text in texts]
            else:
                there = kept_lines(path)
        except OSError as error:
            fail_with(invocation, f"The log {path} cannot be read ({error.strerror}).")
        found = [line for line in there if wanted.takes(line)]
        for line in found[len(found) - lines :] if lines < len(found) else found:
            _print(invocation, line)
        if not found:
            note(_why_nothing(path, bool(there)))
        try:
            for line in _whole(more):
                if wanted.takes(line):
                    _print(invocation, line)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None


def kept_lines(path: Path) -> list[LogLine]:
    """All that is kept, the oldest first. Raises OSError for what cannot be read."""
    from ..process.tail import last_lines

    return [_read(text) for text in last_lines(path, MOST)]


MOST = 1_000_000
"""More than two files of the log hold."""


def _read(text: str) -> LogLine:
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    return LogLine(text, fields if isinstance(fields, dict) else {})


def _whole(pieces: Iterable[str]) -> Iterator[LogLine]:
    """Lines of what comes in pieces that end anywhere."""
    begun = ""
    for piece in pieces:
        *whole, begun = (begun + piece).split("\n")
        yield from map(_read, whole)


def _why_nothing(path: Path, there: bool) -> str:
    if there:
        return "nothing of this kind is in the log"
    return f"no gateway has told anything yet in {path}; one does while it serves: pointsman serve"


def _print(invocation: Invocation, line: LogLine) -> None:
    if invocation.as_json:
        if line.fields:
            click.echo(line.text)
        return
    click.echo(shown(line))


def shown(line: LogLine) -> str:
    """For people: the time here, level, process, part, message; a traceback below it. Nothing that moves a cursor."""
    fields = line.fields
    if not fields:
        return printable(line.text)
    level = str(fields.get("level"))
    words = [
        _time(fields.get("time")),
        coloured(f"{level:<7}", _COLOURS.get(level)),
        str(fields.get("process")),
    ]
    if fields.get("part") != fields.get("process"):
        words.append(str(fields.get("part")))
    first = f"{' '.join(map(str, words[:2]))} {printable(' '.join(words[2:]))}: {printable(fields.get('message'))}"
    trace = str(fields.get("error") or "").splitlines()
    return "\n".join([first, *(f"    {printable(one)}" for one in trace)])


def _time(text: object) -> str:
    try:
        return local_time(text)
    except ValueError:
        return "-"
