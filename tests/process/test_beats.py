"""Whose silence is a fault: real pipes; what the system would say of a process is given by the test."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from pointsman.process.beats import SILENT_SECONDS, START_SECONDS, STARVED_SECONDS, Pulse, beat
from pointsman.process.starved import CpuTimes, cpu_times

WITHIN = 5.0
"""What docs/outages.md says of one that hangs."""


@contextmanager
def heard_once(ran: float, waited: float, *, told: bool = True) -> Iterator[Pulse]:
    """Of a process that was heard at 0 and, of each second since, ran and waited for a CPU for so long."""
    now = [0.0]

    def times(pid: int) -> CpuTimes | None:
        return CpuTimes(7.0 + ran * now[0], 9.0 + waited * now[0]) if told else None

    class Clocked(Pulse):
        """Whoever looks sets the clock of what the system says."""

        def listen(self, at: float, pid: int) -> None:
            now[0] = at
            super().listen(at, pid)

    with closing(Clocked(times)) as pulse:
        pulse.begin(0.0)
        beat(pulse.write)
        pulse.listen(0.0, 1)
        yield pulse


def replaced_at(pulse: Pulse) -> float:
    """Looked at each second, as the supervisor does."""
    at = 0.0
    while at < 100.0:
        at += 1.0
        pulse.listen(at, 1)
        if pulse.silent(at, 1):
            return at
    return at


def test_a_control_plane_that_a_crowded_machine_lets_wait_is_not_taken_for_hung() -> None:
    """Commands met `The control plane is restarting` at a load of 29, and its next start was starved as well."""
    with heard_once(ran=0.02, waited=0.97) as pulse:
        for at in range(1, 20):
            pulse.listen(float(at), 1)
            assert not pulse.silent(float(at), 1)
        beat(pulse.write)
        pulse.listen(20.0, 1)
        assert not pulse.silent(23.0, 1), "its silence begins anew"


@pytest.mark.parametrize(
    ("ran", "waited", "told"),
    [(0.0, 0.0, True), (1.0, 0.0, True), (0.6, 0.4, True), (0.0, 0.3, True), (0.0, 0.0, False)],
    ids=["stopped", "an endless loop", "one that gets a CPU", "blocked", "a system that tells nothing"],
)
def test_one_that_hangs_is_seen_as_soon_as_is_promised(ran: float, waited: float, told: bool) -> None:
    with heard_once(ran, waited, told=told) as pulse:
        assert SILENT_SECONDS < replaced_at(pulse) <= WITHIN


def test_an_endless_loop_that_must_wait_for_each_turn_is_seen_by_what_it_ran() -> None:
    with heard_once(ran=0.2, waited=0.8) as pulse:
        assert replaced_at(pulse) == pytest.approx(6.0, abs=1.0)


def test_no_silence_is_excused_for_ever() -> None:
    with heard_once(ran=0.0, waited=1.0) as pulse:
        at = replaced_at(pulse)
        assert STARVED_SECONDS < at <= STARVED_SECONDS + 1.0
        assert pulse.silence(at, 1) == f"silent for {at:.1f} s, ran 0.0 s, waited {at - 1.0:.1f} s for a CPU"


def test_one_that_was_never_heard_has_longer() -> None:
    with closing(Pulse(lambda pid: None)) as pulse:
        pulse.begin(0.0)
        pulse.listen(1.0, 1)
        assert not pulse.silent(START_SECONDS, 1)
        assert pulse.silent(START_SECONDS + 1.0, 1)


def test_what_the_process_before_wrote_is_no_sign_of_the_next() -> None:
    with closing(Pulse(lambda pid: None)) as pulse:
        beat(pulse.write)
        pulse.begin(10.0)
        pulse.listen(11.0, 1)
        assert not pulse.silent(11.0 + SILENT_SECONDS, 1), "it is still starting"


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="this system does not tell")
def test_the_system_counts_what_a_process_ran() -> None:
    before = cpu_times(os.getpid())
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    after = cpu_times(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.09 < after.ran - before.ran < 5.0
    assert after.waited >= 0.0
    assert cpu_times(2**22 + 1) is None
