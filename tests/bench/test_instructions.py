"""The instruction guard: no row costs more than 3 % above the committed figure (tests/bench/README.md#the-guard)."""

from __future__ import annotations

import sys

import pytest

from pointsman import native

from . import instructions, tools
from .cases import Case, all_cases


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
    what = instructions.running()
    _holds(what, _wanted(what, list(all_cases())))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nor_where_the_c_file_alone_is_compiled() -> None:
    """Of the plain request's rows, which it is for."""
    if native.how()[0] != "compiled":
        pytest.skip(
            "counted where all is compiled: elsewhere it is what the test before counts, or the C file is not there"
        )
    what = instructions.running(instructions.C_FILE)
    _holds(what, _wanted(what, list(instructions.committed().get(what, {}))), native.PYTHON)


def _wanted(what: str, names: list[str]) -> list[Case]:
    if not sys.platform.startswith("linux") or not all(map(tools.find, ("valgrind", "gcc"))):
        pytest.skip("NOT GUARDED: instructions are counted with valgrind and gcc, which are not here")
    if what not in instructions.committed():
        pytest.skip(f"NOT GUARDED: no figures of {what}; `{instructions.UPDATE}` writes them")
    cases = all_cases()
    return [cases[name] for name in names]


def _holds(what: str, cases: list[Case], pure: str | None = None) -> None:
    rows = instructions.compare(instructions.count(cases, pure), what)
    rose = [f"{one.case.name} ({one.case.says})" for one in rows if one.rose or one.before is None]
    table = "\n".join(map(str, rows))
    assert not rose, (
        f"more instructions than committed for {what}: {', '.join(rose)}\n{table}\n"
        f"Where it is worth it, `{instructions.UPDATE}` writes the new figures."
    )
