"""Standby by itself: the sockets of a control plane whose database cannot be opened."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import pytest

from pointsman.admin.control.standby import Standby
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.link.messages import Snapshot


@pytest.mark.parametrize("sent", [b"", b"GET /api/", b"GET /api/status HTTP/1.1\r\nhost: localhost\r\n\r\n"])
def test_a_connection_open_at_the_end_of_a_standby_leaves_no_traceback_in_the_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cause = PointsmanError(ErrorKind.UNAVAILABLE, "The database is damaged.")

    async def run(folder: Path) -> None:
        stopping = asyncio.Event()
        standby = asyncio.create_task(Standby(Snapshot(1, "e"), cause, int, stopping).run(folder))
        while not (folder / "control.sock").exists():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
        writer.write(sent)
        if sent.endswith(b"\r\n\r\n"):
            assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        else:
            await asyncio.sleep(0.05)  # it has the connection and waits for the rest
        stopping.set()
        assert await standby is None
        writer.close()

    with tempfile.TemporaryDirectory() as folder, caplog.at_level(logging.ERROR):
        asyncio.run(run(Path(folder)))
    assert not caplog.records


def test_a_browser_is_told_what_is_wrong_and_the_commands_that_mend_it() -> None:
    cause = PointsmanError(ErrorKind.UNAVAILABLE, "The database is <damaged>.", retry_after=5)

    async def run(folder: Path) -> bytes:
        stopping = asyncio.Event()
        standby = asyncio.create_task(Standby(Snapshot(1, "e"), cause, int, stopping).run(folder))
        while not (folder / "control.sock").exists():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
        writer.write(b"GET /ui HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n\r\n")
        answer = await reader.read()
        writer.close()
        stopping.set()
        await standby
        return answer

    with tempfile.TemporaryDirectory() as folder:
        page = asyncio.run(run(Path(folder))).decode()
    assert page.startswith("HTTP/1.1 503 ")
    assert "refresh: 5" in page
    assert "The database is &lt;damaged&gt;." in page
    assert "tar xf BACKUP.tar pointsman.db" in page
