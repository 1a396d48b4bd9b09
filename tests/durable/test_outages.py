"""The rehearsals with small numbers: no request fails, nothing acknowledged is lost, it comes back by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import rehearse
from .rehearse import Rehearsal


def kept(seen: Rehearsal) -> None:
    if seen.ok is None:
        pytest.skip(seen.done)
    assert seen.ok, f"{seen.done}: {seen.seen}"


@pytest.mark.parametrize(
    "trouble",
    [rehearse.locked, rehearse.gone, rehearse.damaged, rehearse.full, rehearse.read_only],
    ids=lambda trouble: trouble.__name__,
)
def test_a_database_in_trouble_costs_no_request(trouble: Callable[[float], Rehearsal]) -> None:
    kept(trouble(1.5))


def test_sigterm_under_load_loses_nothing() -> None:
    kept(rehearse.r8(streams=6, drain_seconds=2.0))


def test_kill_9_in_turns_loses_no_rule_and_no_second_of_usage() -> None:
    kept(rehearse.r9(rounds=5))


def test_changes_under_load_are_seen_whole() -> None:
    kept(rehearse.r11(requests=1000, changes=20))


def test_a_clock_that_jumps_moves_nothing() -> None:
    kept(rehearse.r12())
