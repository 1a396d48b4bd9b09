"""Moments as people type them: `2026-12-01`, `2026-12-01T08:00`, `7d`. Not here: what is done with one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class When(click.ParamType[str]):
    """ISO 8601, in this computer's zone where it names none, or a span such as 30m, 24h, 7d. ahead: a span is from now on,
    else before now. Gives ISO 8601 with a zone."""

    name = "when"

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        span = _SPAN.fullmatch(text)
        try:
            if span is not None:
                away = timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
                now = datetime.now().astimezone()
                moment = now + away if self._ahead else now - away
            else:
                moment = datetime.fromisoformat(text)
            moment = moment.astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{text[:40]!r} is no moment; write 2026-12-01, 2026-12-01T08:00, or a span such as 7d",
                param,
                ctx,
            )
        if self._ahead and moment <= datetime.now().astimezone():
            self.fail(
                f"{text[:40]!r} is over already; write a moment to come, or a span such as 30d", param, ctx
            )
        return moment.isoformat()


def seconds_of(text: str) -> int:
    """Of a span. Raises click.BadParameter."""
    span = _SPAN.fullmatch(text.strip())
    if span is None:
        raise click.BadParameter(f"{text[:40]!r} is no span; write 30m, 24h or 7d")
    return int(span[1]) * _SECONDS[span[2]]
