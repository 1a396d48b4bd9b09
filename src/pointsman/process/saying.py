"""What a process tells a person whatever its log's level is, on standard error, and how a line of the log begins in JSON.
Needs no logging, which the supervisor does not load. Not here: the log (logs.py).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..config import log_wishes


def say(process: str, text: str) -> None:
    """One line. process: its name in JSON."""
    line = f"pointsman: {text}"
    if log_wishes().json:
        line = json.dumps(
            begun(time.time(), "warning", process, process) | {"message": text}, ensure_ascii=False
        )
    print(line, file=sys.stderr, flush=True)  # noqa: T201 -- the process's own stream


def begun(at: float, level: str, part: str, process: str) -> dict[str, Any]:
    """The fields that every line has before its message. at: unix seconds."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    time_of_it = f"{stamp}.{int(at % 1 * 1000):03}Z"
    return {"time": time_of_it, "level": level, "part": part, "process": process}
