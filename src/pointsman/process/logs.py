"""The log of a process, on standard error and in the data folder's file: set up once by `POINTSMAN_LOG`; lines for people,
or JSON, which the file always has (docs/logs.md).

A message of a request begins with `request %s`; in JSON its id is a field (tests/architecture/test_logs.py keeps that so).
Not here: how the variable is read (config.py).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ..config import log_wishes
from .log_file import LogFile
from .saying import begun, keep_in

_PLAIN = "%(asctime)s %(levelname)s %(name)s %(message)s"
_OF_A_REQUEST = "request %s"


def set_up(process: str, level: str, path: Path) -> None:
    """process: its name in JSON. level: how much it says where the variable does not. path: the file beside standard error.
    Raises PointsmanError naming the variable."""
    wishes = log_wishes()
    lines = JsonLines(process)
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    handlers[0].setFormatter(lines if wishes.json else logging.Formatter(_PLAIN))
    if wishes.file:
        file = LogFile(path)
        handlers.append(_InFile(file))
        handlers[1].setFormatter(lines)
        keep_in(file)
    logging.basicConfig(level=wishes.level or level, handlers=handlers)
    for part, wanted in wishes.parts.items():
        logging.getLogger(f"pointsman.{part}").setLevel(wanted)


class _InFile(logging.Handler):
    def __init__(self, file: LogFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        self._file.write(self.format(record))

    def close(self) -> None:
        """See logging."""
        self._file.close()
        super().close()


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, part, process, message; request_id of a request's; error with its
    traceback; and what the call gave as `extra={"facts": {...}}`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        part = record.name.removeprefix("pointsman.")
        found = begun(record.created, record.levelname.lower(), part, self._process)
        found["message"] = record.getMessage()
        if isinstance(record.args, tuple) and record.args and str(record.msg).startswith(_OF_A_REQUEST):
            found["request_id"] = str(record.args[0])
        found |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[0] is not None:
            found["error"] = self.formatException(record.exc_info)
        return json.dumps(found, ensure_ascii=False, default=str)
