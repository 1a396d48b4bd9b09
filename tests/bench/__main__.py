"""`python -m tests.bench`: start everything, measure, print the table.

Exit codes: 0 measured; 1 something did not work or answered wrongly (or, with --strict, is over its budget);
2 something is missing. A slow figure alone fails nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import uvloop

from pointsman import interpreter, native

from . import (
    engines,
    instructions,
    machine,
    measure,
    page,
    parts,
    readback,
    report,
    servers,
    tools,
    usage_million,
)
from .machine import BenchError, say
from .measure import Bench
from .servers import Subject

PARTS = (*parts.PARTS, "start")


@dataclass(frozen=True, slots=True)
class Options:
    quick: bool
    strict: bool
    only: tuple[str, ...]
    subject: str
    json: Path | None
    commit: bool
    open_seconds: float | None


def options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter and fewer windows: coarser figures")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a figure is over its budget")
    usual = ",".join(part for part in PARTS if part != "peers")
    parser.add_argument("--only", default=usual, help=f"some of {','.join(PARTS)}, with commas")
    parser.add_argument("--json", type=Path, help="write every window's figures to this file")
    parser.add_argument(
        "--subject",
        choices=("pointsman", "nginx"),
        default="pointsman",
        help="nginx: measure a second nginx instead; its ratios show what this machine's noise is worth",
    )
    parser.add_argument("--commit", action="store_true", help="write docs/performance.md and result.json")
    parser.add_argument(
        "--open-seconds", type=float, metavar="N", help="length of the open loop's windows (part `open`)"
    )
    parser.add_argument(
        "--peers", action="store_true", help="also build and measure other gateways (part `peers`)"
    )
    found = parser.parse_args(arguments)
    only = tuple(found.only.split(",")) + (("peers",) if found.peers else ())
    if unknown := set(only) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}")
    if found.commit and found.only != usual:
        parser.error("--commit wants every part: the page is written from one run")
    return Options(
        found.quick, found.strict, only, found.subject, found.json, found.commit, found.open_seconds
    )


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
    if wanted.open_seconds:
        plan = replace(plan, open_seconds=wanted.open_seconds)
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
        uvloop.run(parts.Run(bench, result, (mock, nginx, subject)).all(wanted.only))
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
    if result.delays:
        print(f"\n{report.delay_table(result.delays)}\n")
    if result.peers or result.lost:
        print(f"\n{report.table(result.peers, 'this one')}\n")
        print(
            "\n".join(f"could not be measured here: {name}: {why}" for name, why in result.lost.items()), "\n"
        )
    strangers = result.strangers()
    warning = " Too much: compare ratios only." if strangers > measure.DISTURBED else ""
    print(f"Other programs used up to {strangers:.0%} of the machine during a window.{warning}")


def main(arguments: list[str]) -> int:
    if "--instructions" in arguments:
        return instructions.main([word for word in arguments if word != "--instructions"])
    if "--usage" in arguments:
        return usage_million.main([word for word in arguments if word != "--usage"])
    if "--engines" in arguments:
        return engines.main([word for word in arguments if word != "--engines"])
    wanted = options(arguments)
    try:
        if not machine.PROC.joinpath("self/stat").exists():
            raise BenchError("CPU time is read from /proc: run this on Linux (a container will do).")
        found = tools.require("nginx", "wrk")
    except BenchError as error:
        say(str(error))
        return 2
    facts = machine.describe() | {"python": interpreter.about(), "pointsman": native.how()[0]}
    facts |= {"commit": commit(), "nginx": tools.version(found["nginx"])}
    result = report.Result(facts, {"only": wanted.only, "subject": wanted.subject})
    machine.raise_file_limit()
    os.sched_setaffinity(0, machine.cores()[1])
    failed, began = "", time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pm-bench-") as folder:
        try:
            measure_all(wanted, found, Path(folder), result)
        except BenchError as error:
            failed = str(error)
    result.settings["seconds"] = round(time.monotonic() - began)
    if result.rows or result.delays or result.peers:
        show(result, wanted.subject)
    if wanted.json:
        result.save(wanted.json)
    for change in page.changes(result.rows, page.last()):
        say(f"since the committed run: {change}")
    if failed:
        say(f"stopped: {failed}")
    over = any(row.verdict == "over" for row in result.rows)
    # What another gateway does wrongly is told with its figure.
    errors = [row.errors for row in result.rows] + [row.errors for row in result.delays]
    wrong = bool(failed) or any(errors)
    if wanted.commit and not wrong:
        page.write(result)
    elif wanted.commit:
        say("not committed: a run with errors is none")
    return 1 if wrong or (wanted.strict and over) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
