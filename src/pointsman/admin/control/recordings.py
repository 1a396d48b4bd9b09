"""Recordings (docs/replay.md): a folder each, in it a file an answer, sealed under a key of the folder's own, which is
sealed under the master key. So a rotation seals one short file anew, and neither of its ends leaves a recording shut.

One request has one answer: what is recorded later takes the place of what was there. Not here: which recordings are being
made (recorders.py), which requests are the same (translation/), and the form of a file for others (recording_files.py).
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ...errors import PointsmanError
from ...kinds import RECORDING_NAME, REPLAY, ErrorKind
from ...link.kept_messages import KeptAnswer, ReplayFound, ReplayQuestion
from ...process.private_files import private_folder, replace, write_over
from ...secret import Sealed, Secret
from ..vault import Binding, MasterKey, Vault, VaultError

log = logging.getLogger("pointsman.control")

FOLDER = "recordings"
MOST_BYTES = 256 * 1024 * 1024
"""Of all recordings, as the disk counts."""
MOST_ANSWERS = 10_000
"""Of one."""
_BLOCK = 4096
_SEAL = 64
"""Bytes of it, at most."""
_KEY, _NEXT_KEY = "key", "key.next"


class Recorded(msgspec.Struct, frozen=True):
    """One answer, and the request that it is of. asked: see KeepRecorded."""

    path: str
    model: str
    asked: bytes
    answer: KeptAnswer


@dataclass(slots=True)
class _Entry:
    """An answer's place. same, form, meant: digests of its request, as it is, whether as a stream or not, and in neutral
    form, b"" where it has none. most: see ReplayQuestion."""

    number: int
    path: str
    same: bytes
    form: bytes
    meant: bytes
    most: int | None
    size: int


@dataclass(slots=True)
class _Opened:
    """A recording that somebody has looked into. by_request: by `same`, in the order in which they were recorded first."""

    key: MasterKey
    by_request: dict[bytes, _Entry] = field(default_factory=dict)
    by_form: dict[bytes, _Entry] = field(default_factory=dict)
    by_meaning: dict[bytes, list[_Entry]] = field(default_factory=dict)
    last: int = 0

    def add(self, entry: _Entry) -> None:
        self.by_request[entry.same] = self.by_form[entry.form] = entry
        if entry.meant:
            alike = self.by_meaning.setdefault(entry.meant, [])
            alike[:] = [one for one in alike if one.same != entry.same] + [entry]
        self.last = max(self.last, entry.number)


class Recordings:
    """folder: where they are; made 0700 when first needed. From any thread."""

    def __init__(self, data_dir: Path, vault: Vault) -> None:
        self.folder = data_dir / FOLDER
        self._vault = vault
        self._lock = threading.RLock()
        self._opened: dict[str, _Opened] = {}
        self._size: int | None = None

    # -- for the data plane

    def find(self, question: ReplayQuestion) -> ReplayFound:
        """The answer to that request: of the same one, else of one that differs in its form, else in its protocol, alone."""
        from .recorded_requests import digest, form_of, nearest, same

        number = question.number
        with self._lock:
            try:
                opened = self._open(question.recording)
            except PointsmanError as error:
                return ReplayFound(number, missing=error.public.rstrip("."))
            entry = opened.by_request.get(same(question.path, question.asked))
            if entry is None:
                entry = opened.by_form.get(form_of(question.path, question.asked))
            if entry is None and question.meant:
                entry = _alike(question, opened.by_meaning.get(digest(question.meant), []))
            if entry is None:
                near = [one for one in self._all(question.recording) if one.path == question.path]
                others = len(opened.by_request)
                return ReplayFound(
                    number,
                    missing=nearest(question.path, question.asked, [one.asked for one in near], others),
                )
            found = self._read(question.recording, opened, entry.number)
        return ReplayFound(number, found.answer, found.path)

    def keep(self, name: str, one: Recorded) -> str:
        """`new`, `renewed` where it takes an earlier one's place, `full` where nothing more is kept, `gone` where there is
        no such recording any more. Raises PointsmanError where it does not open, OSError where it cannot be written."""
        from .recorded_requests import same

        with self._lock:
            if not self._path(name).is_dir():
                return "gone"
            opened = self._open(name)
            before = opened.by_request.get(same(one.path, one.asked))
            number = opened.last + 1 if before is None else before.number
            sealed = opened.key.seal_bytes(msgspec.msgpack.encode(one), _binding(name, number))
            size = _on_disk(len(sealed))
            grown = self._all_bytes() + size - (0 if before is None else before.size)
            if grown > MOST_BYTES or (before is None and len(opened.by_request) >= MOST_ANSWERS):
                return "full"
            _write(self._path(name) / f"{number:06d}", sealed)
            opened.add(_entry(number, one, size))
            self._size = grown
        return "new" if before is None else "renewed"

    # -- for people

    def names(self) -> list[str]:
        """All of them, in order."""
        with suppress(OSError):
            found = [one.name for one in os.scandir(self.folder) if one.is_dir()]
            return sorted(name for name in found if RECORDING_NAME.fullmatch(name))
        return []

    def missing(self, backends: Iterable[str]) -> list[str]:
        """Names of those among these backends' keys that are not there."""
        named = {key.removeprefix(REPLAY) for key in backends if key.startswith(REPLAY)}
        return sorted(named - set(self.names())) if named else []

    def make(self, name: str) -> None:
        """An empty one, where there is none of that name. Raises PointsmanError where nothing can be sealed."""
        key = MasterKey.new()
        with self._lock:
            if self._path(name).is_dir():
                self._open(name)
                return
            sealed = self._vault.require().seal(Secret(key.text()), _binding(name, 0))
            self.folder.mkdir(mode=0o700, exist_ok=True)
            private_folder(self.folder)
            self._path(name).mkdir(mode=0o700)
            write_over(self._path(name) / _KEY, sealed.text)
            self._opened[name] = _Opened(key)

    def all_of(self, name: str) -> list[tuple[int, Recorded]]:
        """With their numbers, in the order in which they were recorded first. Raises NOT_FOUND, and PointsmanError where it
        does not open."""
        with self._lock:
            opened = self._open(name)
            entries = sorted(opened.by_request.values(), key=lambda one: one.number)
            return [(one.number, self._read(name, opened, one.number)) for one in entries]

    def size(self, name: str) -> tuple[int, int]:
        """(answers, bytes on disk). Raises NOT_FOUND."""
        sizes = [one.stat().st_size for one in self._files(name)]
        return len(sizes), sum(map(_on_disk, sizes))

    def put(self, name: str, answers: list[Recorded]) -> None:
        """Those, and no others. Raises CONFLICT where there is no room for them, and changes nothing then."""
        with self._lock:
            there = self.size(name)[1] if self._path(name).is_dir() else 0
            size = sum(_on_disk(len(msgspec.msgpack.encode(one)) + _SEAL) for one in answers)
            if self._all_bytes() - there + size > MOST_BYTES:
                text = (
                    f"Recordings take {MOST_BYTES} bytes together, and this one has no room; delete another."
                )
                raise PointsmanError(ErrorKind.CONFLICT, text)
            self.make(name)
            for file in self._files(name):
                file.unlink()
            self._opened[name] = _Opened(self._opened[name].key)
            self._size = None
            for one in answers:
                self.keep(name, one)

    def remove(self, name: str) -> None:
        """Raises NOT_FOUND."""
        with self._lock:
            if not self._path(name).is_dir():
                raise _nothing(name)
            self._opened.pop(name, None)
            self._size = None
            shutil.rmtree(self._path(name))

    # -- a rotation of the master key

    def stage(self, new: MasterKey) -> None:
        """Before it: each recording's key, under the new one, beside the old. Raises PointsmanError where one does not
        open, so that nothing is rotated."""
        with self._lock:
            for name in self.names():
                key = self._key(name)  # which puts in its place what an earlier rotation has left beside it
                sealed = new.seal(Secret(key.text()), _binding(name, 0))
                write_over(self._path(name) / _NEXT_KEY, sealed.text)

    # -- the files

    def _open(self, name: str) -> _Opened:
        opened = self._opened.get(name)
        if opened is None:
            opened = _Opened(self._key(name))
            for file in self._files(name):
                number = int(file.name)
                try:
                    one = self._read(name, opened, number)
                except PointsmanError as error:
                    log.warning("%s", error.public)
                    opened.last = max(opened.last, number)
                    continue
                opened.add(_entry(number, one, _on_disk(file.stat().st_size)))
            self._opened[name] = opened
        return opened

    def _key(self, name: str) -> MasterKey:
        """Of a rotation that a crash has cut off one of the two opens, and becomes the only one."""
        folder, problem = self._path(name), _nothing(name)
        for file in (folder / _KEY, folder / _NEXT_KEY):
            try:
                sealed = Sealed(file.read_text(encoding="ascii"))
                key = MasterKey.parse(self._vault.require().open(sealed, _binding(name, 0)).reveal())
            except OSError:
                continue
            except (VaultError, ValueError) as error:
                text = f"The recording {name} does not open: {getattr(error, 'public', error)}"
                problem = PointsmanError(ErrorKind.UNAVAILABLE, text)
                continue
            if file.name == _NEXT_KEY:
                replace(file, folder / _KEY)
            return key
        raise problem

    def _files(self, name: str) -> list[Path]:
        folder = self._path(name)
        if not folder.is_dir():
            raise _nothing(name)
        return sorted(one for one in folder.iterdir() if one.name.isdecimal())

    def _all(self, name: str) -> Iterator[Recorded]:
        opened = self._opened[name]
        for entry in opened.by_request.values():
            with suppress(PointsmanError):
                yield self._read(name, opened, entry.number)

    def _read(self, name: str, opened: _Opened, number: int) -> Recorded:
        try:
            sealed = (self._path(name) / f"{number:06d}").read_bytes()
            clear = opened.key.open_bytes(sealed, _binding(name, number))
            return msgspec.msgpack.decode(clear, type=Recorded)
        except (VaultError, OSError, msgspec.DecodeError):
            text = f"Answer {number} of the recording {name} cannot be read; delete the recording, or record it again."
            raise PointsmanError(ErrorKind.UNAVAILABLE, text) from None

    def _all_bytes(self) -> int:
        if self._size is None:
            self._size = sum(self.size(name)[1] for name in self.names())
        return self._size

    def _path(self, name: str) -> Path:
        if not RECORDING_NAME.fullmatch(name):
            raise _nothing(name)
        return self.folder / name


def _entry(number: int, one: Recorded, size: int) -> _Entry:
    from .recorded_requests import (
        known_by,
    )  # the protocols, which a control plane without recordings does without

    return _Entry(number, one.path, *known_by(one.path, one.asked), size)


def _alike(question: ReplayQuestion, found: list[_Entry]) -> _Entry | None:
    """The last of those that mean the same in another protocol. One of the two may say how long the answer may be, and the
    other nothing."""
    others = [one for one in found if one.path != question.path]
    same = [one for one in others if one.most == question.most]
    found = same or [one for one in others if None in (one.most, question.most)]
    return found[-1] if found else None


def _write(path: Path, data: bytes) -> None:
    """A crash leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _nothing(name: str) -> PointsmanError:
    return PointsmanError(
        ErrorKind.NOT_FOUND, f"There is no recording {name!r}; see: pointsman recording list."
    )


def _binding(name: str, number: int) -> Binding:
    return Binding(FOLDER, "", f"{name}/{number}", "")


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
