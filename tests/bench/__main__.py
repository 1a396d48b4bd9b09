"""`python -m tests.bench`: start everything, measure, print the table.

Exit codes: 0 measured; 1 something did not work or answered wrongly (or, with --strict, is over its budget);
2 something is missing. A slow figure alone fails nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from . import instructions, machine, measure, page, payloads, readback, report, servers, tools
from .load import quiet_garbage
from .machine import BenchError
from .measure import Bench
from .payloads import Workload
from .servers import Subject

PARTS = ("small", "large", "stream", "translated", "latency", "memory", "start")
SMALL_RATE, LARGE_RATE = 4000, 1000  # a second: a fraction of what nginx can do
PACE_MS, PACED_STREAMS, FAST_STREAMS = 20, 100, 16
_STAMP = re.compile(re.escape(payloads.STAMP) + rb"\d{20}")


@dataclass(frozen=True, slots=True)
class Options:
    quick: bool
    strict: bool
    only: tuple[str, ...]
    subject: str
    json: Path | None
    commit: bool


def options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about a minute, coarser figures")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a figure is over its budget")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}, with commas")
    parser.add_argument("--json", type=Path, help="write every window's figures to this file")
    parser.add_argument(
        "--subject",
        choices=("pointsman", "nginx"),
        default="pointsman",
        help="nginx: measure a second nginx instead; its ratios show what this machine's noise is worth",
    )
    parser.add_argument("--commit", action="store_true", help="write docs/performance.md and result.json")
    found = parser.parse_args(arguments)
    only = tuple(found.only.split(","))
    if unknown := set(only) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    return Options(found.quick, found.strict, only, found.subject, found.json, found.commit)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fetch(port: int, workload: Workload, key: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(servers.HOST, port, timeout=30)
    try:
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        connection.request("POST", workload.path, workload.bodies[0], headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def check_same(subject: Subject, mock: Subject, workload: Workload, key: str) -> None:
    """A figure counts only if the subject gives the mock's own bytes."""
    direct = fetch(mock.port(workload), workload, key)
    through = fetch(subject.port(workload), workload, key)
    first, second = (_STAMP.sub(b"", body) for body in (direct[1], through[1]))
    if through[0] != 200 or first != second:
        raise BenchError(
            f"{subject.name} does not pass `{workload.name}` on as it is: "
            f"status {through[0]}, {through[1][:500]!r}"
        )
    if subject.name == "pointsman" and "x-pointsman-target" not in through[2]:
        raise BenchError(f"the answer to `{workload.name}` carries no x-pointsman-target: {through[2]}")


