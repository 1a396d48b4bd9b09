"""What a process tells a person whatever its log's level is, on standard error, and how a line of the log begins in JSON.
Needs no logging, which the supervisor does not load. Not here: the log (logs.py).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..config import log_wishes
from .log_file import LogFile

_files: list[LogFile] = []
"""Of this process: one, from when it knows its data folder on; none where standard error alone is wished."""


def keep_in(file: LogFile) -> None:
    """What is said from now on is written there, too, as JSON."""
    _files[:] = [file]


def say(process: str, text: str) -> None:
    """One line. process: its name in JSON."""
    line = _in_json(process, "warning", text)
    for file in _files:
        file.write(line)
    shown = line if log_wishes().json else f"pointsman: {text}"
    print(shown, file=sys.stderr, flush=True)  # noqa: T201 -- the process's own stream


def note_down(process: str, text: str) -> None:
    """One line for who reads the file later."""
    for file in _files:
        file.write(_in_json(process, "info", text))


def begun(at: float, level: str, part: str, process: str) -> dict[str, Any]:
    """The fields that every line has before its message. at: unix seconds."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    time_of_it = f"{stamp}.{int(at % 1 * 1000):03}Z"
    return {"time": time_of_it, "level": level, "part": part, "process": process}


def _in_json(process: str, level: str, text: str) -> str:
    return json.dumps(begun(time.time(), level, process, process) | {"message": text}, ensure_ascii=False)
