"""A program's settings file on the disk: read, changed whole or not at all, and put back as it was.

Beside it are kept, until it is put back: a copy from before, `NAME.before-pointsman`, and `NAME.pointsman-undo`, which says
which places were changed and holds no value. What is no plain file of this user's own is refused: by a symbolic or a second
hard link another file would be changed than the one that was named, or this one would no longer be it.

Not here: what is changed in its text (programs/edits).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import replace, sync_folder
from ..edits.change import (
    NotChangeable,
    Touched,
    changed,
    packed,
    says_nothing,
    taken_back,
    told,
    unpacked,
)
from ..program import SettingsFile, Writing

MOST_BYTES = 1 << 20
"""Of a settings file."""
_BOM = b"\xef\xbb\xbf"
_XDG = "~/.config/"
_XDG_VARIABLE = "XDG_CONFIG_HOME"


class OnDisk(NamedTuple):
    """raw: None where there is no file. mode: permissions."""

    path: Path
    raw: bytes | None
    mode: int = 0o600
    group: int = -1


class Planned(NamedTuple):
    """A change that is not made yet. now: what is there; new: what will be; base: what will be put back by undo, None: no
    file. record: of an earlier change."""

    now: OnDisk
    new: bytes
    base: bytes | None
    touched: list[Touched]
    record: dict[str, Any] | None

    @property
    def changes(self) -> bool:
        """Is there anything to do?"""
        return self.now.raw != self.new


def place_of(file: SettingsFile, environ: Mapping[str, str]) -> Path:
    """Where this user's is."""
    usual = _usual(file)
    path = Path(os.path.expanduser(usual))
    named = moved_by(file, environ)
    if named == _XDG_VARIABLE:
        path = Path(environ[named]) / usual.removeprefix(_XDG)
    elif named is not None:
        path = Path(environ[named]).expanduser() / path.name
    path = path.absolute()
    others = [path.with_name(name) for name in file.others]
    changed_one = next(filter(is_changed, (path, *others)), None)
    return changed_one or next(filter(os.path.lexists, others), path)


def moved_by(file: SettingsFile, environ: Mapping[str, str]) -> str | None:
    """The variable that says where it is; None where it is at its usual place."""
    if file.variable and environ.get(file.variable):
        return file.variable
    return _XDG_VARIABLE if _usual(file).startswith(_XDG) and environ.get(_XDG_VARIABLE) else None


def _usual(file: SettingsFile) -> str:
    return file.mac if file.mac and sys.platform == "darwin" else file.path


def is_changed(path: Path) -> bool:
    """By `write`, and not put back?"""
    return os.path.lexists(_record_file(path))


def text_of(path: Path) -> str:
    """What it says, for a look. Raises PointsmanError as `load` does."""
    return (load(path).raw or b"").decode("utf-8", "replace")


