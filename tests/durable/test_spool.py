"""Usage on disk while nobody takes it: what is read back after a crash, and that nothing counts twice."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
import time
import zlib
from pathlib import Path

import msgspec
import pytest

from pointsman.ledger.blocks import UsageBlock, block_of
from pointsman.link import outbox
from pointsman.link import spool as spool_module
from pointsman.link.client import LinkClient
from pointsman.link.messages import WorkerStatus
from pointsman.link.spool import Spool
from tests.link.ends import Control, until
from tests.link.test_frames import record


@pytest.fixture
def path(tmp_path: Path) -> str:
    return os.path.relpath(tmp_path / "link.sock")  # a Unix socket's path must be short


def records(*numbers: int) -> UsageBlock:
    return block_of(record(number) for number in numbers)


def taken(spool: Spool) -> list[str]:
    found = []
    while (frame := spool.take()) is not None:
        found += [one.id for one in frame.read()]
    return found


def ids(*numbers: int) -> list[str]:
    return [record(number).id for number in numbers]


def test_what_is_appended_is_read_by_the_next_process_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    first = Spool(folder, 0)
    assert not first.holds
    assert first.append(records(1, 2))
    assert first.append(records(3))
    again = Spool(folder, 0)
    assert again.holds
    assert again.take() == records(1, 2)
    assert again.take() == records(3)
    assert again.take() is None
    again.rewind()
    assert taken(again) == ids(1, 2, 3)
    again.clear()
    assert not again.holds
    assert not Spool(folder, 0).holds


def test_only_its_user_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    Spool(folder, 0).append(records(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_end_costs_its_frame_alone_and_more_can_be_appended(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, 0)
    spool.append(records(1))
    spool.append(records(2))
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - cut)
    after = Spool(tmp_path, 0)
    assert after.append(records(3))
    assert taken(Spool(tmp_path, 0)) == ids(1, 3)


@pytest.mark.parametrize("junk", [b"\0" * 64, b"\xff" * 64, b"x", b"\0\0\0\x08abcd12345678"])
def test_junk_is_cut_off(tmp_path: Path, junk: bytes) -> None:
    Spool(tmp_path, 0).append(records(1))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + junk)
    spool = Spool(tmp_path, 0)
    spool.append(records(2))
    assert taken(spool) == ids(1, 2)


def test_it_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MOST_BYTES", 1000)
    spool = Spool(tmp_path, 0)
    number = 0
    while spool.append(records(number)):
        number += 1
    assert 0 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    assert not Spool(tmp_path, 0).append(records(99))
    spool.clear()
    assert spool.append(records(99))


def test_a_disk_that_does_not_take_it_is_memory_again(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("a file where the folder should be")
    spool = Spool(blocked, 0)
    assert not spool.append(records(1))
    assert not spool.holds
    assert spool.take() is None


def test_the_first_worker_takes_what_workers_left_that_are_there_no_more(tmp_path: Path) -> None:
    for worker in range(4):
        Spool(tmp_path, worker, 4).append(records(worker))
    assert taken(Spool(tmp_path, 1, 2)) == ids(1)
    first = Spool(tmp_path, 0, 2)
    assert taken(first) == ids(0, 2, 3)
    first.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["1.usage"]


def test_a_file_that_another_process_began_meanwhile_does_not_go_with_ours(tmp_path: Path) -> None:
    """After SIGHUP the next generation's processes have files of their own beside the first worker's."""
    first = Spool(tmp_path, 0, 2)
    first.append(records(1))
    Spool(tmp_path, 65, 2).append(records(2))
    assert taken(first) == ids(1)
    first.clear()
    assert taken(Spool(tmp_path, 0, 2)) == ids(2)


def test_usage_on_disk_outlives_used_up_descriptors(tmp_path: Path) -> None:
    """What could not be opened was taken for the end, and removed when the rest was stored."""

    async def main() -> None:
        Spool(tmp_path / "spool", 0).append(records(1))
        control = Control(path)
        await control.server.start()
        data = Data(path, tmp_path / "spool")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = [os.dup(0) for _ in range(3)]
        for one in free:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[2], hard))  # two are left, for the link's ends
        try:
            data.client.usage.record(record(2))
            living = asyncio.ensure_future(data.live(3.0))
            await until(lambda: len(control.stored) == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: len(control.stored) == 2)
        await until(lambda: not list((tmp_path / "spool").iterdir()))
        await living
        await control.server.stop()

    path = os.path.relpath(tmp_path / "link.sock")
    asyncio.run(main())


class Data:
    """A data plane's end with a spool."""

    def __init__(self, path: str, folder: Path) -> None:
        self.client = LinkClient(
            path, 0, lambda snapshot: None, lambda: WorkerStatus(0, 1, 0, {}), 0.2, spool=Spool(folder, 0)
        )

    async def live(self, seconds: float) -> None:
        """Its task and its ticker."""
        task = asyncio.ensure_future(self.client.run())
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            self.client.usage.trim()
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_crash_while_nobody_took_it_loses_nothing_and_counts_nothing_twice(
    path: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"

    async def main() -> None:
        first = Data(path, folder)
        for number in range(20):
            first.client.usage.record(record(number))
        await first.live(0.1)  # and it is gone, with what it had in memory
        control = Control(path)
        await control.server.start()
        second = Data(path, folder)
        second.client.usage.record(record(100))
        living = asyncio.ensure_future(second.live(2.0))
        await until(lambda: len(control.stored) == 21)
        await until(lambda: not list(folder.iterdir()))
        await living
        assert {one.id for _, batch in control.batches for one in batch.block.read()} == set(control.stored)
        again = {one.id for _, batch in control.batches if batch.again for one in batch.block.read()}
        assert again >= set(ids(*range(20))), "what was on disk may have been sent before"
        await control.server.stop()

    asyncio.run(main())


def test_a_store_that_takes_nothing_is_waited_for_on_disk(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "spool"

    async def main() -> None:
        control = Control(path)
        control.broken = True
        await control.server.start()
        data = Data(path, folder)
        data.client.usage.record(record(1))
        living = asyncio.ensure_future(data.live(3.0))
        await until(lambda: folder.exists() and list(folder.iterdir()))
        assert control.stored == {}
        control.broken = False
        await until(lambda: len(control.stored) == 1)
        await until(lambda: not list(folder.iterdir()))
        await living
        await control.server.stop()

    asyncio.run(main())


def test_usage_that_waited_for_a_late_loop_waits_no_second_time(path: str, tmp_path: Path) -> None:
    """On a crowded machine more than a second of usage was in memory alone: its age was counted from the moment when the
    loop came to make a batch of it."""
    folder = tmp_path / "spool"

    async def main() -> None:
        control = Control(path)
        control.broken = True
        await control.server.start()
        data = Data(path, folder)
        living = asyncio.ensure_future(data.live(1.5))
        await until(lambda: control.statuses)
        data.client.usage.record(record(1))
        time.sleep(0.5)  # noqa: ASYNC251 -- no turn of the loop
        await until(lambda: not data.client.usage.fresh)
        assert taken(Spool(folder, 0)) == ids(1)
        await living
        await control.server.stop()

    asyncio.run(main())


def test_more_than_memory_holds_is_on_disk_and_comes_back_whole(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_HELD", 100)
    monkeypatch.setattr(outbox, "BATCH", 10)
    folder = tmp_path / "spool"

    async def main() -> None:
        data = Data(path, folder)
        for number in range(1000):
            data.client.usage.record(record(number))
        living = asyncio.ensure_future(data.live(4.0))
        await until(lambda: folder.exists() and data.client.usage.held <= 100)
        assert data.client.usage.dropped == 0
        control = Control(path)
        await control.server.start()
        for number in range(1000, 1100):
            data.client.usage.record(record(number))
        await until(lambda: len(control.stored) == 1100)
        await until(lambda: not list(folder.iterdir()))
        assert data.client.usage.dropped == 0
        await living
        await control.server.stop()

    asyncio.run(main())


def test_what_is_left_at_the_end_is_on_disk(path: str, tmp_path: Path) -> None:
    async def main() -> None:
        data = Data(path, tmp_path / "spool")
        data.client.usage.record(record(1))
        await data.client.drain(0.05)

    asyncio.run(main())
    assert taken(Spool(tmp_path / "spool", 0)) == ids(1)


def test_what_an_earlier_version_left_is_read(tmp_path: Path) -> None:
    """A frame held its records one by one."""
    body = msgspec.msgpack.encode((record(1), record(2)))
    frame = len(body).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big") + body
    (tmp_path / "0.usage").write_bytes(frame)
    spool = Spool(tmp_path, 0)
    assert spool.append(records(3))
    assert taken(spool) == ids(1, 2, 3)
