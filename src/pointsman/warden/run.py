"""One engine from its start to its end: its address, its signs of life, whether it is ready, why it ended.

Nothing here blocks; the loop asks each run again and again. Not here: whether it should run (residency.py), how it is held
(keeping.py).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from . import ports
from .keeping import Kept, Record
from .probe import Probe
from .processes import Table, members
from .recipe import Recipe, log_path

Event = Literal["", "loading", "ready", "gone"]

ENDING_SECONDS = 9.0
"""The guard's signals and the time to die; after that all is killed from here."""
_FIRST_ASK, _LAST_ASK = 0.05, 1.0
_SETTLED_LOOK = 5.0
_DEAD_ASK = 5.0
"""Between looks whether what is ready has died inside, where its row knows how that is seen."""
_ANSWER_SECONDS = 2.0
_SMALL_REQUEST_SECONDS = 60.0
_PORT_SECONDS = 1.0
_SOCKET_BYTES = 103  # of macOS; Linux has a few more
_ALIVE_SHARE = 0.01
"""Of a CPU: who uses less does not work, it looks now and then whether there is work."""
_GROWN = 256 * 1024
_TAIL_BYTES, _TAIL_LINES, _TAIL_WIDTH = 8192, 4, 200


class Run:
    """starts with `start` or `adopt`. members, rss: of the last look. why: of its end. said: what it
    printed last."""

    def __init__(self, recipe: Recipe, kept: Kept, data_dir: Path, now: float) -> None:
        self.recipe = recipe
        self.kept = kept
        self.port: int | None = None
        self.socket = ""
        self.guard: int | None = None  # when it is a child of this process
        self.members: set[int] = set()
        self.rss = 0
        self.why = ""
        self.said = ""
        self.is_ready = False
        self._log = log_path(data_dir, recipe.name)
        self._record = Record()
        self._begun = now
        self._alive_at = now
        self._seen = (0.0, 0)  # CPU seconds and RSS at the last sign of life
        self._cpu_at = now
        self._log_state: tuple[int, float] = self._log_facts()
        self._log_from = self._log_state[0]
        self._probe: Probe | None = None
        self._small = False  # is the probe the small request
        self._asked_at = 0.0
        self._pause = _FIRST_ASK
        self._ending_at: float | None = None
        self._killed = False
        self._gone_at: float | None = None

    @property
    def pause(self) -> float:
        """Until its processes should be looked at again."""
        return _SETTLED_LOOK if self.is_ready or self.ending else max(2 * _FIRST_ASK, self._pause)

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT` or `unix:PATH`."""
        return f"unix:{self.socket}" if self.socket else f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the engine's first process."""
        return self._record.pid or None

    def start(self, runtime_dir: str, life: int, environment: Mapping[str, str]) -> str:
        """Why it cannot be started, or nothing."""
        recipe = self.recipe
        if recipe.on_socket:
            self.socket = os.path.join(
                runtime_dir, f"engine-{recipe.name}.sock"
            )  # some take it for one by `.sock`
            if len(os.fsencode(self.socket)) > _SOCKET_BYTES:
                return "the path of its socket would be too long; give it a shorter name, or use {port}"
            with suppress(FileNotFoundError):
                os.unlink(self.socket)
        elif recipe.port is not None and ports.is_taken(recipe.port):
            return f"port {recipe.port} is taken by another program; stop that, or give the engine {{port}}"
        else:
            self.port = recipe.port or ports.free_port()

        def filled(text: str) -> str:
            return text.replace("{port}", str(self.port)).replace("{socket}", self.socket)

        env = {**environment, **{name: filled(value) for name, value in recipe.env.items()}}
        facts = {"hash": recipe.command_hash, "runtime": runtime_dir}
        facts |= {"socket": self.socket} if self.socket else {"port": str(self.port)}
        try:
            argv = [filled(text) for text in recipe.command]
            self.guard = self.kept.start(argv, env, recipe.cwd, self._log, life, facts)
        except OSError as error:
            return f"no process can be made ({error.strerror})"
        return ""

    def adopt(self, found: Record) -> None:
        """It runs already, and matches."""
        self._record, self.port, self.socket = found, found.port, found.socket

    def end(self, why: str, now: float) -> None:
        """From now on it comes to its end. A second word changes nothing."""
        if self._ending_at is None:
            self._ending_at, self.why = now, why
            self.kept.ask_to_end()

    @property
    def ending(self) -> bool:
        return self._ending_at is not None

    def look(self, now: float, processes: Table | None) -> Event:
        """What is new. processes: None = not looked at this time. `gone` comes once, when nothing is left, not even its
        port."""
        if not self.kept.runs():
            return self._after_the_end(now)
        if not self._record.pid:
            self._record = self.kept.record()
            if self._ending_at is not None and self._record.pid:
                self.kept.ask_to_end()  # it had no guard that could be asked
        if processes is not None and self._record.guard:
            self._measure(processes, now)
        if self._ending_at is not None:
            if now - self._ending_at > ENDING_SECONDS and not self._killed:
                self._killed = True
                self.kept.kill()
            return ""
        if not self.is_ready and now - self._alive_at > self.recipe.deadline:
            self.end(
                f"showed no sign of life for {self.recipe.deadline:g} s: no output, no work, no growth", now
            )
            return ""
        return self._ask(now)

    # -- signs of life

    def _log_facts(self) -> tuple[int, float]:
        try:
            info = os.stat(self._log)
        except OSError:
            return 0, 0.0
        return info.st_size, info.st_mtime

    def _measure(self, processes: Table, now: float) -> None:
        self.members = members(processes, self._record.guard, self._record.pid)
        rows = [processes[pid] for pid in self.members]
        self.rss = sum(row.rss for row in rows)
        cpu, (cpu_before, rss_before) = sum(row.cpu for row in rows), self._seen
        log = self._log_facts()
        worked = cpu - cpu_before > max(_ALIVE_SHARE * (now - self._cpu_at), 0.015)
        if worked or self.rss - rss_before > _GROWN or log != self._log_state:
            self._alive_at = now
        if worked or cpu < cpu_before or now - self._cpu_at > _ANSWER_SECONDS:
            self._cpu_at = now
            self._seen = (cpu, self.rss)
        self._log_state = log

    # -- is it ready

    def _ask(self, now: float) -> Event:
        if self._probe is None:
            self._begin_to_ask(now)
            return ""
        patience = _SMALL_REQUEST_SECONDS if self._small else _ANSWER_SECONDS
        if not self._probe.step():
            if now - self._asked_at <= patience:
                return ""
            self._probe.failed = True
        probe, small = self._probe, self._small
        probe.close()
        self._probe, self._small = None, False
        if small:
            if not probe.failed and 200 <= probe.status < 300:
                return self._be_ready()
            return "loading"
        meaning = probe.meaning(self.recipe.ready)
        if meaning == "dead":
            self.end(f"says by {self.recipe.ready.path} that it is dead (status {probe.status})", now)
            return ""
        if self.is_ready or meaning == "absent":
            return ""
        if meaning == "loading":
            return "loading"
        if self.recipe.ready.ask is not None:
            target, body = self.recipe.ready.ask
            self._probe, self._small, self._asked_at = Probe(self.port, self.socket, target, body), True, now
            return "loading"
        return self._be_ready()

    def _be_ready(self) -> Event:
        self.is_ready = True
        return "ready"

    def _begin_to_ask(self, now: float) -> None:
        row = self.recipe.ready
        pause = self._pause if not self.is_ready else _DEAD_ASK
        if now - self._asked_at < pause or (self.is_ready and not row.dead) or not self._record.pid:
            return
        self._asked_at = now
        if not self.is_ready:
            self._pause = min(_LAST_ASK, max(_FIRST_ASK, (now - self._begun) / 10))
            if self.port is not None and ports.listener_is_of(self.port, self.members) is False:
                return  # nobody listens, or somebody else
        self._probe = Probe(self.port, self.socket, row.path)

    # -- the end

    def _after_the_end(self, now: float) -> Event:
        """What is left is killed, and the port must be free again."""
        if self._gone_at is None:
            self._gone_at = now
            self._record = self.kept.record()
            if self._probe is not None:
                self._probe.close()
        if self.kept.sweep() and now - self._gone_at < _PORT_SECONDS:
            return ""
        if self.socket:
            with suppress(OSError):
                os.unlink(self.socket)
        elif self.port is not None and ports.is_taken(self.port) and now - self._gone_at < _PORT_SECONDS:
            return ""
        if not self.why:
            self.why = self._told_end()
        self.said = self._last_lines()
        return "gone"

    def _told_end(self) -> str:
        found = self._record
        if found.failed:
            return f"cannot be started: {found.failed}"
        if found.ended is None:
            return "its guard was killed"
        if found.ended < 0:
            with suppress(ValueError):
                return f"was ended by {signal.Signals(-found.ended).name}"
        return f"ended with code {found.ended}"

    def _last_lines(self) -> str:
        """Of what it printed in this run; of what cannot be started, its program."""
        if self._record.failed:
            return self.recipe.command[0]
        with suppress(OSError):
            with open(self._log, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                begin = self._log_from if self._log_from <= size else 0
                file.seek(max(begin, size - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
            lines = [line.strip()[:_TAIL_WIDTH] for line in text.splitlines() if line.strip()]
            if lines:
                return "\n".join(lines[-_TAIL_LINES:])
        return ""

    def close(self) -> None:
        if self._probe is not None:
            self._probe.close()
        self.kept.close()