def load(path: Path) -> OnDisk:
    """What is there. Raises PointsmanError for what is not changed by anybody but its user."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.is_symlink():
            _refuse_link(path)
        return OnDisk(path, None)
    except OSError as error:
        if path.is_symlink():
            _refuse_link(path)
        _refuse(f"{path} cannot be read ({error.strerror})")
    with _opened(descriptor) as (opened, info):
        if not stat.S_ISREG(info.st_mode):
            _refuse(f"{path} is no file")
        if info.st_uid != os.geteuid():
            _refuse(f"{path} belongs to another user; run this as that one")
        if info.st_nlink > 1:
            _refuse(f"{path} has {info.st_nlink} names (hard links), of which only one would be changed")
        raw = b""
        while len(raw) <= MOST_BYTES and (more := os.read(opened, MOST_BYTES)):
            raw += more
    if len(raw) > MOST_BYTES:
        _refuse(f"{path} is larger than a settings file is")
    return OnDisk(path, raw, stat.S_IMODE(info.st_mode), info.st_gid)


@contextmanager
def _opened(descriptor: int) -> Iterator[tuple[int, os.stat_result]]:
    try:
        yield descriptor, os.fstat(descriptor)
    finally:
        os.close(descriptor)


def plan(path: Path, file: SettingsFile, writing: Writing, snippet: str) -> Planned:
    """What it takes for the file to say all that the snippet says; an earlier change of ours is taken back first. Raises
    PointsmanError where the file cannot be read or changed."""
    now, record = load(path), _record(path)
    if now.raw is None and file.unread and os.path.lexists(old := path.with_name(file.unread)):
        _refuse(
            f"{old} would no longer be read once there is a {path.name}; move it over first, then run this again"
        )
    if record is not None and now.raw is not None and _says(now, file, writing, snippet):
        return Planned(now, now.raw, None, [], record)
    base = now.raw if record is None else _without(now, record, file, writing)[0]
    try:
        text, mark = _text(base, path)
        made = changed(text, snippet, writing, file)
    except NotChangeable as error:
        _refuse(f"{path} is written in a way that is not changed safely: {error}. Change it by hand")
    except ValueError as error:
        _refuse(f"{path} is broken, and nothing was changed: {error}. Mend it, then run this again")
    return Planned(now, mark + made.text.encode(), base, made.touched, record)


def _says(now: OnDisk, file: SettingsFile, writing: Writing, snippet: str) -> bool:
    """Does it say all that the snippet says?"""
    try:
        text, _ = _text(now.raw, now.path)
        return changed(text, snippet, writing, file).text == text
    except ValueError:  # what is wrong is told when it is to be changed
        return False


def write(planned: Planned) -> Path | None:
    """Makes the change; returns the copy from before. Raises PointsmanError where it cannot, or where somebody else has
    changed the file meanwhile."""
    path, base = planned.now.path, planned.base
    made: list[str] = []
    try:
        for folder in reversed([one for one in path.parents if not one.exists()]):
            folder.mkdir(mode=0o700)
            made.append(str(folder))
        _check_same(planned.now)
        earlier = planned.record or {}
        record = {
            "sha256": _sha(planned.new),
            "was": "" if planned.now.raw is None else _sha(planned.now.raw),
            "existed": base is not None,
            "touched": packed(planned.touched),
            "folders": [*earlier.get("folders", []), *made],
        }
        if base is None:
            _backup(path).unlink(missing_ok=True)
        else:
            put(planned.now._replace(path=_backup(path)), base)
        put(OnDisk(_record_file(path), None), json.dumps(record).encode())
        put(planned.now, planned.new)
    except OSError as error:
        _refuse(f"{error.filename or path} cannot be written ({error.strerror})")
    return None if base is None else _backup(path)


class Undo(NamedTuple):
    """Taking it back, not done yet. new: None: the file goes."""

    now: OnDisk
    new: bytes | None
    folders: list[str]


def plan_undo(path: Path, file: SettingsFile, writing: Writing) -> Undo | None:
    """None where nothing was changed. Raises PointsmanError where a place that was changed says something else by now."""
    record = _record(path)
    if record is None:
        return None
    now = load(path)
    if now.raw is None and record["existed"]:
        _refuse(f"{path} is gone; as it was before it is {_backup(path)}")
    base, others = _without(now, record, file, writing)
    if others:
        places = ", ".join(others)
        copy = f". As it was before: {_backup(path)}" if record["existed"] else ""
        _refuse(
            f"{path} was changed since, also where Pointsman had changed it: {places}. Nothing was taken back, so that"
            f" nothing of yours is lost; do it by hand, then remove {_record_file(path)}{copy}"
        )
    return Undo(now, base, [str(one) for one in record["folders"]])


def undo(planned: Undo) -> None:
    """Takes it back. Raises PointsmanError as `write` does."""
    path = planned.now.path
    try:
        _check_same(planned.now)
        if planned.new is None:
            path.unlink(missing_ok=True)
        elif planned.new != planned.now.raw:
            put(planned.now, planned.new)
        _record_file(path).unlink(missing_ok=True)
        _backup(path).unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        _refuse(f"{error.filename or path} cannot be written ({error.strerror})")
    for folder in reversed(planned.folders):
        try:
            Path(folder).rmdir()
        except OSError:  # something of somebody's is in it
            return


def _without(
    now: OnDisk, record: dict[str, Any], file: SettingsFile, writing: Writing
) -> tuple[bytes | None, list[str]]:
    """The file without our earlier change, and the places that are the user's by now."""
    path = now.path
    before = load(_backup(path)).raw if record["existed"] else None
    if record["existed"] and before is None:
        _refuse(
            f"{_backup(path)}, the copy from before, is gone; change {path} by hand and remove {_record_file(path)}"
        )
    if now.raw is None or _sha(now.raw) in (record["sha256"], record["was"]):
        return before, []
    try:
        text, mark = _text(now.raw, path)
        old, _ = _text(before, path)
        text, others = taken_back(text, old, unpacked(record["touched"]), writing, file)
        empty = before is None and says_nothing(text, writing) and "#" not in text and "//" not in text
    except NotChangeable as error:
        _refuse(
            f"{path} was changed since, and what Pointsman wrote cannot be taken out of it safely ({error});"
            f" do it by hand, then remove {_record_file(path)}"
        )
    except ValueError as error:
        _refuse(f"{path} is broken, and nothing was changed: {error}. Mend it, then run this again")
    return None if empty else mark + text.encode(), [told(one) for one in others]


def _text(raw: bytes | None, path: Path) -> tuple[str, bytes]:
    """As text, and the mark that it begins with."""
    raw = raw or b""
    mark = _BOM if raw.startswith(_BOM) else b""
    try:
        return raw[len(mark) :].decode(), mark
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.before-pointsman")


def _record_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.pointsman-undo")


def _record(path: Path) -> dict[str, Any] | None:
    raw = load(_record_file(path)).raw
    if raw is None:
        return None
    kinds = {"sha256": str, "was": str, "existed": bool, "touched": list, "folders": list}
    try:
        found = json.loads(raw)
        whole = all(isinstance(found[name], kind) for name, kind in kinds.items())
        unpacked(found["touched"])
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        _refuse(f"{_record_file(path)} cannot be understood; look at {path} and remove it")
    return dict(found)


def check_writable(seen: OnDisk) -> None:
    """Raises PointsmanError for a file that its user has made read-only."""
    if not seen.mode & stat.S_IWUSR:
        _refuse(f"{seen.path} is read-only; allow its user to write it first: chmod u+w {seen.path}")


def _check_same(seen: OnDisk) -> None:
    check_writable(seen)
    if load(seen.path).raw != seen.raw:
        _refuse(f"{seen.path} has just been changed by somebody else; look at it, and run this again")


def put(at: OnDisk, raw: bytes) -> None:
    """The whole of it or nothing, with its permissions. Raises OSError."""
    temporary = at.path.with_name(f".{at.path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if at.group not in (-1, os.fstat(file.fileno()).st_gid):
                os.fchown(file.fileno(), -1, at.group)
            os.fchmod(file.fileno(), at.mode)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, at.path)
    finally:
        temporary.unlink(missing_ok=True)


def _sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _refuse_link(path: Path) -> NoReturn:
    _refuse(
        f"{path} is a symbolic link to {os.readlink(path)}; name the file itself: --config {os.path.realpath(path)}"
    )


def _refuse(text: str) -> NoReturn:
    raise PointsmanError(ErrorKind.CONFLICT, f"{text}.")
