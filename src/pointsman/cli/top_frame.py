"""What `pointsman top` shows, asked of the admin API: one frame, and the gateway as it goes away and comes back.

Not here: how a frame looks (top_screen.py), keys and the terminal (top.py).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .client import RunningClient, running_client
from .common import Row

ANSWER_SECONDS = 5.0
"""A gateway that takes longer is away."""
MINUTE = 60
_SLOW_SECONDS = 5.0
"""Sums of the day are asked no more often."""


@dataclass(slots=True)
class Frame:
    """One look. status, running, backends: as the API tells them; the longest running first. minute: sums over what ended in
    the last MINUTE, None where they cannot be had. today: likewise since midnight here. left: what left this machine since
    then, sums by backend and model. trouble: what could not be asked, and why."""

    status: Row
    running: Row
    backends: list[Row]
    minute: Row | None = None
    today: Row | None = None
    left: list[Row] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @property
    def tokens_a_second(self) -> float | None:
        """Output tokens of what ended in the last minute; None where no backend told a count."""
        tokens = None if self.minute is None else self.minute["output_tokens"]
        return None if tokens is None else tokens / MINUTE

    def as_json(self) -> str:
        """For programs."""
        sums = {"minute": self.minute, "tokens_a_second": self.tokens_a_second, "today": self.today}
        told = {"status": self.status, "running": self.running, "backends": self.backends}
        return json.dumps(told | sums | {"left_machine": self.left, "trouble": self.trouble})


class Watched:
    """A gateway that may go away and come back. why_away: "" while it answers."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._client: RunningClient | None = None
        self._slow: tuple[float, Row | None, list[Row]] | None = None
        self.why_away = ""

    def look(self) -> Frame | None:
        """One frame; None while it is away."""
        try:
            if self._client is None:
                self._client = running_client(self._data_dir, ANSWER_SECONDS)
            if self._client is None:
                self.why_away = f"No gateway runs on {self._data_dir}. Start it with: pointsman serve"
                return None
            frame = self._frame(self._client)
        except PointsmanError as error:
            self.close()
            self.why_away = error.public
            return None
        self.why_away = ""
        return frame

    def close(self) -> None:
        """It is found anew at the next look."""
        if self._client is not None:
            self._client.close()
        self._client = self._slow = None

    def _frame(self, client: RunningClient) -> Frame:
        asking = _Asking(client)
        running = asking.must("/api/requests/running")
        running["requests"].reverse()  # told the newest first
        frame = Frame(asking.must("/api/status"), running, asking.must("/api/backends"))
        frame.minute = asking.may("/api/usage/totals?" + urlencode({"since": time.time() - MINUTE}))
        now = time.monotonic()
        if self._slow is None or now - self._slow[0] > _SLOW_SECONDS:
            since = urlencode({"since": _midnight().isoformat()})
            days, left = (
                asking.may(f"/api/usage/by/day?{since}"),
                asking.may(f"/api/usage/left-machine?{since}"),
            )
            today = days[-1] if days else None if days is None else _NOTHING
            self._slow = now, today, left or []
        _, frame.today, frame.left = self._slow
        frame.trouble = asking.trouble
        return frame


_NOTHING = {"requests": 0, "failed": 0, "cost": 0.0, "saved": 0.0, "unpriced": 0}
"""The sums of a day without requests."""


class _Asking:
    """Calls of one frame."""

    def __init__(self, client: RunningClient) -> None:
        self._client = client
        self.trouble: list[str] = []

    def must(self, path: str) -> Any:
        """Raises PointsmanError where it is refused."""
        answer = self._client.request("GET", path)
        if answer.status >= 400:
            raise PointsmanError(ErrorKind.UNAVAILABLE, _detail(answer.body))
        return answer.json()

    def may(self, path: str) -> Any:
        """None where it is refused, as while the usage database is damaged."""
        answer = self._client.request("GET", path)
        if answer.status < 400:
            return answer.json()
        detail = _detail(answer.body)
        if detail not in self.trouble:
            self.trouble.append(detail)
        return None


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, LookupError, TypeError):
        return "The gateway answered what is no answer of its admin API."


def _midnight() -> datetime:
    return datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def seconds_since(text: object) -> float | None:
    """Of a time of the API."""
    if not isinstance(text, str):
        return None
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())
