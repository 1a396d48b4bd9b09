"""link.client and link.server against each other over a real Unix socket, and through the death of either."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.admin.store.usage_file import UsageFile
from pointsman.errors import PointsmanError
from pointsman.kinds import Limit
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.blocks import block_of
from pointsman.ledger.slices import LeaseAsk
from pointsman.link.client import STUCK_BYTES
from pointsman.link.frames import MAX_FRAME, encode, read_down, read_up
from pointsman.link.lease_messages import LeaseFound, LeaseQuestion
from pointsman.link.leasing import by_link
from pointsman.link.messages import (
    AnswerFound,
    AnswerQuestion,
    Applied,
    FoundServer,
    FoundServers,
    Hello,
    Snapshot,
    Up,
    UsageAck,
    UsageBatch,
    WorkerStatus,
)
from pointsman.link.outbox import BATCH, MAX_HELD, WINDOW
from pointsman.link.server import LinkServer
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret

from .ends import Control, Data, until
from .test_frames import SNAPSHOT, record


def ids(numbers: range) -> set[str]:
    return {f"req_{number}" for number in numbers}


# -- snapshots


def test_a_snapshot_arrives_at_start_and_at_every_change(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        control.server.publish(SNAPSHOT)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.snapshots)
        assert await control.server.wait_applied("e", 7, 1.0)
        control.server.publish(Snapshot(8, "e"))
        control.server.publish(Snapshot(9, "e"))
        assert await control.server.wait_applied("e", 9, 1.0)
        assert [s.version for s in data.snapshots] == [7, 8, 9]
        assert data.snapshots[0] == SNAPSHOT
        assert control.server.workers == [(0, os.getpid())]
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_process_that_comes_before_the_first_snapshot_gets_it_later(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: control.server.workers)
        assert data.snapshots == []
        control.server.publish(SNAPSHOT)
        assert await control.server.wait_applied("e", 7, 1.0)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_restarted_control_plane_gives_its_snapshot_again(path: str) -> None:
    async def main() -> None:
        first = Control(path)
        first.server.publish(SNAPSHOT)
        await first.server.start()
        data = Data(path).start()
        await until(lambda: data.snapshots)
        await first.server.stop()
        await until(lambda: not data.client.connected)
        assert data.snapshots == [SNAPSHOT]  # it serves on with the last one
        second = Control(path)
        second.server.publish(Snapshot(1, "later"))
        await second.server.start()
        assert await second.server.wait_applied("later", 1, 2.0) is True
        await until(lambda: len(data.snapshots) == 2)
        assert data.snapshots[-1] == Snapshot(1, "later")
        await data.stop()
        await second.server.stop()

    uvloop.run(main())


def test_a_control_plane_that_is_late_is_found(path: str) -> None:
    async def main() -> None:
        data = Data(path).start()
        await asyncio.sleep(0.15)
        assert not data.client.connected
        control = Control(path)
        control.server.publish(SNAPSHOT)
        await control.server.start()
        await until(lambda: data.snapshots, 1.5)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_wait_applied_waits_for_every_process(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        assert await control.server.wait_applied("e", 7, 0.05) is True  # nobody to wait for
        data = Data(path).start()
        _, writer = await asyncio.open_unix_connection(path)  # one that never applies anything
        writer.write(encode(Hello(1, 5)))
        await until(lambda: len(control.server.workers) == 2)
        control.server.publish(SNAPSHOT)
        assert await control.server.wait_applied("e", 7, 0.1) is False
        writer.write(encode(Applied("another", 99)))
        assert await control.server.wait_applied("e", 7, 0.1) is False
        writer.write(encode(Applied("e", 7)))
        assert await control.server.wait_applied("e", 7, 2.0) is True
        assert await control.server.wait_applied("e", 8, 0.05) is False
        writer.close()  # a process that died is not waited for
        await until(lambda: len(control.server.workers) == 1)
        control.server.publish(Snapshot(8, "e"))
        assert await control.server.wait_applied("e", 8, 2.0) is True
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_rules_and_parts_of_limits_do_not_wait_for_usage_that_cannot_be_stored(path: str) -> None:
    """A database that stood still held the word of a process that serves by new rules, and the renewal of its part of a
    limit, behind its usage: a change on any node took seconds when it went on, and limited keys were refused."""

    async def main() -> None:
        told: list[bool] = []

        def lend(question: LeaseQuestion) -> LeaseFound:
            told.append(any(one.fresh for one in question.of))
            return LeaseFound(question.number, (None,) * len(question.of))

        control = Control(path)
        control.server = LinkServer(path, control.on_up, leases=lend)
        control.slow = 1.5
        await control.server.start()
        data = Data(path, resend_seconds=0.01).start()
        await until(lambda: data.client.connected)
        data.record(1)
        data.client.usage.flush()
        await asyncio.sleep(0.3)  # what is not stored is sent again and again
        control.server.publish(SNAPSHOT)
        assert await control.server.wait_applied("e", 7, 0.7) is True
        ask = by_link(data.client)
        spec = LimitSpec("key/1", Limit.TOKENS, 100)
        assert await ask((LeaseAsk(spec, used=3),), lambda: None) == (None,)
        assert told == [False]
        assert not control.stored
        assert await ask((LeaseAsk(spec, fresh=True),), lambda: None) == (None,)
        assert control.stored.keys() == {"req_1"}, "of what is fresh, with all that was recorded before"
        assert len(control.batches) == 1, "it is stored once"
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_what_a_process_said_last_is_stored_though_it_is_gone(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        control.slow = 0.2
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)
        for number in range(4):
            data.record(number)
            data.client.usage.flush()
        await asyncio.sleep(0.05)
        await data.stop()
        await until(lambda: not control.server.workers)
        control.server.publish(SNAPSHOT)
        assert await control.server.wait_applied("e", 7, 0.05) is True, "nobody is there"
        await until(lambda: control.stored.keys() == ids(range(4)))
        await control.server.stop()

    uvloop.run(main())


def test_several_processes(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        control.server.publish(SNAPSHOT)
        await control.server.start()
        datas = [Data(path, worker).start() for worker in range(3)]
        assert await control.server.wait_applied("e", 7, 2.0)
        await until(lambda: [w for w, _ in control.server.workers] == [0, 1, 2])
        for data in datas:
            data.record(data.worker)
            data.client.usage.flush()
        await until(lambda: len(control.stored) == 3)
        assert {(worker, batch.block.read()[0].id) for worker, batch in control.batches} == {
            (i, f"req_{i}") for i in range(3)
        }
        await until(lambda: {worker for worker, _ in control.statuses} == {0, 1, 2})
        for data in datas:
            await data.stop()
        await control.server.stop()

    uvloop.run(main())


# -- usage


def test_usage_is_acknowledged_once_and_then_forgotten(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)
        data.record(*range(3 * BATCH + 10))
        await data.client.drain(2.0)
        assert set(control.stored) == ids(range(3 * BATCH + 10))
        assert [batch.block.records for _, batch in control.batches] == [BATCH, BATCH, BATCH, 10]
        assert len({batch.batch for _, batch in control.batches}) == 4
        assert (data.client.usage.held, data.client.usage.unacked, data.client.usage.dropped) == (0, {}, 0)
        await data.client.drain(0.1)
        assert len(control.batches) == 4
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_usage_goes_up_by_itself(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)
        data.record(1, 2)
        await until(lambda: len(control.stored) == 2, 1.0)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_usage_waits_while_the_control_plane_is_away(path: str) -> None:
    async def main() -> None:
        data = Data(path).start()
        data.record(*range(BATCH + 1))
        data.client.usage.trim()
        data.record(BATCH + 1)
        control = Control(path)
        await control.server.start()
        await until(lambda: len(control.stored) == BATCH + 2)
        await until(lambda: data.client.usage.held == 0)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_limited_key_is_not_refused_for_ever_where_usage_is_stored_slowly(path: str) -> None:
    """Who asked what is spent made a batch of the newest records at each look: more than were stored meanwhile, so that the
    last was never sent. A node that was killed under load and came back refused its limited keys from then on."""

    async def main() -> None:
        control = Control(path)
        control.slow = 0.03
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)

        async def traffic() -> None:
            for number in range(100_000):
                data.record(number)
                await asyncio.sleep(0.002)

        busy = asyncio.ensure_future(traffic())
        for number in range(200_000, 200_000 + 2 * WINDOW):
            data.record(number)
            data.client.usage.flush()
        try:
            await data.client.all_sent(time.monotonic() + 5.0)
        finally:
            busy.cancel()
            await data.stop()
            await control.server.stop()

    uvloop.run(main())


def test_what_was_not_acknowledged_comes_again_and_counts_once(path: str) -> None:
    """The first control plane stores a batch and dies before it can say so; the second gets it again."""

    async def main() -> None:
        stored: list[UsageBatch] = []

        async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while not isinstance(message := (await read_up(reader))[0], UsageBatch):
                pass
            stored.append(message)
            writer.close()

        first = await asyncio.start_unix_server(dies, path)
        data = Data(path).start()
        await until(lambda: data.client.connected)
        data.record(1, 2, 3)
        await until(lambda: stored)
        first.close()
        await until(lambda: not data.client.connected)
        os.unlink(path)
        control = Control(path)
        for item in stored[0].block.read():
            control.stored[item.id] = item
        await control.server.start()
        data.record(4)
        await until(lambda: data.client.usage.held == 0 and len(control.stored) == 4)
        came = control.batches[0][1]
        assert came.batch == stored[0].batch
        assert {one.id for one in came.block.read()} >= ids(range(1, 4)), "the same, with what came since"
        assert (stored[0].again, came.again) == (False, True), "ids are looked for from the second time on"
        assert set(control.stored) == ids(range(1, 5))
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_many_deaths_lose_and_double_nothing(path: str) -> None:
    async def main() -> None:
        data = Data(path).start()
        stored: dict[str, Any] = {}
        number = 0
        for life in range(6):
            control = Control(path)
            control.stored = stored
            control.broken = life == 2
            await control.server.start()
            await until(lambda: data.client.connected)
            for _ in range(5):
                data.record(*range(number, number + 40))
                number += 40
                data.client.usage.flush()
                await asyncio.sleep(0.003)
            await control.server.stop()
            await until(lambda: not data.client.connected)
        control = Control(path)
        control.stored = stored
        await control.server.start()
        await until(lambda: data.client.connected)
        await data.client.drain(3.0)
        assert set(stored) == ids(range(number))
        assert (data.client.usage.held, data.client.usage.dropped) == (0, 0)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_batch_that_could_not_be_stored_comes_again_on_the_same_link(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        control = Control(path)
        control.broken = True
        await control.server.start()
        data = Data(path, resend_seconds=0.3).start()
        await until(lambda: data.client.connected)
        data.record(1, 2)
        await until(lambda: control.batches)
        assert control.stored == {}
        assert data.client.usage.held == 2  # not acknowledged
        control.broken = False
        await until(lambda: data.client.usage.held == 0, 2.0)
        assert set(control.stored) == ids(range(1, 3))
        await data.stop()
        await control.server.stop()

    with caplog.at_level(logging.ERROR):
        uvloop.run(main())
    assert "was not stored" in caplog.text


def test_usage_is_bounded_while_the_control_plane_is_away(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        data = Data(path)
        extra = 3 * BATCH
        for number in range(0, MAX_HELD + extra, BATCH):
            data.record(*range(number, number + BATCH))
            data.client.usage.trim()
        assert data.client.usage.dropped == extra
        assert data.client.usage.held == MAX_HELD
        assert sum(batch.block.records for batch in data.client.usage.unacked.values()) == MAX_HELD
        control = Control(path)
        await control.server.start()
        data.start()
        await until(lambda: data.client.usage.held == 0, 10.0)
        assert set(control.stored) == ids(range(extra, MAX_HELD + extra))  # the oldest went
        await until(lambda: any(status.usage_dropped == extra for _, status in control.statuses))
        await data.stop()
        await control.server.stop()

    with caplog.at_level(logging.ERROR):
        uvloop.run(main())
    assert caplog.text.count("usage records are being dropped") == 1


def test_a_control_plane_that_hangs_makes_nothing_grow(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await over.wait()
            writer.close()

        over = asyncio.Event()
        server = await asyncio.start_unix_server(hangs, path)
        data = Data(path).start()
        await until(lambda: data.client.connected)
        writer = data.client._writer
        assert writer is not None
        for number in range(0, MAX_HELD + 40 * BATCH, BATCH):
            data.record(*range(number, number + BATCH))
            data.client.usage.flush()
            await asyncio.sleep(0)
        one_window = WINDOW * len(encode(next(iter(data.client.usage.unacked.values()))))
        assert writer.transport.get_write_buffer_size() <= STUCK_BYTES + one_window
        assert data.client.usage.held <= MAX_HELD
        assert len(data.client.usage.sent) <= WINDOW
        over.set()
        await data.stop()
        server.close()
        await asyncio.sleep(0.02)

    with caplog.at_level(logging.ERROR):
        uvloop.run(main())
    assert caplog.text.count("usage records are being dropped") == 1


def test_a_data_plane_that_hangs_makes_nothing_grow(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(encode(Hello(1, 0)))
        await until(lambda: control.server.workers)
        backend = BackendSpec("openai", "openai", "", "https://x", api_key=Secret("k" * 20_000_000))
        for version in range(12):
            control.server.publish(Snapshot(version, "e", backends=(backend,)))
            (peer,) = control.server._peers or [None]
            if peer is None:
                break
            assert peer.writer.transport.get_write_buffer_size() <= MAX_FRAME + 21_000_000
            await asyncio.sleep(0)
        else:
            pytest.fail("it was never let go")
        writer.close()
        await control.server.stop()

    uvloop.run(main())


def test_drain_gives_up_in_time(path: str) -> None:
    async def main() -> None:
        data = Data(path)
        data.record(1)
        started = asyncio.get_running_loop().time()
        await data.client.drain(0.1)
        assert 0.05 < asyncio.get_running_loop().time() - started < 1.0
        assert data.client.usage.held == 1

    uvloop.run(main())


def test_usage_of_a_killed_process_counts_once_when_its_successor_was_faster(
    path: str, tmp_path: Path
) -> None:
    """A control plane that lags still reads what a killed process sent, when the next one has told it from the disk."""
    store = UsageFile(tmp_path / "usage.db")

    def slowly(worker: int, message: Up) -> None:
        if isinstance(message, UsageBatch):
            time.sleep(0.2)
            store.add(message.block, again=message.again)

    async def main() -> None:
        server = LinkServer(path, slowly)
        await server.start()
        old_reader, old = await asyncio.open_unix_connection(path)
        old.write(encode(Hello(1, 0)))
        for number in (1, 2):
            old.write(encode(UsageBatch(number, block_of([record(number)]), again=False)))
        await until(lambda: server.workers)
        reader, new = await asyncio.open_unix_connection(path)
        new.write(encode(Hello(2, 0)))
        new.write(encode(UsageBatch(1, block_of([record(2)]))))
        assert await read_down(reader) == UsageAck(1)
        assert [await read_down(old_reader) for _ in range(2)] == [UsageAck(1), UsageAck(2)]
        old.close()
        new.close()
        await server.stop()

    uvloop.run(main())
    assert store.totals().requests == 2
    store.close()


# -- nonsense and status


def test_status_comes_at_once_and_about_every_second(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path, 4).start()
        await until(lambda: control.statuses, 0.5)
        await until(lambda: len(control.statuses) >= 2, 2.0)
        assert control.statuses[0] == (4, WorkerStatus(4, 1, 0, {}))
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


@pytest.mark.parametrize(
    "raw", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02hi", b"GET / HTTP/1.1\r\n\r\n", b"", b"\x00"]
)
def test_a_stranger_on_the_socket_does_no_harm(path: str, raw: bytes) -> None:
    async def main() -> None:
        control = Control(path)
        control.server.publish(SNAPSHOT)
        await control.server.start()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(raw)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 2.0) == b""  # closed, and nothing was told
        writer.close()
        data = Data(path).start()
        assert await control.server.wait_applied("e", 7, 2.0)
        await until(lambda: data.snapshots)
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_control_plane_that_speaks_nonsense_is_left_and_asked_again(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        connections = 0

        async def raves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            if connections == 1:
                writer.write(b"\x00\x00\x00\x03\xc1\xc1\xc1")
            else:
                writer.write(
                    encode(UsageAck(99)) + encode(SNAPSHOT)
                )  # an acknowledgement of nothing is no harm
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(raves, path)
        data = Data(path).start()
        await until(lambda: data.snapshots == [SNAPSHOT])
        assert connections == 2
        await data.stop()
        server.close()
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.ERROR):
        uvloop.run(main())
    assert "nonsense" in caplog.text


def test_stopping_with_a_process_connected_is_quiet(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: control.server.workers)
        await control.server.stop()
        await data.stop()

    uvloop.run(main())
    assert "Traceback" not in capfd.readouterr().err


def test_a_slow_store_does_not_hold_the_loop(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        control.slow = 0.4
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)
        data.record(1)
        data.client.usage.flush()
        await asyncio.sleep(0.05)
        started = asyncio.get_running_loop().time()
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() - started < 0.2
        await data.client.drain(2.0)
        assert set(control.stored) == ids(range(1, 2))
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


# -- who made an answer


def test_an_answer_is_looked_up_and_while_nobody_can_it_is_no_not_found(path: str) -> None:
    def find(question: AnswerQuestion) -> AnswerFound:
        if question.name == "broken":
            raise OSError("the disk is gone")
        known = (question.key_id, question.name) == (3, "resp_1")
        return AnswerFound(question.number, "openai/a:gpt-x" if known else None, "m" if known else "")

    async def main() -> None:
        control = Control(path)
        control.server = LinkServer(path, control.on_up, find)
        data = Data(path).start()
        with pytest.raises(PointsmanError, match="cannot be looked up now") as caught:
            await data.client.find_answer(3, "resp_1")
        assert (caught.value.status, caught.value.retry_after) == (503, 1)
        await control.server.start()
        await until(lambda: data.client.connected)
        several = await asyncio.gather(*(data.client.find_answer(key, "resp_1") for key in (3, None, 4)))
        assert [(one.target, one.model) for one in several] == [
            ("openai/a:gpt-x", "m"),
            (None, ""),
            (None, ""),
        ]
        with pytest.raises(PointsmanError, match="cannot be looked up now"):
            await data.client.find_answer(3, "broken")
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_a_control_plane_on_standby_cannot_tell(path: str) -> None:
    async def main() -> None:
        control = Control(path)
        await control.server.start()
        data = Data(path).start()
        await until(lambda: data.client.connected)
        with pytest.raises(PointsmanError, match="cannot be looked up now"):
            await data.client.find_answer(None, "resp_1")
        await data.stop()
        await control.server.stop()

    uvloop.run(main())


def test_what_was_found_is_told_to_a_control_plane_that_comes_later(path: str) -> None:
    async def main() -> None:
        found = FoundServers((FoundServer("ollama", "Ollama", "http://127.0.0.1:11434"),))
        data = Data(path).start()
        data.client.tell_found(found)
        for _ in range(2):
            control = Control(path)
            await control.server.start()
            await until(lambda: control.found == [found])  # noqa: B023 -- at once
            await control.server.stop()
        await data.stop()

    uvloop.run(main())
