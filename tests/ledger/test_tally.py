"""What usage records come to as metrics."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pointsman.ledger.counters import Counters
from pointsman.ledger.metrics import exposition
from pointsman.ledger.records import UsageRecord
from pointsman.ledger.tally import Tally
from pointsman.routing.labels import Labels
from pointsman.routing.specs import MappingSpec, TargetSpec

from .exposition import Family, parse

RECORD = UsageRecord(
    "r",
    0.0,
    "openai_chat",
    "/v1",
    "m",
    "openai:m",
    1,
    None,
    200,
    "ok",
    False,
    total_ms=2000.0,
    mapping_id=1,
    request="r",
)
RULES = (MappingSpec(1, "m*", 0, (TargetSpec("openai", "m"), TargetSpec("local/box"))),)


def told(*changes: dict[str, Any]) -> dict[str, Family]:
    """Of records with these fields, as text and read again."""
    counters, labels = Counters(), Labels()
    labels.follow(RULES)
    Tally(counters, labels).take(msgspec.structs.replace(RECORD, **change) for change in changes)
    return parse(exposition(counters.samples(), counters.spreads()).decode())


def of(families: dict[str, Family], name: str) -> dict[tuple[str, ...], float]:
    """Label values, by the names of the labels, -> value."""
    family = families.get(f"pointsman_{name}", Family())
    return {tuple(value for _, value in labels): number for labels, number in family.samples.items()}


@pytest.mark.parametrize(
    ("reported", "counted"),
    [
        ({"cached_tokens": 3}, {}),
        ({"input_tokens": 4, "cached_tokens": 3}, {"input": 4, "cached": 3}),
        ({"output_tokens": 0}, {"output": 0}),
        ({"output_tokens": 7, "reasoning_tokens": 2}, {"output": 7, "reasoning": 2}),
        ({}, {}),
    ],
)
def test_tokens_are_counted_as_reported_and_unknown_is_not_0(
    reported: dict[str, Any], counted: dict[str, int]
) -> None:
    assert of(told(reported), "tokens_total") == {("openai", kind): count for kind, count in counted.items()}


def test_a_request_is_counted_once_with_its_rule_target_and_status() -> None:
    found = told({}, {}, {"status": 503}, {"status": 499, "target": None, "mapping_id": None, "protocol": ""})
    assert of(found, "requests_total") == {
        ("openai_chat", "m*", "2xx", "openai:m"): 2,
        ("openai_chat", "m*", "5xx", "openai:m"): 1,
        ("none", "none", "gone", "none"): 1,
    }


def test_of_several_attempts_only_the_last_is_a_request_and_all_have_tokens() -> None:
    failed = {"id": "r/1", "target": "local/box:m", "outcome": "failed", "status": 500, "input_tokens": 5}
    found = told(failed, {"fallback": "upstream_error", "first_output_ms": 100.0, "input_tokens": 7})
    assert sum(of(found, "requests_total").values()) == 1
    assert of(found, "request_duration_seconds") == {("openai_chat", "openai:m"): 1}
    assert of(found, "tokens_total") == {("local/box", "input"): 5, ("openai", "input"): 7}
    assert of(found, "rescued_total") == {("openai:m",): 1}


@pytest.mark.parametrize(
    "change",
    [
        {"fallback": None},
        {"outcome": "interrupted"},
        {"status": 500},
        {"joined": True},
        {"first_output_ms": None},
    ],
)
def test_no_rescue_is_what_first_answered_failed_or_was_joined(change: dict[str, Any]) -> None:
    assert of(told({"fallback": "connect", "first_output_ms": 9.0} | change), "rescued_total") == {}


def test_speed_is_of_streams_by_the_time_after_their_first_output() -> None:
    stream = {"stream": True, "first_output_ms": 1000.0, "output_tokens": 50}
    family = told(stream)["pointsman_output_tokens_per_second"]
    assert list(family.sums.values()) == [50.0]
    for change in (
        {"stream": False},
        {"output_tokens": None},
        {"total_ms": 1000.5},
        {"first_output_ms": None},
    ):
        assert "pointsman_output_tokens_per_second" not in told(stream | change)


def test_names_that_clients_made_up_make_no_series() -> None:
    """A rule for `m*` lets every such name through to a backend."""
    made_up = [{"target": f"local/box:m-{number}", "output_tokens": 1} for number in range(5000)]
    found = told(*made_up, {"target": "local/box:m"}, {"target": "openai:m", "mapping_id": 77})
    assert of(found, "requests_total") == {
        ("openai_chat", "m*", "2xx", "local/box:other"): 5000,
        ("openai_chat", "m*", "2xx", "local/box:m"): 1,
        ("openai_chat", "other", "2xx", "openai:m"): 1,
    }


def test_models_that_local_servers_list_have_names_up_to_a_bound() -> None:
    listed = [{"target": f"local/box:l-{number}", "mapping_id": None} for number in range(500)]
    found = of(told(*listed, *listed), "requests_total")
    assert found["openai_chat", "none", "2xx", "local/box:l-0"] == 2
    assert found["openai_chat", "none", "2xx", "local/box:other"] == 600
    assert len(found) == 201


def test_money_is_told_in_dollars_and_what_is_not_known_with_its_reason() -> None:
    local = {"target": "local/box:m", "cost": 0, "saved": 250_000_000}
    found = told({"cost": 1_500_000_001}, {"cost": 2}, {"flag": "no_price"}, {}, local, local)
    assert of(found, "cost_usd_total") == {("openai",): 1.500000003}
    assert of(found, "saved_usd_total") == {("local/box",): 0.5}
    assert of(found, "unpriced_total") == {("openai", "no_price"): 1}
