"""The instruction guard: no row costs more than 3 % above the committed figure (tests/bench/README.md#the-guard)."""

from __future__ import annotations

import sys

import pytest

from . import instructions, tools
from .cases import all_cases


def row(now: float, before: float | None) -> instructions.Row:
    return instructions.Row(all_cases()["chat_small"], now, before)


def test_a_rise_above_three_percent_is_named() -> None:
    assert row(103.1, 100).rose
    assert "chat_small" in str(row(103.1, 100))
    assert "+3.1%" in str(row(103.1, 100))
    assert not row(102.9, 100).rose
    assert not row(50, 100).rose
    assert not row(50, None).rose


def test_every_committed_figure_is_of_a_case() -> None:
    figures = instructions.committed()
    assert figures
    for rows in figures.values():
        assert list(rows) == [name for name in all_cases() if name in rows]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_case_costs_more_than_was_committed() -> None:
    if not sys.platform.startswith("linux") or not all(map(tools.find, ("valgrind", "gcc"))):
        pytest.skip("NOT GUARDED: instructions are counted with valgrind and gcc, which are not here")
    what = instructions.running()
    before = instructions.committed().get(what)
    if before is None:
        pytest.skip(f"NOT GUARDED: no figures of {what}; `{instructions.UPDATE}` writes them")
    rows = instructions.compare(instructions.count(list(all_cases().values())))
    rose = [f"{one.case.name} ({one.case.says})" for one in rows if one.rose or one.before is None]
    table = "\n".join(map(str, rows))
    assert not rose, (
        f"more instructions than committed for {what}: {', '.join(rose)}\n{table}\n"
        f"Where it is worth it, `{instructions.UPDATE}` writes the new figures."
    )
