"""Usage records on disk that the control plane has not taken yet: one file a data-plane process, appended to.

Frames of length, CRC-32 and msgpack, so that a torn tail (a crash, a full disk) costs that frame and nothing before it.
Records may come twice; the store ignores ids it has. Not here: when something is spooled (client.py).
"""

from __future__ import annotations

import errno
import logging
import os
import time
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..ledger.blocks import UsageBlock, block_of
from ..ledger.records import UsageRecord

log = logging.getLogger("pointsman.link")

MOST_BYTES = 64 * 1024 * 1024
RETRY_SECONDS = 10.0
"""After the disk has refused a frame: it is not asked again for each one."""
REREAD_SECONDS = 1.0
"""After a file could not be opened for now."""
_PASSES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN}
"""Faults of this process or machine, not of the file: what lies in it is read later."""
_HEADER = 8
_SUFFIX = ".usage"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UsageBlock | tuple[UsageRecord, ...]).decode
"""Earlier versions wrote a block's records one by one."""
_NOT_NOW = block_of(())


class Spool:
    """folder: made 0700 when first needed. worker 0 also takes what workers left that are there no more (`workers`).

    `append` adds at the end; `take` reads from the front and forgets nothing; `clear` when all that was taken or appended is
    stored."""

    def __init__(self, folder: Path, worker: int, workers: int = 1) -> None:
        self._folder = folder
        self._worker = worker
        self._workers = workers
        self._path = folder / f"{worker}{_SUFFIX}"
        self._retry_at = 0.0
        self._reread_at = 0.0
        self._at = 0
        self._taken: list[Path] = []  # to their end
        self._size = self._mend()
        self.rewind()
        self._holds = bool(self._left)

    @property
    def holds(self) -> bool:
        """Is there anything on disk?"""
        return self._holds

    def append(self, block: UsageBlock) -> bool:
        """False when there is no room, or the disk does not take it: then memory is all there is."""
        if time.monotonic() < self._retry_at:
            return False
        body = _encode(block)
        frame = len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body
        if self._size + len(frame) > MOST_BYTES:
            return False
        try:
            self._write(frame)
        except OSError as error:
            log.error("usage cannot be spooled (%s); it is kept in memory", error.strerror)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return False
        self._size += len(frame)
        if self._path not in self._left:
            self._left.append(self._path)
        self._holds = True
        return True

    def take(self) -> UsageBlock | None:
        """The next frame's block, oldest first; None at the end; an empty one when the next cannot be read for now. What
        can never be read is skipped, and logged."""
        while self._left:
            path = self._left[0]
            if time.monotonic() < self._reread_at:
                return _NOT_NOW
            try:
                with path.open("rb") as file:
                    file.seek(self._at)
                    body = _frame(file)
            except OSError as error:
                log.warning("a usage spool cannot be read (%s)", error.strerror)
                if error.errno in _PASSES:
                    self._reread_at = time.monotonic() + REREAD_SECONDS
                    return _NOT_NOW
                body = None
            if body is None:
                self._taken.append(self._left.pop(0))
                self._at = 0
                continue
            self._at += _HEADER + len(body)
            try:
                found = _decode(body)
                return found if isinstance(found, UsageBlock) else block_of(found)
            except msgspec.MsgspecError:
                log.warning("a usage spool holds records of another version; they are left out")
        return None

    def rewind(self) -> None:
        """`take` begins at the front again."""
        self._left, self._taken = self._files(), []
        self._at = 0

    def clear(self) -> None:
        """All of it is stored. Another process's file goes only when it was taken: one that came since, whose process may
        still write it, is not known here."""
        for path in {self._path, *self._taken}:
            try:
                path.unlink(missing_ok=True)
            except (
                OSError
            ) as error:  # it stays and comes again at the next start, when the store knows its ids
                log.warning("a usage spool cannot be removed (%s)", error.strerror)
        self._retry_at = 0.0
        self._size = 0
        self._holds = False
        self._left, self._taken, self._at = [], [], 0

    def _write(self, frame: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, frame) != len(frame):
                os.ftruncate(descriptor, before)  # what follows a torn frame would not be read
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def _mend(self) -> int:
        """Cuts a torn end off this process's own file, so that what is appended is read; returns its size."""
        good = 0
        try:
            with self._path.open("r+b") as file:
                while (body := _frame(file)) is not None:
                    good += _HEADER + len(body)
                torn = os.fstat(file.fileno()).st_size - good
                if torn:
                    log.warning(
                        "the end of a usage spool was torn (%s bytes); what is before it is kept", torn
                    )
                    file.truncate(good)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("a usage spool cannot be used (%s)", error.strerror)
        return good

    def _files(self) -> list[Path]:
        files = [self._path]
        if self._worker == 0:
            others = [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdigit()]
            files += sorted(path for path in others if int(path.stem) >= max(1, self._workers))
        return [path for path in files if path.exists()]


def _frame(file: BinaryIO) -> bytes | None:
    """The body of the frame at this place; None at the end, and at what is no whole frame."""
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        return None
    size = int.from_bytes(header[:4], "big")
    if not 0 < size <= MOST_BYTES:
        return None
    body = file.read(size)
    return body if len(body) == size and zlib.crc32(body) == int.from_bytes(header[4:], "big") else None
