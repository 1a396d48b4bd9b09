"""The report of shadows: its numbers are those that one counts by hand; what it advises, it can answer for."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import pytest

from pointsman.admin.control.shadow_report import FEWEST, RuleShadow, command, report, wilson
from pointsman.admin.store.shadows import ShadowStore
from pointsman.ledger.shadows import Comparison, NotAsked
from pointsman.link.messages import Shadowed
from pointsman.routing.specs import MappingSpec, TargetSpec

RULE = MappingSpec(
    3, "gpt-*", 0, (TargetSpec("openai"), TargetSpec("anthropic/x", "claude")), shadow="local/box:q"
)


def comparison(at: float = 1000.0, **more: Any) -> Comparison:
    return Comparison("req_1", at, 3, "gpt-5", "openai:gpt-5", "local/box:q", "openai_chat", False, **more)


def only(compared: list[Comparison], left: tuple[NotAsked, ...] = (), *rules: MappingSpec) -> RuleShadow:
    (one,) = report(compared, left, rules or (RULE,))
    return one


def test_the_numbers_are_those_of_a_hand_count() -> None:
    found = only(
        [
            comparison(1000, tools=True, arguments=True, tokens=10, local_tokens=20, total_ms=100, local_total_ms=300,
                       cost=4_000_000_000, local_cost=0, likeness=0.2, stop="end", local_stop="end"),
            comparison(2000, tools=True, arguments=False, tokens=30, local_tokens=40, total_ms=100, local_total_ms=50,
                       cost=1_000_000_000, local_cost=500_000_000, likeness=0.6, stop="end", local_stop="max_tokens"),
            comparison(3000, structured=True, refused=True, tokens=None, local_tokens=7, cost=None, local_cost=0),
            comparison(4000, structured=False, likeness=1.0, characters=5, local_characters=9),
            comparison(5000, failed="timeout", cost=9_000_000_000),
        ],
        (NotAsked(6000, 3, "gpt-5", "local/box:q", "busy", 2), NotAsked(7000, 3, "gpt-5", "local/box:q", "busy", 1)),
    )  # fmt: skip
    assert (found.answers, found.failed, found.not_asked) == (4, {"timeout": 1}, {"busy": 3})
    assert (found.asked.count, found.asked.of, found.asked.share) == (4, 5, 0.8)
    shares = [(one.count, one.of) for one in (found.tools, found.arguments, found.structured, found.verdict)]
    assert shares == [(2, 2), (1, 2), (1, 2), (2, 4)]
    assert [(one.count, one.of) for one in (found.refusals, found.stops)] == [(3, 4), (3, 4)]
    assert (found.likeness, found.likeness_low) == (0.6, pytest.approx(0.4))
    assert (found.tokens.of, found.tokens.cloud, found.tokens.local) == (2, 20, 30)
    assert (found.total_ms.of, found.total_ms.cloud, found.total_ms.local) == (2, 100, 175)
    assert found.slower == 1.75
    assert (found.cost, found.saved, found.priced) == (5.0, 4.5, 2)
    assert (found.first.timestamp(), found.last.timestamp()) == (1000, 7000)
    assert found.clouds == {"openai:gpt-5": 5}
    assert (found.fit, found.command) == (None, None)
    assert "4 answers" in found.why


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(10, 10, 0.722, 1.0), (9, 10, 0.596, 0.982), (0, 30, 0.0, 0.114), (50, 100, 0.404, 0.596)]
)  # fmt: skip
def test_wilson_by_the_book(count: int, of: int, low: float, high: float) -> None:
    found = wilson(count, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_nothing_is_a_share_of_nothing() -> None:
    assert wilson(0, 0).share is None


GOOD = [comparison(arguments=True, tools=True)] * FEWEST


@pytest.mark.parametrize(
    ("compared", "fit"),
    [
        (GOOD, True),
        (GOOD[1:], None),
        ([*GOOD, *[comparison(arguments=False, tools=False)] * 8], False),
        ([*GOOD, *[comparison(failed="timeout")] * 8], False),
        ([*GOOD, *[comparison(arguments=True, tools=True, local_refused=True)] * 8], False),
        ([comparison(likeness=0.7)] * FEWEST, True),
        ([comparison(likeness=0.3)] * FEWEST, None),
        ([*[comparison(likeness=0.9)] * FEWEST, comparison(structured=True)], None),
    ],
)
def test_what_is_advised_surely_holds(compared: list[Comparison], fit: bool | None) -> None:
    found = only(compared)
    assert found.fit is fit
    assert (found.command is not None) is (fit is True)
    assert found.why


def test_of_a_rule_that_is_gone_nothing_is_advised() -> None:
    (found,) = report(GOOD, (), ())
    assert (found.model_pattern, found.command) == (None, None)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (RULE, "--to local/box --model q --fallback openai --fallback anthropic/x=claude --no-shadow"),
        (
            MappingSpec(
                3, "m", 0, (TargetSpec("openai"), TargetSpec("local/box", "q")), spread=True, weights=(1, 2)
            ),
            "--to local/box --model q --fallback openai --no-spread --no-weights --no-shadow",
        ),
    ],
)
def test_the_rule_that_would_use_it_asks_those_before_when_it_fails(rule: MappingSpec, wanted: str) -> None:
    assert command(rule, "local/box:q") == f"pointsman mapping update 3 {wanted}"
    assert shlex.split(command(rule, "local/box"))[6:8] == ["--model", ""]


def test_what_is_told_is_kept_and_goes_with_its_time(tmp_path: Path) -> None:
    store = ShadowStore(tmp_path)
    assert store.compared() == []
    assert not list(tmp_path.iterdir()), "who has no shadows has no file"
    some = (comparison(7200.0, tools=True, likeness=0.5), comparison(10_800.0, failed="connect"))
    left = tuple(NotAsked(at, 3, "gpt-5", "local/box:q", "busy", 2) for at in (7200.0, 7300.0, 10_800.0))
    store.add(Shadowed(some, left))
    assert store.compared() == list(some)
    assert [(one.at, one.count) for one in store.not_asked()] == [(7200.0, 4), (10_800.0, 2)]
    assert store.compared(since=8000.0) == [some[1]]
    assert store.compared(model="other") == []
    store.delete_before(10_800.0)
    assert store.compared() == [some[1]]
    assert len(store.not_asked()) == 1
    store.delete_before(-math.inf)
    store.keep_only([3])
    assert len(store.compared()) == 1
    store.add(Shadowed((comparison(20_000.0),)))
    store.keep_only([4])
    assert (store.compared(), store.not_asked()) == ([], [])
    store.add(Shadowed((some[1],), left[2:]))
    store.clear(4)
    assert len(store.compared()) == 1
    store.clear(3)
    assert (store.compared(), store.not_asked()) == ([], [])
    store.close()


def test_the_oldest_go_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.admin.store.shadows.MOST", 3)
    store = ShadowStore(tmp_path)
    for at in range(5):
        store.add(Shadowed((comparison(float(at)),)))
    assert [one.at for one in store.compared()] == [2.0, 3.0, 4.0]
    store.close()
