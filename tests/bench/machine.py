"""The machine as the kernel accounts for it: processes, CPU time, memory, noise. Linux only (`/proc`).

CPU time is the scheduler's own nanosecond count of every thread, so a short window is exact where clock ticks
(10 ms) would not be. Not here: what is started (servers) or measured (measure).
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]  # of the repository
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class BenchError(Exception):
    """The benchmark cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    """To who waits; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


@functools.cache
def cores() -> tuple[set[int], set[int]]:
    """(cores of what is measured, cores of load and mock). One core: both share it, and figures are worse."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[0]}, set(mine[1:2]) or {mine[0]}


def raise_file_limit() -> int:
    """Every stream costs each process one or two descriptors; children inherit what is set here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


@contextlib.contextmanager
def on_cores(wanted: set[int]) -> Iterator[None]:
    """Children started inside inherit these cores; set before the fork, so no thread of theirs escapes."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Running:
    """One started program with all its descendants."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def log_tail(self, lines: int = 15) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def stop(self) -> None:
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in tree(self.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()


def own_environment() -> dict[str, str]:
    """Ours without the user's gateway settings: a run must not touch their data folder or keys."""
    return {key: value for key, value in os.environ.items() if not key.startswith("POINTSMAN_")}


def start(
    name: str,
    command: list[str],
    wanted: set[int],
    log: Path,
    *,
    read_stdout: bool = False,
    environment: dict[str, str] | None = None,
    folder: Path = ROOT,
) -> Running:
    """Start on the given cores; standard error (and output, unless it is read) goes to the log file.
    environment: besides our own. folder: the one it works in."""
    with log.open("ab") as sink, on_cores(wanted):
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read_stdout else sink,
            stderr=sink,
            env=own_environment() | (environment or {}),
        )
    return Running(name, process, log)


def tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, ()))
    return found


def cpu_ns(pid: int) -> int:
    """User plus system time of one process, all threads."""
    total = 0
    with contextlib.suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    if total == 0:  # a kernel without schedstats: clock ticks are what there is
        with contextlib.suppress(OSError):
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            total = (int(fields[11]) + int(fields[12])) * 1_000_000_000 // TICKS
    return total


def rss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def pss_bytes(pid: int) -> int:
    """Its part of the memory: pages that several processes have are shared out among them."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return rss_bytes(pid)


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def role(pid: int) -> str:
    """A short name of what a process does: its Python module, else its program."""
    words = command_line(pid).split()
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return next((Path(word).name for word in words[1:2] or words), "ended")


@dataclass(frozen=True, slots=True)
class Used:
    """CPU ns of each process in so many seconds; `strangers`: the machine's share others used, with steal."""

    by_pid: dict[int, int]
    seconds: float
    strangers: float

    @property
    def cpu_ns(self) -> int:
        return sum(self.by_pid.values())


class Meter:
    """CPU time of process trees from its making until `stop`. `helpers`: our trees that are not measured."""

    def __init__(self, roots: list[int], helpers: list[int]) -> None:
        self._roots = roots
        self._helpers = [pid for root in helpers for pid in tree(root)]
        self._before = {pid: cpu_ns(pid) for root in roots for pid in tree(root)}
        self._own, self._busy, self._at = self._own_ns(), _machine_busy_ns(), time.perf_counter()

    def stop(self) -> Used:
        seconds = time.perf_counter() - self._at
        now = {
            pid: cpu_ns(pid)
            for pid in {pid for root in self._roots for pid in tree(root)} | set(self._before)
        }
        used = {pid: max(0, after - self._before.get(pid, 0)) for pid, after in now.items()}
        strangers = _machine_busy_ns() - self._busy - sum(used.values()) - (self._own_ns() - self._own)
        return Used(used, seconds, max(0.0, strangers / (seconds * 1e9 * (os.cpu_count() or 1))))

    def _own_ns(self) -> int:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        children = int((ended.ru_utime + ended.ru_stime) * 1e9)
        return sum(map(cpu_ns, self._helpers)) + cpu_ns(os.getpid()) + children


def _machine_busy_ns() -> int:
    fields = [int(word) for word in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // TICKS


def describe() -> dict[str, object]:
    """What a figure is worthless without."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (PROC / "cpuinfo").read_text().splitlines()
            if line.startswith(("model name", "Model"))
        ),
        platform.machine(),
    )
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "governor": governor.read_text().strip() if governor.exists() else "unknown",
        "load_average": os.getloadavg()[0],
    }
