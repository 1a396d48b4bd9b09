"""The practice backend's socket: there from the start, its model from the first request on."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from pointsman.gateway.own.practice import PracticeSocket

ASKED = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def ask(path: Path) -> bytes:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return b"refused"
    try:
        writer.write(ASKED)
        return await reader.read()
    except ConnectionError:
        return b"refused"
    finally:
        writer.close()


def test_all_who_knock_first_are_answered_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "practice.sock"

    async def first_ones() -> list[bytes]:
        served = PracticeSocket(str(path))
        served.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = await asyncio.gather(*(ask(path) for _ in range(5)))
        found.append(await ask(path))
        await served.stop()
        return found

    answers = asyncio.run(first_ones())
    assert len(answers) == 6
    assert all(one.startswith(b"HTTP/1.1 200") and b"practice" in one for one in answers)
    assert not path.exists()


def test_one_that_nobody_asked_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "practice.sock"

    async def nobody() -> None:
        served = PracticeSocket(str(path))
        served.start()
        await served.stop()

    asyncio.run(nobody())
    assert not path.exists()


def test_a_pace_that_is_no_number_is_told_and_whoever_asks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POINTSMAN_PRACTICE_PACE_MS", "soon")
    path = tmp_path / "practice.sock"

    async def twice() -> list[bytes]:
        served = PracticeSocket(str(path))
        served.start()
        found = [await ask(path), await ask(path)]
        await served.stop()
        return found

    assert asyncio.run(twice()) in (
        [b"refused", b"refused"],
        [b"", b"refused"],
    ), "the first one was in the queue already"
    assert "POINTSMAN_PRACTICE_PACE_MS must be a whole number of milliseconds" in caplog.text
