"""systemd and launchd, as one user talks to them: where the service's file goes, how it is started, stopped and asked.

Not here: what is in the files (service_files.py).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import PointsmanError
from ..kinds import ErrorKind
from . import service_files
from .service_files import LABEL, Service

_UNIT = "pointsman.service"
_LOG_LINES = 12


class ServiceState(NamedTuple):
    """running: it serves. word: the manager's own. at_sign_in: it will be started then. pid: 0 where none runs."""

    running: bool
    word: str
    at_sign_in: bool
    pid: int
    detail: str = ""


class ServiceManagerCommand(Protocol):
    """What a service manager of one user is asked by its own command."""

    name: str

    def file(self) -> Path:
        """Where the service's file goes."""

    def text(self, service: Service) -> str:
        """What is in it. Raises ValueError."""

    def ready(self) -> None:
        """Raises PointsmanError where it cannot be asked, with what to do."""

    def start(self, seconds: int) -> None:
        """Read the file anew and run what it says, from now on and from every sign-in on; what ran before is ended first.
        seconds: that may take. Raises PointsmanError."""

    def stop(self, seconds: int) -> None:
        """End it, and start it no more. Nothing where it is not known. Raises PointsmanError."""

    def forget(self) -> None:
        """After its file is gone."""

    def state(self) -> ServiceState:
        """As it is now."""

    def hints(self, service: Service) -> dict[str, str]:
        """The commands for logs, restart and stop."""

    def warning(self) -> str:
        """What a user may not expect; "" = nothing."""


class Systemd:
    """The manager of one user's units."""

    name = "systemd"

    def file(self) -> Path:
        config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return Path(config).expanduser().absolute() / "systemd" / "user" / _UNIT

    def text(self, service: Service) -> str:
        return service_files.unit(service)

    def ready(self) -> None:
        _present("systemctl", "systemd")
        if _ran("systemctl", "--user", "show-environment").returncode:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "No systemd of this user answers. Sign in as this user (not by su or sudo), or have it run from boot"
                f" on: sudo loginctl enable-linger {_user()}",
            )

    def start(self, seconds: int) -> None:
        _must("systemctl", "--user", "daemon-reload")
        _must("systemctl", "--user", "enable", _UNIT)
        _ran("systemctl", "--user", "reset-failed", _UNIT)  # else the starts before count
        done = _ran("systemctl", "--user", "restart", _UNIT, seconds=seconds)
        if done.returncode:
            log = _ran("journalctl", "--user", "-u", _UNIT, "-n", str(_LOG_LINES), "-o", "cat").stdout.strip()
            raise _failed(f"{_said(done)}\n{log}".strip())

    def stop(self, seconds: int) -> None:
        if self.file().exists() or self.state().pid:
            _must("systemctl", "--user", "disable", "--now", _UNIT, seconds=seconds)

    def forget(self) -> None:
        _must("systemctl", "--user", "daemon-reload")

    def state(self) -> ServiceState:
        asked = "ActiveState,SubState,MainPID,UnitFileState,Result,NRestarts,StatusText"
        lines = _ran("systemctl", "--user", "show", _UNIT, "-p", asked).stdout.splitlines()
        told = dict(line.split("=", 1) for line in lines if "=" in line)
        active = told.get("ActiveState", "")
        detail = told.get("StatusText", "") if active == "active" else told.get("Result", "")
        if told.get("NRestarts", "0") not in ("", "0"):
            detail += f"; started again {told['NRestarts']} times"
        word = f"{active or 'unknown'} ({told.get('SubState', '')})"
        at_sign_in = told.get("UnitFileState") == "enabled"
        return ServiceState(active == "active", word, at_sign_in, int(told.get("MainPID") or 0), detail)

    def hints(self, service: Service) -> dict[str, str]:
        return {
            "logs": "journalctl --user -u pointsman -f",
            "restart": "systemctl --user restart pointsman",
            "reload": "systemctl --user reload pointsman",
            "stop": "systemctl --user stop pointsman",
        }

    def warning(self) -> str:
        if os.geteuid() == 0 or Path("/var/lib/systemd/linger", _user()).exists():
            return ""
        return f"it ends when you sign out; to run it from the start of the machine on: loginctl enable-linger {_user()}"


class Launchd:
    """The agents of one signed-in user."""

    name = "launchd"

    def file(self) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def text(self, service: Service) -> str:
        return service_files.agent(service)

    def ready(self) -> None:
        _present("launchctl", "launchd")
        if _ran("launchctl", "print", self._domain).returncode:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "launchd has no session of this user: sign in at the screen of this Mac, then run this again.",
            )

    def start(self, seconds: int) -> None:
        self.stop(seconds)
        _must("launchctl", "enable", self._target)
        _must("launchctl", "bootstrap", self._domain, str(self.file()))

    def stop(self, seconds: int) -> None:
        if not self._known():
            return
        _ran("launchctl", "bootout", self._target, seconds=seconds)
        until = time.monotonic() + seconds
        while self._known():  # it returns before the process has ended
            if time.monotonic() > until:
                raise _failed(f"launchctl bootout {self._target}: it is still there")
            time.sleep(0.2)

    def forget(self) -> None:
        """launchd reads a file when it is told to."""

    def state(self) -> ServiceState:
        done = _ran("launchctl", "print", self._target)
        told = dict(re.findall(r"^\t(state|pid|last exit code|runs) = (.+)$", done.stdout, re.MULTILINE))
        word = told.get("state", "not loaded")
        code = told.get("last exit code", "")
        detail = f"last exit code {code}" if code and word != "running" else ""
        pid = int(told["pid"]) if told.get("pid", "").isdigit() else 0
        return ServiceState(
            word == "running", word, self.file().exists() and not done.returncode, pid, detail
        )

    def hints(self, service: Service) -> dict[str, str]:
        return {
            "logs": f"tail -f {shlex.quote(str(service.log))}",
            "restart": f"launchctl kickstart -k {self._target}",
            "reload": f"launchctl kill SIGHUP {self._target}",
            "stop": f"launchctl bootout {self._target}",
        }

    def warning(self) -> str:
        return ""

    @property
    def _domain(self) -> str:
        return f"gui/{os.getuid()}"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{LABEL}"

    def _known(self) -> bool:
        return not _ran("launchctl", "print", self._target).returncode


MANAGERS: dict[str, type[Systemd | Launchd]] = {"systemd": Systemd, "launchd": Launchd}


def usual() -> str:
    """This system's."""
    return "launchd" if sys.platform == "darwin" else "systemd"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _present(tool: str, manager: str) -> None:
    if shutil.which(tool) is None:
        raise PointsmanError(
            ErrorKind.NOT_FOUND,
            f"There is no {manager} here ({tool} is not found). `pointsman install-service --print` shows what another"
            " service manager needs to run.",
        )


def _ran(*words: str, seconds: float = 30.0) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"{shlex.join(words)} did not end within {seconds:.0f} s") from None
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", f"{words[0]}: {error.strerror}")


def _must(*words: str, seconds: float = 30.0) -> None:
    done = _ran(*words, seconds=seconds)
    if done.returncode:
        raise _failed(_said(done))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
    return f"{shlex.join(done.args)}: {said}"


def _failed(what: str) -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, what)
