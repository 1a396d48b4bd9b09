"""`pointsman connect CLIENT`: a program's own settings file pointed at this gateway, shown, written, and put back."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..programs.files.connecting import (
    NEW_KEY,
    STAND_INS,
    InFile,
    diff_of,
    in_files,
    kept_key,
    led_elsewhere,
    planned,
    put_back,
    seen_by_others,
)
from ..programs.files.masked import masked
from ..programs.files.settings_file import Planned, is_changed, place_of, write
from ..programs.program import YOUR_KEY, Pointed, Program, filled
from ..programs.registry import PROGRAMS
from .common import Invocation, exit_on_failure, note, table, with_options
from .once import Command
from .pointing import (
    MODEL,
    URL,
    Chosen,
    GatewayFacts,
    ProgramParam,
    asking,
    key_told,
    make_key,
    no_key,
)


@click.command("connect", cls=Command)
@click.argument("program", metavar="[CLIENT]", type=ProgramParam(), required=False)
@click.option("--write", "do_write", is_flag=True, help="Make the change; a copy from before is kept beside.")
@click.option("--undo", "do_undo", is_flag=True, help="Put back what was there.")
@MODEL
@URL
@click.option(
    "--key", metavar="NAME", help="Make a client key of this name for it; - reads one that there is."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its settings file, if not the usual one.",
)
@click.option("--show-secrets", is_flag=True, help="Show keys in full.")
@with_options
def command(
    invocation: Invocation,
    program: Program | None,
    do_write: bool,
    do_undo: bool,
    model: str | None,
    url: str | None,
    key: str | None,
    config: Path | None,
    show_secrets: bool,
) -> None:
    """Point a program at this gateway by its own settings file.

    Shows what would change; --write makes the change and keeps a copy beside, --undo puts it back. What it does not touch
    keeps its bytes, comments and all. Without CLIENT it lists the programs. What goes by variables alone: pointsman launch.
    """
    if do_write and do_undo:
        raise click.UsageError("--write and --undo are two things; say one")
    if program is None:
        if do_write or do_undo or model or url or key or config:
            raise click.UsageError("name the CLIENT; without options `pointsman connect` lists them")
        return _show_list(invocation)
    with exit_on_failure(invocation.as_json):
        targets = _targets(program, config)
        if do_undo:
            return _undo(invocation, program, targets)
        return _connect(invocation, Chosen(program, url, model, key), targets, do_write, show_secrets)


def _show_list(invocation: Invocation) -> None:
    rows = []
    for program in PROGRAMS:
        paths = [place_of(one.file, os.environ) for one in program.files if one.file]
        row = {"name": program.name, "title": program.title, "connected": any(map(is_changed, paths))}
        launch = program.launch.command if program.launch else None
        rows.append({**row, "launch": launch, "files": list(map(str, paths))})
    if invocation.as_json:
        click.echo(json.dumps(rows))
        return
    columns = ("client", "name"), ("program", "title"), ("connected", lambda row: row["connected"] or None)
    files = ("file", lambda row: ", ".join(row["files"]) or None)
    table(*columns, ("launch", "launch"), files, empty="")(rows)


def _targets(program: Program, config: Path | None) -> list[InFile]:
    """Raises UsageError for a file that cannot be another one."""
    found = in_files(program, os.environ)
    if config is None:
        return found
    path = Path(os.path.abspath(config.expanduser()))
    if not found:
        raise click.UsageError(f"{program.title} has no settings file that can be written")
    named = [one for one in found if Path(one.file.path).suffix == path.suffix] if len(found) > 1 else found
    if len(named) != 1:
        raise click.UsageError(f"--config is one of: {', '.join(Path(one.file.path).name for one in found)}")
    return [named[0]._replace(path=path)]


def _undo(invocation: Invocation, program: Program, targets: list[InFile]) -> None:
    back = put_back(targets)
    if invocation.as_json:
        click.echo(json.dumps({"program": program.name, "files": [str(one.now.path) for one in back]}))
    elif not back:
        note(f"nothing to put back: `pointsman connect {program.name} --write` has changed nothing here")
    for one in back if not invocation.as_json else ():
        note(f"put back: {one.now.path}" + ("" if one.new is not None else " (it was not there before)"))


def _connect(
    invocation: Invocation, asked: Chosen, targets: list[InFile], do_write: bool, in_full: bool
) -> None:
    program, told = asked.program, key_told(asked.key)
    with asking(invocation, asked) as found:
        at = found.at(asked, None)
        problem = program.problem(at.url)
        if do_write and problem:
            raise PointsmanError(ErrorKind.CONFLICT, problem)
        if do_write and not targets:
            raise PointsmanError(ErrorKind.CONFLICT, _not_written(program))
        key = _key(asked, found, told, targets)
        if key == YOUR_KEY and targets:
            if do_write:
                raise no_key(program)
            note(f"warning: {no_key(program).public}")
        plan = planned(targets, _with(at, key))
        if made := do_write and key == NEW_KEY:
            key = make_key(invocation, str(asked.key))
            plan = planned(targets, _with(at, key))
    if found.url is None and asked.url is None:
        note("no gateway runs here now; start one: pointsman serve")
    _show(invocation, _Shown(program, _with(at, key), plan, problem, do_write, in_full, made))


def _with(at: Pointed, key: str | None) -> Pointed:
    return Pointed(at.url, at.model, key, at.window)


def _key(asked: Chosen, found: GatewayFacts, told: str | None, targets: list[InFile]) -> str | None:
    """The key it gets: that it is told, that it has, or what stands for a new one, or for one that nobody has told. None
    where none is needed."""
    if told is not None:
        return told
    own = kept_key(targets, found.prefixes)
    if own is not None:
        return own
    if not found.keys_required and asked.key is None:
        return None
    return YOUR_KEY if asked.key is None else NEW_KEY


class _Shown(NamedTuple):
    """What there is to tell. in_full: keys; made: the key was made just now, and nobody has it yet."""

    program: Program
    at: Pointed
    planned: list[Planned]
    problem: str | None
    written: bool
    in_full: bool
    made: bool


def _show(invocation: Invocation, told: _Shown) -> None:
    """Makes the change where it is to be made, and says what it was."""
    files = []
    for one in told.planned:
        text = one.new.decode("utf-8", "replace")
        for sentence in led_elsewhere(told.program, text, os.environ, "this shell"):
            note(f"warning: {sentence}")
        copy = write(one) if told.written and one.changes else None
        keys = () if told.in_full or told.at.key is None else (told.at.key,)
        diff = diff_of(one, keys, in_full=told.in_full)
        files.append(
            {"path": str(one.now.path), "changes": one.changes, "diff": diff, "copy": copy and str(copy)}
        )
    apart = _apart(told)
    if invocation.as_json:
        said = {
            "program": told.program.name,
            "url": told.at.url,
            "model": told.at.model,
            "written": told.written,
        }
        notes = list(told.program.notes)
        click.echo(
            json.dumps({**said, "files": files, "by_hand": apart, "problem": told.problem, "notes": notes})
        )
        return
    for file in files:
        _tell(told, file)
    for where, text in apart:
        click.echo(f"# {where}\n{text}\n")
    if told.problem:
        note(f"warning: {told.problem}")
    launch = told.program.launch
    if launch is not None and told.planned and shutil.which(launch.command) is None:
        note(f"{launch.command} is not on the PATH here; to install it: {launch.install}")
    for line in told.program.notes if not told.written else ():
        note(f"- {line}")
    if any(one.changes for one in told.planned) and not told.written:
        note(f"nothing is changed yet; run it with --write. Then: {told.program.first}")
    elif not told.planned:
        note(_not_written(told.program))


def _tell(told: _Shown, file: dict[str, Any]) -> None:
    path = file["path"]
    if not file["changes"]:
        note(f"{path} says all of it already")
        return
    click.echo(file["diff"], nl=False)
    if not told.written:
        return
    note(
        f"changed: {path}"
        + (f"; as it was before: {file['copy']}" if file["copy"] else "; it was not there before")
    )
    usual = [str(place_of(one.file, os.environ)) for one in told.program.files if one.file]
    config = "" if path in usual else f" --config {shlex.quote(path)}"
    note(f"put it back with: pointsman connect {told.program.name} --undo{config}. Now: {told.program.first}")
    change = next(one for one in told.planned if str(one.now.path) == path)
    if (sentence := seen_by_others(change, told.at.key)) is not None:
        note(f"warning: {sentence}")


def _apart(told: _Shown) -> list[tuple[str, str]]:
    """What is left to do by hand: all where no file can be written, and the key where it goes into none."""
    program, at = told.program, told.at
    left = [one for one in program.snippets if not told.planned or (one.file is None and "{key}" in one.text)]
    if told.planned and any("{key}" in one.text for one in program.files):
        return []
    found = [(one.where, filled(one, at)) for one in left]
    if told.in_full or told.made or at.key is None:
        return found
    return [(where, masked(text, (at.key,), STAND_INS)) for where, text in found]


def _not_written(program: Program) -> str:
    if program.own:
        return f"{program.title} keeps its settings in {program.own}: do by hand what `connect` shows without --write."
    return f"{program.title} has no settings file of its own: use what `connect` shows without --write."
