"""Usage records on disk that the control plane has not taken yet: one file a data-plane process, appended to.

Frames of length, CRC-32 and msgpack, so that a torn tail (a crash, a full disk) costs that frame and nothing before it.
Records may come twice; the store ignores ids it has. Not here: when something is spooled (client.py).
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..ledger.records import UsageRecord

log = logging.getLogger("pointsman.link")

MOST_BYTES = 64 * 1024 * 1024
_HEADER = 8
_SUFFIX = ".usage"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[UsageRecord, ...]).decode


class Spool:
    """folder: made 0700 when first needed. worker 0 also takes what workers left that are there no more (`workers`)."""

    def __init__(self, folder: Path, worker: int, workers: int = 1) -> None:
        self._folder = folder
        self._worker = worker
        self._workers = workers
        self._path = folder / f"{worker}{_SUFFIX}"
        self._size = 0
        self._broken = False

    def append(self, records: Sequence[UsageRecord]) -> bool:
        """False when there is no room, or the disk does not take it: then memory is all there is."""
        body = _encode(tuple(records))
        frame = len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body
        if self._broken or self._size + len(frame) > MOST_BYTES:
            return False
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                written = os.write(descriptor, frame)
                if written != len(frame):  # the disk is full: what follows a torn frame would not be read
                    os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
                    return False
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("usage cannot be spooled (%s); it is kept in memory", error.strerror)
            self._broken = True
            return False
        self._size += len(frame)
        return True

    def load(self) -> list[UsageRecord]:
        """What is there, oldest first."""
        found: list[UsageRecord] = []
        for path in self._files():
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if path == self._path:
                self._size = len(data)
            found += _records(data)
        return found

    def clear(self) -> None:
        """All of it is stored."""
        self._broken = False
        self._size = 0
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        files = [self._path]
        if self._worker == 0:
            others = [p for p in self._folder.glob(f"*{_SUFFIX}") if p.stem.isdigit()]
            files += [p for p in others if int(p.stem) >= self._workers and p != self._path]
        return [path for path in files if path.exists()]


def _records(data: bytes) -> list[UsageRecord]:
    found: list[UsageRecord] = []
    at = 0
    while at + _HEADER <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + _HEADER : at + _HEADER + size]
        if len(body) != size or zlib.crc32(body) != int.from_bytes(data[at + 4 : at + 8], "big"):
            log.warning("the end of a usage spool is torn; %s records before it are good", len(found))
            break
        try:
            found += _decode(body)
        except msgspec.MsgspecError:
            log.warning("a usage spool holds records of another version; they are left out")
        at += _HEADER + size
    return found
