"""`make test`: pytest, and a few tests that failed beside others once more, each by itself. What passes then is told by name:
whether it passes depends on what else runs, so either it or what it tests has a fault that nobody has found yet.

Not here: what is tried again in a test (no test is), and what kind of failure it was.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

MOST = 3
"""Failures that may come of a crowded machine, among 21,000 tests; more than that have one reason."""
TIMES = 2
"""In a row, without one failure."""


class Failures:
    """A plugin that keeps the names of what failed. unfit: a file could not be read."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.unfit = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.unfit = self.unfit or report.failed


def passes_alone(name: str) -> bool:
    """Time after time, with no other test beside it."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", name]
    return all(subprocess.run(command, check=False).returncode == 0 for _ in range(TIMES))


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where all passed, or the few that did not passed alone."""
    failures = Failures()
    code = int(pytest.main([*arguments], plugins=[failures]))
    few = 0 < len(failures.names) <= MOST
    if code != pytest.ExitCode.TESTS_FAILED or failures.unfit or not few:
        return code
    print(f"\n{len(failures.names)} failed beside others; {TIMES} times more, alone:", flush=True)
    if not all([passes_alone(name) for name in failures.names]):
        return code
    print("\nFAILED BESIDE OTHERS, PASSED ALONE (file an issue, with what is printed above):")
    for name in failures.names:
        print(f"  {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
