"""The log of a process, on standard error: set up once by `POINTSMAN_LOG`; lines for people, or JSON (docs/logs.md).

A message of a request begins with `request %s`; in JSON its id is a field (tests/architecture/test_logs.py keeps that so).
Not here: how the variable is read (config.py).
"""

from __future__ import annotations

import json
import logging

from ..config import log_wishes
from .saying import begun

_PLAIN = "%(asctime)s %(levelname)s %(name)s %(message)s"
_OF_A_REQUEST = "request %s"


def set_up(process: str, level: str) -> None:
    """process: its name in JSON. level: how much it says where the variable does not. Raises PointsmanError naming the
    variable."""
    wishes = log_wishes()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if wishes.json else logging.Formatter(_PLAIN))
    logging.basicConfig(level=wishes.level or level, handlers=[handler])
    for part, wanted in wishes.parts.items():
        logging.getLogger(f"pointsman.{part}").setLevel(wanted)


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
