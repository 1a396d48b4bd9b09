"""Engines as processes: start one under a guard, find those that an earlier warden started, end what is left.

Each engine has a run file, `<data-dir>/engines/NAME.run`, which its guard holds locked and writes a line into for all that
becomes of it. The lock is made before the guard is, so that no engine can be started twice, and none is started unnoted,
whoever is killed when. Not here: whether it is ready (run.py).
"""

from __future__ import annotations

import fcntl
import hashlib
import marshal
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import guard as guard_file
from .ports import is_taken
from .processes import MARK, boot_id, is_the_one, marked
from .recipe import FOLDER

LOG_BYTES = 1024 * 1024
_KILLED_SECONDS = 3.0
_SUBREAPER = (
    36  # prctl(2), PR_SET_CHILD_SUBREAPER: who loses its parents below this process gets it as its parent
)


@dataclass(slots=True)
class Record:
    """What a run file says. begun: time of the day. ended: exit code of the engine's first process, negative: the signal.
    failed: why it could not be started. ending: the guard is about to end it."""

    hash: str = ""
    runtime: str = ""
    boot: str = ""
    port: int | None = None
    socket: str = ""
    guard: int = 0
    guard_start: str = "-"
    pid: int = 0
    pid_start: str = "-"
    begun: float = 0.0
    ended: int | None = None
    failed: str = ""
    ending: bool = False


def mark_of(data_dir: Path, name: str) -> str:
    """Of this engine of this data folder, in its processes' environment."""
    return f"{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]}/{name}"


class Kept:
    """One engine's run file, and what holds it."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.name = name
        self.mark = mark_of(data_dir, name)
        self._path = data_dir / FOLDER / f"{name}.run"
        self._lock = os.open(
            self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        self._ours = False  # has this process the lock

    def runs(self) -> bool:
        """Does a guard hold it? It may have come to its end since it was asked last."""
        if self._ours:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        self._ours = True
        return False

    def record(self) -> Record:
        """As far as it is written."""
        found = Record()
        with suppress(OSError):
            text = os.pread(self._lock, 65536, 0).decode("utf-8", "replace")
            for line in text.splitlines():
                word, _, rest = line.partition(" ")
                with suppress(ValueError, IndexError):
                    _take(found, word, rest)
        return found

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str | None,
        log: Path,
        life: int,
        facts: Mapping[str, str],
    ) -> int:
        """Start a guard with this engine; its process id, a child of this process. Only when nothing `runs`. life: a pipe
        whose end means that the gateway is gone. Raises OSError."""
        assert not self.runs()
        os.ftruncate(self._lock, 0)
        for word, value in {"boot": boot_id(), **facts}.items():
            os.write(self._lock, f"{word} {value}\n".encode())
        # The lock goes with the open file: it holds until the guard, which gets it, is no more.
        spec = {
            "argv": list(argv),
            "env": {**env, MARK: self.mark},
            "cwd": cwd,
            "log": str(log),
            "log_bytes": LOG_BYTES,
            "run": self._lock,
            "life": life,
        }
        pid = _spawn(marshal.dumps(spec), (self._lock, life))
        self.close()
        self._lock = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._ours = False
        return pid

    def ask_to_end(self) -> None:
        """The guard goes through its signals, which takes it up to 5 s and the time to die."""
        found = self.record()
        if found.guard and is_the_one(found.guard, found.guard_start, found.begun):
            with suppress(OSError):
                os.kill(found.guard, signal.SIGTERM)

    def kill(self) -> None:
        """All of it at once, the guard last."""
        found = self.record()
        self.sweep()
        if found.guard and is_the_one(found.guard, found.guard_start, found.begun):
            with suppress(OSError):
                os.kill(found.guard, signal.SIGKILL)

    def sweep(self) -> set[int]:
        """End what is left of it: the group of its first process, if that is still the one that was started, and whatever
        carries its mark. Never a process that cannot be told to be ours. Returns what was found."""
        found = self.record()
        pids = marked(self.mark) - {found.guard}
        same_boot = found.boot == boot_id()
        if found.pid and same_boot and is_the_one(found.pid, found.pid_start, found.begun):
            pids.add(found.pid)
        for pid in pids:
            with suppress(OSError):
                if os.getpgid(pid) == found.pid:  # every one of that group is of that session
                    os.killpg(found.pid, signal.SIGKILL)
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def clear(self) -> None:
        """Sweep until nothing is left and its port is free, for a few seconds at most."""
        port, end = self.record().port, time.monotonic() + _KILLED_SECONDS
        while (self.sweep() or (port is not None and is_taken(port))) and time.monotonic() < end:
            time.sleep(0.01)

    def close(self) -> None:
        os.close(self._lock)


def _take(found: Record, word: str, rest: str) -> None:
    words = rest.split()
    match word:
        case "hash" | "runtime" | "boot" | "socket" | "failed":
            setattr(found, word, rest)
        case "port":
            found.port = int(rest)
        case "guard":
            found.guard, found.guard_start = int(words[0]), words[1]
        case "pid":
            found.pid, found.pid_start, found.begun = int(words[0]), words[1], float(words[2])
        case "ended":
            found.ended = int(words[0])
        case "ending":
            found.ending = True


def _spawn(spec: bytes, descriptors: tuple[int, ...]) -> int:
    """A guard in a session of its own: signals to the warden's group do not reach it."""
    source, sink = os.pipe()
    argv = [sys.executable, "-I", "-S", guard_file.__file__, str(source)]
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _be_reaper()
            for descriptor in (*descriptors, source):
                os.set_inheritable(descriptor, True)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.execv(sys.executable, argv)  # noqa: S606
        finally:
            os._exit(127)
    os.close(source)
    with os.fdopen(sink, "wb") as file:
        with suppress(BrokenPipeError):
            file.write(spec)
    return pid


def _be_reaper() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def run_files(data_dir: Path) -> list[str]:
    """Names of engines that were started at some time."""
    try:
        return sorted(path.stem for path in (data_dir / FOLDER).glob("*.run"))
    except OSError:
        return []


def end_all(kept: Sequence[Kept], seconds: float) -> None:
    """Politely, and after so long for good. For what nobody needs, before anything else is done."""
    for one in kept:
        one.ask_to_end()
    for end in (time.monotonic() + seconds, time.monotonic() + seconds + _KILLED_SECONDS):
        while (running := [one for one in kept if one.runs()]) and time.monotonic() < end:
            time.sleep(0.02)
        for one in running:
            one.kill()