class Run:
    """One whole run: subjects are up, parts are measured one by one."""

    def __init__(
        self, bench: Bench, result: report.Result, subjects: tuple[Subject, Subject, Subject]
    ) -> None:
        self.bench, self.result = bench, result
        self.mock, self.nginx, self.subject = subjects
        self.names = (self.subject.name, self.nginx.name)

    async def parts(self, only: tuple[str, ...]) -> None:
        quiet_garbage()
        for part, work in (
            ("small", self.small),
            ("large", self.large),
            ("stream", self.stream),
            ("translated", self.translated),
            ("latency", self.latency),
            ("memory", self.memory),
        ):
            if part in only:
                say(f"measuring {part} ...")
                await work()

    async def _turns(self, name: str, take: measure.Take) -> dict[str, list[measure.Window]]:
        taken = await measure.take_turns([self.nginx, self.subject], self.bench.plan.rounds, take)
        self.result.windows[name] = [window for windows in taken.values() for window in windows]
        return taken

    async def _plain(self, title: str, workload: Workload, rate: int, budget: float) -> None:
        for subject in (self.nginx, self.subject):
            check_same(subject, self.mock, workload, self.bench.key)
        name, bench = workload.name, self.bench
        taken = await self._turns(f"{name} steady", lambda subject: bench.steady(subject, workload, rate))
        rows = [report.cpu_row(f"{title}, {rate:,}/s", taken, self.names, budget)]
        direct = await bench.ceiling(self.mock, workload)
        await bench.ceiling(self.subject, workload)  # warm: pools at this many connections
        full = await self._turns(f"{name} full", lambda subject: bench.ceiling(subject, workload))
        self.result.windows[f"{name} full, direct"] = [direct]
        rows.append(report.cpu_row(f"{title}, core full", full, self.names, budget))
        rows.append(report.rate_row(f"{title}, core full", full, self.names, direct))
        self.result.rows += rows

    async def small(self) -> None:
        await self._plain("small, 3 headers and a key", payloads.small(), SMALL_RATE, 1.65)
        await self._plain("small, 13 + 22 headers, key", payloads.real(), SMALL_RATE, 1.3)

    async def large(self) -> None:
        for spaced in (False, True):
            workload = payloads.long_chat(spaced=spaced)
            await self._plain(f"100 KB, {workload.name}", workload, LARGE_RATE, 1.8)
        await self._plain("100 KB, agent, Messages", payloads.large(), LARGE_RATE, 2.0)

    async def stream(self) -> None:
        paced, fast = payloads.stream(PACE_MS), payloads.stream(0)
        for subject in (self.nginx, self.subject):
            check_same(subject, self.mock, fast, self.bench.key)
        bench, names = self.bench, self.names
        taken = await self._turns("paced", lambda subject: bench.streams(subject, paced, PACED_STREAMS))
        title = f"streamed event, {PACED_STREAMS} streams, {PACE_MS} ms"
        self.result.rows.append(report.cpu_row(title, taken, names, 1.2))
        direct = await bench.streams(self.mock, fast, FAST_STREAMS)
        self.result.windows["unpaced, direct"] = [direct]
        taken = await self._turns("unpaced", lambda subject: bench.streams(subject, fast, FAST_STREAMS))
        title = f"streamed event, {FAST_STREAMS} streams, unpaced"
        self.result.rows.append(report.cpu_row(title, taken, names, 1.2))
        self.result.rows.append(report.rate_row(title, taken, names, direct))

    async def translated(self) -> None:
        """A Messages client of a backend that speaks Chat."""
        bench = self.bench
        whole, paced, fast = (payloads.translated(pace) for pace in (None, PACE_MS, 0))
        status, body, headers = fetch(self.subject.port(whole), whole, self.bench.key)
        if status != 200 or b'"type":"message"' not in body or "x-pointsman-target" not in headers:
            raise BenchError(f"the translated request was answered {status}: {body[:300]!r}")
        rounds = range(bench.plan.rounds)
        steady = [await bench.steady(self.subject, whole, SMALL_RATE) for _ in rounds]
        paced_windows = [await bench.streams(self.subject, paced, PACED_STREAMS) for _ in rounds]
        fast_windows = [await bench.streams(self.subject, fast, FAST_STREAMS) for _ in rounds]
        self.result.windows |= {
            "translated": steady,
            "translated paced": paced_windows,
            "translated fast": fast_windows,
        }
        self.result.rows += [
            report.own_row(f"translated small request, {SMALL_RATE:,}/s", steady, 90),
            report.own_row(f"translated event, {PACED_STREAMS} streams, {PACE_MS} ms", paced_windows, 25),
            report.own_row(f"translated event, {FAST_STREAMS} streams, unpaced", fast_windows, 25),
        ]

    async def latency(self) -> None:
        subjects = [self.mock, self.nginx, self.subject]
        blocks = self.bench.latencies(subjects, payloads.small())
        self.result.rows += report.latency_rows("added latency, one small request", blocks, self.names)
        one = payloads.stream(2)
        taken = await measure.take_turns(subjects, 1, lambda subject: self.bench.streams(subject, one, 1))
        self.result.windows["event delay"] = [window for windows in taken.values() for window in windows]
        self.result.rows += report.delay_rows("added delay of an event, one stream", taken, self.names)

    async def memory(self) -> None:
        for number, count in enumerate(self.bench.plan.open_streams):
            mine = await self.bench.memory(self.subject, count)
            theirs = await self.bench.memory(self.nginx, count)
            rows = report.memory_rows(mine, theirs, count)
            if number:  # what is idle was told before any stream
                self.result.rows += rows[2:]
            else:
                self.result.processes = mine.idle
                self.result.rows += rows


