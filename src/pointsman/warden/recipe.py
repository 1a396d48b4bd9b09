"""How an engine is started, as it stands in `<data-dir>/engines/NAME.json`: read, checked, written.

Commands come from these files alone, which the local command line or a person writes; nothing that came over the network
makes one. A file that others could have written is not used. Not here: starting (run.py); which engine wants which command.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..config import ENGINES_FOLDER
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.private_files import private_folder, write_over

FOLDER = ENGINES_FOLDER
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
"""As names of backends are (docs/design.md)."""
_MOST_BYTES = 256 * 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLACES = ("{port}", "{socket}")


@dataclass(frozen=True, slots=True)
class ReadyRow:
    """How it says that it is ready, by the status of GET path: ready, loading, dead (it never will be); any other status is
    as `loading`. body: fields that a ready answer's JSON must have. ask: (path, JSON) of a first small request that must be
    answered with 2xx before it counts as ready, for what says 200 before it has loaded."""

    path: str = "/health"
    ready: tuple[int, ...] = (200,)
    loading: tuple[int, ...] = (503,)
    dead: tuple[int, ...] = ()
    body: Mapping[str, Any] | None = None
    ask: tuple[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """command: program and arguments, no shell; `{port}` and `{socket}` in it and in env stand for what the warden
    chose. port: a fixed one. keep: seconds after the end of the last request, None = for ever. memory: bytes, 0 =
    unknown. models: what it lists when it runs, told while it does not. window: tokens that each of them takes, None
    = not known. deadline: seconds without any sign of life after which a start has failed. sleeps: seconds after
    which it lets go of its memory by itself."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None = None
    port: int | None = None
    ready: ReadyRow = ReadyRow()
    keep: float | None = 300.0
    pin: bool = False
    preload: bool = False
    memory: int = 0
    deadline: float = 120.0
    sleeps: float | None = None
    models: tuple[str, ...] = ()
    window: int | None = None

    @property
    def on_socket(self) -> bool:
        return any("{socket}" in text for text in (*self.command, *self.env.values()))

    @property
    def command_hash(self) -> str:
        """Of what makes it another process: command, environment, folder, port."""
        said = json.dumps([self.command, sorted(self.env.items()), self.cwd, self.port])
        return hashlib.sha256(said.encode()).hexdigest()[:32]


def path_of(data_dir: Path, name: str) -> Path:
    """Where the recipe of that name stands. Raises PointsmanError for what is no name."""
    if not NAME.fullmatch(name):
        raise _wrong(
            f"{name[:80]!r} is no name of an engine: up to 64 of a-z, 0-9, '.', '_' and '-', first a letter or a digit"
        )
    return data_dir / FOLDER / f"{name}.json"


def names(data_dir: Path) -> list[str]:
    """Of all recipes that are there, readable or not."""
    try:
        found = sorted(path.stem for path in (data_dir / FOLDER).glob("*.json"))
    except OSError:
        return []
    return [name for name in found if NAME.fullmatch(name)]


def read_recipe(data_dir: Path, name: str) -> Recipe:
    """Raises PointsmanError that says what to do: no such file, others could have written it, a field is wrong."""
    path = path_of(data_dir, name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"There is no engine {name!r}; add one with: pointsman local add {name} --command ...",
        ) from None
    except OSError as error:
        raise _wrong(
            f"{path} cannot be read ({error.strerror}); it must be a file of this user's, and no link"
        ) from None
    try:
        problem = _problem_of(path.parent, os.stat(path.parent), stat.S_ISDIR) or _problem_of(
            path, os.fstat(descriptor), stat.S_ISREG
        )
        if problem:
            raise _wrong(problem)
        text = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(text) > _MOST_BYTES:
        raise _wrong(f"{path} holds more than {_MOST_BYTES} bytes; a command needs less")
    return parse_recipe(name, text)


def _problem_of(path: Path, info: os.stat_result, is_kind: Callable[[int], bool]) -> str | None:
    """Another kind of file, or one that another user could have written: who may write it decides what is run."""
    if not is_kind(info.st_mode):
        return f"{path} is no plain file; commands are read from plain files only"
    if info.st_uid != os.geteuid():
        return f"{path} belongs to another user, and is not run; run: chown {os.geteuid()} {path}"
    if info.st_mode & 0o022:
        mode = "700" if stat.S_ISDIR(info.st_mode) else "600"
        return f"{path} can be changed by other users, and is not run; run: chmod {mode} {path}"
    return None


def write_recipe(data_dir: Path, name: str, said: Mapping[str, Any]) -> Recipe:
    """Check and write a recipe (0600, whole or not at all), in place of one of that name. Raises PointsmanError for a field
    that is wrong, OSError when it cannot be written."""
    path = path_of(data_dir, name)
    text = json.dumps(said, indent=2) + "\n"
    recipe = parse_recipe(name, text)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # this may be the first that is written there
    path.parent.mkdir(mode=0o700, exist_ok=True)
    private_folder(path.parent)
    write_over(path, text)
    return recipe


def remove_recipe(data_dir: Path, name: str) -> bool:
    """And its logs. Was there one? Raises PointsmanError for what is no name."""
    path = path_of(data_dir, name)
    for log in (path.with_suffix(".log"), path.with_suffix(".log.1")):
        with suppress(OSError):
            log.unlink()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def log_path(data_dir: Path, name: str) -> Path:
    """Where its output goes; what is older stands in the same name with `.1` behind it."""
    return path_of(data_dir, name).with_name(f"{name}.log")


