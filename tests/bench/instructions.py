"""The instruction guard: what a request and an event cost in instructions, counted by callgrind.

A count is the same whatever else the machine does, so a rise is the code's. `instructions.json` holds the
figures of main for each Python that was measured; `test_instructions.py` compares.
`python -m tests.bench.instructions [CASE...]` prints the table; `--update` writes the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pointsman import native

from . import tools
from .cases import Case, all_cases
from .machine import ROOT, BenchError, own_environment

FIGURES = Path(__file__).with_name("instructions.json")
ALLOWED = 1.03
"""A rise above this over the committed figure fails."""
UPDATE = 'make bench ARGS="--instructions --update"'
_NAMED = re.compile(r"^desc: Trigger: Client Request: (\S+)$", re.MULTILINE)
_TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


C_FILE = "the C file"
"""What runs where no module of Python is compiled (POINTSMAN_PURE=python)."""


def running(how: str = "") -> str:
    """What runs here: figures of another Python, or of a compiled build, are other figures. how: C_FILE instead."""
    how = how or native.how()[0]
    if how == "partly compiled":
        only_c = native.runs() == ("wire._scan",)
        how = C_FILE if only_c else f"{len(native.runs())} of {len(native.MODULES)} modules compiled"
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    build = "optimised" if "--enable-optimizations" in arguments else platform.python_compiler()
    return f"{platform.python_version()} ({build}), {how}"


def _marks(folder: Path, compiler: str) -> Path:
    library = folder / "marks.so"
    source = Path(__file__).with_name("callgrind_marks.c")
    done = subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"callgrind_marks.c cannot be built (valgrind's headers are needed):\n{done.stderr}")
    return library


def count(cases: list[Case], pure: str | None = None) -> dict[str, float]:
    """Instructions of one unit of each case. pure: a value of POINTSMAN_PURE, None for that of here. Raises BenchError where a tool is missing or a case fails."""
    found = tools.require("valgrind", "gcc")
    with tempfile.TemporaryDirectory(prefix="pm-instructions-") as name:
        folder = Path(name)
        # The same hashes, addresses and environment each time: what differs is then the code.
        environment = {key: own_environment().get(key, "") for key in ("HOME", "PATH")}
        environment |= {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        pure = os.environ.get(native.PURE) if pure is None else pure
        environment |= {native.PURE: pure} if pure else {}
        done = subprocess.run(
            [
                found["valgrind"],
                "--tool=callgrind",
                "--instr-atstart=no",
                f"--callgrind-out-file={folder / 'out'}",
                sys.executable,
                "-m",
                "tests.bench.in_process",
                str(_marks(folder, found["gcc"])),
                *(case.name for case in cases),
            ],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"the cases did not run ({done.returncode}):\n{done.stderr[-3000:]}")
        totals = dict(filter(None, map(_total, sorted(folder.glob("out*")))))
    return {case.name: totals[case.name] / case.count / case.units for case in cases}


def _total(path: Path) -> tuple[str, int] | None:
    text = path.read_text(errors="replace")
    named, total = _NAMED.search(text), _TOTAL.search(text)
    return (named[1], int(total[1])) if named and total else None


def committed() -> dict[str, dict[str, float]]:
    """By what runs, then by case: thousands of instructions."""
    figures: dict[str, dict[str, float]] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    return figures


def update(counted: dict[str, float]) -> None:
    figures = committed()
    kept = figures.get(running(), {}) | {name: round(value / 1000, 2) for name, value in counted.items()}
    known = [name for name in all_cases() if name in kept]
    figures[running()] = {name: kept[name] for name in known}
    FIGURES.write_text(json.dumps(dict(sorted(figures.items())), indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Row:
    """Thousands of instructions of one case, beside the committed figure (None: there is none)."""

    case: Case
    now: float
    before: float | None

    @property
    def rose(self) -> bool:
        return self.before is not None and self.now > self.before * ALLOWED

    def __str__(self) -> str:
        change = "" if self.before is None else f"{self.before:12,.2f} {self.now / self.before - 1:+8.1%}"
        return f"{self.case.name:15} {self.case.says:68} {self.now:12,.2f} {change}".rstrip()


def compare(counted: dict[str, float], what: str = "") -> list[Row]:
    """what: of running(); that of here where it is not said."""
    before, cases = committed().get(what or running(), {}), all_cases()
    return [Row(cases[name], value / 1000, before.get(name)) for name, value in counted.items()]


def main(arguments: list[str]) -> int:
    """Exit codes: 0 counted; 1 a figure rose (not with --update) or a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.instructions")
    parser.add_argument("cases", nargs="*", help="some of: " + ", ".join(all_cases()))
    parser.add_argument("--update", action="store_true", help=f"write them into {FIGURES.name}")
    wanted = parser.parse_args(arguments)
    known = all_cases()
    if unknown := set(wanted.cases) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    try:
        counted = count([known[name] for name in wanted.cases or known])
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    rows = compare(counted)
    print(f"thousand instructions, {running()}; committed and change, where there is one")
    for row in rows:
        print(row)
    if wanted.update:
        update(counted)
    return int(any(row.rose for row in rows) and not wanted.update)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
