"""Budgets are exact after a `kill -9`, up to what the usage log may lose."""

from __future__ import annotations

import pytest

from .budgets import rehearse


@pytest.mark.parametrize("options", [(), ("--workers", "3")], ids=["alone", "three workers"])
def test_a_budget_holds_after_kill_9_what_the_log_holds_and_never_more_than_its_limit(
    options: tuple[str, ...],
) -> None:
    found = rehearse(2, 7, *options)
    assert not found.failures
    assert found.answers
    assert found.refused
