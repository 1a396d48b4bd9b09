"""What every command shares: its two options, calling the admin API, showing the answer, exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage (click's own). `--json` prints the API's answer exactly as it
came.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec

import click

from ..kinds import BackendType, parse_backend_key
from .folder import data_folder

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from .client import ApiAnswer, ApiClient

P = ParamSpec("P")
Show = Callable[[Any], None]
Row = dict[str, Any]


class Invocation:
    """One run of a command: how it calls the admin API and prints the answer."""

    def __init__(self, data_dir: Path, as_json: bool) -> None:
        self.data_dir = data_dir
        self.as_json = as_json
        self._client: ApiClient | None = None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Several calls over one connection (or one opening of the database)."""
        from .client import open_client

        with exit_on_failure(self.as_json), open_client(self.data_dir) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    def send(self, method: str, path: str, body: Any = None) -> ApiAnswer:
        """One call inside `session`. An answer of 400 and more ends the command."""
        assert self._client is not None, "send outside of session"
        answer = self._client.request(method, path, body)
        if answer.status >= 400:
            fail(answer.body, self.as_json)
        if behind := answer.headers.get("x-pointsman-behind"):
            note(
                f"warning: not live yet on {behind}: those nodes do not answer in time, and take it over when they can."
            )
        return answer

    def finish(self, method: str, path: str, body: Any = None, *, show: Show) -> Any:
        """The whole of a usual command: one call, and its answer on the screen. Returns the answer's JSON."""
        with self.session():
            answer = self.send(method, path, body)
        return self.print(answer, show)

    def print(self, answer: ApiAnswer, show: Show) -> Any:
        """With --json the answer's bytes; else what `show` makes of them, and the warnings."""
        data = answer.json()
        if self.as_json:
            if answer.body:
                click.echo(answer.body)
        else:
            show(data)
        if isinstance(data, dict):
            for warning in data.get("warnings") or ():
                note(f"warning: {warning}")
        return data


def with_options(command: Callable[Concatenate[Invocation, P], None]) -> Callable[P, None]:
    """Gives a command --data-dir and --json; it gets an Invocation as its first argument."""

    @click.option(
        "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of rules and keys."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the API's JSON answer.")
    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        given = kwargs.pop("data_dir")
        as_json = bool(kwargs.pop("as_json"))
        with exit_on_failure(as_json):
            folder = data_folder(given)
        command(Invocation(folder, as_json), *args, **kwargs)

    return wrapped


@contextmanager
def exit_on_failure(as_json: bool) -> Iterator[None]:
    """Ends a command with the error's own text where the data folder or the gateway cannot be used."""
    from ..admin.problem import problem_body
    from ..errors import PointsmanError

    try:
        yield
    except PointsmanError as error:
        fail(problem_body(error), as_json)


def fail(body: bytes, as_json: bool) -> NoReturn:
    """Shows a problem and ends with exit code 1."""
    if as_json:
        click.echo(body)
    try:
        problem = json.loads(body)
        text = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError):
        problem, text = {}, None
    note(f"error: {text or body[:500].decode('utf-8', 'replace')}")
    for item in (problem.get("errors") or ())[1:]:
        note(f"  {item.get('param')}: {item.get('detail')}")
    raise click.exceptions.Exit(1)


def fail_with(invocation: Invocation, text: str) -> NoReturn:
    """Ends a command that cannot do what was asked, with exit code 1."""
    from ..admin.problem import problem_body
    from ..errors import PointsmanError
    from ..kinds import ErrorKind

    fail(problem_body(PointsmanError(ErrorKind.NOT_FOUND, text)), invocation.as_json)


def note(text: str) -> None:
    """A line for the person, never for the pipe."""
    click.echo(text, err=True)


def read_secret(prompt: str) -> str:
    """A key from a hidden prompt, or from standard input when that is not a terminal. Never an argument:
    those are seen by every user of the machine and kept in the shell's history."""
    asked = sys.stdin.isatty()
    secret = str(click.prompt(prompt, hide_input=True, err=True) if asked else sys.stdin.read()).strip()
    if not secret:
        raise click.UsageError("no key was given; pipe it in, or run the command on a terminal and paste it")
    if len(secret.split()) > 1:
        raise click.UsageError("standard input holds more than one word; give the key alone")
    return secret


