"""ledger.metrics: the declaration of every metric, its samples, and the text of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.ledger import metrics
from pointsman.ledger.metrics import (
    ATTEMPTS,
    BREAKER_OPEN,
    INFLIGHT,
    METRICS,
    REQUESTS,
    Kind,
    Metric,
    add,
    exposition,
    is_counter,
)

from .exposition import parse, problems_of


def test_every_metric_of_the_module_is_in_the_list_and_named_as_prometheus_asks() -> None:
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert declared == list(METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    text = exposition({metric.sample(*("x" for _ in metric.labels)): 1.0 for metric in METRICS}).decode()
    assert problems_of(text) == []
    families = parse(text)
    assert {name: (family.kind, family.help) for name, family in families.items()} == {
        metric.name: (metric.kind.value, metric.help) for metric in METRICS
    }
    assert list(families) == [metric.name for metric in METRICS]


def test_metrics_are_prometheus_text() -> None:
    text = exposition({REQUESTS.sample("x", "2xx"): 3, INFLIGHT.sample(): 0, "other": 1.5}).decode()
    lines = text.splitlines()
    assert text.endswith("\n")
    assert 'pointsman_requests_total{protocol="x",status="2xx"} 3' in lines
    assert lines.index("# TYPE pointsman_inflight gauge") + 1 == lines.index("pointsman_inflight 0")
    assert "other 1.5" in lines
    assert exposition({}) == b""


def test_metrics_keep_large_counters_exact() -> None:
    assert exposition({"x": 123456789.0}).decode() == "x 123456789\n"
    assert exposition({"x": 123456789.5}).decode() == "x 123456789.5\n"
    assert exposition({"x": 1e16}).decode() == "x 1e+16\n"


def test_a_sample_needs_a_value_for_each_label() -> None:
    for values in ((), ("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match="zip"):
            ATTEMPTS.sample(*values)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_a_good_label_and_comes_back(backend: str, model: str) -> None:
    text = exposition({BREAKER_OPEN.sample(backend, model): 1.0}).decode()
    assert problems_of(text) == []
    (labels,) = parse(text)["pointsman_breaker_open"].samples
    assert dict(labels) == {"backend": backend[:100], "model": model[:100]}


def test_totals_add_up_and_yes_stays_yes() -> None:
    totals: dict[str, float] = {}
    switch = BREAKER_OPEN.sample("a", "m")
    for value in (1.0, 0.0, 1.0):
        add(totals, [(switch, value), (INFLIGHT.sample(), 2.0), (REQUESTS.sample("x", "2xx"), 3.0)])
    assert totals == {switch: 1.0, INFLIGHT.sample(): 6.0, REQUESTS.sample("x", "2xx"): 9.0}


def test_only_counters_are_counters() -> None:
    assert {m.name for m in METRICS if is_counter(m.sample(*m.labels))} == {
        m.name for m in METRICS if m.kind is Kind.COUNTER
    }
    assert not is_counter("nobody_declared_this_total")