def starts(folder: Path, repeats: int) -> list[report.Row]:
    """From `pointsman serve` to the practice model's answer: an empty folder, then the same folder again."""
    say("measuring start ...")
    first: list[float] = []
    later: list[float] = []
    for number in range(repeats):
        data_dir = folder / f"start-{number}"
        for taken in (first, later):
            gateway, seconds = servers.start_gateway(data_dir, folder / "start.log", model="practice")
            taken.append(seconds)
            for running in gateway.running:
                running.stop()
    help_times = servers.command_seconds(servers.pointsman("--help"), repeats * 2 + 1)
    return [
        report.time_row("start to first answer, empty data folder", first, 1500),
        report.time_row("start to first answer, again", later, 1500),
        report.time_row("pointsman --help", help_times, 200),
    ]


def commit() -> str:
    command = ["git", "-C", str(machine.ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def measure_all(wanted: Options, found: dict[str, str], folder: Path, result: report.Result) -> None:
    plan = measure.QUICK if wanted.quick else measure.Plan()
    result.settings["plan"] = asdict(plan)
    with contextlib.ExitStack() as stack:

        def keep(subject: Subject) -> Subject:
            for running in subject.running:
                stack.callback(running.stop)
            return subject

        if "start" in wanted.only and wanted.subject == "pointsman":
            result.rows += starts(folder, plan.starts)
        if not set(wanted.only) - {"start"}:
            return
        key = "none"
        mock = keep(servers.start_mock(found["nginx"], folder))
        nginx = keep(servers.start_nginx(found["nginx"], folder, mock))
        if wanted.subject == "nginx":
            subject = keep(servers.start_nginx(found["nginx"], folder, mock, "second nginx"))
        else:
            key = servers.set_up_gateway(folder / "data", mock)
            log = folder / "gateway.log"
            subject = keep(servers.start_gateway(folder / "data", log, model="bench-small", key=key)[0])
        time.sleep(1)  # imports and first flushes must not fall into a window
        bench = Bench(plan, mock.pids, found["wrk"], folder, key)
        uvloop.run(Run(bench, result, (mock, nginx, subject)).parts(wanted.only))
        if wanted.subject == "pointsman":
            token = (folder / "data" / "admin-token").read_text().strip()
            result.settings["read_back"] = readback.check(subject, key, token, plan.samples)
            say(str(result.settings["read_back"]))
        for running in subject.running:
            if not running.alive():
                raise BenchError(f"{running.name} ended during the run:\n{running.log_tail()}")


def show(result: report.Result, subject: str) -> None:
    about = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    print(f"{about}\n\n{report.table(result.rows, subject)}\n")
    print(
        "CPU us: user + system time of all the subject's processes for one answer or event. Pointsman (data"
    )
    print("plane, control plane, supervisor) routes, meters and stores usage records; nginx only forwards.")
    strangers = result.strangers()
    warning = " Too much: compare ratios only." if strangers > measure.DISTURBED else ""
    print(f"Other programs used up to {strangers:.0%} of the machine during a window.{warning}")


def main(arguments: list[str]) -> int:
    if "--instructions" in arguments:
        return instructions.main([word for word in arguments if word != "--instructions"])
    wanted = options(arguments)
    try:
        if not machine.PROC.joinpath("self/stat").exists():
            raise BenchError("CPU time is read from /proc: run this on Linux (a container will do).")
        found = tools.require("nginx", "wrk")
    except BenchError as error:
        say(str(error))
        return 2
    facts = machine.describe() | {"nginx": tools.version(found["nginx"]), "commit": commit()}
    result = report.Result(facts, {"only": wanted.only, "subject": wanted.subject})
    machine.raise_file_limit()
    os.sched_setaffinity(0, machine.cores()[1])
    failed = ""
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as folder:
        try:
            measure_all(wanted, found, Path(folder), result)
        except BenchError as error:
            failed = str(error)
    if result.rows:
        show(result, wanted.subject)
    if wanted.json:
        result.save(wanted.json)
    for change in page.changes(result.rows, page.last()):
        say(f"since the committed run: {change}")
    if wanted.commit and not failed:
        page.write(result)
    if failed:
        say(f"stopped: {failed}")
    over = any(row.verdict == "over" for row in result.rows)
    return 1 if failed or any(row.errors for row in result.rows) or (wanted.strict and over) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