class BackendParam(click.ParamType[Any]):
    """`TYPE[/NAME]`, as a pair of type and name."""

    name = "TYPE[/NAME]"

    def __init__(self, *, cloud: bool = False) -> None:
        self._cloud = cloud

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """See click."""
        from .completing import backends

        return backends(ctx, incomplete, cloud=self._cloud)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[BackendType, str]:
        if isinstance(value, tuple):
            return value
        try:
            backend_type, name = parse_backend_key(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._cloud and backend_type is BackendType.LOCAL:
            self.fail("a local server's key is set with: pointsman local update NAME --key", param, ctx)
        return backend_type, name


class SecondsParam(click.ParamType[Any]):
    """A time, with a unit or in seconds: `0.5`, `500ms`, `2m`."""

    name = "SECONDS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from ..config import limit_of

        try:
            return float(value)  # its bounds are the admin API's
        except ValueError:
            pass
        try:
            return limit_of("seconds", str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


class MemoryParam(click.ParamType[Any]):
    """A size in bytes, with a unit: `24GB`, `850MiB`. share: or a part of this machine's memory, `70%`."""

    name = "SIZE"

    def __init__(self, *, share: bool = False) -> None:
        self._share = share

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ..config import limit_of

        text = str(value).strip()
        if self._share and text.endswith("%"):
            return self._part(text[:-1], param, ctx)
        try:
            return int(limit_of("memory_bytes", text))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)

    def _part(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ..process.machine import memory_bytes

        try:
            percent = int(text) if text.isascii() else 0
        except ValueError:
            percent = 0
        if not 1 <= percent <= 100:
            self.fail(f"{text!r} is no share; write 1% to 100%", param, ctx)
        memory = memory_bytes()
        if memory is None:
            self.fail("this system does not say how much memory it has; give a size such as 24GB", param, ctx)
        return memory * percent // 100


def on_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def table(*columns: tuple[str, str | Callable[[Row], object]], empty: str) -> Show:
    """How a list of rows looks, or one row. columns: (heading, the row's field or what is made of
    the row). empty: what to do when there is none.
    """
    headings = [heading for heading, _ in columns]

    def show(found: Any) -> None:
        rows = found if isinstance(found, list) else [found]
        cells = [[printable(_cell(row, cell)) for _, cell in columns] for row in rows]
        if not rows:
            note(empty)
        elif on_terminal():
            _rich_table(headings, cells)
        else:
            lines = [headings, *cells]
            widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            for line in lines:
                click.echo("  ".join(map(str.ljust, line, widths)).rstrip())

    return show


def sized(count: float) -> str:
    """Bytes with a unit: `512 bytes`, `3.1 KB`, `4.1 GB`."""
    if count < 1000:
        return f"{count:.0f} bytes"
    unit, size = next(one for one in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)) if count >= one[1])
    return f"{count / size:.1f} {unit}"


def _cell(row: Row, cell: str | Callable[[Row], object]) -> object:
    return row.get(cell) if isinstance(cell, str) else cell(row)


def _rich_table(headings: list[str], cells: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rich = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        rich.add_column(heading, overflow="fold")
    for row in cells:
        rich.add_row(*map(Text, row))  # Text: a name such as [red] is not markup
    Console(no_color=bool(os.environ.get("NO_COLOR"))).print(rich)


def printable(value: object) -> str:
    """A value as one line of text without control characters."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}"
    return "".join(c if c.isprintable() else "?" for c in str(value))


def local_time(text: object) -> str:
    """An API time (ISO 8601, UTC) in the reader's own time, to the second."""
    from datetime import datetime

    if not isinstance(text, str):
        return "-"
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def marked(ok: bool, *, bad: str = "FAILED") -> str:
    """A word, coloured where colours are wanted."""
    return coloured("ok" if ok else bad, "green" if ok else "red")


def coloured(word: str, colour: str | None) -> str:
    """In that colour on a terminal, unless NO_COLOR says that none is wanted. None: in none."""
    plain = colour is None or not on_terminal() or os.environ.get("NO_COLOR")
    return word if plain else click.style(word, fg=colour)
