"""The benchmark measures what it says: its bytes, mock, checks and arithmetic. No figure is judged here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.children import child

from . import machine, page, payloads, report, responses_payloads, servers, wrk
from .load import Load, one_by_one
from .machine import BenchError, Meter
from .measure import Window, quantile

if not machine.PROC.joinpath("self/stat").exists():
    pytest.skip("CPU time is read from /proc", allow_module_level=True)


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = servers.free_port()
    log = tmp_path_factory.mktemp("mock") / "log"
    everywhere = machine.cores()[0] | machine.cores()[1]
    running = machine.start("mock", [sys.executable, "-m", "tests.bench.mock", str(port)], everywhere, log)
    servers.wait_for(lambda: servers.listening(port), running)
    yield port
    running.stop()


def window(subject: str, cpu_us: float, errors: int = 0) -> Window:
    return Window(subject, 1000, 1.0, cpu_us, errors, "status 500" if errors else "", 0.0)


async def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing happened for 10 s")


def test_payloads_have_the_sizes_the_figures_are_named_after() -> None:
    assert all(100 <= len(body) <= 140 for body in payloads.small().bodies)
    assert len(payloads.large().bodies[0]) == 100 * 1024
    assert 450 <= len(payloads.chat_reply()) <= 600
    for body in (*payloads.small().bodies, payloads.chat_reply(), payloads.message_reply()):
        assert json.loads(body)
    assert len(json.loads(payloads.large().bodies[0])["tools"]) == 18
    assert abs(len(payloads.huge().bodies[0]) - 1024 * 1024) < 200
    assert len(json.loads(payloads.vectors())["data"][0]["embedding"]) == 1536
    assert 25_000 < len(payloads.vectors()) < 28_000


def test_a_messages_stream_is_as_long_as_a_chat_stream() -> None:
    events = [*(payloads.message_event(index, events=6) for index in range(6)), payloads.STOP]
    kinds = [event.split(b"\n")[0].removeprefix(b"event: ").decode() for event in events]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_a_responses_stream_is_as_long_as_a_chat_stream() -> None:
    told = [json.loads(one.partition(b"\ndata: ")[2]) for one in responses_payloads.events(12)]
    assert len(told) == 13
    assert [one["sequence_number"] for one in told] == list(range(13))
    assert told[-1]["type"] == "response.completed"
    assert sum(one["type"] == "response.output_text.delta" for one in told) == 5


def test_no_two_requests_in_a_row_are_the_same_in_head_or_body() -> None:
    for workload in (
        payloads.small(),
        payloads.long_chat(spaced=True),
        payloads.large(),
        payloads.stream(0),
        payloads.hold(),
    ):
        heads = {request.partition(b"\r\n\r\n")[0] for request in workload.requests("localhost:1")}
        assert len(heads) == len(set(workload.bodies)) == payloads.VARIANTS


def test_every_event_is_one_json_event_with_a_stamp() -> None:
    for index in range(payloads.EVENTS):
        written = payloads.event(index, 12345)
        assert written.endswith(b"\n\n")
        assert json.loads(written.removeprefix(b"data: "))["system_fingerprint"] == f"{12345:020d}"


def test_the_mock_writes_events_apart_and_the_load_counts_them(mock: int) -> None:
    async def run() -> Load:
        load = Load(mock, payloads.stream(0))
        await load.overlapping(4, spread=0.01)
        await until(lambda: load.tally.answers >= 8)
        load.close()
        await asyncio.sleep(0.01)
        return load

    tally = asyncio.run(asyncio.wait_for(run(), 20)).tally
    assert (tally.errors, tally.first_error) == (0, "")
    assert tally.events >= 8 * (payloads.EVENTS + 1)
    assert len(tally.seconds) > payloads.EVENTS  # many reads, so not all events came at once
    assert all(0 <= delay < 5 for delay in tally.seconds)


def test_a_paced_stream_takes_its_time(mock: int) -> None:
    taken = one_by_one(mock, payloads.stream(2), 1)[0]
    assert 0.35 <= taken <= 5


def test_a_steady_rate_is_kept(mock: int) -> None:
    async def run() -> Load:
        load = Load(mock, payloads.small())
        await load.steady(500, connections=4)
        await asyncio.sleep(0.5)
        load.close()
        await asyncio.sleep(0.01)
        return load

    tally = asyncio.run(run()).tally
    assert tally.errors == 0
    assert 100 <= tally.answers <= 300


def test_wrong_answers_are_errors() -> None:
    async def run(answer: bytes) -> str:
        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(answering, servers.HOST, 0)
        load = Load(server.sockets[0].getsockname()[1], payloads.stream(0))
        await load.open(1, lambda caller: None)
        await until(lambda: load.tally.errors > 0)
        load.close()
        await asyncio.sleep(0.05)
        server.close()
        return load.tally.first_error

    cases = {
        b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n": "status 503",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ndata: 1\n\n": "a stream of 1 events, not 201",
        b"nonsense\r\n\r\n": "not HTTP",
    }
    for answer, error in cases.items():
        assert asyncio.run(asyncio.wait_for(run(answer), 10)).startswith(error)


def test_the_meter_counts_a_whole_tree_and_nothing_else() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {burn!r}]); input()"
    with child([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        assert process.stdin
        meter = Meter([process.pid], [])
        process.stdin.write(b"\n")
        process.stdin.flush()
        while not (children := machine.tree(process.pid)[1:]):
            pass
        while machine.cpu_ns(children[0]) < 100_000_000:
            pass
        assert meter.stop().cpu_ns >= 100_000_000
        process.stdin.close()


def test_a_ratio_is_taken_inside_each_round_and_judged() -> None:
    taken = {
        "pointsman": [window("pointsman", us) for us in (30, 30, 60, 60)],
        "nginx": [
            window("nginx", us) for us in (20, 20, 40, 40)
        ],  # the machine was half as fast in round two
    }
    row = report.cpu_row("small", taken, ("pointsman", "nginx"), 1.5)
    assert (row.ratio, row.spread, row.verdict) == (1.5, (1.5, 1.5), "OK")
    assert report.cpu_row("small", taken, ("pointsman", "nginx"), 1.4).verdict == "over"
    taken["pointsman"][1] = window("pointsman", 1, errors=3)
    assert report.cpu_row("small", taken, ("pointsman", "nginx"), 1.5).verdict == "3 ERRORS"
    assert "1.50x" in report.table([row])


def test_wrk_is_read() -> None:
    said = "  12345 requests in 2.00s, 8MB read\n  Non-2xx or 3xx responses: 7\nRequests/sec:   6172.50\n"
    assert wrk.parse(said) == wrk.Ceiling(12345, 6172.5, 7)
    with pytest.raises(BenchError):
        wrk.parse("unable to connect")


def test_quantiles() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert quantile([1.0], 0.99) == 1.0


def test_a_result_is_saved_whole(tmp_path: Path) -> None:
    result = report.Result({"cpu": "x"}, {}, windows={"small": [window("nginx", 20)]})
    result.rows.append(report.time_row("start", [0.5, 0.7, 0.6], 1500))
    result.save(tmp_path / "out.json")
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["rows"][0]["value"] == 600
    assert saved["rows"][0]["verdict"] == "OK"
    assert saved["windows"]["small"][0]["cpu_us"] == 20


def test_the_page_and_the_change_are_made_of_the_rows() -> None:
    taken = {name: [window(name, us)] * 2 for name, us in (("pointsman", 30), ("nginx", 20))}
    row = report.cpu_row("small", taken, ("pointsman", "nginx"), 1.65)
    assert "| small | CPU us | 30 | 20 | 1.50 |" in page.text(report.Result({"cpu": "x"}, {}, [row]))
    wrong = report.Result({}, {}, peers=[replace(row, figure="small: another", errors=3)])
    assert "| small: another (3 ERRORS) | CPU us | 30 |" in page.text(wrong)
    before = {"rows": [{"figure": "small", "unit": "CPU us", "value": 20, "ratio": 1.2}]}
    assert page.changes([row], before) == ["+25% small: 1.2 -> 1.5"]
    before["rows"][0]["ratio"] = 1.49
    assert page.changes([row], before) == []
    uneven = replace(row, spread=(1.1, 1.9))  # the rounds themselves differ by more
    before["rows"][0]["ratio"] = 1.2
    assert page.changes([uneven], before) == []


def test_what_a_run_commits_names_no_folder_of_its_machine() -> None:
    text = Path(__file__).with_name("result.json").read_text()
    assert [line for line in text.splitlines() if re.search(r"/(tmp|home|root|work|Users)/", line)] == []
