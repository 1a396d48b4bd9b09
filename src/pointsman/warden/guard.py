"""Holds one engine: starts it in a session of its own, writes its output into a bounded log, and ends all of it when told
(SIGTERM), when the gateway is gone (the pipe of life ends) or when the engine itself ends. Outlives the warden.

Run as a file of its own (`python -I -S guard.py SPEC_FD`) and imports no package, so that it takes 4 MB. What it is to do
comes as `marshal` through the descriptor; what became of it is a line each in the run file, whose lock it holds as long as
it lives. Not here: when to start and stop (residency.py), who reads the run file (keeping.py).
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself would take a fifth of its memory
    from typing import Any

_POLITE = ((0.0, signal.SIGTERM), (3.0, signal.SIGTERM), (5.0, signal.SIGKILL))
"""Seconds after it was told: an engine that works outlives one SIGTERM for long, and ends at a second."""
_ABANDONED = ((0.0, signal.SIGTERM), (1.0, signal.SIGTERM), (1.5, signal.SIGKILL))
"""The gateway is gone: nobody waits for an answer any more."""
_CHUNK = 65536
_LAST_SECONDS = 2.0
"""For what was killed to be gone."""


class EngineGuard:
    """One engine. spec: argv, env, cwd, log (path), log_bytes, run, life (descriptors)."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.engine = 0
        self.ended = False  # its first process has
        self.output = -1
        self.written = 0
        self.steps: list[tuple[float, int]] = []  # signals still to be sent, and when
        self.log = self._open_log()

    def _open_log(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            log = os.open(self.spec["log"], flags, 0o600)
            self.written = os.fstat(log).st_size
        except OSError:  # a full disk must not keep the engine from running
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        return log

    def write(self, data: bytes) -> None:
        """Into the log, which is turned over when it is full: two files of log_bytes at most."""
        if self.written + len(data) > self.spec["log_bytes"]:
            try:
                os.replace(self.spec["log"], self.spec["log"] + ".1")
            except OSError:
                pass
            os.close(self.log)
            self.log = self._open_log()
            if self.written:  # the old one could not be moved: begin it anew
                os.ftruncate(self.log, 0)
                self.written = 0
        try:
            self.written += os.write(self.log, data)
        except OSError:
            pass

    def note(self, line: str) -> None:
        """For the warden, also a later one."""
        try:
            os.write(self.spec["run"], line.replace("\n", " ").encode("utf-8", "replace") + b"\n")
        except OSError:
            pass

    def start(self) -> bool:
        """False when there is no such program."""
        output, out = os.pipe()
        problem, told = os.pipe()
        try:
            master, slave = (
                os.openpty()
            )  # the master has the lower number: it is closed first, while the session has its tty
        except OSError:
            master = slave = -1
        me = os.getpid()
        self.engine = os.fork()
        if self.engine == 0:
            _become(self.spec, out, told, master, slave, me)
        for descriptor in (out, told):
            os.close(descriptor)
        self.note(f"pid {self.engine} {start_of(self.engine)} {time.time():.2f}")
        said = os.read(problem, 512)
        os.close(problem)
        os.set_blocking(output, False)
        self.output = output
        if said:
            self.note("failed " + said.decode("utf-8", "replace"))
            os.waitpid(self.engine, 0)
        return not said

    def tend(self, wake: int) -> None:
        """Until nothing of the engine is left."""
        poll = select.poll()
        for descriptor in (self.output, self.spec["life"], wake):
            poll.register(descriptor, select.POLLIN)
        while self._anybody():
            wait = -1.0 if not self.steps else max(0.0, self.steps[0][0] - time.monotonic()) + 0.001
            for descriptor, _ in poll.poll(wait * 1000 if wait >= 0 else (200 if self.ended else None)):
                if descriptor == wake:
                    if signal.SIGTERM in os.read(wake, 512):
                        self.note("ending")
                        self._begin_end(_POLITE)
                elif descriptor == self.output:
                    if not self._pump():
                        poll.unregister(descriptor)
                elif not os.read(descriptor, 512):
                    poll.unregister(descriptor)
                    self.note("ending")
                    self.steps = []
                    self._begin_end(_ABANDONED)
            while self.steps and self.steps[0][0] <= time.monotonic():
                self._signal(self.steps.pop(0)[1])
        for _ in range(16):
            if not self._pump():
                break

    def _begin_end(self, steps: tuple[tuple[float, int], ...]) -> None:
        if not self.steps:
            now = time.monotonic()
            self.steps = [(now + after, number) for after, number in steps]

    def _pump(self) -> bool:
        """Is there more to come?"""
        try:
            data = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self.write(data)
        return bool(data)

    def _anybody(self) -> bool:
        """Reaps what has ended. When the first process has, the rest is asked to go as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return _group_lives(self.engine)
            if not pid:
                return True
            if pid == self.engine and not self.ended:
                self.ended = True
                code = os.waitstatus_to_exitcode(status)
                self.note(f"ended {code} {time.time():.2f}")
                self._begin_end(_ABANDONED)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.engine, number)
        except OSError:  # nobody is left in it
            pass
        for pid in descendants(
            os.getpid()
        ):  # those that left the group: Linux gives them back to this process
            _send(pid, number)
        if number == signal.SIGKILL:
            until = time.monotonic() + _LAST_SECONDS
            while self._anybody():
                if time.monotonic() > until:
                    self.note("left " + " ".join(map(str, descendants(os.getpid()))))
                    os._exit(1)
                time.sleep(0.02)
                for pid in descendants(os.getpid()):
                    _send(pid, number)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:  # also EPERM: macOS says so of a group of zombies
        return False
    return True


def start_of(pid: int) -> str:
    """When the process began, in ticks since the boot; `-` where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return "-"


def descendants(pid: int) -> list[int]:
    """Of all generations, where the system tells."""
    parents: dict[int, list[int]] = {}
    try:
        found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for one in found:
        try:
            with open(f"/proc/{one}/stat", "rb") as file:
                parents.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(one)
        except (OSError, IndexError):
            continue
    all_of_them = list(parents.get(pid, ()))
    for one in all_of_them:
        all_of_them += parents.get(one, ())
    return all_of_them


def _become(spec: dict[str, Any], out: int, told: int, master: int, slave: int, guard: int) -> None:
    """The engine's side of the fork; never returns."""
    try:
        os.setsid()
        if slave >= 0:
            _hang_up_with(master, slave)
        _die_with(guard)
        for number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None), signal.SIGHUP, signal.SIGINT):
            if number is not None:
                signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if spec["cwd"]:
            os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606 -- no shell is the point
    except BaseException as error:  # noqa: BLE001 -- told to the parent, whatever it is
        os.write(told, (getattr(error, "strerror", None) or repr(error)).encode("utf-8", "replace")[:500])
    os._exit(127)


def _hang_up_with(master: int, slave: int) -> None:
    """A terminal of its own, which nobody uses: when the guard is killed the kernel hangs it up, and the whole group, also
    behind `sh -c`, gets SIGHUP."""
    import fcntl
    import termios

    try:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        os.set_inheritable(slave, True)  # the session loses it when the last descriptor goes
    except OSError:
        pass
    os.close(master)


def _die_with(guard: int) -> None:
    """Linux kills the engine's first process when the guard is gone (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != guard:
            os._exit(127)


def main() -> None:
    """See the top of the file."""
    source = int(sys.argv[1])
    with os.fdopen(source, "rb") as file:
        spec = marshal.load(file)  # noqa: S302 -- of the warden, through a pipe
    for descriptor in (spec["run"], spec["life"]):
        os.set_inheritable(descriptor, False)
    wake, woken = os.pipe()
    for descriptor in (wake, woken):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda number, frame: None)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    guard = EngineGuard(spec)
    guard.note(f"guard {os.getpid()} {start_of(os.getpid())}")
    if guard.start():
        guard.tend(wake)


if __name__ == "__main__":
    main()
