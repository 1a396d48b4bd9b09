"""A process whose event loop hangs: the real worker and the real control plane, whose main thread never comes back from
a signal's handler. The handler comes with a `sitecustomize` of this test's own on PYTHONPATH, not with the product."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway, wait_until

from .test_stopped import MODULES, answers

HANDLER = """
import signal, sys

def hang(number, frame):
    if {holding_all}:
        import ctypes
        ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock: no other thread runs either
    while True:
        pass

if "--beat-fd" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, hang)
"""


@pytest.mark.parametrize(
    ("name", "holding_all"),
    [("data plane 0", False), ("control plane", True)],
    ids=["an endless loop of the data plane", "a library call of the control plane that holds everything"],
)
def test_a_process_whose_loop_hangs_is_noticed_replaced_and_told(
    name: str, holding_all: bool, tmp_path: Path
) -> None:
    """Signs of life come from the event loop: a process that has a pid, but serves nobody, gives none."""
    (tmp_path / "sitecustomize.py").write_text(HANDLER.format(holding_all=holding_all))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with Gateway(tmp_path / "data", env={"PYTHONPATH": path}, expect_clean_log=False) as gateway:
        (pid,) = gateway.pids(MODULES[name])
        wait_until("it serves", lambda: answers(gateway), 10)
        time.sleep(1.0)
        os.kill(pid, signal.SIGUSR1)
        wait_until(
            "it is in the log", lambda: f"the {name} (pid {pid}) is stopped or hangs" in gateway.read_log(), 6
        )
        wait_until("another one is there", lambda: gateway.pids(MODULES[name]) not in ([], [pid]), 10)
        wait_until("changes are taken", lambda: gateway.api_answer("GET", "/api/status").status == 200, 15)
        assert answers(gateway)
        ready = gateway.fetch("GET", "/readyz").json()
        assert any(f"The {name} did not answer and was replaced" in one for one in ready["problems"])
