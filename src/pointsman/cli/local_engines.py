"""`pointsman local ...` for engines that are started on demand: adding and changing one, `start`, `stop`, `logs`, `engines`.

Commands that are run stand in the data folder, where these commands write them: never over REST. Not here: what the
options become (engine_recipe.py); starting anything (pointsman.warden).
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from ..warden.memory import readable
from .common import Invocation, Row, exit_on_failure, fail_with, note, table, with_options
from .completing import servers
from .engine_recipe import EngineWords, recipe_of
from .once import Command, Group

_POLL_SECONDS = 0.2
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


# -- recipes


@contextmanager
def recipe(invocation: Invocation, name: str, words: EngineWords, *, fresh: bool = False) -> Iterator[None]:
    """Writes what was said of this engine. Where what is done then fails it is again what it was. fresh: nothing of an
    older recipe is kept."""
    from ..warden.recipe import path_of, read_recipe, write_recipe

    with exit_on_failure(invocation.as_json):
        path = path_of(invocation.data_dir, name)
        if not fresh and not words.sources:
            read_recipe(invocation.data_dir, name)  # which says what is wrong with it, or that there is none
        before = _text(path)
        said: Mapping[str, Any] = {} if before is None or fresh else _said(before)
        with _writing(invocation):
            write_recipe(invocation.data_dir, name, recipe_of(words, said))
    try:
        yield
    except BaseException:
        with _writing(invocation):
            _put_back(path, before)
        raise


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return None


def _said(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _writing(invocation: Invocation) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail_with(invocation, f"The data folder cannot be written ({error.strerror}): {invocation.data_dir}")


def _put_back(path: Path, before: str | None) -> None:
    from ..process.private_files import write_over

    if before is None:
        path.unlink(missing_ok=True)
    else:
        write_over(path, before)


def is_one(invocation: Invocation, name: str) -> bool:
    """Is there a recipe of that name, whatever the rows say?"""
    from ..warden.recipe import names

    return name in names(invocation.data_dir)


def forget(invocation: Invocation, name: str) -> None:
    """Its recipe and its logs, where there are any."""
    from ..warden.recipe import remove_recipe

    with exit_on_failure(invocation.as_json), _writing(invocation):
        if is_one(invocation, name) and remove_recipe(invocation.data_dir, name):
            note(f"its recipe and log are removed from {invocation.data_dir / 'engines'}")


def say_what_next(invocation: Invocation, name: str) -> None:
    """After an engine was added."""
    from ..warden.recipe import read_recipe
    from .client import serve_file

    with exit_on_failure(invocation.as_json):
        models = read_recipe(invocation.data_dir, name).models
    if serve_file(invocation.data_dir) is None:
        note("it runs while a gateway serves: pointsman serve")
    first = (
        f"the first request for {models[0]}"
        if models
        else f"the first request that a rule sends to local/{name}"
    )
    note(
        f"{first} starts it; now: pointsman local start {name}; what it prints: pointsman local logs {name} -f"
    )
    if not models:
        note(f"what is its models' name? local update {name} --serves MODEL lists it while it does not run")


# -- what is shown


def _told_state(engine: Row) -> str:
    """`ready`, `loading 12 s`, `down: why`."""
    state = str(engine["state"])
    if state in ("starting", "loading", "stopping") and engine["since"]:
        since = datetime.fromisoformat(engine["since"]).timestamp()
        state += f" {max(time.time() - since, 0):.0f} s"
    return f"{state}: {engine['why']}" if engine["why"] and state in ("cold", "down") else state


def _memory(engine: Row) -> str | None:
    """What it takes now, else what it is known to take."""
    if engine["rss"]:
        return readable(engine["rss"])
    size = engine["size"] or engine["memory"]
    return f"({readable(size)})" if size else None


def _kept(engine: Row) -> str:
    said = ["for ever" if engine["keep"] is None else f"{engine['keep']:g} s"]
    return ", ".join(said + [word for word in ("pinned", "preloaded") if engine[word]])


SHORT: dict[str, Callable[[Row], object]] = {
    "engine": lambda row: row["program"],
    "state": _told_state,
    "memory": _memory,
}
"""What the list of backends shows of one."""

_SHOW = table(
    ("name", "name"),
    *SHORT.items(),
    ("kept", _kept),
    ("waiting", lambda row: row["queue"] or None),
    ("running", lambda row: row["busy"] or None),
    ("address", "address"),
    ("models", lambda row: ", ".join(row["models"]) or None),
    empty="no engine is started on demand yet; add one with: pointsman local add NAME --gguf PATH (or --mlx, --command)",
)


def _show_all(found: Row) -> None:
    _SHOW(found["engines"])
    for engine in found["engines"]:
        if engine["problem"]:
            note(f"{engine['name']}: {engine['problem']}")
    if found["engines"] and found["budget"]:
        note(f"together {readable(found['held'])} of {readable(found['budget'])} at most (serve --memory)")


def of_rows(invocation: Invocation, rows: list[Row]) -> dict[str, Row]:
    """Backend's name -> what is known of its engine; {} where no row is one. Within a session."""
    from ..providers.urls import engine_of

    by_name = {row["name"]: engine for row in rows if (engine := engine_of(row["base_url"])) is not None}
    if not by_name:
        return {}
    found = {one["name"]: one for one in invocation.send("GET", "/api/engines").json()["engines"]}
    return {name: found[engine] for name, engine in by_name.items() if engine in found}


