"""Places in a document, and what a change does to its plain values. Pure."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from ..program import SettingsFile

_OURS = "pointsman"
"""What bears our name in a settings file is ours as a whole."""


class Row(NamedTuple):
    """The entry of a list whose `field` has this value."""

    field: str
    value: str


Step = str | Row
Path = tuple[Step, ...]


class Put(NamedTuple):
    """What is to stand at a place; whatever is above it is there."""

    path: Path
    value: Any


class NotReadable(ValueError):
    """The text is not what it should be written in; says where."""


class NotChangeable(ValueError):
    """It is written in a way that is not changed safely; says what."""


ABSENT: Any = object()
"""Nothing stands there."""


def told(path: Path) -> str:
    """A place for people: `models[name=practice].apiKey`."""
    parts = [f"[{one.field}={one.value}]" if isinstance(one, Row) else f".{one}" for one in path]
    return "".join(parts).removeprefix(".")


def value_at(data: Any, path: Path) -> Any:
    """ABSENT where nothing stands there."""
    for step in path:
        key = step_in(data, step)
        if key is None:
            return ABSENT
        data = data[key]
    return data


def step_in(data: Any, step: Step) -> Any:
    """The key or the index of a step; None where there is none."""
    if isinstance(step, str):
        return step if isinstance(data, dict) and step in data else None
    if not isinstance(data, list):
        return None
    return next(
        (i for i, one in enumerate(data) if isinstance(one, dict) and one.get(step.field) == step.value), None
    )


def puts(data: Any, target: Any, file: SettingsFile, path: Path = ()) -> list[Put]:
    """What must be put so that the document says all of `target`. data: what it says now. Raises NotChangeable where
    something else stands in the way."""
    found = []
    if isinstance(target, dict):
        _is_a(dict, data, path)
        for key, value in target.items():
            now = data.get(key, ABSENT)
            kept = (key in file.gentle and not path) or key in file.stamps
            if not kept or now is ABSENT:
                found += _puts_at(now, value, file, (*path, key))
        return found
    _is_a(list, data, path)
    for entry in target:
        row = Row(file.rows, entry[file.rows])
        at = step_in(data, row)
        found += _puts_at(ABSENT if at is None else data[at], entry, file, (*path, row))
    return found


def _puts_at(now: Any, value: Any, file: SettingsFile, path: Path) -> list[Put]:
    if same(now, value):
        return []
    if now is ABSENT or now is None or not (isinstance(value, dict) or _is_rows(value, file)):
        return [Put(path, value)]
    return puts(now, value, file, path)


def parts(put: Put, file: SettingsFile) -> list[Put]:
    """The places of what is put at one, each to be taken back by itself: a group or a list may get more of its user's, but
    not what bears our name."""
    last, value = put.path[-1], put.value
    ours = isinstance(last, Row) or last.lower() == _OURS
    if not ours and isinstance(value, dict):
        return [one for key, below in value.items() for one in parts(Put((*put.path, key), below), file)]
    if not ours and _is_rows(value, file):
        return [Put((*put.path, Row(file.rows, entry[file.rows])), entry) for entry in value]
    return [put]


def _is_rows(value: Any, file: SettingsFile) -> bool:
    return (
        bool(file.rows)
        and isinstance(value, list)
        and all(isinstance(one, dict) and file.rows in one for one in value)
    )


def _is_a(kind: type, data: Any, path: Path) -> None:
    if not isinstance(data, kind):
        word = "a list" if kind is list else "a group of values"
        raise NotChangeable(f"{told(path) or 'the whole of it'} is not {word}")


def after(data: Any, path: Path, value: Any) -> Any:
    """What the document says when `value` stands at `path` (ABSENT: nothing does); `data` stays as it is."""
    made = copy.deepcopy(data)
    at = made
    for step in path[:-1]:
        at = at[step_in(at, step)]
    last = path[-1]
    key = step_in(at, last)
    if value is ABSENT:
        if key is not None:
            del at[key]
    elif key is None and isinstance(last, Row):
        at.append(value)
    else:
        at[last if key is None else key] = value
    return made


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same kinds: True is not 1, and 1 is not 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)
