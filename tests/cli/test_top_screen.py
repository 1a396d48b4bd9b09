"""The screen of `pointsman top` fits a terminal, however much there is, and shows nothing that would steer it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pointsman.cli.common import Row
from pointsman.cli.top_frame import Frame
from pointsman.cli.top_screen import plain_screen, screen

NOW = datetime.now(UTC)
STATUS = {
    "version": "1", "ready": False, "url": "http://127.0.0.1:4480", "started_at": (NOW - timedelta(hours=3)).isoformat(),
    "problems": ["The rules cannot be read."],
}  # fmt: skip
SUMS = {"requests": 12, "failed": 1, "output_tokens": 600, "cost": 1.5, "unpriced": 2, "saved": 0.25}
LEFT = [{"backend": "openai", "sent_bytes": 2_000_000, "attempts": 3}] * 2


def backend(number: int, state: str = "works") -> Row:
    failure = {"last_failure": (NOW - timedelta(seconds=65)).isoformat(), "last_reason": "timeout"}
    return {"key": f"local/box-{number}", "state": state, "in_flight": 0, "queued": 0} | failure


def request(number: int) -> Row:
    known = {"model": "m" * 100, "target": None, "attempt": 0, "output": False, "client": "\x1b[2Jcurl"}
    return {"id": f"req_{number}", "at": (NOW - timedelta(seconds=90)).isoformat()} | known


def frame(backends: int, requests: int) -> Frame:
    running = {"count": requests + 100, "requests": [request(number) for number in range(requests)]}
    rows = [backend(number) for number in range(backends)]
    return Frame(STATUS, running, [*rows, backend(99, "down")], SUMS, SUMS, LEFT)


@pytest.mark.parametrize(("backends", "requests"), [(0, 0), (30, 50), (2, 200), (100, 1)])
@pytest.mark.parametrize("size", [(80, 24), (40, 16)])
def test_it_fits(backends: int, requests: int, size: tuple[int, int]) -> None:
    console = Console(width=size[0], height=size[1], color_system=None, force_terminal=True)
    with console.capture() as found:
        console.print(screen(frame(backends, requests), "No gateway runs on /data. " * 9, *console.size))
    lines = found.get().splitlines()
    assert len(lines) <= size[1]
    assert max(map(len, lines)) <= size[0]
    assert "\x1b[2J" not in found.get()
    shown = "\n".join(lines)
    assert "local/box-99" in shown, "what is down comes first"
    assert "more" in shown


def test_a_pipe_gets_all_of_it() -> None:
    lines = plain_screen(frame(50, 60), 120).splitlines()
    assert lines[0] == "Pointsman 1 at http://127.0.0.1:4480, degraded, up 3 h"
    assert lines[1] == "minute   12 requests, 1 failed, 10.0 output tokens a second"
    assert lines[2] == "today    12 requests, $1.50 + 2 unknown, saved $0.25"
    assert lines[3] == "left     4.0 MB left this machine today, in 6 requests to openai"
    assert lines[4] == "degraded The rules cannot be read."
    assert len(lines) == 5 + 2 + 51 + 2 + 60 + 1
    words = lines[7].split()
    assert words[:4] == ["local/box-99", "down", "0", "0"]
    assert words[5:] == ["min", "ago:", "timeout"], "since when depends on when this file was read"


def test_a_gateway_that_was_never_there_is_said_alone() -> None:
    console = Console(width=80, height=24, color_system=None)
    with console.capture() as found:
        console.print(screen(None, "No gateway runs on /data.", 80, 24))
    assert found.get() == "away     No gateway runs on /data.\n"
