"""A program's settings files pointed at a gateway: which they are, what would change, shown as a diff, and whether it is
still the same when it is made. Asked by `pointsman connect` and by the page Connect.

Not here: how a file is read and changed (settings_file.py).
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..program import YOUR_KEY, Pointed, Program, SettingsFile, Snippet, filled
from .masked import masked
from .settings_file import Planned, Undo, place_of, plan, plan_undo, text_of, undo

NEW_KEY = "A-NEW-CLIENT-KEY"
"""Stands for a key that is made when the change is."""
STAND_INS = (NEW_KEY, YOUR_KEY)
_TELLING = 6
"""Characters that a key's beginning has at least to be known by it."""
_KEY = "{key}"


class InFile(NamedTuple):
    """A snippet and the file it goes into."""

    snippet: Snippet
    file: SettingsFile
    path: Path

    def undoing(self) -> Undo | None:
        """Taking it back; None where nothing was changed. Raises PointsmanError where that cannot be."""
        return plan_undo(self.path, self.file, self.snippet.writing)


def in_files(program: Program, environ: Mapping[str, str]) -> list[InFile]:
    """Where this user's are."""
    found = ((one, one.file) for one in program.files)
    return [InFile(one, file, place_of(file, environ)) for one, file in found if file is not None]


def planned(files: Sequence[InFile], at: Pointed) -> list[Planned]:
    """What it takes for them to say all of it. Raises PointsmanError as `plan` does, and for a model's name that no file can
    hold."""
    try:
        texts = [filled(one.snippet, at) for one in files]
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="model") from None
    return [
        plan(one.path, one.file, one.snippet.writing, text) for one, text in zip(files, texts, strict=True)
    ]


def takes_key(files: Iterable[InFile]) -> bool:
    """Does a client key go into one of them?"""
    return any(_KEY in one.snippet.text for one in files)


def kept_key(files: Iterable[InFile], prefixes: Iterable[str]) -> str | None:
    """The first client key in them that begins as one of the gateway's does. Raises PointsmanError as `load` does."""
    prefixes = tuple(prefixes)
    return next((key for one in files if (key := key_in(text_of(one.path), prefixes)) is not None), None)


def telling(prefixes: Iterable[str]) -> tuple[str, ...]:
    """Those of client keys' beginnings that a key is known by."""
    return tuple(one for one in prefixes if len(one) >= _TELLING)


def key_in(text: str, prefixes: Iterable[str]) -> str | None:
    """The same of one text."""
    found = (re.search(rf"{re.escape(one)}[\w-]+", text) for one in prefixes)
    return next((one[0] for one in found if one is not None), None)


def diff_of(one: Planned, keys: Iterable[str] = (), *, in_full: bool = False) -> str:
    """What would change, in lines; "" where nothing would. keys: that are known to be, shortened like all that look like
    one."""
    name = "".join(c if c.isprintable() else "?" for c in str(one.now.path))
    old, new = ((raw or b"").decode("utf-8", "replace").splitlines() for raw in (one.now.raw, one.new))
    lines = difflib.unified_diff(old, new, name, f"{name} (with Pointsman)", lineterm="")
    text = "".join(f"{line}\n" for line in lines)
    return text if in_full else masked(text, keys, STAND_INS)


def digest_of(plan: Iterable[Planned]) -> str:
    """Another one when anything is: a file, what it says, what it will say."""
    found = hashlib.sha256()
    for one in plan:
        for piece in (os.fsencode(one.now.path), one.now.raw, one.new):
            found.update(b"-" if piece is None else b"%d:%b" % (len(piece), piece))
    return found.hexdigest()


def put_back(files: Iterable[InFile]) -> list[Undo]:
    """Takes back what was changed in them: all of it or, where one cannot be, nothing; what was taken back. Raises
    PointsmanError."""
    found = [planned for one in files if (planned := one.undoing()) is not None]
    for planned in reversed(found):  # the first one's folder may have been made for the others, too
        undo(planned)
    return found


def led_elsewhere(program: Program, text: str, environ: Mapping[str, str], place: str) -> list[str]:
    """Sentences of variables that may lead the program elsewhere. text: of its settings file. place: whose `environ` is."""
    found = []
    for name in program.launch.clears if program.launch else ():
        if name in environ or f'"{name}"' in text:
            where = f"in {place}" if name in environ else "in its settings"
            found.append(f"{name} is set {where}, and may lead {program.title} elsewhere")
    return found


def seen_by_others(one: Planned, key: str | None) -> str | None:
    """A sentence where others of this computer can read the file once there is a key in it."""
    if key is None or key == YOUR_KEY or not one.now.mode & 0o077 or key.encode() not in one.new:
        return None
    path = one.now.path
    return f"{path} can be read by other users of this computer, with the key in it; run: chmod 600 {path}"
