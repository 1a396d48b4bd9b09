"""A configuration file: TOML as people write it, and as it is written for them. What stands in it and what it means is the
store's (admin/store/configuration). Not here: files of other gateways (peers/).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

HEAD = """Pointsman's configuration, without keys: `pointsman apply FILE` makes a gateway stand as this file says.
A section that is left out is not touched; an empty one (`mappings = []`) says that there are none of that kind.
A backend's key is taken from the environment variable that its `key_env` names; one that is stored stays."""


def written(document: Mapping[str, Any], notes: Iterable[str] = ()) -> str:
    """The document as TOML."""
    import tomlkit

    made = tomlkit.document()
    for line in HEAD.splitlines():
        made.add(tomlkit.comment(line))
    for note in notes:
        made.add(tomlkit.comment(f"Not in it: {note}"))
    made.add(tomlkit.nl())
    for name, value in document.items():
        if not isinstance(value, list) or not value or not isinstance(value[0], dict):
            made.add(name, tomlkit.item(value))
    for name, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            tables = tomlkit.aot()
            for one in value:
                tables.append(_table(one))
            made.add(name, tables)
    return tomlkit.dumps(made)


def _table(values: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for name, value in values.items():
        table.add(name, _inline(value))
    return table


def _inline(value: Any) -> Any:
    """Lists of objects and objects stay on one line; a null has no place in TOML and is left out."""
    import tomlkit

    if isinstance(value, dict):
        made = tomlkit.inline_table()
        for name, inner in value.items():
            if inner is not None:
                made.append(name, _inline(inner))
        return made
    if isinstance(value, list):
        some = tomlkit.array()
        for one in value:
            some.append(_inline(one))
        return some
    return value


def read_text(file: Path) -> str:
    """Raises click.UsageError; `-` is standard input."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is no text") from None


def read(file: Path) -> dict[str, Any]:
    """Raises click.UsageError with the line."""
    import tomllib

    try:
        found = tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"{file} is no TOML: {error}") from None
    made: dict[str, Any] = _with_texts(found)
    return made


def _with_texts(value: Any) -> Any:
    """TOML's dates as the texts that JSON has."""
    import datetime

    if isinstance(value, dict):
        return {name: _with_texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_texts(one) for one in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def keys_for(document: Mapping[str, Any]) -> dict[str, str]:
    """Of the environment variables that it names, those that are there."""
    names = {
        entry.get("key_env")
        for section in ("locals", "credentials")
        for entry in document.get(section) or ()
        if isinstance(entry, dict)
    }
    return {name: os.environ[name] for name in names if isinstance(name, str) and os.environ.get(name)}