def parse_recipe(name: str, text: str | bytes) -> Recipe:
    """Raises PointsmanError naming the field and what it must be."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"The recipe of engine {name!r} is no JSON: {str(error)[:200]}") from None
    if not isinstance(said, dict):
        raise _wrong(
            f'The recipe of engine {name!r} must be an object, such as {{"command": ["program", "--port", "{{port}}"]}}'
        )
    known = {field.name for field in fields(Recipe)} - {"name"}
    for field in said:
        if field not in known:
            raise _wrong(
                f"The recipe of engine {name!r} has the field {field[:60]!r}, not one of {', '.join(sorted(known))}"
            )
    recipe = Recipe(name, **dict(_FieldsOf(name, said).all()))
    if recipe.port is None and not any(
        place in text for text in (*recipe.command, *recipe.env.values()) for place in _PLACES
    ):
        raise _wrong(
            f"The recipe of engine {name!r} does not say where it listens: write {{port}} or {{socket}} where its"
            ' command has them, or "port": 8080 where the port is fixed'
        )
    if recipe.on_socket and (recipe.port is not None or any("{port}" in text for text in recipe.command)):
        raise _wrong(f"The recipe of engine {name!r} has both a socket and a port; take one")
    return recipe


def _wrong(text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text)


class _FieldsOf:
    """Each field of a recipe that is said, checked."""

    def __init__(self, name: str, said: Mapping[str, Any]) -> None:
        self._name = name
        self._said = said

    def all(self) -> Iterator[tuple[str, Any]]:
        yield "command", self._command()
        yield "env", self._env()
        for field, check, must in _PLAIN:
            if field in self._said:
                value = self._said[field]
                if not check(value):
                    raise self._problem(field, must)
                yield field, value
        if "ready" in self._said:
            yield "ready", self._ready()
        if "models" in self._said:
            yield "models", self._models()

    def _problem(self, field: str, must: str) -> PointsmanError:
        return _wrong(f"The recipe of engine {self._name!r}: {field} must be {must}")

    def _command(self) -> tuple[str, ...]:
        command = self._said.get("command")
        if not isinstance(command, list) or not command or not all(map(_is_text, command)) or not command[0]:
            raise self._problem("command", 'a list of texts, such as ["llama-server", "--port", "{port}"]')
        return tuple(command)

    def _env(self) -> dict[str, str]:
        env = self._said.get("env", {})
        if not isinstance(env, dict) or not all(
            _VARIABLE.fullmatch(k) and _is_text(v) for k, v in env.items()
        ):
            raise self._problem("env", 'an object of names and texts, such as {"HF_HUB_OFFLINE": "1"}')
        return env

    def _models(self) -> tuple[str, ...]:
        models = self._said["models"]
        if not isinstance(models, list) or not all(_is_text(name) and name for name in models):
            raise self._problem("models", 'a list of names, such as ["qwen3-4b"]')
        return tuple(models)

    def _ready(self) -> ReadyRow:
        row = self._said["ready"]
        known = [field.name for field in fields(ReadyRow)]
        if not isinstance(row, dict) or not set(row) <= set(known):
            raise self._problem("ready", f"an object with some of {', '.join(known)}")
        made: dict[str, Any] = {}
        for field, value in row.items():
            if field in ("ready", "loading", "dead"):
                if not isinstance(value, list) or not all(map(_is_status, value)):
                    raise self._problem(f"ready.{field}", "a list of HTTP statuses, such as [200]")
                made[field] = tuple(value)
            elif field == "path":
                made[field] = self._path("ready.path", value)
            elif field == "body":
                if not isinstance(value, dict):
                    raise self._problem("ready.body", 'an object, such as {"status": "ok"}')
                made[field] = value
            else:
                if not isinstance(value, dict) or set(value) != {"path", "body"}:
                    raise self._problem(
                        "ready.ask", 'an object such as {"path": "/v1/completions", "body": {...}}'
                    )
                made[field] = (self._path("ready.ask.path", value["path"]), value["body"])
        return ReadyRow(**made)

    def _path(self, field: str, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"/[!-~]*", value):
            raise self._problem(field, "a path of URLs, such as /health")
        return value


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and _is_number(value, least, most)


_YEAR = 366 * 86400.0
_PLAIN: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("cwd", lambda v: v is None or (_is_text(v) and str(v).startswith("/")), "the absolute path of a folder"),
    ("port", lambda v: v is None or _is_whole(v, 1, 65535), "a port from 1 to 65535, or absent"),
    ("keep", lambda v: v is None or _is_number(v, 0, _YEAR), "seconds, or null for ever"),
    ("pin", lambda v: isinstance(v, bool), "true or false"),
    ("preload", lambda v: isinstance(v, bool), "true or false"),
    ("memory", lambda v: _is_whole(v, 0, 2**60), "bytes, 0 where it is not known"),
    ("window", lambda v: v is None or _is_whole(v, 1, 10**9), "tokens, or null where it is not known"),
    ("deadline", lambda v: _is_number(v, 0.1, _YEAR), "seconds, at least 0.1"),
    ("sleeps", lambda v: v is None or _is_number(v, 0, _YEAR), "seconds, or null where it does not sleep"),
)
