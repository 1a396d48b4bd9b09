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


def test_a_lost_row_is_forgiven_by_the_end_of_its_own_process_alone() -> None:
    """The clock of who asks may be late, the row's age is not made less by that of another process's end."""
    one, two = "req_aaaaaaaaaa", "req_bbbbbbbbbb"
    asked = {f"{one}1": 9.9, f"{one}2": 12.0, f"{one}3": 20.0, f"{two}1": 10.0, f"{two}2": 30.0}
    answered = {name: at + 0.01 for name, at in asked.items()} | {f"{one}3": 20.5}
    kills = [(10.5, 10.6), (20.1, 20.2)]  # of two others, of the one; who asked it last looked late
    found = rehearse.lost_before(asked, asked, answered, kills)
    assert found[f"{one}3"] == 0.0
    assert found[f"{one}2"] == pytest.approx(8.09)
    assert found[f"{one}1"] == pytest.approx(10.19), "and not 0.59 s before the other's end"
    assert found[f"{two}1"] is None, "it was asked again after both"
