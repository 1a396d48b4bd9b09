"""The files of a service of one user: a systemd unit, a launchd property list, and the file of variables that both read.

Nothing secret stands in the first two, which others may read and `ps` shows the words of: secrets are in the third, 0600.
Not here: where the files go, and who is told of them (service_managers.py).
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MARK = "Written by `pointsman install-service`"
"""In every file that is ours to replace and to remove."""
LABEL = "local.pointsman"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Service(NamedTuple):
    """command: program and words. variables: a file, which need not be there. search: PATH, where engines are found.
    stop_seconds: until what has not ended is killed. log: where launchd writes what it says."""

    command: tuple[str, ...]
    variables: Path
    search: str
    stop_seconds: int
    home: Path
    log: Path


def unit(service: Service) -> str:
    """A systemd user unit.

    The supervisor ends its own children in order, so only it is told to stop (KillMode=mixed), and an engine that the
    kernel ends for want of memory ends alone (OOMPolicy). What else it may not: rights that neither it nor an engine uses.
    No folder is hidden and no device: engines read models from anywhere and use the GPU, and compile as they run.
    """
    command = " ".join(map(_word, service.command))
    return f"""\
# {MARK}, which writes it anew. Changes of your own: systemctl --user edit pointsman
[Unit]
Description=Pointsman: one endpoint for every language model
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=notify
ExecStart={command}
ExecReload=kill -HUP $MAINPID
Environment={_word(f"PATH={service.search}", dollar="$")}
EnvironmentFile=-{_percent(str(service.variables))}
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2
TimeoutStartSec=300
TimeoutStopSec={service.stop_seconds}
KillMode=mixed
OOMPolicy=continue
UMask=0077
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=default.target
"""


def _word(text: str, dollar: str = "$$") -> str:
    """In quotes, with what systemd would read as its own (systemd.service(5), "Command lines"). Raises ValueError."""
    _one_line(text)
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", dollar)
    return f'"{_percent(text)}"'


def _percent(text: str) -> str:
    _one_line(text)
    return text.replace("%", "%%")


def _one_line(text: str) -> None:
    if not text.isprintable():
        raise ValueError(f"{text[:80]!r} holds a character that no service's file can have")


_START = 'if [ -r "$0" ]; then set -a; . "$0"; set +a; fi; exec "$@"'
"""launchd reads no file of variables; sh does, and then is the gateway."""


def agent(service: Service) -> str:
    """A launchd property list (launchd.plist(5))."""
    for text in (*service.command, str(service.variables), service.search):
        _one_line(text)
    keys = {
        "Label": LABEL,
        "ProgramArguments": ["/bin/sh", "-c", _START, str(service.variables), *service.command],
        "EnvironmentVariables": {"PATH": service.search},
        "WorkingDirectory": str(service.home),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": service.stop_seconds,
        "ProcessType": "Interactive",  # else it is slowed down, and every engine that it starts
        "Umask": 0o077,
        "StandardOutPath": str(service.log),
        "StandardErrorPath": str(service.log),
    }
    text = plistlib.dumps(keys, sort_keys=False).decode()
    head, line, rest = text.partition("<plist ")
    return f"{head}<!-- {MARK}, which writes it anew. -->\n{line}{rest}"


_HEAD = f"""\
# {MARK}; lines of your own are kept.
# NAME="value"; before \\ " $ ` goes a \\. It is read when the service starts.
"""
_LINE = re.compile(r'\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"\s*', re.ASCII)
_BARE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII)


def variables_of(text: str) -> dict[str, str]:
    """What a file of variables says, as sh and systemd read what `with_variables` writes."""
    found = {}
    for line in text.splitlines():
        if (quoted := _LINE.fullmatch(line)) is not None:
            found[quoted[1]] = re.sub(r'\\([\\"$`])', r"\1", quoted[2])
        elif (bare := _BARE.fullmatch(line)) is not None:
            found[bare[1]] = bare[2].strip().strip("'")
    return found


def with_variables(text: str, new: Mapping[str, str]) -> str:
    """The file with these said, each in its line's place; all other lines stay. Raises ValueError for a value of several
    lines."""
    had = variables_of(text)
    left = {name: value for name, value in new.items() if had.get(name) != value}
    if not left:
        return text
    lines = []
    for line in (text or _HEAD).splitlines():
        bare = _BARE.fullmatch(line)
        if bare is not None and bare[1] in left:
            line = _assigned(bare[1], left.pop(bare[1]))
        lines.append(line)
    lines += [_assigned(name, value) for name, value in left.items()]
    return "\n".join(lines) + "\n"


def _assigned(name: str, value: str) -> str:
    if not _NAME.fullmatch(name) or not value.isprintable():
        raise ValueError(f"the variable {name} holds a character that no file of variables can have")
    return f'{name}="' + re.sub(r'([\\"$`])', r"\\\1", value) + '"'
