"""Answers that rules and client keys with `cache` keep (docs/cache.md): a file each, sealed with the vault's key, the
one that was longest not asked for the first to go when all together are too large.

A file's name says which rule it is of, for which key and until when it is good, so that nothing is opened to know that, and
its seal is bound to the name. The names of requests are keyed digests: a prompt cannot be guessed by them. After a
rotation of the master key those from before no longer open, and go. Not here: which requests are the same
(translation/same_request.py).
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...link.kept_messages import KeepAnswer, KeptAnswer, KeptFound, KeptQuestion
from ...process.private_files import private_folder
from ..vault import Binding, Vault, VaultError

log = logging.getLogger("pointsman.control")

FOLDER = "answers"
_BLOCK = 4096
"""Bytes that a file takes at least, and in which it grows."""
_TEND_SECONDS = 60.0
"""How often it is looked for answers whose time is over, while no rule says otherwise; none of them is told meanwhile."""
_NAME = re.compile(r"([0-9a-f]{8,64})\.(\d{1,18})(?:-(\d{1,18}))?\.(\d{1,12})\.sealed")
"""Of a request, its rule, the client key that wants it kept (none: the rule does), until when."""


@dataclass(slots=True)
class _Entry:
    """size: of its file, as the disk has it. until: unix seconds."""

    file: str
    mapping_id: int
    key_id: int
    until: int
    size: int


class RuleAnswers(NamedTuple):
    """What is kept of one rule."""

    mapping_id: int
    entries: int
    size: int


class AnswerCache:
    """folder: where they are; made 0700 when first needed. most: bytes of all together; 0 = none is kept. From any
    thread."""

    def __init__(self, data_dir: Path, vault: Vault, most: int) -> None:
        self.folder = data_dir / FOLDER
        self.most = most
        self._vault = vault
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] | None = None  # the least used first, once it was looked
        self._size = 0
        self._cleared: dict[int | None, float] = {}  # rule, or all -> when by hand, by the monotonic clock
        self._tended: tuple[frozenset[int], frozenset[int], float] = (frozenset(), frozenset(), -math.inf)

    # -- for the data plane

    def find(self, question: KeptQuestion) -> KeptFound:
        """The answer, where there is a good one."""
        with self._lock:
            entries = self._opened()
            entry = entries.get(question.name)
            answer = None
            if entry is not None:
                answer = self._read(entry) if entry.until > time.time() else None
                if answer is None or time.time() - answer.at > question.seconds:
                    self._drop(question.name)
                    answer = None
                else:
                    entries.move_to_end(question.name)
                    with suppress(OSError):
                        os.utime(self.folder / entry.file)
            return KeptFound(question.number, answer, len(entries), self._size)

    def keep(self, one: KeepAnswer) -> None:
        """Nothing of one that was asked before its rule's answers were last cleared: who cleared them wants none of before.
        Raises PointsmanError where it cannot be sealed, OSError where it cannot be written."""
        until = int(one.answer.at + one.seconds)
        of = f"{one.mapping_id}-{one.key_id}" if one.key_id else str(one.mapping_id)
        file = f"{one.name}.{of}.{until}.sealed"
        if not self.most or _NAME.fullmatch(file) is None:
            return
        clear = zlib.compress(msgspec.msgpack.encode(one.answer), 1)
        sealed = self._vault.require().seal_bytes(clear, _binding(file))
        size = _on_disk(len(sealed))
        if size > self.most // 4:
            return
        with self._lock:
            entries = self._opened()
            if one.asked <= max(self._cleared.get(of_whom, -math.inf) for of_whom in (None, one.mapping_id)):
                return
            self._drop(one.name)
            while entries and self._size + size > self.most:
                self._drop(next(iter(entries)))
            self._write(file, sealed)
            entries[one.name] = _Entry(file, one.mapping_id, one.key_id, until, size)
            self._size += size

    # -- for people

    def tend(self, rules: Collection[int], keys: Collection[int] = ()) -> None:
        """Take out what is too old, and what is of no rule and no client key that keeps answers. rules, keys: those that
        do."""
        if self._entries is None and not self.folder.exists():
            return
        now, of, whose = time.time(), frozenset(rules), frozenset(keys)
        if (of, whose) == self._tended[:2] and now - self._tended[2] < _TEND_SECONDS:
            return
        self._tended = of, whose, now
        with self._lock:
            entries = self._opened()
            for name, one in list(entries.items()):
                wanted = one.key_id in whose if one.key_id else one.mapping_id in of
                if one.until <= now or not wanted:
                    self._drop(name)

    def clear(self, mapping_id: int | None = None) -> int:
        """Take out all answers, or those of one rule, and those that are still being made; how many there were."""
        with self._lock:
            if mapping_id is None:
                self._cleared.clear()
            self._cleared[mapping_id] = time.monotonic()
            entries = self._opened()
            gone = [
                name for name, one in entries.items() if mapping_id is None or one.mapping_id == mapping_id
            ]
            for name in gone:
                self._drop(name)
        return len(gone)

    def by_rule(self) -> list[RuleAnswers]:
        """What is kept of each rule that has any."""
        sums: dict[int, list[int]] = {}
        with self._lock:
            for one in self._opened().values():
                sizes = sums.setdefault(one.mapping_id, [])
                sizes.append(one.size)
        return [RuleAnswers(rule, len(sizes), sum(sizes)) for rule, sizes in sorted(sums.items())]

    # -- the files

    def _opened(self) -> OrderedDict[str, _Entry]:
        """What there is; while the lock is held."""
        if self._entries is None:
            self._entries, self._size = OrderedDict(), 0
            for at, path, size in sorted(self._found()):
                self._take(at, path, size)
        return self._entries

    def _take(self, at: float, path: Path, size: int) -> None:
        assert self._entries is not None
        told = _NAME.fullmatch(path.name)
        if told is None or told[1] in self._entries or self._size + size > self.most:
            with suppress(OSError):
                path.unlink()  # what a crash has left, or a smaller bound
            return
        self._entries[told[1]] = _Entry(path.name, int(told[2]), int(told[3] or 0), int(told[4]), size)
        self._size += size

    def _found(self) -> list[tuple[float, Path, int]]:
        found: list[tuple[float, Path, int]] = []
        for path in self.folder.glob("*"):
            with suppress(OSError):
                told = path.stat()
                found.append((told.st_mtime, path, _on_disk(told.st_size)))
        return found

    def _drop(self, name: str) -> None:
        assert self._entries is not None
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._size -= entry.size
            with suppress(OSError):
                (self.folder / entry.file).unlink()

    def _write(self, file: str, sealed: bytes) -> None:
        """Whole or not at all as far as anybody reads it: a half one does not open."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        private_folder(self.folder)
        path = self.folder / file
        with suppress(FileNotFoundError):
            path.unlink()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(sealed)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _read(self, entry: _Entry) -> KeptAnswer | None:
        """None of one that does not open: it was sealed under an earlier master key, or changed."""
        try:
            sealed = (self.folder / entry.file).read_bytes()
            clear = self._vault.require().open_bytes(sealed, _binding(entry.file))
            return msgspec.msgpack.decode(zlib.decompress(clear), type=KeptAnswer)
        except (VaultError, OSError, zlib.error, msgspec.DecodeError) as error:
            log.warning("an answer of the cache does not open, and goes: %s", error)
            return None


def _binding(file: str) -> Binding:
    return Binding(FOLDER, "", file, "")


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
