"""Pointsman beside other gateways (peers): started, seen to answer, and measured in turns with nginx.

A peer that answers wrongly, or not by asking the mock, is not measured. Each is loaded well below what it can do, so rates
differ; with the core full nobody has room. Not here: how a peer is built and told where to go (peers).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from . import measure, payloads, peers, report, servers
from .machine import BenchError, pss_bytes, say, tree
from .measure import PACE_MS, PACED_STREAMS, SETTLED_SECONDS, SMALL_RATE, Bench, Window
from .payloads import Workload
from .servers import Subject

SHARE = 0.4  # of what a subject can do: the rate at which it is measured
LARGE_RATE = 1000
_STAMP = re.compile(r"\d{20}")
ASKED = 3  # times: a cache must not pass for speed


def _stream() -> Workload:
    """Words that vary: one peer ends a stream that repeats itself. How many events a peer makes of the mock's is its
    own business, so long as there are as many."""
    return replace(payloads.stream(PACE_MS, kind="varied"), translated=True)


def started(
    bench: Bench, mock: Subject, stack: contextlib.ExitStack, result: report.Result
) -> dict[str, list[Subject]]:
    """By each workload's name, those that answer it rightly; what could not be had is told in `result.lost`."""
    compact, real, stream = payloads.long_chat(spaced=False), payloads.real(), _stream()
    workloads = (payloads.small(), compact, real, stream)
    models: dict[str, set[str]] = {}
    for workload in workloads:
        base = f"http://{servers.HOST}:{mock.port(workload)}/v1"
        models.setdefault(base, set()).add(workload.model)
    result.lost |= peers.LOST
    able: dict[str, list[Subject]] = {workload.name: [] for workload in workloads}
    for peer in peers.ALL:
        say(f"starting {peer.title} ...")
        try:
            subject = peer.start(
                bench.folder, {url: tuple(names) for url, names in models.items()}, bench.key
            )
        except (BenchError, OSError, subprocess.TimeoutExpired) as error:
            result.lost[peer.title] = _brief(error)
            continue
        stack.callback(subject.running[0].stop)
        for workload in workloads:
            try:
                (check_stream if workload.stream else check)(subject, mock, bench.asked(subject, workload))
                able[workload.name].append(subject)
            except (BenchError, OSError, http.client.HTTPException, ValueError) as error:
                result.lost[f"{peer.title}, {workload.name}"] = _brief(error)
    return able


def _brief(error: Exception) -> str:
    return str(error).strip().replace("\n", " ")[:300]


def check(subject: Subject, mock: Subject, workload: Workload) -> None:
    """The mock's own words, and asked of it each time."""
    wanted = _said(json.loads(servers.fetch(mock, workload)[1]))
    before = asked(mock)
    for _ in range(ASKED):
        status, body, _ = servers.fetch(subject, workload)
        if status != 200 or _said(json.loads(body)) != wanted:
            raise BenchError(f"it answers `{workload.name}` with status {status}, {body[:200]!r}")
    if (seen := asked(mock) - before - 1) != ASKED:  # what asks for the count is counted
        raise BenchError(f"of {ASKED} requests `{workload.name}` the mock saw {seen}")


def check_stream(subject: Subject, mock: Subject, workload: Workload) -> None:
    """The words of all events, in order."""
    told = [servers.fetch(one, workload) for one in (mock, subject)]
    first, second = (_STAMP.sub("", "".join(map(_said, _events(body)))) for _, body, _ in told)
    if told[1][0] != 200 or first != second or not first:
        raise BenchError(f"it answers `{workload.name}` with status {told[1][0]}, {told[1][1][:200]!r}")


def _events(body: bytes) -> list[Any]:
    data = re.findall(rb"^data: ?(.*)$", body, re.MULTILINE)
    return [json.loads(one) for one in data if one.strip() not in (b"", b"[DONE]")]


def _said(answer: Any) -> str:
    """The words of a Chat answer, or of one event."""
    choice: Any = (answer.get("choices") or [{}])[0]
    return (choice.get("message") or choice.get("delta") or {}).get("content") or ""


def asked(mock: Subject) -> int:
    """Requests that the mock's nginx has had, this one included (`stub_status`)."""
    connection = http.client.HTTPConnection(servers.HOST, mock.plain_port, timeout=10)
    try:
        connection.request("GET", "/count")
        said = connection.getresponse().read().decode()
    finally:
        connection.close()
    return int(said.splitlines()[2].split()[2])


Take = Callable[[Subject], Awaitable[Window]]


async def rows(
    bench: Bench, ours: list[Subject], able: dict[str, list[Subject]], result: report.Result
) -> list[report.Row]:
    """ours: nginx and the subject. The cheapest first in each figure."""
    small, real, compact = payloads.small(), payloads.real(), payloads.long_chat(spaced=False)
    made = [_idle([*ours, *able[small.name]])]
    for title, workload, most in (
        ("small, 3 headers and a key", small, SMALL_RATE),
        ("small, 13 + 22 headers, key", real, SMALL_RATE),
        ("100 KB, compact", compact, LARGE_RATE),
    ):
        subjects = [*ours, *able[workload.name]]
        full = {subject.name: (await bench.ceiling(subject, workload)).per_second for subject in subjects}
        rates = {name: max(10.0, min(most, SHARE * rate)) for name, rate in full.items()}

        async def steady(subject: Subject, workload: Workload = workload, rates: Any = rates) -> Window:
            return await bench.steady(subject, workload, rates[subject.name])

        notes = {name: f"at {rate:,.0f}/s" for name, rate in rates.items()}
        made.append(await _turns(bench, subjects, title, steady, notes, result))

    async def busy(subject: Subject) -> Window:
        return await bench.ceiling(subject, small)

    made.append(await _turns(bench, [*ours, *able[small.name]], "small, core full", busy, {}, result))
    stream = _stream()

    async def paced(subject: Subject) -> Window:
        return await bench.streams(subject, stream, PACED_STREAMS)

    title = f"streamed event, {PACED_STREAMS} streams, {PACE_MS} ms, words that vary"
    made.append(await _turns(bench, [*ours, *able[stream.name]], title, paced, {}, result))
    return [row for figure in made for row in figure]


async def _turns(
    bench: Bench,
    subjects: list[Subject],
    title: str,
    take: Take,
    notes: dict[str, str],
    result: report.Result,
) -> list[report.Row]:
    say(f"measuring {title}, beside others ...")
    taken = await measure.take_turns(subjects, bench.plan.rounds, take)
    result.windows[f"peers: {title}"] = [window for windows in taken.values() for window in windows]
    nginx, *others = (subject.name for subject in subjects)
    made = []
    for name in others:
        row = report.cpu_row(f"{title}: {name}", taken, (name, nginx), None)
        rate = sum(window.per_second for window in taken[name]) / len(taken[name])
        told = notes.get(name, f"{rate:,.0f}/s")
        made.append(replace(row, note="; ".join(part for part in (row.note, told) if part)))
    return sorted(made, key=lambda row: row.ratio or 0)


def _idle(subjects: list[Subject]) -> list[report.Row]:
    time.sleep(SETTLED_SECONDS)
    sizes = {
        subject.name: sum(pss_bytes(pid) for root in subject.pids for pid in tree(root)) / 1e6
        for subject in subjects
    }
    nginx, *others = sizes
    made = [report.Row(f"memory, idle, PSS: {name}", "MB", sizes[name], sizes[nginx]) for name in others]
    return sorted(made, key=lambda row: row.value)