@click.command("engines", cls=Command)
@with_options
def engines(invocation: Invocation) -> None:
    """Show the engines that are started on demand: state, memory, for how long they are kept."""
    invocation.finish("GET", "/api/engines", show=_show_all)


# -- start and stop


@click.command("start", cls=Command)
@click.argument("name", shell_complete=servers)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until it is ready.")
@with_options
def start(invocation: Invocation, name: str, *, wait: bool) -> None:
    """Start an engine now, also one that is down after its deaths."""
    found = _ordered(invocation, name, "start", ("ready", "asleep", "down") if wait else None)
    if found["state"] == "down":
        note(f"see: pointsman local logs {name}")
        raise click.exceptions.Exit(1)


@click.command("stop", cls=Command)
@click.argument("name", shell_complete=servers)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Until it has ended.")
@with_options
def stop(invocation: Invocation, name: str, *, wait: bool) -> None:
    """Stop an engine when the requests under way have ended; the next request starts it again."""
    _ordered(invocation, name, "stop", ("cold", "down") if wait else None)


def _ordered(invocation: Invocation, name: str, order: str, ends: tuple[str, ...] | None) -> Row:
    """ends: states to wait for."""
    path = f"/api/engines/{quote(name, safe='')}"
    with invocation.session():
        answer = invocation.send("POST", f"{path}/{order}")
        told = ""
        while ends is not None and (found := answer.json())["state"] not in ends:
            now = f"{found['state']}{': ' + found['why'] if found['why'] else ''}"
            if now != told:
                told = now
                note(f"{name} is {now}")
            time.sleep(_POLL_SECONDS)
            answer = invocation.send("GET", path)
    row: Row = invocation.print(answer, _SHOW)
    return row


# -- logs


@click.command("logs", cls=Command)
@click.argument("name", shell_complete=servers)
@click.option("-f", "--follow", "on", is_flag=True, help="Show what is printed from now on, until Ctrl-C.")
@click.option(
    "--lines", type=click.IntRange(min=0), default=50, show_default=True, metavar="N", help="The last N."
)
@with_options
def logs(invocation: Invocation, name: str, *, on: bool, lines: int) -> None:
    """Show what an engine printed. Needs no gateway; with --json a JSON text for each line or piece."""
    from ..process.tail import follow, last_lines
    from ..warden.recipe import log_path, names

    with exit_on_failure(invocation.as_json):
        path = log_path(invocation.data_dir, name)
        if not path.exists() and name not in names(invocation.data_dir):
            known = ", ".join(names(invocation.data_dir)) or "none"
            fail_with(invocation, f"There is no engine {name!r} here; there are: {known}.")
        more: Iterable[str] = ()
        try:
            if on:
                found, more = follow(path, lines)
            else:
                found = last_lines(path, lines)
        except OSError as error:
            fail_with(invocation, f"Its log cannot be read ({error.strerror}).")
        for line in found:
            _print(invocation, f"{line}\n")
        if not found and not on:
            note(f"it has printed nothing; it has not run yet, or: pointsman local start {name}")
        try:
            for piece in more:
                if piece:
                    _print(invocation, piece)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None


def _print(invocation: Invocation, text: str) -> None:
    """As it is into a pipe; on a terminal nothing that moves the cursor or names the window."""
    if invocation.as_json:
        text = json.dumps(text) + "\n"
    elif sys.stdout.isatty():
        text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in _COLOURS.sub("", text))
    click.echo(text, nl=False)


def add_to(group: Group) -> None:
    """Registers these commands."""
    for command in (start, stop, logs, engines):
        group.add_command(command)
